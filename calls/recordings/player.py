"""A recording as the page of its call shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from calls.models import Recording
from calls.recordings.waveform import paths
from tools.adminkit import duration_text

HEIGHT = 60
_SIDES = ("Caller", "Assistant")


@dataclass(frozen=True, slots=True)
class Track:
    """One channel: whose, its stroke, and how far down it is drawn."""

    name: str
    kind: str
    path: str
    y: int


@dataclass(frozen=True, slots=True)
class Player:
    """The recording that can be heard. ``offset_ms`` is added to a moment of the conversation for one of the sound."""

    recording: Recording
    url: str
    offset_ms: int
    length: str
    tracks: tuple[Track, ...]
    width: int
    height: int


def recording_player(rows: Sequence[Recording], *, zero: datetime) -> Player | None:
    """How the call is heard, None where nothing is kept of it. ``zero`` is the conversation's own beginning."""
    kept = next((one for one in rows if one.state == Recording.State.STORED), None)
    if kept is None:
        return None
    channels = kept.channels or 0
    drawn = paths(bytes(kept.peaks), channels, height=HEIGHT)
    names = _SIDES if channels == 2 else ("Both sides",) * channels
    tracks = tuple(
        Track(name, "caller" if n == 0 else "assistant", path, n * HEIGHT)
        for n, (name, path) in enumerate(zip(names, drawn, strict=False))
    )
    offset = (zero - kept.began_at).total_seconds() if kept.began_at is not None else 0.0
    return Player(
        recording=kept,
        url=reverse("admin:calls_recording_sound", args=[kept.pk]),
        offset_ms=round(offset * 1000),
        length=duration_text(round(kept.duration_ms / 1000)) if kept.duration_ms is not None else "",
        tracks=tracks,
        width=len(kept.peaks) // channels if channels else 0,
        height=max(1, len(tracks)) * HEIGHT,
    )


def recording_news(rows: Sequence[Recording]) -> str:
    """What to say where nothing can be heard (yet); empty where no recording was ever meant."""
    if not rows:
        return ""
    row = rows[0]
    match row.state:
        case Recording.State.ASKED | Recording.State.RECORDING:
            return "The call is being recorded. It can be heard a minute after its end."
        case Recording.State.WAITING:
            return row.error or "The recording is being fetched. Look again in a minute."
        case Recording.State.DELETING:
            return "The recording is being deleted."
        case _:
            return row.error or "There is no recording."
