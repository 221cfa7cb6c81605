"""Moments and spans as Vapi has written them over the years: epochs in several units, clocks that start again. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from calls.history.values import number_of

_SINCE_MS: Final = 1_420_070_400_000  # 2015; what is older is no moment of a call
_UNTIL_MS: Final = 4_102_444_800_000  # 2100
_LONGEST_MS: Final = 2 * 24 * 3600 * 1000
# Spans below this are seconds where nothing else tells: no utterance lasts a tenth of a second.
_SECONDS_BELOW: Final = 100
# Two sides speak at once, so the clock of a healthy list steps back a little now and then.
_OVERLAP_MS: Final = 2000


def epoch_ms(value: Any) -> int | None:
    """A moment in ms of the epoch, given in seconds, ms or µs or as ISO text; None for what is no moment of our time."""
    number = number_of(value)
    if number is None:
        return _iso_ms(value) if isinstance(value, str) else None
    for factor in (1.0, 1000.0, 0.001):
        ms = number * factor
        if _SINCE_MS <= ms <= _UNTIL_MS:
            return round(ms)
    return None


def moment(value: Any) -> datetime | None:
    """The same as a datetime in UTC."""
    ms = epoch_ms(value)
    return None if ms is None else moment_of(ms)


def moment_of(ms: int) -> datetime:
    """The moment of so many ms of the epoch. They must be of our time."""
    whole, rest = divmod(ms, 1000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest * 1000)


def _iso_ms(text: str) -> int | None:
    try:
        found = datetime.fromisoformat(text.strip())
        ms = round(found.replace(tzinfo=found.tzinfo or UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return ms if _SINCE_MS <= ms <= _UNTIL_MS else None


class Clock:
    """Places the messages of one call on its own clock, in ms from its beginning.

    ``time`` is believed before ``secondsFromStart``, which begins again at 0 after a squad's switch in older bodies.
    """

    def __init__(self, messages: Iterable[Any], *, zero_ms: int | None) -> None:
        known = [one for one in messages if isinstance(one, dict)]
        self.zero_ms = zero_ms if zero_ms is not None else _zero(known)
        self.restarts = 0
        self.timed = False
        self._unit_ms = _duration_unit(known)
        self._base_ms = 0
        self._told_ms = 0  # the last secondsFromStart
        self._last_ms = 0
        self._end_ms = 0

    def span(self, message: dict[str, Any]) -> tuple[int, int]:
        """When a message began and ended. One that does not say comes with the one before it."""
        began = self._began(message)
        ended = max(began, self._ended(message, began))
        self._last_ms = began
        self._end_ms = max(self._end_ms, ended)
        return began, ended

    def _began(self, message: dict[str, Any]) -> int:
        told = self._seconds_from_start(message)
        at = self._on_clock(message.get("time"))
        if at is not None:
            self.timed = True
            if told is not None:
                self._base_ms, self._told_ms = at - told, told
            return at
        if told is None:
            return self._last_ms
        self.timed = True
        if told + _OVERLAP_MS < self._told_ms and self._base_ms + told + _OVERLAP_MS < self._last_ms:
            self.restarts += 1
            self._base_ms = self._end_ms - told if told > self._end_ms else self._end_ms
        self._told_ms = told
        return min(max(self._base_ms + told, 0), _LONGEST_MS)

    def _ended(self, message: dict[str, Any], began: int) -> int:
        at = self._on_clock(message.get("endTime"))
        if at is not None:
            return at
        lasted = number_of(message.get("duration"))
        if lasted is None or not 0 <= lasted * self._unit_ms <= _LONGEST_MS:
            return began
        return began + round(lasted * self._unit_ms)

    def _on_clock(self, value: Any) -> int | None:
        ms = epoch_ms(value)
        if ms is None or self.zero_ms is None:
            return None
        at = ms - self.zero_ms
        # A little before the beginning is a rounding; far away is another clock.
        return max(at, 0) if -60_000 <= at <= _LONGEST_MS else None

    def _seconds_from_start(self, message: dict[str, Any]) -> int | None:
        seconds = number_of(message.get("secondsFromStart"))
        if seconds is None or seconds < 0:
            return None
        ms = round(seconds * 1000) if seconds * 1000 <= _LONGEST_MS else round(min(seconds, 1e15))
        return ms if ms <= _LONGEST_MS else None


def _zero(messages: list[dict[str, Any]]) -> int | None:
    """The beginning of a call that nobody told, from the first message that has a time."""
    for message in messages:
        ms = epoch_ms(message.get("time"))
        if ms is not None:
            seconds = number_of(message.get("secondsFromStart")) or 0.0
            return ms - round(seconds * 1000) if 0 <= seconds * 1000 <= _LONGEST_MS else ms
    return None


def _duration_unit(messages: list[dict[str, Any]]) -> float:
    """1000 where the durations of this body are seconds, as in 2024, and 1 where they are milliseconds."""
    durations = []
    for message in messages:
        lasted = number_of(message.get("duration"))
        if lasted is None or lasted <= 0:
            continue
        durations.append(lasted)
        began, ended = epoch_ms(message.get("time")), epoch_ms(message.get("endTime"))
        if began is not None and ended is not None and ended - began >= _SECONDS_BELOW:
            return 1000.0 if (ended - began) / lasted > _SECONDS_BELOW else 1.0
    return 1000.0 if durations and max(durations) < _SECONDS_BELOW else 1.0
