"""Both short ways, end to end: uvicorn's side, the client's side, and the libraries' own ways beside them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from calls.sockets.media import MediaSocket, ShortWay, libraries_known, short_way
from calls.sockets.realtime import RealtimeSocket

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Server(uvicorn.Server):
    """Says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serves = asyncio.Event()

    async def startup(self, *arguments: Any, **options: Any) -> None:
        await super().startup(*arguments, **options)
        self.serves.set()


@asynccontextmanager
async def media(application: Application) -> AsyncIterator[str]:
    """A media server with this application."""
    config = uvicorn.Config(
        application, port=0, ws=MediaSocket, lifespan="off", log_config=None, ws_per_message_deflate=False
    )
    server = Server(config)
    serving = asyncio.ensure_future(server.serve())
    await server.serves.wait()
    try:
        yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        await serving


async def accepted(scope: Any, receive: Any, send: Any) -> ShortWay:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    short = short_way(scope)
    assert short is not None
    return short


async def test_what_came_before_anybody_listened_is_heard_first_and_the_end_by_receive() -> None:
    heard: list[bytes] = []
    ended: list[Any] = []
    listens = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        short = await accepted(scope, receive, send)
        await listens.wait()
        short.listen(heard.append)
        short.put("welcome")
        ended.append(await receive())

    async with media(application) as url, connect(url) as socket:
        for text in ("one", "zwei ä", "three"):
            await socket.send(text)
        listens.set()
        assert await socket.recv() == "welcome"
        await socket.send("four " * 100)
        await socket.send(["fi", "ve"])  # in fragments
        await socket.send("six ä")
        await socket.close(1000, "bye")

    assert heard == [b"one", "zwei ä".encode(), b"three", b"four " * 100, b"five", "six ä".encode()]
    assert [(one["type"], one["code"]) for one in ended] == [("websocket.disconnect", 1000)]


async def test_whoever_breaks_over_a_message_is_raised_in_receive() -> None:
    raised: list[Exception] = []

    def breaks(_text: bytes) -> None:
        raise ZeroDivisionError

    async def application(scope: Any, receive: Any, send: Any) -> None:
        short = await accepted(scope, receive, send)
        short.listen(breaks)
        try:
            await receive()
        except ZeroDivisionError as exc:
            raised.append(exc)

    async with media(application) as url, connect(url) as socket:
        await socket.send("one")
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()

    assert len(raised) == 1


async def test_whoever_leaves_is_told_nothing_more_and_receives_again() -> None:
    heard: list[bytes] = []
    received: list[Any] = []
    left = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        short = await accepted(scope, receive, send)
        short.listen(heard.append)
        short.put("welcome")
        await left.wait()
        short.leave()
        short.put("left")
        received.append(await receive())

    async with media(application) as url, connect(url) as socket:
        await socket.send("one")
        pong = await socket.ping()  # is answered behind what came before it
        await pong
        left.set()
        assert [await socket.recv(), await socket.recv()] == ["welcome", "left"]
        await socket.send("two")
        await socket.wait_closed()

    assert heard == [b"one"]
    assert [one["text"] for one in received] == ["two"]


def test_a_library_that_lacks_what_is_taken_from_it_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    libraries_known()
    monkeypatch.setattr("calls.sockets.media._KEEPS", frozenset({"queue", "mailbox"}))
    with pytest.raises(RuntimeError, match=r"\(mailbox is another\): install those that requirements.txt"):
        libraries_known()


async def test_nothing_is_sent_or_heard_once_the_socket_is_closed() -> None:
    heard: list[bytes] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        short = await accepted(scope, receive, send)
        short.listen(heard.append)
        await send({"type": "websocket.close", "code": 1008})
        short.put("late")
        assert (await receive())["type"] == "websocket.disconnect"
        short.put("later")

    async with media(application) as url, connect(url) as socket:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert heard == []


@asynccontextmanager
async def model(
    talk: Callable[[ServerConnection], Awaitable[None]], **options: Any
) -> AsyncIterator[RealtimeSocket]:
    """Our side of a socket whose other side does this."""
    async with serve(talk, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        socket = await connect(url, create_connection=RealtimeSocket, compression=None, **options)
        assert isinstance(socket, RealtimeSocket)
        yield socket
        await socket.close()


async def test_the_model_is_heard_from_its_first_word_to_how_it_closed() -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.send("first")
        assert await socket.recv() == "hello ä"
        await socket.send(["sec", "ond"])
        await socket.send("dritter ä")
        await socket.send("x" * 70_000)
        await socket.close(4001, "enough")

    heard: list[bytes] = []
    async with model(talk) as socket:
        await asyncio.sleep(0)
        socket.listen(heard.append, flows=lambda: None)
        socket.put("hello ä")
        over = await socket.ended()
        socket.put("late")
        socket.pause()
        socket.resume()

    assert heard == [b"first", b"second", "dritter ä".encode(), b"x" * 70_000]
    assert over.rcvd is not None
    assert over.rcvd.code == 4001


async def test_a_model_that_says_goodbye_and_does_not_leave_is_not_waited_for() -> None:
    gone = asyncio.Event()

    async def talk(socket: ServerConnection) -> None:
        socket.transport.pause_reading()  # it does not hear us say goodbye, either
        socket.transport.write(b"\x88\x02\x0f\xa1")
        await gone.wait()
        socket.transport.abort()

    async with model(talk, close_timeout=0.02, ping_interval=None) as socket:
        socket.listen(lambda _: None, flows=lambda: None)
        over = await socket.ended()
        gone.set()

    assert over.rcvd is not None
    assert over.rcvd.code == 4001


async def test_a_model_that_takes_nothing_is_noticed_and_told_of_when_it_takes_again() -> None:
    reads = asyncio.Event()

    async def talk(socket: ServerConnection) -> None:
        socket.transport.pause_reading()
        await reads.wait()
        socket.transport.resume_reading()
        async for _ in socket:
            pass

    flows = asyncio.Event()
    async with model(talk) as socket:
        socket.listen(lambda _: None, flows=flows.set)
        sent = 0
        while not socket.paused:
            socket.put("x" * 60_000)
            sent += 1
            await asyncio.sleep(0)
            assert sent < 10_000
        reads.set()
        await asyncio.wait_for(flows.wait(), 60)

        assert not socket.paused
