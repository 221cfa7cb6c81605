"""A line of our own: plays Twilio to our web and media servers, so that the real model can be met without a telephone.

The webhook and the socket are signed as Twilio signs them, with our own auth token; they come by the same routes, past
the same checks. Twilio itself hears nothing of such a call.
"""

import asyncio
import base64
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree import ElementTree as ET

import orjson
import requests
import websockets
from django.conf import settings
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect

from calls.models import SmokePair, SmokeRun
from calls.smoke.caller_lines import lines_spoken
from calls.smoke.caller_session import CallerSession
from calls.smoke.lines import Played, PlayError, StoppedError
from calls.smoke.markers import Placing, marker_make
from calls.smoke.model_caller import CallerBrokeError, ModelCaller
from calls.smoke.played_caller import FRAME_BYTES, Caller, PlayedCaller
from calls.smoke.scripts import Script, ScriptError, script_read

CALLER: Final = "+12025550148"
LONGEST_S: Final = 420.0
_FRAME_S: Final = 0.02
_WEBHOOK_WITHIN_S: Final = 15.0
_OPEN_WITHIN_S: Final = 10.0

Speech = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class LoopbackLine:
    """Where our own servers are. ``public_origin`` and ``media_origin`` are what is signed; the other two what is asked."""

    public_origin: str
    media_origin: str
    web_at: str
    media_at: str
    account_sid: str
    auth_token: str = field(repr=False)
    speech: Speech | None = None

    def play(self, pair: SmokePair, stop: threading.Event) -> Played:
        """The call of this pair, played to its end. Raises PlayError, StoppedError."""
        try:
            script = script_read(pair.script)
        except ScriptError as exc:
            raise PlayError(f"The scenario cannot be played. {exc}", final=True) from exc
        call_sid = f"CA{secrets.token_hex(16)}"
        if pair.run.caller == SmokeRun.Caller.MODEL:
            return self._play_by_model(pair, ModelCaller(script), call_sid, stop)
        caller = PlayedCaller(script.turns, self._spoken(script, pair))
        url, parameters = self._answered(pair, call_sid)
        asyncio.run(_Stream(self, call_sid, url, parameters, caller, stop).run())
        return Played(call_sid)

    def _play_by_model(
        self, pair: SmokePair, caller: ModelCaller, call_sid: str, stop: threading.Event
    ) -> Played:
        """The same with a caller whose words are a model's. Its session is open before the telephone rings."""

        async def play() -> None:
            async with CallerSession(caller, model=str(pair.run.snapshot["model"])) as session:
                url, parameters = await asyncio.to_thread(self._answered, pair, call_sid)
                await _Stream(self, call_sid, url, parameters, caller, stop, session).run()

        try:
            asyncio.run(play())
        except CallerBrokeError as exc:
            raise PlayError(str(exc)) from exc
        return Played(call_sid, caller.how)

    def _spoken(self, script: Script, pair: SmokePair) -> dict[str, bytes]:
        """The sound of every turn, before the telephone rings: nobody waits for speech in the middle of a call."""
        if self.speech is not None:
            return {turn.caller: self.speech(turn.caller) for turn in script.turns if turn.caller}
        return lines_spoken(script, model=str(pair.run.snapshot["model"]))

    def _answered(self, pair: SmokePair, call_sid: str) -> tuple[str, dict[str, str]]:
        """The stream that our webhook answers with, and its parameters. Raises PlayError."""
        path = f"/twilio/smoke/{marker_make(Placing(pair.pk, pair.attempts))}"
        form = {
            "CallSid": call_sid,
            "AccountSid": self.account_sid,
            "From": CALLER,
            "To": pair.run.did or CALLER,
            "CallStatus": "ringing",
            "Direction": "inbound",
        }
        signature = RequestValidator(self.auth_token).compute_signature(self.public_origin + path, form)
        try:
            answer = requests.post(
                self.web_at + path,
                data=form,
                headers={"X-Twilio-Signature": signature},
                timeout=_WEBHOOK_WITHIN_S,
            )
        except requests.RequestException as exc:
            raise PlayError(
                f"Our own webhook at {self.web_at} could not be reached: {type(exc).__name__}."
            ) from exc
        if answer.status_code != 200:
            raise PlayError(f"Our own webhook answered {answer.status_code}: {answer.text[:200]}", final=True)
        return _stream_of(answer.text)

    def upgrade(self, url: str) -> tuple[str, str]:
        """Where the socket really is, and the signature of its public address."""
        signature = str(RequestValidator(self.auth_token).compute_signature(url, {}))
        return url.replace(self.media_origin, self.media_at, 1), signature


def loopback_line() -> LoopbackLine:
    """The line to this installation, by its public origins. Raises PlayError where it could not be signed for."""
    if not settings.TWILIO_AUTH_TOKEN:
        raise PlayError(
            "TWILIO_AUTH_TOKEN is not set, so no call can be signed as Twilio signs it.", final=True
        )
    if not settings.OPENAI_API_KEY:
        raise PlayError("OPENAI_API_KEY is not set, so there is no model to meet.", final=True)
    return LoopbackLine(
        public_origin=settings.PUBLIC_ORIGIN,
        media_origin=settings.MEDIA_ORIGIN,
        web_at=settings.PUBLIC_ORIGIN,
        media_at=settings.MEDIA_ORIGIN,
        account_sid=settings.TWILIO_ACCOUNT_SID,
        auth_token=settings.TWILIO_AUTH_TOKEN,
    )


def _stream_of(document: str) -> tuple[str, dict[str, str]]:
    try:
        stream = ET.fromstring(document).find("./Connect/Stream")  # noqa: S314  # our own answer
    except ET.ParseError as exc:
        raise PlayError("Our own webhook answered no TwiML.", final=True) from exc
    if stream is None:
        raise PlayError("Our own webhook refused the call. See the log of the web server.", final=True)
    parameters = {one.get("name", ""): one.get("value", "") for one in stream.findall("Parameter")}
    return stream.get("url", ""), parameters


class _Stream:
    """One media stream from Twilio's end: frames at the pace of speech, marks when they are reached, and `clear` at once."""

    def __init__(
        self,
        line: LoopbackLine,
        call_sid: str,
        url: str,
        parameters: dict[str, str],
        caller: Caller,
        stop: threading.Event,
        session: CallerSession | None = None,
    ) -> None:
        self._line, self._url, self._parameters = line, url, parameters
        self._caller, self._stop, self._session = caller, stop, session
        self._call_sid, self._stream_sid = call_sid, f"MZ{secrets.token_hex(16)}"
        self._queue: deque[bytes | str] = deque()  # sound to be played, and names of marks
        self._sequence = 0
        self._closed = False

    async def run(self) -> None:
        """The whole call. Raises PlayError, StoppedError."""
        at, signature = self._line.upgrade(self._url)
        try:
            async with connect(
                at,
                additional_headers={"X-Twilio-Signature": signature},
                compression=None,
                open_timeout=_OPEN_WITHIN_S,
                proxy=None if at.startswith("ws://") else True,
            ) as socket:
                await self._converse(socket)
        except (OSError, TimeoutError, websockets.InvalidHandshake) as exc:
            raise PlayError(f"Our own media stream could not be opened: {type(exc).__name__}.") from exc

    async def _converse(self, socket: ClientConnection) -> None:
        await socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        start = {
            "accountSid": self._line.account_sid,
            "callSid": self._call_sid,
            "streamSid": self._stream_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters,
        }
        await self._send(socket, "start", start=start)
        reader = asyncio.create_task(self._read(socket))
        try:
            await self._talk(socket)
        except websockets.ConnectionClosed:
            return  # the assistant hung up
        finally:
            reader.cancel()

    async def _talk(self, socket: ClientConnection) -> None:
        began = time.monotonic()
        for number in range(int(LONGEST_S / _FRAME_S)):
            if self._stop.is_set():
                await self._hang_up(socket)
                raise StoppedError
            if self._closed:
                return
            heard = await self._play_frame(socket)
            now_ms = number * _FRAME_S * 1000
            if self._session is not None:
                self._session.caller.hear(heard.ljust(FRAME_BYTES, b"\xff"))
                await self._session.flush()
            doing = self._caller.step(now_ms, assistant_speaks=bool(heard))
            if doing.hangs_up:
                await self._hang_up(socket)
                return
            for digit in doing.keys:
                await self._send(socket, "dtmf", dtmf={"track": "inbound_track", "digit": digit})
            payload = base64.b64encode(doing.frame).decode()
            media = {
                "track": "inbound",
                "chunk": str(number + 1),
                "timestamp": str(round(now_ms)),
                "payload": payload,
            }
            await self._send(socket, "media", media=media)
            await asyncio.sleep(max(0.0, began + (number + 1) * _FRAME_S - time.monotonic()))
        await self._hang_up(socket)

    async def _play_frame(self, socket: ClientConnection) -> bytes:
        """Play 20 ms of what is queued: the sound of them, empty where there was none. Marks that are reached are returned."""
        wanted, played = FRAME_BYTES, b""
        while self._queue:
            first = self._queue.popleft()
            if isinstance(first, str):
                await self._send(socket, "mark", mark={"name": first})
                continue
            if not wanted:
                self._queue.appendleft(first)
                break
            played += first[:wanted]
            if len(first) > wanted:
                self._queue.appendleft(first[wanted:])
            wanted -= min(wanted, len(first))
        return played

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                message: Any = orjson.loads(text)
                match message.get("event"):
                    case "media":
                        self._queue.append(base64.b64decode(message["media"]["payload"]))
                    case "mark":
                        self._queue.append(str(message["mark"]["name"]))
                    case "clear":
                        marks = [one for one in self._queue if isinstance(one, str)]
                        self._queue.clear()
                        self._queue.extend(marks)
                    case _:
                        pass
        except websockets.ConnectionClosed:
            pass
        finally:
            self._closed = True

    async def _hang_up(self, socket: ClientConnection) -> None:
        stop = {"accountSid": self._line.account_sid, "callSid": self._call_sid}
        await self._send(socket, "stop", stop=stop)
        await socket.close()

    async def _send(self, socket: ClientConnection, event: str, **body: Any) -> None:
        self._sequence += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            "streamSid": self._stream_sid,
            **body,
        }
        await socket.send(orjson.dumps(message).decode())
