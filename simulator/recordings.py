"""Twilio's recordings of calls: begun by REST while a call is in progress, complete when it is over, then to be had as WAV.

Each side is on a channel of its own: the caller first, as Twilio's convention has it; what the assistant's channel holds is what the
caller heard.
"""

import asyncio
import io
import wave
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

from simulator.accounts import Account
from simulator.phone import Phone, new_sid
from simulator.refusals import Complaints, Refusal
from simulator.ulaw import BYTES_PER_MS, DECODED

JSON = dict[str, Any]

_FIELDS: Final = frozenset(
    {"RecordingChannels", "RecordingTrack", "RecordingStatusCallback", "RecordingStatusCallbackMethod"}
    | {"RecordingStatusCallbackEvent", "Trim"}
)
_EVENTS: Final = frozenset({"in-progress", "completed", "absent"})
_REMEMBERED: Final = 500
_RATE: Final = 8000
_HEAD: Final = 44  # bytes of a WAV file before its sound


@dataclass(slots=True)
class Recording:
    """One recording. `wav` is there once the call is over."""

    phone: Phone
    channels: int
    track: str
    callback: str
    method: str
    events: tuple[str, ...]
    sid: str = field(default_factory=lambda: new_sid("RE"))
    status: str = "in-progress"
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began_ms: float = 0.0
    wav: bytes = b""

    @property
    def seconds(self) -> int:
        """How long it is, in seconds; a part of one counts as one."""
        return -(-max(0, len(self.wav) - _HEAD) // (2 * self.channels * _RATE))


class Recordings:
    """All recordings of one simulator. `late_s` is how long after a call its recording is complete."""

    def __init__(self, complaints: Complaints) -> None:
        self.late_s = 0.0
        self.complaints = complaints
        self._held: dict[str, Recording] = {}

    def begin(self, phone: Phone, pairs: list[tuple[str, str]]) -> Recording:
        """Begin to record a call. Raises Refusal as Twilio does."""
        form = dict(pairs)
        if unknown := sorted(set(form) - _FIELDS):
            self.complaints.note("unknown", f"unknown parameters {unknown}")
            raise Refusal(400, 20001, f"Unknown parameters {unknown}")
        if phone.status != "in-progress":
            raise Refusal(400, 21220, "Requested resource is not eligible for recording")
        channels, track = form.get("RecordingChannels", "mono"), form.get("RecordingTrack", "both")
        if channels not in {"mono", "dual"} or track not in {"inbound", "outbound", "both"}:
            raise Refusal(400, 20001, "Invalid RecordingChannels or RecordingTrack")
        events = tuple(value for name, value in pairs if name == "RecordingStatusCallbackEvent")
        if set(events) - _EVENTS:
            raise Refusal(400, 21626)
        recording = Recording(
            phone,
            2 if channels == "dual" else 1,
            track,
            form.get("RecordingStatusCallback", ""),
            form.get("RecordingStatusCallbackMethod", "POST"),
            events or ("completed",),
            began_ms=phone.clock.now_ms(),
        )
        while len(self._held) >= _REMEMBERED:
            del self._held[next(iter(self._held))]
        self._held[recording.sid] = recording
        phone.record(lambda: self._finish(recording))
        task = asyncio.ensure_future(self._tell(recording, "in-progress"))
        _TASKS.add(task)  # held until done, or it may be collected
        task.add_done_callback(_TASKS.discard)
        return recording

    def of_call(self, phone: Phone) -> list[JSON]:
        """The recordings of a call, the newest first."""
        return [shown(one) for one in reversed(self._held.values()) if one.phone is phone]

    def find(self, account: Account, sid: str) -> Recording:
        """The recording. Raises Refusal."""
        found = self._held.get(sid)
        if found is None or found.phone.account.sid != account.sid:
            raise Refusal(404, 20404)
        return found

    def remove(self, account: Account, sid: str) -> None:
        """Delete a recording for good. Raises Refusal; one that is under way cannot be deleted."""
        if self.find(account, sid).status == "in-progress":
            raise Refusal(400, 20001, "Recording is in progress")
        del self._held[sid]

    def media(self, account: Account, sid: str) -> bytes:
        """The sound as a WAV file. Raises Refusal, also while there is none yet."""
        found = self.find(account, sid)
        if not found.wav:
            raise Refusal(404, 20404)
        return found.wav

    def clear(self) -> None:
        """Forget all of them."""
        self._held.clear()

    def __len__(self) -> int:
        return len(self._held)

    async def _finish(self, recording: Recording) -> None:
        await asyncio.sleep(self.late_s)
        recording.wav = sound_of(recording)
        recording.status = "completed" if recording.seconds else "absent"
        await self._tell(recording, recording.status)

    async def _tell(self, recording: Recording, event: str) -> None:
        if not recording.callback or event not in recording.events:
            return
        phone, account = recording.phone, recording.phone.account.sid
        form = {
            "AccountSid": account,
            "CallSid": phone.call_sid,
            "RecordingSid": recording.sid,
            "RecordingUrl": f"https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/{recording.sid}",
            "RecordingStatus": event,
            "RecordingDuration": str(recording.seconds) if event == "completed" else "-1",
            "RecordingChannels": str(recording.channels),
            "RecordingStartTime": format_datetime(recording.began_at),
            "RecordingSource": "StartCallRecordingAPI",
            "RecordingTrack": recording.track,
            "ErrorCode": "0",
        }
        await phone.tell(recording.callback, form, method=recording.method)


def shown(recording: Recording) -> JSON:
    """The recording as Twilio shows it."""
    account = recording.phone.account.sid
    complete = recording.status == "completed"
    return {
        "sid": recording.sid,
        "account_sid": account,
        "call_sid": recording.phone.call_sid,
        "conference_sid": None,
        "api_version": "2010-04-01",
        "date_created": format_datetime(recording.began_at),
        "date_updated": format_datetime(recording.began_at),
        "start_time": format_datetime(recording.began_at),
        "duration": str(recording.seconds) if complete else None,
        "price": None,
        "price_unit": "USD",
        "status": recording.status,
        "channels": recording.channels,
        "source": "StartCallRecordingAPI",
        "error_code": None,
        "track": recording.track,
        "encryption_details": None,
        "uri": f"/2010-04-01/Accounts/{account}/Recordings/{recording.sid}.json",
    }


def sound_of(recording: Recording) -> bytes:
    """The WAV file of a call that is over, from the moment at which the recording began."""
    phone, began_ms = recording.phone, recording.began_ms
    size = max(0, int((phone.clock.now_ms() - began_ms) * BYTES_PER_MS))
    sides = []
    for heard in (phone.said_by_caller(), phone.heard_by_caller()):
        side = array("h", bytes(2 * size))
        for at_ms, audio in heard:
            at = int((at_ms - began_ms) * BYTES_PER_MS)
            piece = array("h", (DECODED[code] for code in audio[max(0, -at) :]))
            place = max(0, at)
            del piece[max(0, size - place) :]
            side[place : place + len(piece)] = piece
        sides.append(side)
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(recording.channels)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        if recording.channels == 2:
            both = array("h", bytes(4 * size))
            both[0::2], both[1::2] = sides
        else:
            both = array("h", (max(-32768, min(32767, a + b)) for a, b in zip(*sides, strict=True)))
        file.writeframes(both.tobytes())
    return held.getvalue()


_TASKS: Final[set[asyncio.Future[None]]] = set()
