"""This process's recordings: its writer, its keeper, and the calls that it records now."""

import atexit
import functools
import uuid
from datetime import datetime
from typing import Final

from django.conf import settings

from calls.bridge.audio import AudioFormat
from calls.recordings.taking.keeper import Keeper
from calls.recordings.taking.services import sound_folder, take_keep
from calls.recordings.taking.take import Take, rate_of
from calls.recordings.taking.tracks import Facts
from calls.recordings.taking.writer import Writer

_MIB: Final = 1024 * 1024


class Sounds:
    """What records calls in one process."""

    def __init__(self, writer: Writer, keeper: Keeper) -> None:
        self._writer = writer
        self._keeper = keeper

    def start(self) -> None:
        """Begin, with what dead processes have left behind."""
        self._writer.start()
        self._keeper.start()

    def take(self, *, call_id: uuid.UUID, began_at: datetime, audio: AudioFormat, zero: float) -> Take:
        """The recording of a call that begins now; ``zero`` is the same moment by the loop's clock."""
        return Take(self._writer, Facts(call_id, began_at, rate_of(audio)), audio, zero=zero)

    def close(self, timeout_s: float = 5.0) -> None:
        """Keep what can be kept in that time. The rest stays on disk for the next start."""
        self._writer.close(timeout_s / 2)
        self._keeper.close(timeout_s / 2)


@functools.cache
def process_sounds() -> Sounds:
    """This process's, running."""
    keeper = Keeper(sound_folder(), take_keep)
    writer = Writer(
        sound_folder(),
        keeper.put,
        spare_bytes=settings.SPOOL_LIMIT_MB * _MIB,
        most_bytes=settings.RECORDING_MAX_MIB * _MIB,
    )
    sounds = Sounds(writer, keeper)
    sounds.start()
    # Its threads are daemons: without this, the recording of a call that has just ended would wait for the next start.
    atexit.register(sounds.close)
    return sounds
