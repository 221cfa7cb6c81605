"""Calls that are recorded here, written down: their sound goes into the storage, or nowhere where nobody may keep it any more."""

import logging
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, cast

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from calls.models import Call, CallProblem, CallStripped, Recording
from calls.recordings.services import KeepingError, State, recording_keep
from calls.recordings.taking.stereo import Stereo
from calls.recordings.taking.tracks import tracks_drop
from calls.recordings.taking.writer import Ended
from calls.services import problem_write

logger = logging.getLogger(__name__)

FOLDER: Final = "sound"
CUT_SHORT: Final = "recording_cut_short"  # the problem of a call whose process died
# From the end of a call; its process, or the next one on the same disk, has long had the sound kept by then.
_LOST_AFTER: Final = timedelta(hours=2)
# The same where somebody has tried to keep it, and the storage was away.
_TRIED_FOR: Final = timedelta(hours=48)
_MISSING: Final = (
    "The sound of this call has not come. It lies on the disk of the process that carried the call (SPOOL_DIR), and is kept as soon "
    "as a process runs there again."
)


def sound_folder() -> Path:
    """Where sound lies until it is kept: beside the journals of the outbox."""
    return Path(settings.SPOOL_DIR) / FOLDER


def take_keep(ended: Ended) -> None:
    """Have the sound of a call kept, and deleted from the spool; or only deleted, where the call was erased meanwhile.

    May be done again. Raises KeepingError and DatabaseError: then nothing is deleted.
    """
    tracks, recording = ended.tracks, _recording(ended)
    if recording is not None:
        _keep(recording, ended)
    if tracks is not None:
        try:
            tracks.drop()
        except OSError:
            # Whoever takes it over finds that it is kept, and tries again.
            logger.exception(
                "sound could not be deleted from the spool", extra={"call_id": str(ended.facts.call_id)}
            )


def _recording(ended: Ended) -> Recording | None:
    """The row of a recording that is to be kept; None where it is kept already, or is not to be."""
    facts = ended.facts
    stripped = CallStripped.objects.filter(call_id=facts.call_id).exists()
    if stripped or not Call.objects.filter(pk=facts.call_id).exists():
        return None
    recording, _ = Recording.objects.get_or_create(
        call_id=facts.call_id, source=Recording.Source.TANDEM, defaults={"state": State.WAITING}
    )
    rows = Recording.objects.filter(pk=recording.pk).exclude(state__in=[State.STORED, State.DELETING])
    if not rows.update(state=State.WAITING, began_at=facts.began_at, error=""):
        return None
    recording.refresh_from_db()
    return recording


def _keep(recording: Recording, ended: Ended) -> None:
    rows = Recording.objects.filter(pk=recording.pk, state=State.WAITING)
    if ended.tracks is None or not ended.tracks.samples:
        if ended.lost_ms:
            rows.update(
                state=State.FAILED, error=f"Nothing of the call's sound could be written down. {ended.why}"
            )
        else:
            rows.update(state=State.ABSENT, error="There was no sound to be recorded.")
    else:
        sound = cast(BinaryIO, Stereo(ended.tracks))
        try:
            recording_keep(recording, sound, content_type="audio/wav")
        except KeepingError as exc:
            rows.update(error=f"{exc} It is tried again.")
            raise
    _tell(ended)


def _tell(ended: Ended) -> None:
    if ended.lost_ms:
        lost = f"{ended.lost_ms / 1000:.1f} s of sound could not be written down, and are silent in the recording. {ended.why}"
        _problem(ended, "recording_gaps", lost)
    if ended.died:
        _problem(
            ended,
            CUT_SHORT,
            "The process that recorded the call died in the middle of it. The recording ends there.",
        )


def _problem(ended: Ended, code: str, message: str) -> None:
    problem_write(
        call_id=ended.facts.call_id,
        key=code,
        source=CallProblem.Source.TANDEM,
        code=code,
        message=message,
        benign=True,  # the caller notices nothing
        at=timezone.now(),
    )


def takes_drop(call_ids: Collection[uuid.UUID]) -> int:
    """How many recordings of these calls were left on this disk by processes that are gone, and are deleted now.

    Those of a process that lives are deleted by it, as soon as it would have them kept.
    """
    try:
        return tracks_drop(sound_folder(), call_ids)
    except OSError:
        logger.exception("sound of calls that are erased could not be deleted from the spool")
        return 0


def takes_give_up(*, now: datetime) -> int:
    """How many recordings of calls that are long over were not heard of again, which is written down now."""
    silent = Q(error="", call__ended_at__lt=now - _LOST_AFTER) | Q(call__ended_at__lt=now - _TRIED_FOR)
    lost = Recording.objects.filter(
        silent,
        source=Recording.Source.TANDEM,
        state__in=[State.RECORDING, State.WAITING],
        call__status=Call.Status.ENDED,
    )
    return lost.update(state=State.FAILED, error=_MISSING)
