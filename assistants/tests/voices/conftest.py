from collections.abc import Iterator

import pytest
from pytest_django import Settings

from assistants.tests.realtime_server import simulated
from simulator.harness import Simulator


@pytest.fixture(scope="module")
def _simulator() -> Iterator[Simulator]:
    with simulated() as simulator:
        yield simulator


@pytest.fixture
def outside(_simulator: Simulator, settings: Settings) -> Simulator:
    """The simulator without faults, and our settings pointing at it."""
    _simulator.realtime.reset()
    settings.OPENAI_REALTIME_URL = _simulator.realtime_url
    settings.OPENAI_API_KEY = "sk-simulated"
    return _simulator
