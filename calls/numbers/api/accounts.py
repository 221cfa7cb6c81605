"""The Twilio accounts that programs name with a number: known ones are checked, new ones entered, none is ever changed."""

import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings

from calls.models import TwilioAccount
from tools.access.errors import ApiError
from tools.encryption import SecretUnreadableError

SECRETS: Final = ("twilioAuthToken", "twilioApiKey", "twilioApiSecret")
FIELDS: Final = ("twilioAccountSid", *SECRETS)
_SID: Final = re.compile(r"AC[0-9a-fA-F]{32}")
_KEY: Final = re.compile(r"SK[0-9a-fA-F]{32}")
_PLAIN: Final = re.compile(r"[!-~]{8,200}")
_OTHER: Final = (
    "The Twilio account {} is known here with other credentials. A program cannot change them: enter the new ones under "
    "Twilio accounts in the admin, or, for the account of the environment, in its settings."
)
_NO_CREDENTIALS: Final = "twilioAuthToken should not be empty, nor twilioApiKey with twilioApiSecret: the Twilio account {} is not known here yet"


@dataclass(frozen=True, slots=True)
class Given:
    """What a program said of an account; empty texts where it said nothing."""

    sid: str
    token: str = field(default="", repr=False)
    key: str = ""
    secret: str = field(default="", repr=False)

    @property
    def problems(self) -> list[str]:
        """What is wrong with it, one sentence for each."""
        found = []
        if not _SID.fullmatch(self.sid):
            found.append("twilioAccountSid must be AC and 32 hexadecimal digits")
        if self.token and not _PLAIN.fullmatch(self.token):
            found.append("twilioAuthToken must be an auth token of Twilio")
        if self.key and not _KEY.fullmatch(self.key):
            found.append("twilioApiKey must be SK and 32 hexadecimal digits")
        if bool(self.key) != bool(self.secret):
            found.append("twilioApiKey and twilioApiSecret must be given together")
        elif self.secret and not _PLAIN.fullmatch(self.secret):
            found.append("twilioApiSecret must be the secret of an API key of Twilio")
        return found


def given_read(body: Mapping[str, Any], *, sid: str = "") -> Given:
    """What a body says of an account; ``sid`` where it does not name one."""
    named, *others = (str(body.get(name) or "") for name in FIELDS)
    return Given(named or sid, *others)


def account_register(given: Given) -> None:
    """Have the account here. Raises ApiError 400 where it cannot be used, or is known with other credentials."""
    if given.sid == settings.TWILIO_ACCOUNT_SID:
        if not _fits(given.token, settings.TWILIO_AUTH_TOKENS) or given.key:
            raise ApiError(HTTPStatus.BAD_REQUEST, _OTHER.format(given.sid))
        return
    try:
        row = TwilioAccount.objects.select_for_update().filter(pk=given.sid).first()
    except SecretUnreadableError as exc:
        raise ApiError(HTTPStatus.BAD_REQUEST, _OTHER.format(given.sid)) from exc
    if row is None:
        _enter(given)
        return
    if not row.enabled:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"The Twilio account {given.sid} is switched off here. Switch it on under Twilio accounts in the admin.",
        )
    tokens = [row.auth_token, row.auth_token_secondary]
    fits = (
        _fits(given.token, tokens)
        and _fits(given.key, [row.api_key_sid])
        and _fits(given.secret, [row.api_key_secret])
    )
    if not fits:
        raise ApiError(HTTPStatus.BAD_REQUEST, _OTHER.format(given.sid))


def _enter(given: Given) -> None:
    if not given.token and not given.secret:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            [_NO_CREDENTIALS.format(given.sid)],
        )
    row = TwilioAccount(
        sid=given.sid, auth_token=given.token, api_key_sid=given.key, api_key_secret=given.secret
    )
    row.full_clean()
    row.save(force_insert=True)


def _fits(given: str, stored: Collection[str]) -> bool:
    """Whether nothing was given, or what is stored. Compared in constant time."""
    return not given or any(hmac.compare_digest(given.encode(), one.encode()) for one in stored if one)
