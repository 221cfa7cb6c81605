"""Recordings that Vapi made: fetched while their addresses are good, from public addresses only."""

import re
import threading
import time
from datetime import datetime
from typing import BinaryIO, Final
from urllib.parse import urljoin, urlsplit

import requests
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from calls.clients import TwilioRefusedError
from calls.models import Call, Recording, VapiCall
from calls.recordings.services import KeepingError, State, recording_keep, room
from calls.recordings.twilio import copied
from calls.recordings.waveform import NoWavError
from tools.connections import Gate, GateClosedError, exchange_session, here

_CONNECT_S: Final = 5.0
_READ_S: Final = 30.0
_WHOLE_S: Final = 300.0
_MOST_REDIRECTS: Final = 3
_PIECE: Final = 256 * 1024
# The best first: both sides apart, then together. The one by which Vapi's REST leads to it, and the one under which an
# import wrote down the address.
_KINDS: Final = (("stereo-recording", "stereo"), ("mono-recording", "mono"))
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


class NotFetchedError(Exception):
    """The recording could not be fetched; the text is for people."""


def calls_to_fetch(*, date_from: datetime | None = None, date_to: datetime | None = None) -> QuerySet[Call]:
    """The imported calls of these days of which Vapi has told a recording that is not kept here, the newest first."""
    kept = Recording.objects.filter(call=OuterRef("pk"), source=Recording.Source.VAPI, state=State.STORED)
    told = Q(vapi_call__recordings__has_any_keys=[name for _, name in _KINDS])
    calls = Call.objects.filter(told, ~Exists(kept), stack=Call.Stack.VAPI).exclude(assistant__hipaa=True)
    if date_from is not None:
        calls = calls.filter(created_at__gte=date_from)
    if date_to is not None:
        calls = calls.filter(created_at__lt=date_to)
    return calls.order_by("-created_at")


def recording_of_call_fetch(call: Call) -> Recording | None:
    """The recording of an imported call, fetched from where Vapi has it; None where Vapi told of none.

    What an assistant's HIPAA switch keeps out is not fetched.
    """
    if call.assistant is not None and call.assistant.hipaa:
        return None
    told = VapiCall.objects.filter(call=call).only("vapi_id", "recordings").first()
    urls = recording_urls(told) if told is not None else []
    return recording_fetch(call, *urls) if urls else None


def recording_urls(told: VapiCall) -> list[str]:
    """Where the recording of a call may be, the best first; nowhere where Vapi told of none."""
    kept = [told.recordings.get(name) for _, name in _KINDS]
    links = [url for url in kept if isinstance(url, str) and url]
    if not links:
        return []
    # The links expire, and Vapi's REST makes new ones.
    if settings.VAPI_API_KEY and _ID.fullmatch(told.vapi_id):
        links = [f"{settings.VAPI_API_URL}/call/{told.vapi_id}/{kind}" for kind, _ in _KINDS] + links
    return links


def recording_fetch(call: Call, *urls: str) -> Recording:
    """The recording of the call, with the sound of the first address that has any, or with why there is none.

    One that is kept stays. The addresses come from outside, so they are fetched like a tool's: from no private network,
    and redirected at most three times, each looked at again.
    """
    recording, _ = Recording.objects.get_or_create(
        call=call, source=Recording.Source.VAPI, defaults={"state": State.WAITING}
    )
    rows = Recording.objects.filter(pk=recording.pk)
    if not rows.exclude(state__in=[State.STORED, State.DELETING]).update(
        state=State.WAITING, began_at=call.started_at, error=""
    ):
        return recording
    why = ""
    for url in urls:
        try:
            with room() as sound:
                _fetch(url, sound)
                recording_keep(recording, sound, content_type=_content_type(sound))
            break
        except (NotFetchedError, TwilioRefusedError, NoWavError, KeepingError) as exc:
            why = str(exc)
    rows.filter(state=State.WAITING).update(
        state=State.FAILED, error=f"Vapi's recording could not be fetched. {why or 'Vapi told of none.'}"
    )
    recording.refresh_from_db()
    return recording


def _fetch(url: str, into: BinaryIO) -> None:
    until = time.monotonic() + _WHOLE_S
    for _ in range(_MOST_REDIRECTS + 1):
        target = _fetched(url, into, until=until)
        if not target:
            return
        url = urljoin(url, target)
    raise NotFetchedError("It was redirected too often.")


def _fetched(url: str, into: BinaryIO, *, until: float) -> str:
    """Where the address leads on; empty when the sound is in the file."""
    gate = Gate(send_before=until)
    ended = threading.Timer(max(0.0, until - time.monotonic()), gate.close)
    ended.daemon = True
    ended.start()
    here.gate = gate
    try:
        with exchange_session((_CONNECT_S, _READ_S)).request(
            "GET",
            url,
            headers=_headers(url),
            stream=True,
            allow_redirects=False,
            timeout=(_CONNECT_S, _READ_S),
        ) as answer:
            if answer.status_code in (301, 302, 303, 307, 308):
                return answer.headers.get("Location", "") or "about:blank"
            if answer.status_code in (401, 403, 404, 410):
                raise NotFetchedError(
                    f"Its address is refused ({answer.status_code}): it has expired. Import the call again, then fetch at once."
                )
            if answer.status_code != 200:
                raise NotFetchedError(f"Its server answered {answer.status_code}.")
            copied(answer.iter_content(_PIECE), into, most_bytes=settings.RECORDING_MAX_MIB * 1024 * 1024)
            return ""
    except GateClosedError as exc:
        raise NotFetchedError("It took too long.") from exc
    except (requests.RequestException, OSError, ValueError) as exc:
        raise NotFetchedError(f"Its server could not be reached: {type(exc).__name__}.") from exc
    finally:
        ended.cancel()


def _headers(url: str) -> dict[str, str]:
    """Vapi's key, for Vapi's own API alone."""
    asked, api = urlsplit(url), urlsplit(settings.VAPI_API_URL)
    is_theirs = (asked.scheme, asked.netloc) == (api.scheme, api.netloc)
    return {"Authorization": f"Bearer {settings.VAPI_API_KEY}"} if is_theirs and settings.VAPI_API_KEY else {}


def _content_type(sound: BinaryIO) -> str:
    """What the sound is by its first bytes. Raises NotFetchedError."""
    sound.seek(0)
    head = sound.read(12)
    sound.seek(0)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return "audio/mpeg"
    raise NotFetchedError("What came is neither WAV nor MP3.")
