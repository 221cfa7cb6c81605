"""Twilio's REST of recordings: begun on a live call, looked at, fetched, deleted."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Final, TypeVar

import requests
from django.conf import settings
from twilio.base.exceptions import TwilioException, TwilioRestException

from calls.clients import ALREADY_OVER, CallGoneError, TwilioRefusedError, twilio_client
from calls.twilio.accounts import credentials_for

T = TypeVar("T")

SID: Final = re.compile(r"RE[0-9a-f]{32}")
_TOO_MANY: Final = 429
_CONNECT_S: Final = 5.0
_READ_S: Final = 30.0
# A worker is given up by the broker after 15 minutes at the least.
_WHOLE_S: Final = 480.0
_PIECE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class AtTwilio:
    """What Twilio says of a recording: its status in Twilio's words."""

    sid: str
    status: str


class NotThereError(TwilioRefusedError):
    """Twilio has no such recording, or not yet."""


def recording_begin(*, call_sid: str, account_sid: str, again: bool) -> AtTwilio:
    """A recording of both sides of a live call, each on a channel of its own; ``again``: one may have been begun.

    Blocks. Raises CallGoneError for a call that is over, and TwilioRefusedError.
    """
    call = twilio_client(account_sid).calls(call_sid)

    def begin() -> Any:
        if again:
            known = [one for one in call.recordings.list(limit=20) if one.status == "in-progress"]
            if known:
                return known[0]
        return call.recordings.create(
            recording_channels="dual",
            recording_track="both",
            recording_status_callback=f"{settings.PUBLIC_ORIGIN}/twilio/recording",
            recording_status_callback_method="POST",
            recording_status_callback_event=["in-progress", "completed", "absent"],
        )

    try:
        begun = _asked(begin)
    except TwilioRefusedError as exc:
        cause = exc.__cause__
        if isinstance(cause, TwilioRestException) and (cause.code in ALREADY_OVER or cause.status == 404):
            raise CallGoneError("The call was over before it could be recorded.") from cause
        raise
    return AtTwilio(str(begun.sid), str(begun.status))


def recording_look(*, sid: str, account_sid: str) -> AtTwilio:
    """How the recording stands at Twilio. Blocks. Raises NotThereError, TwilioRefusedError."""
    found = _asked(twilio_client(account_sid).recordings(sid).fetch)
    return AtTwilio(str(found.sid), str(found.status))


def recordings_look(*, call_sid: str, account_sid: str) -> list[AtTwilio]:
    """The recordings that Twilio has of a call. Blocks. Raises TwilioRefusedError."""
    found = _asked(lambda: twilio_client(account_sid).calls(call_sid).recordings.list(limit=20))
    return [AtTwilio(str(one.sid), str(one.status)) for one in found]


def recording_remove(*, sid: str, account_sid: str) -> None:
    """Delete a recording at Twilio; one that is not there is as good. Blocks. Raises TwilioRefusedError."""
    try:
        _asked(twilio_client(account_sid).recordings(sid).delete)
    except NotThereError:
        return


def media_fetch(*, sid: str, account_sid: str, into: BinaryIO, most_bytes: int) -> int:
    """How many bytes the recording has, which are written into the file as WAV with two channels.

    Blocks, for minutes at most. Raises NotThereError, TwilioRefusedError.
    """
    credentials = credentials_for(account_sid)
    account = account_sid or settings.TWILIO_ACCOUNT_SID
    url = f"{settings.TWILIO_API_URL}/2010-04-01/Accounts/{account}/Recordings/{sid}.wav?RequestedChannels=2"
    with requests.Session() as session:
        session.trust_env = url.startswith("https://")
        try:
            with session.get(
                url,
                auth=(credentials.username, credentials.password),
                stream=True,
                timeout=(_CONNECT_S, _READ_S),
            ) as answer:
                _refuse(answer)
                return copied(answer.iter_content(_PIECE), into, most_bytes=most_bytes)
        except requests.RequestException as exc:
            raise TwilioRefusedError(
                f"Twilio could not be reached: {type(exc).__name__}.", unsure=True
            ) from exc


def copied(pieces: Any, into: BinaryIO, *, most_bytes: int, within_s: float = _WHOLE_S) -> int:
    """How many bytes were written; bounded in size and in time. Raises TwilioRefusedError."""
    size, until = 0, time.monotonic() + within_s
    for piece in pieces:
        size += len(piece)
        if size > most_bytes:
            raise TwilioRefusedError(
                f"The recording is larger than {most_bytes // 1024 // 1024} MiB (RECORDING_MAX_MIB)."
            )
        if time.monotonic() > until:
            raise TwilioRefusedError(
                f"It took longer than {within_s:.0f} s to fetch the recording.", unsure=True
            )
        into.write(piece)
    return size


def _refuse(answer: requests.Response) -> None:
    if answer.status_code == 200:
        return
    if answer.status_code == 404:
        raise NotThereError("Twilio has no sound of it (yet).", unsure=True)
    unsure = answer.status_code >= 500 or answer.status_code == _TOO_MANY
    raise TwilioRefusedError(f"Twilio answered {answer.status_code} instead of the sound.", unsure=unsure)


def _asked(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except TwilioRestException as exc:
        if exc.status == 404:
            raise NotThereError("Twilio knows no such recording.") from exc
        why = f"Twilio answered {exc.status}, error {exc.code}."
        raise TwilioRefusedError(why, unsure=exc.status >= 500 or exc.status == _TOO_MANY) from exc
    except (TwilioException, requests.RequestException) as exc:
        raise TwilioRefusedError(f"Twilio could not be reached: {type(exc).__name__}.", unsure=True) from exc


def moment_of(text: str) -> datetime | None:
    """The moment that Twilio spells as e-mails do; None for what is none."""
    try:
        found = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S %z")
    except ValueError:
        return None
    return found
