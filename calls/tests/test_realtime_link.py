"""One socket to the Realtime API, and what becomes of it."""

import asyncio

import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.frames import Close

from calls import clients
from calls.clients import RealtimeRefusedError
from calls.realtime_link import MOST_FRAMES_WAITING, RealtimeLink


class Socket:
    """The other end: what it was sent, and when it is to close."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.gone = asyncio.Event()
        self.broken = False

    async def send(self, text: str) -> None:
        if self.broken:
            raise ConnectionClosedOK(None, None)
        await asyncio.sleep(0)
        self.sent.append(text)

    async def recv(self, *, decode: bool) -> bytes:
        await self.gone.wait()
        raise ConnectionClosedOK(Close(1000, ""), None)

    async def close(self) -> None:
        self.gone.set()


async def hear(_session: int, _text: bytes) -> None:
    """Nobody listens."""


@pytest.fixture
def socket(monkeypatch: pytest.MonkeyPatch) -> Socket:
    made = Socket()

    async def connect(_model: str) -> Socket:
        await asyncio.sleep(0)
        return made

    monkeypatch.setattr(clients, "realtime_connect", connect)
    return made


async def test_what_is_put_before_the_socket_is_open_is_sent_first_and_in_order(socket: Socket) -> None:
    link = RealtimeLink(1, "model")
    link.put("a")
    running = asyncio.ensure_future(link.run(hear))
    await asyncio.sleep(0.01)
    link.put("b")
    assert link.put_frame("c")
    await asyncio.gather(link.flush(), link.flush())
    await link.close()

    assert await running == "closed_1000"
    assert socket.sent == ["a", "b", "c"]
    assert not link.waiting


async def test_a_socket_that_is_closed_before_it_is_open_is_closed_when_it_is(socket: Socket) -> None:
    link = RealtimeLink(1, "model")
    running = asyncio.ensure_future(link.run(hear))
    await link.close()

    assert await running == "closed_1000"
    assert socket.gone.is_set()


async def test_a_socket_that_breaks_while_something_is_sent_drops_the_rest(socket: Socket) -> None:
    link = RealtimeLink(1, "model")
    running = asyncio.ensure_future(link.run(hear))
    await asyncio.sleep(0.01)
    socket.broken = True
    link.put("a")
    link.put("b")
    await link.flush()
    await link.close()
    await running

    assert socket.sent == []
    assert not link.waiting


async def test_frames_that_nobody_takes_are_refused_at_last() -> None:
    link = RealtimeLink(1, "model")

    taken = [link.put_frame("x") for _ in range(MOST_FRAMES_WAITING + 2)]

    assert taken.count(False) == 2


async def test_a_refused_socket_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(_model: str) -> Socket:
        raise RealtimeRefusedError("http_429")

    monkeypatch.setattr(clients, "realtime_connect", connect)

    assert await RealtimeLink(1, "model").run(hear) == "http_429"
