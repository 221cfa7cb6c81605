"""A worker's connection to Redis that is lost while a message is not acknowledged yet."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection
from kombu.transport.redis import Transport as KombusTransport
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.celery import app
from config.redis_transport import Transport


@pytest.fixture
def taken(redis_client: Redis) -> Iterator[type[KombusTransport]]:
    """Which transport to lose a connection of; a message waits for whoever takes it."""
    with Connection(settings.REDIS_URL) as sending, sending.SimpleQueue("records") as queue:
        queue.put({"said": "something"})
    yield Transport
    assert redis_client.hlen("unacked") == 1  # nobody has lost it


def lose(transport: type[KombusTransport], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a message, lose the connection in the middle of waiting for the next one, and close it as Celery's consumer does."""
    connection = Connection(settings.REDIS_URL, transport=transport)
    channel: Any = connection.default_channel
    connection.SimpleQueue("records", channel=channel).get(timeout=60)

    tries = iter((object(), None))  # what is asked for while the channel and then its connection are closed

    def lost(**_: object) -> None:
        channel._in_poll = next(tries)
        raise RedisConnectionError("Connection closed by server.")

    channel._in_poll = object()
    monkeypatch.setattr(channel, "_brpop_read", lost)
    connection.collect()
    try:
        connection.close()
    except connection.connection_errors:
        pass


@pytest.mark.usefixtures("taken")
def test_a_connection_that_is_lost_is_closed_and_the_worker_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lose(Transport, monkeypatch)


@pytest.mark.usefixtures("taken")
def test_kombu_by_itself_still_ends_the_worker_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttributeError, match="hostname"):  # when this fails, config/redis_transport.py can go
        lose(KombusTransport, monkeypatch)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_every_worker_speaks_to_its_broker_in_this_way(scheme: str) -> None:
    assert isinstance(app.connection(f"{scheme}://127.0.0.1:1/0").transport, Transport)
