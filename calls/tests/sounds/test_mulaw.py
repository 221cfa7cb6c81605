"""Mu-law as samples, against the simulator's own table, which shares no code with ours."""

import numpy as np

from calls.sounds.mulaw import linear
from simulator import ulaw


def test_every_code_is_the_sample_that_g711_says() -> None:
    every = bytes(range(256))

    assert np.frombuffer(linear(every), "<i2").tolist() == list(ulaw.DECODED)
