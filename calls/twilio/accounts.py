"""Which credentials act on which Twilio account, and which tokens its webhooks are signed with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError, connection

from calls.models import TwilioAccount
from tools.encryption import SecretUnreadableError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and a password for REST, and the account whose they are."""

    username: str
    password: str = field(repr=False)
    account_sid: str = ""


def credentials_for(account_sid: str) -> Credentials:
    """What to ask REST with about this account: its own key or token, or else the environment's.

    The environment's token may act on subaccounts. The database is asked only about other accounts than that one.
    """
    environment = Credentials(
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_ACCOUNT_SID
    )
    if not account_sid or account_sid == settings.TWILIO_ACCOUNT_SID:
        return environment
    try:
        row = _row(account_sid)
    except DatabaseError:
        return environment  # a call can still be ended: the environment's token reaches subaccounts too
    if row is None:
        return environment
    if row.api_key_sid and row.api_key_secret:
        return Credentials(row.api_key_sid, row.api_key_secret, row.sid)
    if row.auth_token:
        return Credentials(row.sid, row.auth_token, row.sid)
    return environment


def auth_tokens_for(account_sid: str) -> tuple[str, ...]:
    """The tokens that a webhook of this account may be signed with: a subaccount's webhooks are signed with its own.

    An account that nobody has told us of has none of its own here; then it can only be one of the environment's.
    """
    ours = tuple(settings.TWILIO_AUTH_TOKENS)
    if not account_sid or account_sid == settings.TWILIO_ACCOUNT_SID:
        return ours
    row = _row(account_sid)
    if row is None or not row.enabled:
        return ours
    own = tuple(token for token in (row.auth_token, row.auth_token_secondary) if token)
    return own or ours


def account_known(account_sid: str) -> bool:
    """Whether this is the environment's account, or one that somebody has told us of and that is switched on."""
    if account_sid == settings.TWILIO_ACCOUNT_SID:
        return bool(account_sid)
    return TwilioAccount.objects.filter(pk=account_sid, enabled=True).exists()


def auth_tokens_every() -> tuple[str, ...]:
    """The tokens of all accounts besides the environment's that are switched on; those that cannot be read are left out."""

    def read() -> list[TwilioAccount]:
        found = []
        for sid in TwilioAccount.objects.filter(enabled=True).order_by("pk").values_list("pk", flat=True):
            row = _row(sid)
            if row is not None:
                found.append(row)
        return found

    return tuple(
        token for row in _asked(read) for token in (row.auth_token, row.auth_token_secondary) if token
    )


def _row(account_sid: str) -> TwilioAccount | None:
    """The account's row; None without one, and where its secrets cannot be read any more."""
    try:
        return _asked(lambda: TwilioAccount.objects.filter(pk=account_sid).first())
    except SecretUnreadableError:
        return None


def _asked(question: Callable[[], T]) -> T:
    """The answer of the database. A thread that had no connection is left without one: nobody would close it."""
    opened_here = connection.connection is None
    try:
        return question()
    finally:
        if opened_here and not connection.in_atomic_block:
            connection.close()
