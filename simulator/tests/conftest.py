from collections.abc import AsyncIterator

import pytest

from simulator.harness import Simulator
from simulator.tests.bridge import ACCOUNT, TOKEN, Bridge


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(account_sid=ACCOUNT, auth_token=TOKEN) as sim:
        yield sim


@pytest.fixture
async def bridge(sim: Simulator) -> AsyncIterator[Bridge]:
    async with Bridge(sim) as bridge:
        yield bridge
