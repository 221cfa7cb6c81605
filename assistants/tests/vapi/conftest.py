from collections.abc import AsyncIterator

import pytest

from simulator.harness import Simulator


@pytest.fixture
async def sim(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    """The simulator, which plays Vapi's API."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with Simulator(account_sid="AC0", auth_token="x") as simulator:
        yield simulator
