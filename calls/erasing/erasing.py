"""Erasing a caller, or one call, everywhere, with a receipt that tells what was deleted and does not tell of whom."""

import hashlib
import hmac
import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from calls.erasing import elsewhere
from calls.erasing.numbers import CallerNumber, number_read
from calls.erasing.stripping import calls_strip, rows_strip
from calls.models import AHEAD, LIVE, Call, CallStripped, Erasure, Recording

COMMAND: Final = "manage.py"
_LABEL_MAX: Final = 150
_TWILIO_LOG: Final = (
    "Twilio and OpenAI keep logs of their own: Twilio's list of calls names the number until it is deleted there. "
    "Copies outside of this installation (backups, exports, your tools' servers) are yours to delete."
)


class StillTalkingError(Exception):
    """One of the calls is still going on. The text is for people."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was deleted, by table; with ``dry_run``, what would be, and then it has no id."""

    id: uuid.UUID | None
    dry_run: bool
    calls_n: int
    counts: dict[str, int]
    notes: tuple[str, ...] = ()
    digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """The receipt for programs."""
        return {
            "receipt": str(self.id) if self.id else None,
            "dryRun": self.dry_run,
            "calls": self.calls_n,
            "counts": self.counts,
            "notes": list(self.notes),
            "digest": self.digest,
        }


@dataclass(slots=True)
class _Subject:
    """Whose calls go, and by which texts they are found where nothing but a text leads to them."""

    kind: Erasure.Kind
    call_ids: list[uuid.UUID]
    needles: tuple[str, ...] = ()
    digest: str = field(default="", repr=False)


def caller_erase(number: str, *, actor: Any = None, region: str = "", dry_run: bool = False) -> Receipt:
    """Delete everything that calls of this number have left: what was said, sent and recorded, and the number itself.

    Of each call its times, counts and costs stay. ``actor`` is a user; without one, it was a command. Raises NotANumberError, and
    StillTalkingError while the caller is on the line. Done twice, the second receipt counts nothing.
    """
    caller = number_read(number, region=region)
    call_ids = list(Call.objects.filter(_is_of(caller)).values_list("pk", flat=True))
    subject = _Subject(Erasure.Kind.CALLER, call_ids, caller.needles, number_digest(caller))
    return _erase(subject, actor=actor, dry_run=dry_run)


def call_erase(call_id: uuid.UUID, *, actor: Any = None, by: str = COMMAND, dry_run: bool = False) -> Receipt:
    """The same for one call. ``by`` names who that is without a user. Raises StillTalkingError while it is going on."""
    return _erase(_Subject(Erasure.Kind.CALL, [call_id]), actor=actor, by=by, dry_run=dry_run)


def calls_of(caller: CallerNumber) -> int:
    """How many calls of this caller are here."""
    return Call.objects.filter(_is_of(caller)).count()


def _is_of(caller: CallerNumber) -> Q:
    e164 = caller.canonical
    return (
        Q(caller__in=caller.stored)
        | Q(caller__startswith=f"sip:{e164}@")
        | Q(caller__startswith=f"sips:{e164}@")
    )


def number_digest(caller: CallerNumber) -> str:
    """What a receipt holds of a number: without the installation's key nobody can tell which it was by trying them all."""
    return number_digests(caller)[0]


def number_digests(caller: CallerNumber) -> list[str]:
    """The same under every key that is in force, the newest first: receipts are found again after a key was rotated."""
    return [
        hmac.new(key.encode(), f"erased caller {caller.canonical}".encode(), hashlib.sha256).hexdigest()
        for key in settings.FIELD_ENCRYPTION_KEYS
    ]


def _erase(subject: _Subject, *, actor: Any, by: str = COMMAND, dry_run: bool) -> Receipt:
    _refuse_live(subject.call_ids)
    if dry_run:
        return Receipt(
            None, dry_run=True, calls_n=len(subject.call_ids), counts=_counted(subject), digest=subject.digest
        )
    counts = calls_strip(subject.call_ids, why=CallStripped.Why.ERASED)
    counts += _elsewhere(subject.call_ids, subject.needles)
    taken, held = elsewhere.journals_clear(subject.call_ids, subject.needles)
    counts["journal lines"] += taken
    notes = _notes(subject.call_ids, held)
    label = actor.get_username() if actor is not None else by
    row = Erasure.objects.create(
        kind=subject.kind,
        digest=subject.digest,
        calls_n=len(subject.call_ids),
        counts=dict(sorted((+counts).items())),
        notes=notes,
        actor=actor,
        actor_label=label[:_LABEL_MAX],
        at=timezone.now(),
    )
    return Receipt(
        row.pk, dry_run=False, calls_n=row.calls_n, counts=row.counts, notes=tuple(notes), digest=row.digest
    )


def _refuse_live(call_ids: Collection[uuid.UUID]) -> None:
    live = Call.objects.filter(pk__in=call_ids, status__in=(*AHEAD, *LIVE)).count()
    if live:
        raise StillTalkingError(
            f"{live} of these calls {'is' if live == 1 else 'are'} still going on, or to be placed. Nothing was deleted. Wait until the "
            "caller has hung up, or end the call on its live page or under Outbound calls, and do it again."
        )


def _elsewhere(call_ids: Collection[uuid.UUID], needles: Collection[str]) -> Counter[str]:
    return Counter(
        {
            "tools_capture": elsewhere.captures_delete(call_ids, needles),
            "calls_vapicallimport": elsewhere.imports_clear(call_ids, needles),
            "calls_unwrittenrecord": elsewhere.unwritten_delete(call_ids, needles),
            "calls_callrequest": elsewhere.requests_clear(needles),
            "django_admin_log": elsewhere.log_clear_number(needles),
        }
    )


def _counted(subject: _Subject) -> dict[str, int]:
    """What erasing would count: it is done, and taken back."""
    with transaction.atomic():
        counts = rows_strip(subject.call_ids, why=CallStripped.Why.ERASED)
        counts += _elsewhere(subject.call_ids, subject.needles)
        transaction.set_rollback(True)
    return dict(sorted((+counts).items()))


def _notes(call_ids: Collection[uuid.UUID], held: int) -> list[str]:
    notes = []
    if held:
        notes.append(
            f"{held} lines are still in the journal of a running process, or on their way to the workers. What comes of them is "
            "deleted as it is written, or within the hour."
        )
    left = Recording.objects.filter(call=None, state=Recording.State.DELETING).count() if call_ids else 0
    if left:
        notes.append(f"{left} recordings could not be deleted at once. It is tried again every few minutes.")
    return [*notes, _TWILIO_LOG]
