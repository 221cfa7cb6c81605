"""A caller who is played from a script on a line of our own: when they speak, and what. Pure: fed with time, 20 ms a step.

They speak when the assistant has spoken and fallen silent, wait out their silences, interrupt where the script says so,
and hang up when the script is over, or nobody says anything any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from calls.smoke.scripts import Turn

FRAME_BYTES: Final = 160
SILENCE: Final = b"\xff" * FRAME_BYTES
# Longer than a model's pause between two sentences and than most tools take, so that nobody speaks into the answer. A guess.
QUIET_MS: Final = 1800
# An assistant that waits for the caller says nothing first.
FIRST_WORDS_MS: Final = 6000
PATIENCE_MS: Final = 20_000
LAST_WORDS_MS: Final = 5000


@dataclass(frozen=True, slots=True)
class Doing:
    """What the caller does in one step: a frame of sound, keys, or the end of the call."""

    frame: bytes = SILENCE
    keys: str = ""
    hangs_up: str = ""


class Caller(Protocol):
    """Somebody who calls, whoever plays them."""

    def step(self, now_ms: float, *, assistant_speaks: bool) -> Doing:
        """What the caller does in the 20 ms that begin now."""
        ...


@dataclass(slots=True)
class PlayedCaller:
    """One caller. ``speech`` has the sound of every turn with words, in mu-law; ``turn`` is the one that comes next."""

    turns: Sequence[Turn]
    speech: Mapping[str, bytes]
    turn: int = 0
    _sound: bytes = b""
    _since_ms: float = 0.0  # when the caller's own last turn ended
    _began_ms: float | None = None  # when the assistant began to speak since then
    _quiet_ms: float = 0.0  # since when nobody speaks
    _spoken: list[str] = field(default_factory=list)

    @property
    def spoken(self) -> list[str]:
        """The words that were said so far."""
        return list(self._spoken)

    def step(self, now_ms: float, *, assistant_speaks: bool) -> Doing:
        """What the caller does in the 20 ms that begin now."""
        if assistant_speaks:
            self._began_ms = now_ms if self._began_ms is None else self._began_ms
            self._quiet_ms = now_ms
        if self._sound:
            return self._speak(now_ms)
        if self.turn >= len(self.turns):
            left = LAST_WORDS_MS if self._began_ms is not None else PATIENCE_MS
            return Doing(hangs_up="the script is over") if now_ms - self._quiet_ms >= left else Doing()
        turn = self.turns[self.turn]
        if self._due(turn, now_ms):
            return self._take(turn, now_ms)
        if now_ms - self._quiet_ms >= PATIENCE_MS + 1000 * turn.silence_s:
            return Doing(hangs_up="nobody said anything any more")
        return Doing()

    def _due(self, turn: Turn, now_ms: float) -> bool:
        if turn.silence_s:
            return now_ms - self._since_ms >= turn.silence_s * 1000
        if turn.interrupts_after_ms is not None:
            return self._began_ms is not None and now_ms - self._began_ms >= turn.interrupts_after_ms
        if self._began_ms is None:
            return self.turn == 0 and now_ms - self._since_ms >= FIRST_WORDS_MS
        return now_ms - self._quiet_ms >= QUIET_MS

    def _take(self, turn: Turn, now_ms: float) -> Doing:
        self.turn += 1
        if turn.hang_up:
            return Doing(hangs_up="the caller hung up")
        if turn.silence_s:
            # What the assistant said meanwhile was said into the silence; the next turn may follow at once.
            return Doing()
        if turn.press:
            self._over(now_ms)
            return Doing(keys=turn.press)
        self._spoken.append(turn.caller)
        self._sound = self.speech[turn.caller]
        return self._speak(now_ms)

    def _speak(self, now_ms: float) -> Doing:
        frame, self._sound = self._sound[:FRAME_BYTES], self._sound[FRAME_BYTES:]
        self._over(now_ms)
        return Doing(frame.ljust(FRAME_BYTES, b"\xff"))

    def _over(self, now_ms: float) -> None:
        self._since_ms = self._quiet_ms = now_ms
        self._began_ms = None
