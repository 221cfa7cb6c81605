"""The clock of one call."""

import asyncio
import time


class Clock:
    """Milliseconds since the call was placed; `speed` 2 lets two of them pass in one of the wall's."""

    def __init__(self, *, speed: float = 1.0) -> None:
        self.speed = speed
        self._began = time.monotonic()

    def now_ms(self) -> float:
        """Milliseconds of call time since the call was placed."""
        return (time.monotonic() - self._began) * 1000 * self.speed

    async def sleep_until(self, ms: float) -> None:
        """Sleep until the clock shows `ms`; give way to others even if that is past."""
        await asyncio.sleep(max(0.0, (ms - self.now_ms()) / 1000 / self.speed))

    async def sleep(self, ms: float) -> None:
        """Sleep for `ms` of call time."""
        await asyncio.sleep(ms / 1000 / self.speed)

    def wall_s(self, ms: float) -> float:
        """Seconds of the wall's clock in `ms` of call time."""
        return ms / 1000 / self.speed
