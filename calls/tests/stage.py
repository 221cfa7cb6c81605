"""The stage of a media socket: everything around it is faked, and the test plays Twilio and the model."""

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisGoneError
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Close

from assistants.snapshots import Snapshot
from calls import clients, consumers, recorder, services
from calls.bridge import commands as do
from calls.consumers import MediaStreamConsumer
from calls.lines import breaks, shell
from calls.selectors import StreamCall
from simulator.signature import sign
from tools.auth.credentials import ServerAuth
from tools.snapshots import ToolSnapshot

CALL_ID = uuid.UUID("6f1f0d64-0000-4000-8000-000000000001")
SID, ACCOUNT, STREAM = "CA" + "1" * 32, "AC" + "1" * 32, "MZ" + "1" * 32
SILENCE = base64.b64encode(b"\xff" * 160).decode()
LOOKUP = ToolSnapshot(
    id=str(uuid.UUID(int=1)),
    kind="function",
    name="get_repair_status",
    description="",
    parameters={"type": "object", "properties": {}},
    server_url="https://hooks.example",
    timeout_s=20,
)
SNAPSHOT = Snapshot(
    assistant_id=str(uuid.UUID(int=2)),
    name="Front desk",
    instructions="Be brief.",
    first_message_mode="assistant-waits-for-user",
    first_message="",
    first_message_interruptible=True,
    end_call_message="",
    apology="We are sorry.",
    model="gpt-realtime-2.1",
    model_reasons=False,
    voice="marin",
    speed=1.0,
    reasoning_effort="low",
    max_output_tokens=1024,
    transcription_model="gpt-transcribe",
    transcription_takes_languages=True,
    language="en",
    vad_threshold=0.5,
    vad_silence_ms=500,
    vad_prefix_ms=300,
    noise_reduction="",
    max_duration_s=600,
    silence_timeout_s=30,
    server_url="",
    tools=(LOOKUP,),
)
CALL = StreamCall(
    call_id=CALL_ID,
    call_sid=SID,
    account_sid=ACCOUNT,
    did="+14155550123",
    caller="+13125550177",
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
    phone_number_id="",
    version_number=1,
    snapshot=SNAPSHOT,
    tool_auths={LOOKUP.id: ServerAuth()},
)

RUN = do.RunTool("call_1", "get_repair_status", {"ticket": "481"}, 20.0)
BEGUN = breaks.Begun(uuid.UUID(int=7), "t0ken")


def spoken(**fields: Any) -> do.Spoken:
    """Something that was said."""
    usual: dict[str, Any] = {
        "item_id": "item_1",
        "speaker": do.Speaker.ASSISTANT,
        "text": "Good morning.",
        "heard_text": "Good",
        "began_ms": 100,
        "ended_ms": 900,
        "generated_ms": 1000,
        "heard_ms": 800,
    }
    return do.Spoken(**{**usual, **fields})


def ended(**fields: Any) -> do.Ended:
    """The last word of a conversation."""
    usual: dict[str, Any] = {
        "reason": "customer-ended-call",
        "spoken": (spoken(),),
        "barge_ins": 1,
        "frames_in": 50,
        "first_sound_ms": 300,
    }
    return do.Ended(**{**usual, **fields})


class FakeRealtime:
    """The model's socket: what is sent is recorded, what it says is put in by the test."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.sent_at: list[float] = []
        self.closed = False
        self.paused = False
        self.read = True  # as far as our side is concerned
        self._incoming: asyncio.Queue[bytes | ConnectionClosed] = asyncio.Queue()
        self._hear: Callable[[bytes], None] = lambda _: None
        self._flows: Callable[[], None] = lambda: None
        self.transport = self  # as far as it is needed here

    def abort(self) -> None:
        self.closed = True
        self._incoming.put_nowait(ConnectionClosedError(None, None))

    def say(self, **event: Any) -> None:
        self._incoming.put_nowait(orjson.dumps({"event_id": "event_1", **event}))

    def say_raw(self, text: bytes) -> None:
        self._incoming.put_nowait(text)

    def lose(self, code: int) -> None:
        self._incoming.put_nowait(ConnectionClosedError(Close(code, ""), None))

    def flow(self) -> None:
        """Take again what is sent."""
        self.paused = False
        self._flows()

    def listen(self, hear: Callable[[bytes], None], *, flows: Callable[[], None]) -> None:
        self._hear, self._flows = hear, flows

    def put(self, text: str) -> None:
        assert not self.paused
        self.sent.append(orjson.loads(text))
        self.sent_at.append(time.monotonic())

    def pause(self) -> None:
        self.read = False

    def resume(self) -> None:
        self.read = True

    async def ended(self) -> ConnectionClosed:
        while True:
            news = await self._incoming.get()
            if isinstance(news, ConnectionClosed):
                return news
            self._hear(news)

    async def close(self) -> None:
        self.closed = True

    def frames(self) -> int:
        return sum(event["type"] == "input_audio_buffer.append" for event in self.sent)


class FakeOutbox:
    """Keeps what was put."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, dict[str, Any]]] = []

    def put(self, task: str, kwargs: dict[str, Any]) -> None:
        orjson.dumps(kwargs)
        self.entries.append((task.rpartition(".")[2], kwargs))

    def written(self, _timeout_s: float) -> bool:
        self.entries.append(("written", {}))
        return True

    def of(self, task: str) -> list[dict[str, Any]]:
        return [kwargs for name, kwargs in self.entries if name == task]


class FakeLayer:
    """The channel layer of one process: down as often as it is told to be."""

    def __init__(self) -> None:
        self.failures = 0
        self.joined: list[str] = []
        self.left: list[str] = []
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def new_channel(self) -> str:
        return "specific!1"

    async def group_add(self, group: str, _channel: str) -> None:
        self._maybe_fail()
        self.joined.append(group)

    async def group_discard(self, group: str, _channel: str) -> None:
        self.left.append(group)

    async def receive(self, _channel: str) -> dict[str, Any]:
        self._maybe_fail()
        return await self.messages.get()

    def _maybe_fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise RedisGoneError("away")


class Stage:
    """One media socket, with everything around it faked."""

    def __init__(self) -> None:
        self.realtime = FakeRealtime()
        self.outbox = FakeOutbox()
        self.layer = FakeLayer()
        self.sent: list[dict[str, Any]] = []
        self.from_twilio: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gone = False
        self.connected: asyncio.Future[None] | None = None
        self.rest: list[tuple[str, dict[str, Any]]] = []
        self.rest_error: Exception | None = None
        self.claim: Callable[..., bool] = lambda **_: True
        self.call = CALL

    async def twilio_send(self, message: dict[str, Any]) -> None:
        if self.gone:
            raise OSError("client disconnected")  # as uvicorn says it
        self.sent.append(message)
        if message["type"] == "websocket.close":
            self.gone = True
            self.from_twilio.put_nowait({"type": "websocket.disconnect", "code": message["code"]})

    def twilio(self, **message: Any) -> None:
        self.from_twilio.put_nowait({"type": "websocket.receive", "text": orjson.dumps(message).decode()})

    def start(self) -> None:
        body = {
            "streamSid": STREAM,
            "callSid": SID,
            "accountSid": ACCOUNT,
            "tracks": ["inbound"],
            "customParameters": {"token": "t"},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        self.twilio(event="start", start=body, streamSid=STREAM, sequenceNumber="1")

    def frame(self, number: int) -> None:
        media = {
            "payload": SILENCE,
            "timestamp": str(number * 20),
            "track": "inbound",
            "chunk": str(number),
        }
        self.twilio(event="media", media=media, streamSid=STREAM, sequenceNumber=str(number))

    async def talk(self) -> None:
        """Until both sides are there."""
        self.start()
        self.realtime.say(type="session.created", session={})
        await until(lambda: any(event["type"] == "session.update" for event in self.realtime.sent))
        update = next(event for event in self.realtime.sent if event["type"] == "session.update")
        self.realtime.say(type="session.updated", session=update["session"])
        self.frame(0)  # held until the stream is verified and the session accepted
        await until(lambda: self.realtime.frames() == 1)

    def hang_up(self) -> None:
        self.twilio(event="stop", stop={}, streamSid=STREAM)
        self.from_twilio.put_nowait({"type": "websocket.disconnect", "code": 1005})

    def events(self) -> list[str]:
        """What Twilio was sent, by event."""
        return [orjson.loads(m["text"])["event"] for m in self.sent if m["type"] == "websocket.send"]

    def closed_with(self) -> int | None:
        return next((m["code"] for m in self.sent if m["type"] == "websocket.close"), None)

    def speak(self, *, response: str = "resp_1", item: str = "item_1", ms: int = 200) -> None:
        """The model says something."""
        keys = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        self.realtime.say(type="response.created", response={"id": response, "status": "in_progress"})
        delta = base64.b64encode(b"\x20" * (ms * 8)).decode()
        self.realtime.say(type="response.output_audio.delta", **keys, delta=delta)


async def until(look: Callable[[], object], *, within_s: float = 60.0) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Stage:
    """The stage, set; the call is known and its token is good."""
    made = Stage()

    async def load(_call_id: uuid.UUID) -> StreamCall:
        return made.call

    async def connect(_model: str, **_: Any) -> FakeRealtime:
        return made.realtime

    def claim(**stream: Any) -> bool:
        return made.claim(**stream)  # as the test has set it by then

    def rest(name: str) -> Callable[..., None]:
        def order(**details: Any) -> None:
            made.rest.append((name, details))
            if made.rest_error is not None:
                raise made.rest_error

        return order

    monkeypatch.setattr(consumers, "stream_call_load", load)
    monkeypatch.setattr(clients, "realtime_connect", connect)
    monkeypatch.setattr(clients, "hang_up", rest("hang_up"))
    monkeypatch.setattr(clients, "apologise", rest("apologise"))
    monkeypatch.setattr(shell, "get_channel_layer", lambda: made.layer)
    monkeypatch.setattr(shell, "LAYER_PAUSE_S", 0.01)
    monkeypatch.setattr(recorder, "process_outbox", lambda: made.outbox)
    monkeypatch.setattr(services, "stream_claim", claim)
    monkeypatch.setattr(services, "call_leaving", lambda **_: None)
    monkeypatch.setattr(breaks, "session_lost", lambda **_: None)
    settings.MEDIA_ORIGIN = "wss://tandem.test"
    return made


@asynccontextmanager
async def playing(
    stage: Stage,
    settings: Settings,
    *,
    breaks_with: type[Exception] | None = None,
    extensions: dict[str, Any] | None = None,
) -> AsyncIterator[None]:
    """The consumer at work; it must come to its own end, by this exception if one is given."""
    path = f"/media/{CALL_ID}"
    signature = sign(f"wss://tandem.test{path}", (), auth_token=settings.TWILIO_AUTH_TOKEN)
    scope = {
        "type": "websocket",
        "path": path,
        "headers": [(b"x-twilio-signature", signature.encode())],
        "url_route": {"kwargs": {"call_id": CALL_ID}},
        "extensions": extensions or {},
    }
    stage.from_twilio.put_nowait({"type": "websocket.connect"})
    work = asyncio.ensure_future(MediaStreamConsumer()(scope, stage.from_twilio.get, stage.twilio_send))
    try:
        yield
        with nullcontext() if breaks_with is None else pytest.raises(breaks_with):
            await asyncio.wait_for(work, 60)
    finally:
        work.cancel()


def outputs(stage: Stage) -> list[str]:
    items = [one["item"] for one in stage.realtime.sent if one["type"] == "conversation.item.create"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]
