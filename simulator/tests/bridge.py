"""A minimal bridge, written for these tests only: enough of a product to see both sides of the simulator work.

It knows the happy path, barge-in and tools. It is no example of how a bridge should be built.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import socket
from collections import deque
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

import requests
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from simulator.harness import Simulator, _Server

TOKEN = "0123456789abcdef0123456789abcdef"
ACCOUNT = "AC00000000000000000000000000000001"

SESSION: dict[str, Any] = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "You answer the phone for a bike shop.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "gpt-transcribe", "languages": ["en"]},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 320,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
    },
    "tools": [
        {
            "type": "function",
            "name": "get_repair_status",
            "description": "Look up a repair.",
            "parameters": {
                "type": "object",
                "properties": {"ticket": {"type": "string"}, "include_price": {"type": "boolean"}},
                "required": ["ticket"],
            },
        },
        {"type": "function", "name": "end_call", "parameters": {"type": "object", "properties": {}}},
    ],
}
_GREETING = "Say exactly this sentence and nothing else: Alder Street Bike Repair, how can I help?"


def signature(url: str, form: list[tuple[str, str]]) -> str:
    """Twilio's signature, worked out once more."""
    text = url + "".join(key + value for key, value in sorted(form))
    return base64.b64encode(hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()).decode()


class Bridge:
    """`async with Bridge(sim) as bridge:` answers calls to `bridge.voice_url`."""

    def __init__(
        self, sim: Simulator, *, public_origin: str = "https://voice.example.com", clears: bool = True
    ) -> None:
        self.sim = sim
        self.public_origin = public_origin
        self.clears = clears
        self.transcripts: list[str] = []
        self.webhooks: list[dict[str, str]] = []
        self.stream_events: list[str] = []
        self.bad_signatures: list[str] = []
        self.after = "<Hangup/>"
        self.refuse_stream = False
        self.answer: tuple[int, bytes, str] | None = None
        self.appends_slash: int | None = None  # the status with which paths without a slash are redirected

    @property
    def voice_url(self) -> str:
        """The voice webhook, on loopback."""
        return f"http://127.0.0.1:{self.port}/twilio/voice"

    async def __aenter__(self) -> "Bridge":
        self._server = _Server(
            uvicorn.Config(
                self,
                ws="websockets-sansio",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="critical",
            )
        )
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:  # noqa: ASYNC110 - uvicorn tells by a flag only
            await asyncio.sleep(0.005)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        await self._serving

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        if scope["type"] == "websocket":
            url = self.public_origin.replace("https://", "wss://") + scope["path"]
            if headers.get("x-twilio-signature") != signature(url, []):
                self.bad_signatures.append(url)
            assert "origin" not in headers
            assert "sec-websocket-extensions" not in headers
            await receive()
            if self.refuse_stream:
                await send({"type": "websocket.close", "code": 1000})
                return
            await Media(self, receive, send, name=scope["path"].rpartition("/")[2]).run()
            return
        body = (await receive()).get("body", b"")
        form = parse_qsl(body.decode(), keep_blank_values=True)
        url = self.public_origin + scope["path"]
        if headers.get("x-twilio-signature") != signature(url, form):
            self.bad_signatures.append(url)
        if self.appends_slash is not None and not scope["path"].endswith("/"):
            location = [(b"location", scope["path"].encode() + b"/")]
            await send({"type": "http.response.start", "status": self.appends_slash, "headers": location})
            await send({"type": "http.response.body", "body": b""})
            return
        status, answer, kind = self._http(scope["path"], dict(form))
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]}
        )
        await send({"type": "http.response.body", "body": answer})

    def _http(self, path: str, form: dict[str, str]) -> tuple[int, bytes, str]:
        if path == "/twilio/stream-status":
            self.stream_events.append(form["StreamEvent"])
            return 204, b"", "text/plain"
        self.webhooks.append(form)
        if path == "/twilio/status":
            return 204, b"", "text/plain"
        if path == "/twilio/after":
            return 200, f"<Response>{self.after}</Response>".encode(), "text/xml"
        if self.answer is not None:
            return self.answer
        media = self.public_origin.replace("https://", "wss://") + f"/media/{form['CallSid']}"
        twiml = (
            f'<Response><Connect action="/twilio/after"><Stream url="{media}" '
            f'statusCallback="{self.public_origin}/twilio/stream-status">'
            '<Parameter name="token" value="t0ken"/></Stream></Connect></Response>'
        )
        return 200, twiml.encode(), "text/xml"


class Media:
    """One media stream and its Realtime session."""

    def __init__(self, bridge: Bridge, receive: Any, send: Any, *, name: str) -> None:
        self.bridge = bridge
        self.name = name
        self.receive = receive
        self._send = send
        self.sid = self.call_sid = ""
        self.marks: deque[tuple[str, str, int]] = deque()  # name, item, end of it in ms
        self.received: dict[str, int] = {}
        self.heard: dict[str, int] = {}
        self.playing: str | None = None
        self.generation = 0
        self.dropped: set[str] = set()
        self.active: str | None = None
        self.ending = False
        self.realtime: ClientConnection

    async def run(self) -> None:
        await self._send({"type": "websocket.accept"})
        url = f"{self.bridge.sim.realtime_url}?model=gpt-realtime-2.1"
        headers = {"Authorization": "Bearer sk-test", "X-Client-Request-Id": f"{self.name}-0"}
        async with connect(
            url, additional_headers=headers, compression=None, proxy=None, max_size=None
        ) as self.realtime:
            tasks = [asyncio.create_task(self._from_twilio()), asyncio.create_task(self._from_realtime())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def to_realtime(self, **event: Any) -> None:
        await self.realtime.send(json.dumps(event))

    async def to_twilio(self, event: str, **body: Any) -> None:
        text = json.dumps({"event": event, "streamSid": self.sid, **body})
        await self._send({"type": "websocket.send", "text": text})

    async def _from_twilio(self) -> None:
        while True:
            message = await self.receive()
            if message["type"] != "websocket.receive":
                return
            data = json.loads(message["text"])
            match data["event"]:
                case "start":
                    self.sid, self.call_sid = data["streamSid"], data["start"]["callSid"]
                    assert data["start"]["customParameters"] == {"token": "t0ken"}
                    await self.to_realtime(type="session.update", session=SESSION)
                case "media" if self.sid:
                    await self.to_realtime(type="input_audio_buffer.append", audio=data["media"]["payload"])
                case "mark":
                    await self._marked(data["mark"]["name"])
                case "stop":
                    return
                case _:
                    pass

    async def _marked(self, name: str) -> None:
        if int(name.partition(":")[0]) != self.generation:
            return
        _, item, end_ms = self.marks.popleft()
        self.heard[item] = end_ms
        if self.ending and not self.marks and self.active is None:
            await asyncio.to_thread(self._hang_up)

    def _hang_up(self) -> None:
        url = f"{self.bridge.sim.http_url}/2010-04-01/Accounts/{ACCOUNT}/Calls/{self.call_sid}.json"
        answer = requests.post(url, data={"Status": "completed"}, auth=(ACCOUNT, TOKEN), timeout=60)
        assert answer.status_code == 200, answer.text

    async def _from_realtime(self) -> None:
        async for text in self.realtime:
            event = json.loads(text)
            match event["type"]:
                case "session.updated":
                    await self.to_realtime(
                        type="response.create", response={"instructions": _GREETING, "tool_choice": "none"}
                    )
                case "response.created":
                    self.active = event["response"]["id"]
                case "response.output_audio.delta" if event["response_id"] not in self.dropped:
                    await self._play(event["item_id"], event["delta"])
                case "input_audio_buffer.speech_started":
                    await self._barge_in()
                case "conversation.item.input_audio_transcription.completed":
                    self.bridge.transcripts.append(event["transcript"])
                case "response.done":
                    await self._done(event["response"])
                case _:
                    pass

    async def _play(self, item: str, delta: str) -> None:
        self.received[item] = self.received.get(item, 0) + len(base64.b64decode(delta))
        end_ms = self.received[item] // 8
        name = f"{self.generation}:{item}:{end_ms}"
        self.marks.append((name, item, end_ms))
        await self.to_twilio("media", media={"payload": delta})
        await self.to_twilio("mark", mark={"name": name})

    async def _barge_in(self) -> None:
        if self.active is not None:
            self.dropped.add(self.active)
        if not self.marks or not self.bridge.clears:
            return
        items = dict.fromkeys(item for _, item, _ in self.marks)
        self.marks.clear()
        self.generation += 1
        await self.to_twilio("clear")
        for item in items:
            await self.to_realtime(
                type="conversation.item.truncate",
                item_id=item,
                content_index=0,
                audio_end_ms=self.heard.get(item, 0),
            )

    async def _done(self, response: dict[str, Any]) -> None:
        self.active = None
        calls = [item for item in response["output"] if item["type"] == "function_call"]
        for call in calls:
            if call["name"] == "end_call":
                self.ending = True
                continue
            output = await asyncio.to_thread(self._tool, call)
            item = {"type": "function_call_output", "call_id": call["call_id"], "output": output}
            await self.to_realtime(type="conversation.item.create", item=item)
        if calls and not self.ending:
            await self.to_realtime(type="response.create")

    def _tool(self, call: dict[str, Any]) -> str:
        function = {"name": call["name"], "arguments": json.loads(call["arguments"])}
        entry = {"id": call["call_id"], "type": "function", "function": function}
        message = {
            "timestamp": 1,
            "type": "tool-calls",
            "toolCalls": [entry],
            "toolCallList": [entry],
            "toolWithToolCallList": [{"type": "function", "toolCall": entry}],
            "call": {"id": "1", "phoneCallProviderId": self.call_sid},
        }
        url = f"{self.bridge.sim.tools_url}/{call['name']}"
        try:
            answer = requests.post(url, json={"message": message}, timeout=60)
            return str(answer.json()["results"][0]["result"])
        except (requests.RequestException, ValueError, LookupError) as error:
            return json.dumps({"error": type(error).__name__})
