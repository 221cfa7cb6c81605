"""The Twilio accounts that numbers are read from: the environment's, its subaccounts, and those that somebody entered."""

from typing import Final

from django.conf import settings

from calls.clients import TwilioRefusedError
from calls.cutover.rest import FoundAccount, Twilio
from calls.models import TwilioAccount
from calls.twilio.accounts import auth_tokens_for, credentials_for

__all__ = ["accounts_find", "accounts_known", "auth_tokens_for", "credentials_for"]

Source = TwilioAccount.Source
_ACTIVE: Final = "active"
_NOT_ACTIVE: Final = "Twilio says that the account is "


def accounts_known() -> list[TwilioAccount]:
    """Every account whose numbers are to be read: first the environment's, which needs no row to be there."""
    sid = settings.TWILIO_ACCOUNT_SID
    rows = {
        row.sid: row
        for row in TwilioAccount.objects.defer("auth_token", "auth_token_secondary", "api_key_secret")
    }
    own = rows.pop(sid, None) or TwilioAccount(sid=sid, source=Source.ENVIRONMENT)
    return [own] * bool(sid) + [row for row in rows.values() if row.enabled]


def accounts_find(twilio: Twilio) -> str:
    """Add the subaccounts that are not known yet, and take over their names and tokens. Returns why it did not work.

    Not every credential may list accounts; those that were found or entered before are read all the same.
    """
    if not settings.TWILIO_ACCOUNT_SID:
        return "TWILIO_ACCOUNT_SID is not set, so that only accounts that were entered here are read."
    _own_row()
    try:
        found = twilio.accounts()
    except TwilioRefusedError as exc:
        return f"Subaccounts could not be listed. {exc}"
    for account in found:
        _take(account)
    return ""


def _own_row() -> None:
    """Where the numbers of the environment's account are written that they were read. It holds no secret."""
    sid = settings.TWILIO_ACCOUNT_SID
    TwilioAccount.objects.get_or_create(
        sid=sid, defaults={"source": Source.ENVIRONMENT, "label": "From TWILIO_ACCOUNT_SID"}
    )
    # Another account stands in the environment now; this one may have been entered for good reason.
    TwilioAccount.objects.filter(source=Source.ENVIRONMENT).exclude(sid=sid).update(
        source=Source.ENTERED, enabled=False
    )


def _take(account: FoundAccount) -> None:
    if account.sid == settings.TWILIO_ACCOUNT_SID:
        TwilioAccount.objects.filter(sid=account.sid, source=Source.ENVIRONMENT).update(
            label=account.name[:120] or "From TWILIO_ACCOUNT_SID"
        )
        return
    active = account.status == _ACTIVE
    row, made = TwilioAccount.objects.defer(
        "auth_token", "auth_token_secondary", "api_key_secret"
    ).get_or_create(
        sid=account.sid,
        defaults={
            "label": account.name[:120],
            "source": Source.FOUND,
            "parent_sid": account.owner_sid,
            "auth_token": account.auth_token,
            "enabled": active,
            "sync_error": "" if active else f"{_NOT_ACTIVE}{account.status}.",
        },
    )
    if made or row.source != Source.FOUND:
        return
    row.label, row.parent_sid = account.name[:120], account.owner_sid
    columns = ["label", "parent_sid"]
    if account.auth_token:
        row.auth_token = account.auth_token
        columns.append("auth_token")
    if not active and row.enabled:
        row.enabled, row.sync_error = False, f"{_NOT_ACTIVE}{account.status}."
        columns += ["enabled", "sync_error"]
    elif active and not row.enabled and row.sync_error.startswith(_NOT_ACTIVE):
        row.enabled, row.sync_error = True, ""  # not switched off by a person
        columns += ["enabled", "sync_error"]
    row.save(update_fields=columns)
