"""The clock of one call."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LEEWAY_MS: Final = 50.0  # so much later than its moment everything may happen; people do not notice


class Clock:
    """Milliseconds since the call was placed; `speed` 2 lets two of them pass in one of the wall's, at the most.

    It never runs ahead of somebody who sleeps by it: where this process was late, or stood still, the time of the call stood
    still, too, and `lost_ms` says for how long. So a busy machine makes a call longer, and changes nothing that happens in it.
    """

    def __init__(self, *, speed: float = 1.0) -> None:
        self.speed = speed
        self.lost_ms = 0.0
        self._began = time.monotonic()
        self._awaited: Counter[float] = Counter()  # the moments that somebody sleeps for

    def now_ms(self) -> float:
        """Milliseconds of call time since the call was placed."""
        now_ms = (time.monotonic() - self._began) * 1000 * self.speed - self.lost_ms
        if self._awaited and now_ms > (latest_ms := min(self._awaited) + _LEEWAY_MS):
            self.lost_ms += now_ms - latest_ms
            return latest_ms
        return now_ms

    async def sleep_until(self, ms: float) -> float:
        """Sleep until the clock shows `ms`; give way to others even if that is past. Return what it shows."""
        with self._awaiting(ms):
            await asyncio.sleep(self._left_s(ms))
            while (left_s := self._left_s(ms)) > 0:  # noqa: ASYNC110 - the clock may have stood still meanwhile
                await asyncio.sleep(left_s)
            return self.now_ms()

    async def sleep(self, ms: float) -> None:
        """Sleep for `ms` of call time."""
        await self.sleep_until(self.now_ms() + ms)

    async def comes(self, event: asyncio.Event, *, within_ms: float) -> bool:
        """Whether the event comes in that time; returns as soon as it does."""
        until_ms = self.now_ms() + within_ms
        with self._awaiting(until_ms):
            while not event.is_set() and (left_s := self._left_s(until_ms)) > 0:
                try:
                    await asyncio.wait_for(event.wait(), left_s)
                except TimeoutError:
                    pass
        return event.is_set()

    def wall_s(self, ms: float) -> float:
        """Seconds of the wall's clock in `ms` of call time, if nothing is late."""
        return ms / 1000 / self.speed

    def _left_s(self, ms: float) -> float:
        return max(0.0, self.wall_s(ms - self.now_ms()))

    @contextmanager
    def _awaiting(self, ms: float) -> Iterator[None]:
        """Hold the clock at that moment until whoever sleeps for it has gone on, and gives way to others again."""
        moment = max(ms, self.now_ms())
        self._awaited[moment] += 1
        try:
            yield
        finally:
            asyncio.get_running_loop().call_soon(self._gone_on, moment)

    def _gone_on(self, moment: float) -> None:
        self._awaited[moment] -= 1
        if not self._awaited[moment]:
            del self._awaited[moment]
