import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from pytest_django import Settings
from redis import Redis
from redis.exceptions import RedisError

from tools import replies
from tools.tests.servers import refused_url

pytestmark = pytest.mark.usefixtures("redis_client")


def received(*channels: str) -> list[dict[str, Any]]:
    async def receive() -> list[dict[str, Any]]:
        layer: Any = get_channel_layer()
        async with asyncio.timeout(60):
            found = await asyncio.gather(*(layer.receive(channel) for channel in channels))
        await asyncio.gather(*layer.receive_cleaners)
        return found

    return async_to_sync(receive)()


def new_channels(count: int) -> list[str]:
    async def make() -> list[str]:
        layer: Any = get_channel_layer()
        return [await layer.new_channel() for _ in range(count)]

    return async_to_sync(make)()


def configured(settings: Settings, **config: Any) -> None:
    """Change the layer's settings for this test."""
    known = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": {**known, "CONFIG": {**known["CONFIG"], **config}}}


def test_a_message_reaches_its_channel_from_any_thread() -> None:
    threads = [
        threading.Thread(target=replies.message_send, args=(f"call-{n}", {"type": "tool.result", "n": n}))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [received(f"call-{n}")[0]["n"] for n in range(8)] == list(range(8))


def test_calls_of_one_process_each_get_what_is_theirs() -> None:
    channels = new_channels(4)
    message = {"type": "tool.result", "output": "Ready on Friday, 4 o'clock."}
    for n, channel in reversed(list(enumerate(channels))):
        replies.message_send(channel, {**message, "n": n})

    assert received(*channels) == [{**message, "n": n} for n in range(4)]


def test_what_is_sent_is_what_the_layer_would_have_sent(redis_client: "Redis") -> None:
    layer: Any = get_channel_layer()
    (channel,) = new_channels(1)
    message = {"type": "tool.result", "output": "x"}
    key = layer.prefix + layer.non_local_name(channel)

    replies.message_send(channel, message)
    ours: Any = redis_client.zrange(key, 0, -1, withscores=True)
    expires_s: Any = redis_client.ttl(key)
    redis_client.delete(key)
    async_to_sync(layer.send)(channel, message)
    theirs: Any = redis_client.zrange(key, 0, -1, withscores=True)

    read = [layer.deserialize(member) for member, _ in (*ours, *theirs)]
    assert read == [{**message, "__asgi_channel__": channel}] * 2
    assert theirs[0][1] - 3600 < ours[0][1] < theirs[0][1] + 3600  # epoch seconds, both
    assert 0 < expires_s <= layer.expiry


def test_what_nobody_reads_is_refused_in_time(settings: Settings) -> None:
    configured(settings, capacity=2)
    for _ in range(2):
        replies.message_send("call-a", {"type": "x"})

    with pytest.raises(ChannelFull):
        replies.message_send("call-a", {"type": "x"})


def test_what_nobody_has_read_for_too_long_makes_room(settings: Settings, redis_client: "Redis") -> None:
    configured(settings, capacity=1)
    layer: Any = get_channel_layer()
    redis_client.zadd(f"{layer.prefix}call-a", {b"old": 1.0})

    replies.message_send("call-a", {"type": "x"})

    assert received("call-a") == [{"type": "x"}]


def test_a_redis_that_is_away_is_said(settings: Settings) -> None:
    away = refused_url().removeprefix("http://").removesuffix("/vapi")
    configured(settings, hosts=[f"redis://{away}/0"])

    with pytest.raises(RedisError):
        replies.message_send("c", {"type": "x"})
