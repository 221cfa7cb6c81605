"""Sound at another rate: the same sound, however it is cut, and nothing that was not in it."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.sounds.resampling import Resampler
from calls.websocket_calls.formats import MODEL_RATE, PCM_RATES

OTHERS = [rate for rate in PCM_RATES if rate != MODEL_RATE]
WAYS = [way for rate in OTHERS for way in ((rate, MODEL_RATE), (MODEL_RATE, rate))]


def tone(rate: int, hz: float, seconds: float = 0.5, loud: int = 10_000) -> bytes:
    at = np.arange(int(rate * seconds)) / rate
    return bytes((loud * np.sin(2 * math.pi * hz * at)).astype("<i2").tobytes())


def loudness(sound: bytes) -> float:
    """The effective value, without the beginning, where the filter fills."""
    samples = np.frombuffer(sound, "<i2").astype(float)
    return float(np.sqrt(np.mean(samples[len(samples) // 5 :] ** 2)))


@pytest.mark.parametrize(("rate_in", "rate_out"), WAYS)
def test_speech_is_as_loud_as_it_was_and_as_long(rate_in: int, rate_out: int) -> None:
    sound = tone(rate_in, 1000)

    made = Resampler(rate_in, rate_out).process(sound)

    assert loudness(made) == pytest.approx(10_000 / math.sqrt(2), rel=0.01)
    # What is missing at the end is the filter's own delay: less than 4 ms, and one step.
    lacks = len(sound) * rate_out / rate_in - len(made)
    assert 0 <= lacks / 2 / rate_out < 0.02


@pytest.mark.parametrize(("rate_in", "rate_out"), [way for way in WAYS if way[0] > way[1]])
def test_what_the_lower_rate_cannot_hold_does_not_come_back_as_noise(rate_in: int, rate_out: int) -> None:
    too_high = rate_out / 2 * 1.05

    made = Resampler(rate_in, rate_out).process(tone(rate_in, too_high))

    assert loudness(made) < 10_000 / math.sqrt(2) / 1000  # 60 dB


@settings(max_examples=40, deadline=None)
@given(
    way=st.sampled_from(WAYS),
    samples=st.lists(st.integers(-32768, 32767), max_size=600),
    cuts=st.lists(st.integers(0, 600), max_size=8),
)
def test_however_sound_is_cut_the_same_comes_out(
    way: tuple[int, int], samples: list[int], cuts: list[int]
) -> None:
    sound = np.array(samples, "<i2").tobytes()
    pieces, whole = Resampler(*way), Resampler(*way)
    edges = [0, *sorted(min(cut * 2, len(sound)) for cut in cuts), len(sound)]

    cut_up = b"".join(pieces.process(sound[a:b]) for a, b in itertools.pairwise(edges))

    made = np.frombuffer(cut_up, "<i2").astype(int)
    expected = np.frombuffer(whole.process(sound), "<i2").astype(int)
    assert len(made) == len(expected)
    assert not len(made) or abs(made - expected).max() <= 1  # sums of another order round otherwise


def test_the_loudest_sound_does_not_turn_over() -> None:
    square = np.repeat(np.array([32767, -32768] * 50, "<i2"), 40)

    made = np.frombuffer(Resampler(16_000, MODEL_RATE).process(square.tobytes()), "<i2").astype(int)

    # A sample that turned over would jump by twice the range within one half of the wave.
    middle = made[len(made) // 2 :][:60]
    assert min(abs(middle)) < 32768
    assert max(made) == 32767
    assert min(made) == -32768
