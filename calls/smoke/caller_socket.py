"""The caller's end of a smoke test over the telephone: a media stream of Twilio's on which we play the one who calls."""

import asyncio
import base64
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError

from calls.database_threads import in_database_thread
from calls.lines.opening import LOAD_WITHIN_S, POLICY_VIOLATION, upgrade_signed
from calls.models import SmokeLeg, SmokeRun
from calls.smoke.caller_lines import lines_kept
from calls.smoke.caller_session import CallerSession
from calls.smoke.hearing import Hearing
from calls.smoke.legs import LONGEST_S, leg_caller_left, leg_presses, leg_stream_claim, leg_wanted
from calls.smoke.model_caller import CallerBrokeError, ModelCaller
from calls.smoke.played_caller import SILENCE, Caller, Doing, PlayedCaller
from calls.smoke.scripts import script_read

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_NORMAL: Final = 1000
_FRAME_MS: Final = 20.0
_START_WITHIN_S: Final = 10.0
# How often we look whether somebody has cancelled the run.
_LOOK_EVERY_S: Final = 2.0
_SOCKET_GONE: Final = (OSError, RuntimeError)
_STREAM_BROKE: Final = "The stream of the played caller broke off. See the log of the media server."


class CallerLegConsumer(AsyncWebsocketConsumer):
    """One media stream on which we are the caller."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The whole life of one socket."""
        self._send = send
        self._leg_id: uuid.UUID = scope["url_route"]["kwargs"]["leg_id"]
        await receive()  # websocket.connect
        if not await upgrade_signed(scope):
            logger.warning("stream of a played caller without a valid signature refused")
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        await send({"type": "websocket.accept"})
        leg = await self._opened(receive)
        if leg is None:
            logger.warning("stream of a played caller refused", extra={"leg_id": str(self._leg_id)})
            await self._close(POLICY_VIOLATION)
            return
        try:
            await self._play(leg, receive)
        except CallerBrokeError as exc:
            await self._left("the played caller broke", broke=str(exc))
        finally:
            await self._close(_NORMAL)

    async def _opened(self, receive: Receive) -> SmokeLeg | None:
        """The leg, when Twilio has said which call this is and brought its token."""
        start = await self._until_start(receive)
        token = str((start.get("customParameters") or {}).get("token", ""))
        self._stream_sid = str(start.get("streamSid", ""))
        call_sid = str(start.get("callSid", ""))
        try:
            return await asyncio.wait_for(
                in_database_thread(lambda: leg_stream_claim(self._leg_id, call_sid=call_sid, token=token)),
                LOAD_WITHIN_S,
            )
        except (DatabaseError, TimeoutError):
            logger.exception("the stream of a played caller could not be looked up")
            return None

    async def _until_start(self, receive: Receive) -> dict[str, Any]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_WITHIN_S):
                while True:
                    message = await receive()
                    if message["type"] == "websocket.disconnect":
                        return {}
                    told = _read(message)
                    if told.get("event") == "start" and isinstance(told.get("start"), dict):
                        return dict(told["start"])
        return {}

    async def _play(self, leg: SmokeLeg, receive: Receive) -> None:
        script = script_read(leg.pair.script)
        if leg.pair.run.caller == SmokeRun.Caller.MODEL:
            # Keys would end the stream, and the session with it.
            played = ModelCaller(script, presses_keys=False)
            async with CallerSession(played, model=str(leg.pair.run.snapshot["model"])) as session:
                await self._converse(played, receive, session)
            return
        speech = await in_database_thread(lambda: lines_kept(script))
        missing = [turn.caller for turn in script.turns if turn.caller and turn.caller not in speech]
        if missing:
            raise CallerBrokeError("The sound of the caller's words was gone when the call began.")
        await self._converse(PlayedCaller(script.turns, speech, turn=leg.turn), receive, None)

    async def _converse(self, caller: Caller, receive: Receive, session: CallerSession | None) -> None:
        """Play the caller at the pace of what comes in: Twilio sends 20 ms every 20 ms, also of silence."""
        hearing, frames = Hearing(), 0
        watch = asyncio.create_task(self._until_unwanted())
        try:
            while not watch.done():
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    # A call that ends says so first.
                    await self._left("the stream broke off", broke=_STREAM_BROKE)
                    return
                told = _read(message)
                match told.get("event"):
                    case "stop":
                        await self._line_gone(caller)
                        return
                    case "media":
                        frame = base64.b64decode(told["media"]["payload"])
                    case _:
                        continue
                if session is not None:
                    session.caller.hear(frame)
                    await session.flush()
                doing = caller.step(frames * _FRAME_MS, assistant_speaks=hearing.speaks(frame))
                frames += 1
                if not await self._done(doing, caller, over=frames * _FRAME_MS >= LONGEST_S * 1000):
                    return
        except _SOCKET_GONE:
            await self._left("the stream broke off", broke=_STREAM_BROKE)
        finally:
            watch.cancel()

    async def _done(self, doing: Doing, caller: Caller, *, over: bool) -> bool:
        """Whether the call goes on after the caller did that."""
        if doing.hangs_up or over:
            await self._hung_up(caller, doing.hangs_up or "the longest time for a call was over")
            return False
        if doing.keys:
            turn = caller.turn if isinstance(caller, PlayedCaller) else 0
            await in_database_thread(lambda: leg_presses(self._leg_id, keys=doing.keys, turn=turn))
            return False
        if doing.frame is not SILENCE:
            payload = base64.b64encode(doing.frame).decode()
            media = {"event": "media", "streamSid": self._stream_sid, "media": {"payload": payload}}
            await self._send({"type": "websocket.send", "text": orjson.dumps(media).decode()})
        return True

    async def _until_unwanted(self) -> None:
        """Return when nobody waits for this call any more: its run was cancelled, or its player died."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            with contextlib.suppress(DatabaseError):
                if not await in_database_thread(lambda: leg_wanted(self._leg_id)):
                    return

    async def _line_gone(self, caller: Caller) -> None:
        await self._hung_up(caller, "the other side hung up")

    async def _hung_up(self, caller: Caller, why: str) -> None:
        if isinstance(caller, ModelCaller):
            end = caller.how
            await self._left(why, goal_reached=end.goal_reached, said_never=end.said_never)
        else:
            await self._left(why)

    async def _left(self, why: str, **facts: Any) -> None:
        with contextlib.suppress(DatabaseError):
            await in_database_thread(lambda: leg_caller_left(self._leg_id, ended_because=why, **facts))

    async def _close(self, code: int) -> None:
        with contextlib.suppress(*_SOCKET_GONE):
            await self._send({"type": "websocket.close", "code": code})


def _read(message: dict[str, Any]) -> dict[str, Any]:
    try:
        told = orjson.loads(message.get("text") or message.get("bytes") or b"{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
