import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from tools import replies

pytestmark = pytest.mark.usefixtures("redis_client")


def received(channel: str) -> dict[str, Any]:
    async def receive() -> dict[str, Any]:
        layer: Any = get_channel_layer()
        async with asyncio.timeout(2):
            message: dict[str, Any] = await layer.receive(channel)
        await asyncio.gather(*layer.receive_cleaners)
        return message

    return async_to_sync(receive)()


def test_a_message_reaches_its_channel_from_any_thread() -> None:
    threads = [
        threading.Thread(target=replies.message_send, args=(f"call-{n}", {"type": "tool.result", "n": n}))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert [received(f"call-{n}")["n"] for n in range(8)] == list(range(8))


def test_all_messages_go_over_one_loop() -> None:
    replies.message_send("call-a", {"type": "x"})
    before = threading.active_count()
    for _ in range(20):
        replies.message_send("call-a", {"type": "x"})

    assert threading.active_count() == before


def test_what_the_layer_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        async def send(self, channel: str, message: dict[str, Any]) -> None:
            raise OSError("away")

    monkeypatch.setattr(replies, "get_channel_layer", Away)

    with pytest.raises(OSError, match="away"):
        replies.message_send("c", {})


def test_a_layer_that_hangs_does_not_hold_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging:
        async def send(self, channel: str, message: dict[str, Any]) -> None:
            await asyncio.sleep(30)

    monkeypatch.setattr(replies, "get_channel_layer", Hanging)
    monkeypatch.setattr(replies, "SEND_TIMEOUT_S", 0.1)

    with pytest.raises(TimeoutError):
        replies.message_send("c", {})
