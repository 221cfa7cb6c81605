"""Writing recordings: begun, told of by Twilio, fetched, kept, deleted. Every step may come twice, late or out of order.

What calls without a telephone sound like is recorded here, by the process that carries them: calls.recordings.taking.
"""

import logging
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final

from django.conf import settings
from django.core.files import File
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from calls.clients import TwilioRefusedError
from calls.models import LIVE, Call, CallProblem, Recording, SocketCall
from calls.recordings import twilio
from calls.recordings.waveform import NoWavError, Sound, wav_read
from calls.services import problem_write

logger = logging.getLogger(__name__)

State = Recording.State
# As long as a worker may be at one recording; nobody else takes it meanwhile.
_LEASE: Final = timedelta(minutes=15)
_FIRST_PAUSE: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(hours=3)
# A day and a half, by the pauses above.
_TRIES: Final = 20
# Twilio tells that a recording is complete soon after the call; then we ask.
_UNTOLD: Final = timedelta(minutes=10)
# Where the two clocks differ by more, the recording did not begin when it was asked for.
_CLOCKS: Final = timedelta(seconds=3)
_IN_MEMORY: Final = 8 * 1024 * 1024


class KeepingError(Exception):
    """The storage did not take or give a file; the text is for people."""


# --- Begun ----------------------------------------------------------------------------------------------------


def recording_start(*, call_id: uuid.UUID) -> Recording | None:
    """Have Twilio record a live call; None where there is nothing to begin, because it goes on or the call is over.

    A call on a program's socket is recorded by its own process, and all that is to be done is to say so. Raises TwilioRefusedError; where
    that is unsure, it may be called again.
    """
    call = Call.objects.select_related("socket").filter(pk=call_id, status__in=LIVE).first()
    if call is None:
        return None
    if is_own(call):
        own, _ = Recording.objects.get_or_create(
            call=call, source=Recording.Source.TANDEM, defaults={"state": State.RECORDING}
        )
        return own
    if not call.call_sid:
        return None
    recording, is_new = Recording.objects.get_or_create(
        call=call, source=Recording.Source.TWILIO, defaults={"account_sid": call.account_sid}
    )
    if recording.state != State.ASKED:
        return None
    begun = twilio.recording_begin(call_sid=call.call_sid, account_sid=call.account_sid, again=not is_new)
    # Twilio's own word may have come first.
    Recording.objects.filter(pk=recording.pk, state=State.ASKED).update(
        state=State.RECORDING, sid=begun.sid, began_at=timezone.now(), at_twilio=True
    )
    return recording


def is_own(call: Call) -> bool:
    """Whether a call's sound comes to us without a telephone company, and so is recorded here."""
    socket: SocketCall | None = getattr(call, "socket", None)
    return socket is not None and socket.kind == SocketCall.Kind.WEBSOCKET


def recording_fail(*, call_id: uuid.UUID, why: str) -> None:
    """Write down that a call is not recorded although it should be."""
    failed = Recording.objects.filter(call=call_id, source=Recording.Source.TWILIO, state=State.ASKED)
    if failed.update(state=State.FAILED, error=why):
        _problem(call_id, "recording_failed", f"The call is not recorded. {why}")


# --- Told by Twilio -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """What Twilio tells of a recording, in its own words."""

    call_sid: str
    sid: str
    status: str
    started: str = ""
    error_code: str = ""


def recording_told(told: Told) -> Recording | None:
    """Take in Twilio's word on a recording of ours; the recording where its sound is to be fetched now.

    One that somebody else began on the same call is none of ours.
    """
    recording = Recording.objects.filter(
        source=Recording.Source.TWILIO, call__call_sid=told.call_sid
    ).exclude(call__call_sid="").first()  # fmt: skip
    if recording is None or not twilio.SID.fullmatch(told.sid) or recording.sid not in ("", told.sid):
        logger.info("a recording that is none of ours", extra={"call_sid": told.call_sid})
        return None
    began_at = _began_at(recording, twilio.moment_of(told.started))
    facts: dict[str, Any] = {"sid": told.sid, "began_at": began_at}
    rows = Recording.objects.filter(pk=recording.pk)
    match told.status:
        case "in-progress":
            rows.filter(state__in=[State.ASKED, State.RECORDING]).update(
                state=State.RECORDING, at_twilio=True, **facts
            )
        case "completed":
            if _wait(rows.filter(state__in=[State.ASKED, State.RECORDING, State.FAILED]), **facts):
                return recording
        case "absent" | "failed":
            why = f"Twilio recorded nothing ({told.status}{_code(told.error_code)})."
            unmade = rows.filter(state__in=[State.ASKED, State.RECORDING])
            if unmade.update(state=State.ABSENT, at_twilio=False, error=why, **facts) and recording.call_id:
                _problem(recording.call_id, "recording_absent", why)
        case _:
            pass  # paused and the like
    return None


def _wait(rows: QuerySet[Recording], **facts: Any) -> int:
    return rows.update(
        state=State.WAITING, error="", attempts=0, next_at=timezone.now(), at_twilio=True, **facts
    )


def _began_at(recording: Recording, theirs: datetime | None) -> datetime | None:
    """When it began: Twilio tells whole seconds only, so our own clock is better, unless it was far too early."""
    ours = recording.began_at
    if theirs is None or (ours is not None and abs(theirs - ours) <= _CLOCKS):
        return ours
    return theirs


def _code(error_code: str) -> str:
    return f", error {error_code}" if error_code.isdecimal() and error_code != "0" else ""


def recording_ask(recording: Recording) -> bool:
    """Ask Twilio of a recording that it told nothing more of; whether its sound is to be fetched.

    Raises TwilioRefusedError.
    """
    call = recording.call
    rows = Recording.objects.filter(pk=recording.pk, state__in=[State.ASKED, State.RECORDING])
    known: list[twilio.AtTwilio] = []
    if recording.sid:
        known = [twilio.recording_look(sid=recording.sid, account_sid=recording.account_sid)]
    elif call is not None:
        known = twilio.recordings_look(call_sid=call.call_sid, account_sid=call.account_sid)
    complete = next((one for one in known if one.status == "completed"), None)
    if complete is not None:
        return bool(_wait(rows, sid=complete.sid))
    if not any(one.status in ("in-progress", "paused", "processing", "stopped") for one in known):
        rows.update(state=State.ABSENT, at_twilio=False, error="Twilio has no recording of this call.")
    return False


# --- Fetched --------------------------------------------------------------------------------------------------


def recording_download(*, recording_id: uuid.UUID) -> bool:
    """Fetch the sound of a recording that waits for it; whether it is kept now. It is tried again later where it fails."""
    now = timezone.now()
    due = Recording.objects.filter(
        Q(next_at__lte=now) | Q(next_at=None),
        pk=recording_id,
        state=State.WAITING,
        source=Recording.Source.TWILIO,
    )
    if not due.update(next_at=now + _LEASE, attempts=F("attempts") + 1):
        return False
    recording = Recording.objects.get(pk=recording_id)
    try:
        with room() as sound:
            twilio.media_fetch(
                sid=recording.sid,
                account_sid=recording.account_sid,
                into=sound,
                most_bytes=settings.RECORDING_MAX_MIB * 1024 * 1024,
            )
            kept = recording_keep(recording, sound, content_type="audio/wav")
    except (TwilioRefusedError, NoWavError, KeepingError) as exc:
        _not_fetched(recording, exc)
        return False
    if kept and settings.RECORDING_DELETE_AT_TWILIO:
        recording_drop_at_twilio(recording)
    return kept


@contextmanager
def room() -> Iterator[BinaryIO]:
    """A file that is gone afterwards."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        yield file  # type: ignore[misc]  # it is one in all but name


def recording_keep(recording: Recording, sound: BinaryIO, *, content_type: str) -> bool:
    """Keep the sound; whether that was still wanted. Raises NoWavError for WAV that is none, and KeepingError."""
    facts: dict[str, Any] = {"content_type": content_type}
    if content_type == "audio/wav":
        read: Sound = wav_read(sound)
        facts |= {"channels": read.channels, "duration_ms": read.duration_ms, "peaks": read.peaks}
    sound.seek(0, 2)
    facts["size"] = sound.tell()
    sound.seek(0)
    suffix = ".wav" if content_type == "audio/wav" else ".mp3"
    storage = recording.file.storage
    place = recording.file.field.generate_filename(recording, suffix)
    rows = Recording.objects.filter(pk=recording.pk, state=State.WAITING)
    # Where the sound is going is written down before: whoever erases the call deletes what a process that died has left there.
    if not rows.update(file=place):
        return False
    try:
        if recording.file:  # of a try before this one
            storage.delete(str(recording.file.name))
        place = storage.save(place, File(sound))
    except Exception as exc:  # the library of a bucket has errors of its own
        raise KeepingError(
            f"The sound could not be kept: {type(exc).__name__}. Look at the storage."
        ) from exc
    stored = rows.update(
        state=State.STORED, file=place, error="", stored_at=timezone.now(), attempts=0, next_at=None, **facts
    )
    if not stored:
        storage.delete(place)  # it was erased meanwhile
        return False
    recording.refresh_from_db()
    return True


def _not_fetched(recording: Recording, exc: Exception) -> None:
    rows = Recording.objects.filter(pk=recording.pk, state=State.WAITING)
    is_passing = getattr(exc, "unsure", True) and not isinstance(exc, NoWavError)
    if is_passing and recording.attempts < _TRIES:
        rows.update(next_at=timezone.now() + _pause(recording.attempts), error=f"{exc} It is tried again.")
        return
    if rows.update(state=State.FAILED, error=str(exc), next_at=None) and recording.call_id is not None:
        _problem(recording.call_id, "recording_lost", f"The recording could not be fetched. {exc}")


def _pause(attempts: int) -> timedelta:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(attempts, 12)))


# --- Deleted --------------------------------------------------------------------------------------------------


def recording_drop_at_twilio(recording: Recording) -> bool:
    """Delete Twilio's copy; whether none is left there. It is tried again later where it fails."""
    if not recording.at_twilio or not recording.sid:
        return True
    rows = Recording.objects.filter(pk=recording.pk)
    try:
        twilio.recording_remove(sid=recording.sid, account_sid=recording.account_sid)
    except TwilioRefusedError as exc:
        rows.update(
            attempts=F("attempts") + 1,
            next_at=timezone.now() + _pause(recording.attempts),
            error=f"Twilio's copy could not be deleted. {exc} It is tried again.",
        )
        return False
    rows.update(at_twilio=False, error="", next_at=None)
    return True


def recording_delete(recording: Recording) -> bool:
    """Delete the sound here and at Twilio, and the row with it; whether nothing is left.

    Where something is, the row stays without its call, and the beat goes on until nothing is.
    """
    Recording.objects.filter(pk=recording.pk).update(state=State.DELETING, call=None, peaks=b"")
    recording.refresh_from_db()
    if not recording_drop_at_twilio(recording):
        return False
    if recording.file:
        try:
            recording.file.storage.delete(str(recording.file.name))
        except Exception as exc:  # noqa: BLE001  # the same; and one file is not to keep the others
            why = f"The file could not be deleted: {type(exc).__name__}. It is tried again."
            Recording.objects.filter(pk=recording.pk).update(error=why)
            return False
    recording.delete()
    return True


# --- Over and over --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Open:
    """What is not at rest: sound to be fetched, recordings to ask Twilio about, and what is to be deleted."""

    fetch: list[uuid.UUID]
    ask: list[Recording]
    drop: list[Recording]
    delete: list[Recording]


def recordings_open(*, now: datetime, most: int = 100) -> Open:
    """What the beat finds to do; at most so many of each kind."""
    due = Q(next_at__lte=now) | Q(next_at=None)
    rows = Recording.objects.defer("peaks")
    theirs = rows.filter(source=Recording.Source.TWILIO)
    untold = Q(call__ended_at__lt=now - _UNTOLD) | Q(call__status=Call.Status.ENDED, call__ended_at=None)
    twice = (
        rows.filter(due, state=State.STORED, at_twilio=True)
        if settings.RECORDING_DELETE_AT_TWILIO
        else rows.none()
    )
    return Open(
        fetch=list(
            theirs.filter(due, state=State.WAITING, call__isnull=False).values_list("pk", flat=True)[:most]
        ),
        ask=list(
            theirs.filter(untold, due, state__in=[State.ASKED, State.RECORDING]).select_related("call")[:most]
        ),
        drop=list(twice.filter(call__isnull=False)[:most]),
        delete=list(rows.filter(due, call=None)[:most]),
    )


def recording_put_off(recording: Recording) -> None:
    """Try it again later."""
    Recording.objects.filter(pk=recording.pk).update(
        attempts=F("attempts") + 1, next_at=timezone.now() + _pause(recording.attempts)
    )


def _problem(call_id: uuid.UUID, code: str, message: str) -> None:
    problem_write(
        call_id=call_id,
        key=code,
        source=CallProblem.Source.TWILIO,
        code=code,
        message=message,
        benign=True,  # the caller notices nothing
        at=timezone.now(),
    )
