"""One socket to the Realtime API, and what becomes of it."""

import asyncio
import uuid
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.frames import Close

from calls import clients
from calls.clients import RealtimeRefusedError
from calls.lines.realtime_link import MOST_FRAMES_WAITING, RealtimeLink

CALL_ID = uuid.UUID(int=7)


class Transport:
    """What is below the socket."""

    def __init__(self, socket: "Socket") -> None:
        self._socket = socket

    def abort(self) -> None:
        self._socket.gone.set()


class Socket:
    """The other end: what it was sent, whether it takes anything, and when it is to close."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.gone = asyncio.Event()
        self.paused = False
        self.reads = True
        self.hear: Callable[[bytes], None] = lambda _: None
        self.flows: Callable[[], None] = lambda: None
        self.transport = Transport(self)

    def listen(self, hear: Callable[[bytes], None], *, flows: Callable[[], None]) -> None:
        self.hear, self.flows = hear, flows

    def put(self, text: str) -> None:
        assert not self.paused
        self.sent.append(text)

    def pause(self) -> None:
        self.reads = False

    def resume(self) -> None:
        self.reads = True

    async def ended(self) -> ConnectionClosed:
        await self.gone.wait()
        return ConnectionClosedOK(Close(1000, ""), None)

    async def close(self) -> None:
        self.gone.set()


def hear(_session: int, _text: bytes) -> None:
    """Nobody listens."""


@pytest.fixture
def socket(monkeypatch: pytest.MonkeyPatch) -> Socket:
    made = Socket()

    async def connect(_model: str, *, request_id: str) -> Socket:
        await asyncio.sleep(0)
        return made

    monkeypatch.setattr(clients, "realtime_connect", connect)
    return made


async def turns(count: int = 5) -> None:
    """Let whoever is ready do something."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_is_put_before_the_socket_is_open_is_sent_first_and_in_order(socket: Socket) -> None:
    link = RealtimeLink(1, "model", call_id=CALL_ID)
    link.put("a")
    running = asyncio.ensure_future(link.run(hear))
    await turns()
    link.put("b")
    assert link.put_frame("c")
    await link.close()

    assert await running == "closed_1000"
    assert socket.sent == ["a", "b", "c"]


async def test_what_waits_for_a_stuck_socket_goes_out_first_when_it_flows_again(socket: Socket) -> None:
    link = RealtimeLink(1, "model", call_id=CALL_ID)
    running = asyncio.ensure_future(link.run(hear))
    await turns()
    socket.paused = True
    link.put("a")
    assert link.put_frame("b")
    assert socket.sent == []
    socket.paused = False
    link.put("c")
    socket.flows()
    link.put("d")
    await link.close()
    await running

    assert socket.sent == ["a", "b", "c", "d"]


async def test_a_socket_that_is_closed_before_it_is_open_is_closed_when_it_is(socket: Socket) -> None:
    link = RealtimeLink(1, "model", call_id=CALL_ID)
    running = asyncio.ensure_future(link.run(hear))
    await link.close()

    assert await running == "closed_1000"
    assert socket.gone.is_set()


async def test_what_is_heard_is_told_with_the_number_of_its_session_until_nobody_runs_the_link(
    socket: Socket,
) -> None:
    told: list[tuple[int, bytes]] = []
    link = RealtimeLink(7, "model", call_id=CALL_ID)
    running = asyncio.ensure_future(link.run(lambda session, text: told.append((session, text))))
    await turns()
    socket.hear(b"one")
    running.cancel()
    await turns()
    socket.hear(b"two")

    assert told == [(7, b"one")]


async def test_whoever_breaks_over_what_was_heard_is_raised_where_the_link_runs(socket: Socket) -> None:
    def breaks(_session: int, _text: bytes) -> None:
        raise ZeroDivisionError

    running = asyncio.ensure_future(RealtimeLink(1, "model", call_id=CALL_ID).run(breaks))
    await turns()
    socket.hear(b"one")
    socket.hear(b"two")

    with pytest.raises(ZeroDivisionError):
        await running


async def test_reading_is_paused_once_and_whoever_did_it_resumes(socket: Socket) -> None:
    link = RealtimeLink(1, "model", call_id=CALL_ID)
    assert not link.pause()
    running = asyncio.ensure_future(link.run(hear))
    await turns()

    assert [link.pause(), link.pause()] == [True, False]
    read = [socket.reads]
    link.resume()
    read.append(socket.reads)
    assert link.pause()
    await link.close()
    await running
    assert read == [False, True]


async def test_a_link_that_is_dropped_hears_nothing_more(socket: Socket) -> None:
    heard: list[bytes] = []
    link = RealtimeLink(1, "model", call_id=CALL_ID)
    running = asyncio.ensure_future(link.run(lambda _, text: heard.append(text)))
    await turns()

    socket.hear(b"one")
    link.drop()
    socket.hear(b"two")

    assert await running == "closed_1000"
    assert heard == [b"one"]


async def test_frames_that_nobody_takes_are_refused_at_last() -> None:
    link = RealtimeLink(1, "model", call_id=CALL_ID)

    taken = [link.put_frame("x") for _ in range(MOST_FRAMES_WAITING + 2)]

    assert taken.count(False) == 2


async def test_a_refused_socket_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(_model: str, *, request_id: str) -> Socket:
        raise RealtimeRefusedError("http_429")

    monkeypatch.setattr(clients, "realtime_connect", connect)

    assert await RealtimeLink(1, "model", call_id=CALL_ID).run(hear) == "http_429"
