"""The WebSockets of a running call: its transcript, and its sound. Whoever is slow is dropped; the call feels nothing of it."""

import asyncio
import contextlib
import functools
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from calls.database_threads import in_database_thread
from calls.groups import call_group
from calls.live import control, reading
from calls.live.entering import (
    READS,
    Entrant,
    allowed,
    key_entrant,
    may_stay,
    monitor_entrant,
    session_entrant,
    socket_header,
    socket_query,
)
from calls.live.messages import BY_LABEL
from calls.live.monitors import listen_plan
from calls.live.obeying import WATCH
from calls.live.sound import START, StereoOfSamples, stereo
from calls.live.tap import LISTEN, listeners_group
from calls.live.told import call_opened_by
from calls.models import LIVE, Call
from tools.access.asking import scope_address
from tools.access.errors import ApiError

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Stream = Callable[[Any, Receive, Send], Coroutine[Any, Any, None]]

# Close codes: 4000 and the status that HTTP would have.
BAD_REQUEST: Final = 4400
FORBIDDEN: Final = 4403
UNKNOWN_CALL: Final = 4404
TOO_SLOW: Final = 4408
NOT_LIVE: Final = 4410
TOO_BIG: Final = 1009
POLICY: Final = 1008
AGAIN_LATER: Final = 1013
DONE: Final = 1000
# Readers have nothing to say; what they send is read and forgotten, within limits.
_MOST_BYTES: Final = 4096
_MOST_MESSAGES: Final = 100
_SENT_WITHIN_S: Final = 10.0
_AGAIN_S: Final = 15.0
# A revoked key, or somebody who was shut out, is shown out after so long.
_LOOK_S: Final = 5.0
# A call that comes back from keys or a lost stream does so in seconds; one that rings at somebody else's may take a minute.
_SILENT_S: Final = 1.0
_LOOK_EVERY: Final = 3
_SILENT_MOST: Final = 90
WATCH_PERMISSION: Final = "calls.view_call"


@dataclass(frozen=True, slots=True)
class _Known:
    live: bool
    monitor_plan: Mapping[str, Any]
    private: bool  # of an assistant whose calls nobody may listen to


class _ClosedError(Exception):
    """The socket is to be closed with this code, or was closed by the other side."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _or_later(stream: Stream) -> Stream:
    """The stream; where the database is away, a client that it tells to come back later."""

    @functools.wraps(stream)
    async def opened(scope: Any, receive: Receive, send: Send) -> None:
        try:
            await stream(scope, receive, send)
        except DatabaseError:  # before the socket is open; what is read later has ways of its own
            logger.exception("a stream of a call could not be opened")
            await _Socket(receive, send).refuse(AGAIN_LATER)

    return opened


@_or_later
async def transcript_stream(scope: Any, receive: Receive, send: Send) -> None:
    """Everything that was said in a call, and what follows."""
    call_id: uuid.UUID = scope["url_route"]["kwargs"]["call_id"]
    await receive()  # websocket.connect
    entrant = await _entered(lambda: _reader(scope), send)
    if entrant is None:
        return
    socket = _Socket(receive, send)
    try:
        after = reading.place_read(socket_query(scope, "after"))
    except reading.BadPlaceError:
        await socket.refuse(BAD_REQUEST)
        return
    known = await _known(call_id, entrant, what="transcript")
    if known is None:
        await socket.refuse(UNKNOWN_CALL)
        return
    news = _transcript(call_id, after, named=entrant.user is not None)
    await socket.serve(news, entrant, again=lambda: _say(call_id, WATCH))
    logger.info("a transcript was read along", extra={"call_id": str(call_id), "by": entrant.label})


@_or_later
async def listen_stream(scope: Any, receive: Receive, send: Send) -> None:
    """What is heard in a call."""
    call_id: uuid.UUID = scope["url_route"]["kwargs"]["call_id"]
    await receive()  # websocket.connect
    token, authorization = socket_query(scope, "token"), socket_header(scope, b"authorization")
    found = await in_database_thread(lambda: _call_known(call_id))
    plan = found.monitor_plan if found is not None else {}
    entrant = await _entered(
        lambda: monitor_entrant(
            call_id,
            plan,
            "listen",
            authorization=authorization,
            token=token,
            address=scope_address(scope),
        ),
        send,
    )
    if entrant is None:
        return
    socket = _Socket(receive, send)
    if found is None:
        await socket.refuse(UNKNOWN_CALL)
    elif not allowed(plan, "listen") or found.private:
        await socket.refuse(FORBIDDEN)
    elif not found.live:
        await socket.refuse(NOT_LIVE)
    else:
        await _opened(call_id, entrant, "recording")
        await socket.serve(_sound(call_id), entrant, again=lambda: _say(call_id, LISTEN))
        logger.info("a call was listened to", extra={"call_id": str(call_id), "by": entrant.label})


# Who may come in ------------------------------------------------------------------------------------------------


def _reader(scope: Mapping[str, Any]) -> Entrant:
    authorization = socket_header(scope, b"authorization")
    if authorization:
        return key_entrant(authorization, READS, address=scope_address(scope))
    return session_entrant(scope, WATCH_PERMISSION)


async def _entered(who: Callable[[], Entrant], send: Send) -> Entrant | None:
    """Whoever may come in; anybody else is refused before the socket is open."""
    try:
        return await in_database_thread(who)
    except (ApiError, DatabaseError) as exc:
        status = exc.status if isinstance(exc, ApiError) else 503
        logger.info("a reader of a call was refused", extra={"status": status})
        await send({"type": "websocket.close", "code": POLICY})
        return None


async def _known(call_id: uuid.UUID, entrant: Entrant, *, what: str) -> _Known | None:
    known = await in_database_thread(lambda: _call_known(call_id))
    if known is not None:
        await _opened(call_id, entrant, what)
    return known


def _call_known(call_id: uuid.UUID) -> _Known | None:
    call = (
        Call.objects.select_related("version").filter(pk=call_id).only("status", "version__snapshot").first()
    )
    if call is None:
        return None
    plan, private = listen_plan(call)
    return _Known(live=call.status in LIVE, monitor_plan=plan, private=private)


async def _opened(call_id: uuid.UUID, entrant: Entrant, what: str) -> None:
    await in_database_thread(lambda: call_opened_by(call_id, entrant, what))


# What is sent ---------------------------------------------------------------------------------------------------


async def _transcript(
    call_id: uuid.UUID, after: reading.Place, *, named: bool
) -> AsyncIterator[dict[str, Any]]:
    """``named``: who has ordered something is told by name, as to staff."""
    try:
        async for message in reading.follow(call_id, after):
            if not named:
                message.pop(BY_LABEL, None)
            yield {"type": "websocket.send", "text": orjson.dumps(message).decode()}
    except reading.SlowReaderError as exc:
        raise _ClosedError(TOO_SLOW) from exc


async def _sound(call_id: uuid.UUID) -> AsyncIterator[dict[str, Any]]:
    layer = get_channel_layer()
    if layer is None:
        raise _ClosedError(AGAIN_LATER)
    group, channel = listeners_group(call_id), await layer.new_channel()
    sampled = StereoOfSamples()
    try:
        await layer.group_add(group, channel)
        outcome = await control.order_give(call_id, {"type": LISTEN})
        if not outcome.taken:
            raise _ClosedError(NOT_LIVE if outcome.result is control.Result.NOBODY else AGAIN_LATER)
        yield {"type": "websocket.send", "text": orjson.dumps(START).decode()}
        silent = 0
        while True:
            try:
                async with asyncio.timeout(_SILENT_S):
                    piece = await layer.receive(channel)
            except TimeoutError:
                # While a process has the call there is always silence at least: it ends, or another takes over.
                silent += 1
                await _still_there(call_id, silent)
                continue
            silent = 0
            mixed = sampled.stereo if piece.get("encoding") == "audio/pcm" else stereo
            yield {"type": "websocket.send", "bytes": mixed(piece["caller"], piece["assistant"])}
    except (RedisError, OSError, ChannelFull) as exc:
        raise _ClosedError(AGAIN_LATER) from exc
    finally:
        with contextlib.suppress(RedisError, OSError):
            await layer.group_discard(group, channel)


async def _still_there(call_id: uuid.UUID, times: int) -> None:
    """Tell whichever process has the call now that somebody listens. Raises _ClosedError where none will have it again."""
    if times > _SILENT_MOST:
        raise _ClosedError(NOT_LIVE)
    if times % _LOOK_EVERY == 0 and not await in_database_thread(lambda: _goes_on(call_id)):
        raise _ClosedError(DONE)
    await _say(call_id, LISTEN)


def _goes_on(call_id: uuid.UUID) -> bool:
    try:
        return Call.objects.filter(pk=call_id, status__in=LIVE).exists()
    except DatabaseError:
        return True  # it is away, and the call may not be


async def _say(call_id: uuid.UUID, kind: str) -> None:
    """Tell the process of the call that somebody is there."""
    layer = get_channel_layer()
    if layer is not None:
        with contextlib.suppress(RedisError, OSError, ChannelFull):
            await layer.group_send(call_group(call_id), {"type": kind})


class _Socket:
    """One reader's socket."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def refuse(self, code: int) -> None:
        """Tell the client why it gets nothing; before a socket is open no code reaches it."""
        await self._send({"type": "websocket.accept"})
        await self._send({"type": "websocket.close", "code": code})

    async def serve(
        self,
        news: AsyncIterator[dict[str, Any]],
        entrant: Entrant,
        *,
        again: Callable[[], Awaitable[None]],
    ) -> None:
        """Send what comes, until there is no more, nobody to send it to, or whoever was let in may not be there any more."""
        await self._send({"type": "websocket.accept"})
        work = (self._deliver(news), self._read(), _repeat(again), _watched(entrant))
        jobs = [asyncio.ensure_future(one) for one in work]
        try:
            done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
        code = DONE
        for job in done:
            error = job.exception()
            if isinstance(error, _ClosedError):
                code = error.code
            elif error is not None:
                logger.error("a stream of a call broke", exc_info=error)
                code = 1011
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):  # closed by the other side already
            async with asyncio.timeout(_SENT_WITHIN_S):
                await self._send({"type": "websocket.close", "code": code})

    async def _deliver(self, news: AsyncIterator[dict[str, Any]]) -> None:
        try:
            async for message in news:
                # Not wait_for: before Python 3.12 it can swallow the order to stop.
                async with asyncio.timeout(_SENT_WITHIN_S):
                    await self._send(message)
        except TimeoutError as exc:
            raise _ClosedError(TOO_SLOW) from exc
        except (OSError, RuntimeError) as exc:  # the servers' words for a socket that is closed
            raise _ClosedError(DONE) from exc

    async def _read(self) -> None:
        for _ in range(_MOST_MESSAGES):
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                raise _ClosedError(DONE)
            if len(message.get("text") or message.get("bytes") or "") > _MOST_BYTES:
                raise _ClosedError(TOO_BIG)
        raise _ClosedError(POLICY)


async def _watched(entrant: Entrant) -> None:
    """Raises _ClosedError once somebody may not be there any more."""
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            stays = await in_database_thread(lambda: may_stay(entrant, READS, WATCH_PERMISSION))
        except DatabaseError:
            continue  # it is away; what was true stays so until it is back
        if not stays:
            raise _ClosedError(FORBIDDEN)


async def _repeat(again: Callable[[], Awaitable[None]]) -> None:
    while True:
        await again()
        await asyncio.sleep(_AGAIN_S)
