"""The media server, told to stop."""

import signal
from collections.abc import Iterator

import pytest
import uvicorn

from calls.draining import here
from calls.draining.here import Instance
from config import serving
from config.serving import DrainingServer, media_server


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    """This process, with one call, and a balancer that has noticed everything at once."""
    made = Instance()
    made.add(1)
    monkeypatch.setattr(serving, "INSTANCE", made)
    monkeypatch.setattr(here, "LINGER_S", 0.0)
    yield made
    made.stop()


def server(drain_s: float) -> DrainingServer:
    return media_server("config.asgi:application", host="127.0.0.1", port=0, grace_s=1, drain_s=drain_s)


async def test_it_goes_on_until_the_last_call_is_over(instance: Instance) -> None:
    media = server(60.0)

    media.handle_exit(signal.SIGTERM, None)

    assert instance.draining
    assert not await media.on_tick(1)
    instance.add(-1)
    assert await media.on_tick(2)


async def test_it_stays_until_balancers_have_noticed(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here, "LINGER_S", 60.0)
    instance.add(-1)
    media = server(600.0)

    media.handle_exit(signal.SIGTERM, None)

    assert not await media.on_tick(1)


async def test_it_waits_no_longer_than_it_may(instance: Instance) -> None:
    media = server(1e-9)

    media.handle_exit(signal.SIGTERM, None)

    assert await media.on_tick(1)


async def test_a_second_signal_ends_it_at_once(instance: Instance) -> None:
    media = server(60.0)

    media.handle_exit(signal.SIGTERM, None)
    media.handle_exit(signal.SIGTERM, None)

    assert await media.on_tick(1)


async def test_without_a_time_to_drain_it_ends_at_once(instance: Instance) -> None:
    media = server(0)

    media.handle_exit(signal.SIGTERM, None)

    assert not instance.draining
    assert await media.on_tick(1)


async def test_it_ends_by_itself_and_not_by_the_signal(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_server: uvicorn.Server, _sockets: object = None) -> None:
        pass

    monkeypatch.setattr(uvicorn.Server, "shutdown", nothing)
    media = server(0)

    media.handle_exit(signal.SIGTERM, None)
    await media.shutdown()

    assert media._captured_signals == []  # uvicorn would raise them again, and nothing would be handed over
