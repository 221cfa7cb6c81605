"""Sound at one rate from sound at another: 16-bit samples, little-endian, one channel, a piece at a time.

What the lower of the two rates cannot hold is filtered out first, or it would come back as noise. A step of so many samples
in and out repeats for ever, so all of the filter is one small matrix.
"""

import math
from functools import cache
from typing import Any, Final

import numpy as np

# Zero crossings of the filter on either side, at the lower rate: 1.5 ms of delay at 16 kHz. With BETA some 70 dB are taken off.
_CROSSINGS: Final = 24
_BETA: Final = 7.0
_CUT: Final = 0.91  # of half the lower rate; from there to the half itself the filter falls
_LOUDEST: Final = 32767

Samples = np.ndarray[Any, np.dtype[np.float32]]


class Resampler:
    """Pieces of one stream, in their order. What comes out lags by the filter's half."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._step, self._reach, self._filter = _filter(rate_in, rate_out)
        self._rest: Samples = np.zeros(self._reach, np.float32)

    def process(self, sound: bytes) -> bytes:
        """What follows in the other rate; a piece of whole samples in any length."""
        samples = np.concatenate((self._rest, np.frombuffer(sound, "<i2")), dtype=np.float32)
        width, step = len(self._filter), self._step
        steps = (len(samples) - width) // step + 1
        if steps <= 0:
            self._rest = samples
            return b""
        # The windows overlap in memory; only as a copy of its own can they be multiplied fast.
        windows = np.ndarray(
            (steps, width), np.float32, samples, 0, (step * samples.itemsize, samples.itemsize)
        )
        made = windows.copy() @ self._filter
        self._rest = samples[steps * step :].copy()
        np.rint(made, out=made)
        np.minimum(made, _LOUDEST, out=made)
        np.maximum(made, -_LOUDEST - 1, out=made)
        return bytes(made.astype("<i2").tobytes())


@cache
def _filter(rate_in: int, rate_out: int) -> tuple[int, int, Samples]:
    """Samples in for one step, how far the filter reaches to either side, and its matrix: a column for each sample out."""
    shared = math.gcd(rate_in, rate_out)
    step, made = rate_in // shared, rate_out // shared
    cut = _CUT * min(1.0, rate_out / rate_in)
    reach = math.ceil(_CROSSINGS / min(1.0, rate_out / rate_in))
    at = np.arange(step + 2 * reach)[:, None] - reach
    away = np.arange(made)[None, :] * (step / made) - at
    inside = np.clip(1 - (away / reach) ** 2, 0, None)
    window = np.where(np.abs(away) <= reach, np.i0(_BETA * np.sqrt(inside)), 0.0)
    taps = np.sinc(cut * away) * window
    return step, reach, (taps / taps.sum(axis=0)).astype(np.float32)
