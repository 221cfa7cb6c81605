"""Reading the numbers of all accounts: new ones are added, gone ones marked, and the others looked at.

The same round, without adding anything, is what the watch does every minute.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from calls.clients import TwilioRefusedError
from calls.cutover.accounts import accounts_find, accounts_known
from calls.cutover.history import SYNC, Who, event_write
from calls.cutover.intention import answering
from calls.cutover.looking import Look, is_news, look_write, seen_move, unexpected
from calls.cutover.rest import Twilio, TwilioRest
from calls.cutover.states import next_state
from calls.models import E164_PATTERN, CutoverEvent, PhoneNumber, TwilioAccount
from tools.jsontext import text_clean

Kind = CutoverEvent.Kind
State = PhoneNumber.State
Progress = Callable[[str, int, int | None], None]

# Thousands of rows are not written anew every minute only to say that nothing has changed.
NOTED_EVERY: Final = timedelta(minutes=10)


@dataclass(slots=True)
class AccountRead:
    """How reading one account went; ``error`` is empty where all its numbers were read."""

    sid: str
    label: str
    numbers: int = 0
    error: str = ""


@dataclass(slots=True)
class Round:
    """What one look at all accounts found."""

    accounts: list[AccountRead] = field(default_factory=list)
    found: list[str] = field(default_factory=list)  # numbers that are new here
    gone: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)  # that somebody else answers now
    changed: list[str] = field(default_factory=list)  # behind our back
    changed_back: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # what could not be taken, and why
    trouble: str = ""  # with finding accounts

    @property
    def numbers(self) -> int:
        """How many numbers there are at Twilio."""
        return sum(account.numbers for account in self.accounts)

    @property
    def complete(self) -> bool:
        """Whether every account could be read."""
        return bool(self.accounts) and not any(account.error for account in self.accounts)


_LISTS: Final[dict[str, Callable[[Round], list[str]]]] = {
    Kind.SEEN: lambda found: found.seen,
    Kind.CHANGED: lambda found: found.changed,
    Kind.CHANGED_BACK: lambda found: found.changed_back,
    Kind.RETURNED: lambda found: found.returned,
}


def numbers_sync(
    *, progress: Progress | None = None, twilio: Twilio | None = None, actor: Who | None = None
) -> Round:
    """Read the numbers of all accounts. An account that cannot be read is told, and does not keep the others."""
    twilio = twilio or TwilioRest()
    trouble = accounts_find(twilio)
    found = numbers_round(twilio, actor=Who(SYNC), adds=actor or Who(SYNC), progress=progress)
    found.trouble = trouble
    return found


def numbers_round(twilio: Twilio, *, actor: Who, adds: Who | None, progress: Progress | None = None) -> Round:
    """One look at all numbers of all accounts, a page at a time. ``adds``: who has numbers added that are not here yet."""
    found = Round()
    began_at = timezone.now()
    dids: set[str] = set()
    for account in accounts_known():
        read = AccountRead(account.sid, str(account))
        found.accounts.append(read)
        try:
            for rows in _pages(twilio, account.sid):
                _page(rows, account.sid, twilio, found, actor, adds=adds)
                dids.update(str(row.get("phone_number")) for row in rows)
                read.numbers += len(rows)
                if progress is not None:
                    progress(f"Reading {read.label}", found.numbers, None)
        except TwilioRefusedError as exc:
            read.error = str(exc)
        TwilioAccount.objects.filter(pk=account.sid).update(
            sync_error=read.error, **({} if read.error else {"synced_at": began_at})
        )
    _gone(found, dids, began_at, actor)
    return found


def _pages(twilio: Twilio, account_sid: str) -> Iterable[list[dict[str, Any]]]:
    return twilio.pages(account_sid=account_sid)


def _page(
    rows: Sequence[Mapping[str, Any]],
    account_sid: str,
    twilio: Twilio,
    found: Round,
    actor: Who,
    *,
    adds: Who | None,
) -> None:
    """Compare a page with what is here. Only numbers with news cost more than their share of one query."""
    at = timezone.now()
    here = {
        number.did: number
        for number in PhoneNumber.objects.filter(did__in=[str(row.get("phone_number")) for row in rows])
    }
    quiet = []
    for row in rows:
        did = str(row.get("phone_number") or "")
        if not re.fullmatch(E164_PATTERN, did) or not row.get("sid"):
            found.skipped.append(f"{did or 'a number without digits'}: it is no full telephone number.")
            continue
        number = here.get(did)
        if number is None:
            if adds is not None and (made := _add(row, account_sid, at, adds)):
                found.found.append(made.did)
            continue
        if _moved(number, row, account_sid) or is_news(number, row):
            _news(number, row, at, twilio, found, actor)
        else:
            quiet.append(number.pk)
    PhoneNumber.objects.filter(pk__in=quiet, config_seen_at__lt=at - NOTED_EVERY).update(config_seen_at=at)


def _add(row: Mapping[str, Any], account_sid: str, at: datetime, actor: Who) -> PhoneNumber | None:
    """A number that was not here; None where somebody else has added it just now."""
    try:
        with transaction.atomic():
            number = PhoneNumber.objects.create(
                did=row["phone_number"],
                label=" ".join(text_clean(str(row.get("friendly_name") or "")).split())[:80],
                account_sid=str(row.get("account_sid") or account_sid),
                twilio_sid=row["sid"],
                config=dict(row),
                config_seen_at=at,
                answered_by=answering(row),
                state=next_state(State.UNKNOWN, seen_move(row)),
            )
            event_write(number, Kind.FOUND, actor=actor, after={"answered_by": number.answered_by}, at=at)
    except IntegrityError:
        return None
    return number


def _moved(number: PhoneNumber, row: Mapping[str, Any], account_sid: str) -> bool:
    """Whether the number is in another place than was written here; that is put right."""
    place = {
        "provider": PhoneNumber.Provider.TWILIO,
        "account_sid": str(row.get("account_sid") or account_sid),
        "twilio_sid": str(row["sid"]),
    }
    if all(getattr(number, name) == value for name, value in place.items()):
        return False
    PhoneNumber.objects.filter(pk=number.pk).update(**place)
    for name, value in place.items():
        setattr(number, name, value)
    return True


def _news(
    number: PhoneNumber, row: Mapping[str, Any], at: datetime, twilio: Twilio, found: Round, actor: Who
) -> None:
    config = row
    if unexpected(number, row):
        # A list may lag behind, and nobody is to be alarmed by that. It is as old as the question: while the answer is on
        # its way somebody may write to the number, and has the last word. Raises TwilioRefusedError.
        at = timezone.now()
        config = twilio.fetch(account_sid=number.account_sid, sid=number.twilio_sid)
    look: Look | None = look_write(number.pk, config, at=at, actor=actor)
    if look is not None and look.kind in _LISTS:
        _LISTS[look.kind](found).append(number.did)


def _gone(found: Round, dids: set[str], began_at: datetime, actor: Who) -> None:
    """Mark the numbers that no account has any more, of the accounts that could be read."""
    read = [account.sid for account in found.accounts if not account.error]
    lost = PhoneNumber.objects.filter(
        provider=PhoneNumber.Provider.TWILIO,
        account_sid__in=read,
        missing_at__isnull=True,
        config_seen_at__lt=began_at,
    ).exclude(did__in=dids)
    for number in lost:
        marked = PhoneNumber.objects.filter(pk=number.pk, missing_at__isnull=True)
        if marked.update(missing_at=began_at):
            event_write(number, Kind.VANISHED, actor=actor, at=began_at)
            found.gone.append(number.did)
