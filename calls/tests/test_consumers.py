"""The shell: nothing that anybody waits for stands between a frame and the other socket."""

import asyncio
import base64
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from django.db import OperationalError
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisGoneError
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from assistants.snapshots import Snapshot
from calls import breaks, clients, consumers, forwarding, leaving, recorder, services
from calls.bridge.conversation import Conversation
from calls.clients import CallGoneError, RealtimeRefusedError, TwilioRefusedError
from calls.consumers import MediaStreamConsumer
from calls.database_threads import in_database_thread
from calls.forwarding import Begun
from calls.selectors import Member, SmokeCall, StreamCall
from calls.transfers import destination_read
from calls.variables import call_rendered
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


class FakeRealtime:
    """The model's socket: what is sent is recorded, what it says is put in by the test."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.sent_at: list[float] = []
        self.closed = False
        self.flows = asyncio.Event()
        self.flows.set()
        self._incoming: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    def say(self, **event: Any) -> None:
        self._incoming.put_nowait(orjson.dumps({"event_id": "event_1", **event}))

    def say_raw(self, text: bytes) -> None:
        self._incoming.put_nowait(text)

    def lose(self, code: int) -> None:
        self._incoming.put_nowait(ConnectionClosedError(Close(code, ""), None))

    async def send(self, text: str) -> None:
        await self.flows.wait()
        self.sent.append(orjson.loads(text))
        self.sent_at.append(time.monotonic())

    async def recv(self, *, decode: bool) -> bytes:
        assert decode is False
        news = await self._incoming.get()
        if isinstance(news, Exception):
            raise news
        return news

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
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def new_channel(self) -> str:
        return "specific!1"

    async def group_add(self, group: str, _channel: str) -> None:
        self._maybe_fail()
        self.joined.append(group)

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


async def until(look: Callable[[], object], *, within_s: float = 10.0) -> None:
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

    async def connect(_model: str) -> FakeRealtime:
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
    monkeypatch.setattr(consumers, "get_channel_layer", lambda: made.layer)
    monkeypatch.setattr(consumers, "LAYER_PAUSE_S", 0.01)
    monkeypatch.setattr(recorder, "process_outbox", lambda: made.outbox)
    monkeypatch.setattr(services, "stream_claim", claim)
    monkeypatch.setattr(services, "call_leaving", lambda **_: None)
    monkeypatch.setattr(breaks, "session_lost", lambda **_: None)
    settings.MEDIA_ORIGIN = "wss://tandem.test"
    return made


@asynccontextmanager
async def playing(
    stage: Stage, settings: Settings, *, breaks_with: type[Exception] | None = None
) -> AsyncIterator[None]:
    """The consumer at work; it must come to its own end, by this exception if one is given."""
    path = f"/media/{CALL_ID}"
    signature = sign(f"wss://tandem.test{path}", (), auth_token=settings.TWILIO_AUTH_TOKEN)
    scope = {
        "type": "websocket",
        "path": path,
        "headers": [(b"x-twilio-signature", signature.encode())],
        "url_route": {"kwargs": {"call_id": CALL_ID}},
    }
    stage.from_twilio.put_nowait({"type": "websocket.connect"})
    work = asyncio.ensure_future(MediaStreamConsumer()(scope, stage.from_twilio.get, stage.twilio_send))
    try:
        yield
        with nullcontext() if breaks_with is None else pytest.raises(breaks_with):
            await asyncio.wait_for(work, 15)
    finally:
        work.cancel()


async def test_a_frame_goes_to_the_model_while_the_database_and_other_threads_are_stuck(
    stage: Stage, settings: Settings
) -> None:
    stuck = threading.Event()
    # One thread is left: with none, the token could not be checked, and there would be no call.
    waiting = [asyncio.ensure_future(in_database_thread(lambda: stuck.wait(10))) for _ in range(7)]
    sync = [asyncio.ensure_future(asyncio.to_thread(stuck.wait, 10)) for _ in range(3)]

    async with playing(stage, settings):
        await stage.talk()
        began = time.monotonic()
        for number in range(1, 50):
            stage.frame(number)
            await asyncio.sleep(0.002)
        await until(lambda: stage.realtime.frames() >= 45)
        took = time.monotonic() - began
        stage.hang_up()
        await asyncio.sleep(0)
        stuck.set()

    await asyncio.gather(*waiting, *sync)
    assert took < 5.0  # the threads are stuck for ten


async def test_frames_for_a_model_that_is_stuck_are_bounded_and_counted(
    stage: Stage, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.flows.clear()
        for number in range(1, 400):
            stage.frame(number)
        await asyncio.sleep(0.05)
        stage.realtime.flows.set()
        await until(lambda: stage.realtime.frames() >= 100)
        stage.hang_up()

    (end,) = stage.outbox.of("call_finish")
    assert end["facts"]["frames_in"] == 400
    assert end["facts"]["frames_dropped"] + stage.realtime.frames() == 400


async def test_the_last_words_come_although_twilio_is_gone_in_the_middle_of_an_answer(
    stage: Stage, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        for number in range(1, 10):
            stage.frame(number)
        stage.realtime.say(type="input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_c")
        stage.realtime.say(type="input_audio_buffer.speech_stopped", audio_end_ms=900, item_id="item_c")
        stage.realtime.say(type="input_audio_buffer.committed", item_id="item_c", previous_item_id=None)
        stage.speak()
        await until(lambda: "media" in stage.events())
        stage.gone = True  # the socket is dead before anybody is told
        stage.speak(item="item_2")
        await asyncio.sleep(0.05)
        stage.from_twilio.put_nowait({"type": "websocket.disconnect", "code": 1006})
        await asyncio.sleep(0.05)
        stage.realtime.say(
            type="conversation.item.input_audio_transcription.completed",
            item_id="item_c",
            content_index=0,
            transcript="Is my bike ready?",
        )

    closing = stage.outbox.of("utterances_write")[-1]
    assert closing["closed_at"] is not None
    assert "Is my bike ready?" in [one["text"] for one in closing["utterances"]]


async def test_all_is_on_disk_before_the_socket_is_done(stage: Stage, settings: Settings) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.frame(1)
        stage.hang_up()

    names = [name for name, _ in stage.outbox.entries]
    assert names[-2:] == ["call_finish", "written"]
    assert stage.realtime.closed


async def test_a_token_that_takes_too_long_to_check_is_refused(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    stage.claim = lambda **_: free.wait(10)
    monkeypatch.setattr(consumers, "LOAD_WITHIN_S", 0.05)

    async with playing(stage, settings):
        stage.start()
        await until(lambda: stage.closed_with() is not None)
        free.set()

    assert stage.closed_with() == 1008
    assert stage.outbox.of("call_finish") == []
    assert stage.realtime.frames() == 0


async def test_a_token_that_cannot_be_checked_is_refused(stage: Stage, settings: Settings) -> None:
    def away(**_: Any) -> bool:
        raise OperationalError("away")

    stage.claim = away

    async with playing(stage, settings):
        stage.start()
        await until(lambda: stage.closed_with() is not None)

    assert stage.closed_with() == 1008


async def test_a_layer_that_fails_is_joined_again_and_its_messages_arrive(
    stage: Stage, settings: Settings
) -> None:
    stage.layer.failures = 3

    async with playing(stage, settings):
        await stage.talk()
        await until(lambda: stage.layer.joined)
        stage.layer.messages.put_nowait({"type": "nonsense"})
        stage.layer.messages.put_nowait(
            {"type": "call.over", "reason": "call.in-progress.twilio-completed-call"}
        )
        await until(lambda: stage.rest)
        stage.hang_up()

    assert stage.layer.joined == [f"call.{CALL_ID}"]
    assert stage.rest[0][0] == "hang_up"
    (end,) = stage.outbox.of("call_finish")
    assert end["ended_reason"] == "call.in-progress.twilio-completed-call"


async def test_a_tool_is_ordered_with_the_way_back_and_its_result_goes_to_the_model(
    stage: Stage, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
        item = {
            "id": "item_f",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "get_repair_status",
            "arguments": '{"ticket":"481"}',
        }
        stage.realtime.say(type="response.output_item.done", response_id="resp_1", output_index=0, item=item)
        await until(lambda: stage.outbox.of("tool_call_forward"))
        result = {
            "type": "tool.result",
            "tool_call_id": "call_1",
            "status": "answered",
            "output": '{"ready":true}',
            "message": {"type": "request-complete", "content": "It is ready."},
            "variables": {"ready": True},
        }
        stage.layer.messages.put_nowait(result)
        stage.layer.messages.put_nowait(result)
        await until(lambda: stage.outbox.of("tool_call_told"))
        stage.hang_up()

    (forward,) = stage.outbox.of("tool_call_forward")
    assert forward["reply_channel"] == "specific!1"
    assert forward["order"]["arguments"] == {"ticket": "481"}
    outputs = [
        event["item"]["output"]
        for event in stage.realtime.sent
        if event["type"] == "conversation.item.create"
    ]
    assert outputs == ['{"ready":true}']
    assert len(stage.outbox.of("tool_call_told")) == 1


async def test_what_the_tools_server_wants_said_is_asked_for(stage: Stage, settings: Settings) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
        item = {
            "id": "item_f",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "get_repair_status",
            "arguments": "{}",
        }
        stage.realtime.say(
            type="response.done", response={"id": "resp_1", "status": "completed", "output": [item]}
        )
        await until(lambda: stage.outbox.of("tool_call_forward"))
        stage.layer.messages.put_nowait(
            {
                "type": "tool.result",
                "tool_call_id": "call_1",
                "status": "answered",
                "output": "{}",
                "message": {"type": "request-complete", "content": "It is ready."},
            }
        )
        await until(lambda: any(event["type"] == "response.create" for event in stage.realtime.sent))
        stage.hang_up()

    (asked,) = [event for event in stage.realtime.sent if event["type"] == "response.create"]
    assert asked["response"]["instructions"].endswith("nothing else: It is ready.")


async def test_a_tools_own_message_says_what_its_answer_has_taught(stage: Stage, settings: Settings) -> None:
    said = [{"type": "request-complete", "content": "{{ clinic }}: {{ slot | upcase }}."}]
    asks = replace(LOOKUP, messages=said)
    call = replace(CALL, snapshot=replace(SNAPSHOT, tools=(asks,), variables={"clinic": "Riverbend"}))
    stage.call = call_rendered(call, now=CALL.created_at)
    async with playing(stage, settings):
        await stage.talk()
        item = {"type": "function_call", "call_id": "call_1", "name": LOOKUP.name, "arguments": "{}"}
        stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
        stage.realtime.say(
            type="response.done",
            response={"id": "resp_1", "status": "completed", "output": [{"id": "item_f", **item}]},
        )
        await until(lambda: stage.outbox.of("tool_call_forward"))
        stage.layer.messages.put_nowait(
            {
                "type": "tool.result",
                "tool_call_id": "call_1",
                "status": "answered",
                "output": "{}",
                "variables": {"slot": "nine"},
            }
        )
        await until(lambda: any(event["type"] == "response.create" for event in stage.realtime.sent))
        stage.hang_up()

    (asked,) = [event for event in stage.realtime.sent if event["type"] == "response.create"]
    assert asked["response"]["instructions"].endswith("nothing else: Riverbend: NINE.")


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_tool_that_says_when_it_may_be_used_is_held_against_the_call(
    stage: Stage,
    settings: Settings,
    refuses: bool,  # noqa: FBT001
) -> None:
    slow = {"type": "regex", "regex": "(a+)+$"}
    unless = {"type": "liquid", "liquid": "{% unless slot %}true{% endunless %}"}
    plan = {"conditions": [unless, {"type": "group", "operator": "OR", "conditions": [unless, slow]}]}
    hang_up = replace(LOOKUP, kind="endCall", name="end_call", rejection_plan=plan)
    known = {} if refuses else {"slot": "nine"}
    call = replace(CALL, snapshot=replace(SNAPSHOT, tools=(hang_up,), variables=known))
    stage.call = call_rendered(call, now=CALL.created_at)
    async with playing(stage, settings):
        await stage.talk()
        item = {"type": "function_call", "call_id": "call_1", "name": "end_call", "arguments": "{}"}
        stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
        stage.realtime.say(
            type="response.done",
            response={"id": "resp_1", "status": "completed", "output": [{"id": "item_f", **item}]},
        )
        await until(lambda: any(event["type"] == "response.create" for event in stage.realtime.sent))
        stage.hang_up()

    items = [event["item"] for event in stage.realtime.sent if event["type"] == "conversation.item.create"]
    (output,) = [one["output"] for one in items if one["type"] == "function_call_output"]
    assert ("rejected" in output) is refuses
    refusals = stage.outbox.of("tool_call_refuse")
    assert bool(refusals) is refuses
    assert bool(stage.outbox.of("tool_call_done")) is not refuses


async def test_a_model_that_cannot_be_had_is_apologised_for(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_model: str) -> FakeRealtime:
        raise RealtimeRefusedError("http_503")

    monkeypatch.setattr(clients, "realtime_connect", refuse)

    async with playing(stage, settings):
        stage.start()
        await until(lambda: stage.rest)
        stage.hang_up()

    assert stage.rest == [
        ("apologise", {"call_sid": SID, "account_sid": ACCOUNT, "text": "We are sorry.", "language": "en"})
    ]
    assert [one["code"] for one in stage.outbox.of("problem_write")] == ["http_503"]


async def test_a_twilio_that_will_not_hang_up_loses_the_socket_and_is_a_problem(
    stage: Stage, settings: Settings
) -> None:
    stage.rest_error = TwilioRefusedError("Twilio answered 500, error 20500.")

    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.lose(1011)
        await until(lambda: stage.closed_with() is not None)

    assert stage.closed_with() == 1000
    assert [one["code"] for one in stage.outbox.of("problem_write")] == ["closed_1011", "hang_up_failed"]


async def test_a_bridge_that_breaks_is_logged_and_ends_its_own_socket_only(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    async with playing(stage, settings, breaks_with=ZeroDivisionError):
        await stage.talk()
        monkeypatch.setattr(Conversation, "receive_twilio", broken)
        stage.frame(1)

    assert "the bridge of a call broke" in caplog.text
    assert stage.realtime.closed
    assert stage.outbox.entries[-1][0] == "written"


async def test_a_server_that_shuts_down_is_named_as_the_reason(stage: Stage, settings: Settings) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.gone = True
        stage.from_twilio.put_nowait({"type": "websocket.disconnect", "code": 1012})

    (end,) = stage.outbox.of("call_finish")
    assert end["ended_reason"] == "worker-shutdown"


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b'{"type": 5}', b"\xff\xfe", b"null", b'{"type":"session.weather"}']
)
async def test_what_the_model_sends_never_breaks_a_call(
    stage: Stage, settings: Settings, text: bytes
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.say_raw(text)
        stage.speak()
        await until(lambda: "media" in stage.events())
        stage.hang_up()

    assert all(one["benign"] for one in stage.outbox.of("problem_write"))


# Transfers


NURSE = {"type": "number", "number": "+13125550142", "message": ""}
TRANSFER = replace(
    LOOKUP,
    id=str(uuid.UUID(int=9)),
    kind="transferCall",
    name="transfer_call",
    settings={"destinations": [NURSE]},
)
TRANSFER_ID = uuid.UUID(int=77)


class Transfers:
    """What is written of transfers."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.begun: dict[str, Any] = {}
        self.unknown = False

    def begin(self, **details: Any) -> Begun | None:
        self.begun = details
        self.written.append("begun")
        destination = destination_read(details["stored"], language="en")
        assert destination is not None
        return None if self.unknown else Begun(TRANSFER_ID, destination, "+13125550177")

    def dialled(self, *, transfer_id: uuid.UUID) -> None:
        assert transfer_id == TRANSFER_ID
        self.written.append("dialled")

    def refused(self, *, transfer_id: uuid.UUID, why: str, caller_gone: bool) -> None:
        assert transfer_id == TRANSFER_ID
        self.written.append(f"refused, {'gone' if caller_gone else 'there'}: {why}")


@pytest.fixture
def transfers(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Transfers:
    """A call that can be transferred."""
    made = Transfers()
    call = replace(CALL, snapshot=replace(SNAPSHOT, tools=(LOOKUP, TRANSFER)))

    async def load(_call_id: uuid.UUID) -> StreamCall:
        return call

    def redirect(**details: Any) -> None:
        stage.rest.append(("redirect", details))
        if stage.rest_error is not None:
            raise stage.rest_error

    monkeypatch.setattr(consumers, "stream_call_load", load)
    monkeypatch.setattr(leaving, "UNSURE_S", 0.2)
    monkeypatch.setattr(clients, "redirect", redirect)
    monkeypatch.setattr(forwarding, "transfer_begin", made.begin)
    monkeypatch.setattr(forwarding, "transfer_dialled", made.dialled)
    monkeypatch.setattr(forwarding, "transfer_refused", made.refused)
    return made


async def ask_for_transfer(stage: Stage) -> None:
    await stage.talk()
    item = {
        "id": "item_f",
        "type": "function_call",
        "call_id": "call_t",
        "name": "transfer_call",
        "arguments": '{"destination":"+13125550142"}',
    }
    stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
    stage.realtime.say(type="response.output_item.done", response_id="resp_1", output_index=0, item=item)
    done = {"id": "resp_1", "status": "completed", "output": [item]}
    stage.realtime.say(type="response.done", response=done)


def outputs(stage: Stage) -> list[str]:
    items = [one["item"] for one in stage.realtime.sent if one["type"] == "conversation.item.create"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


async def test_a_transfer_is_written_down_then_ordered_then_noted_although_the_stream_ends_at_once(
    stage: Stage, settings: Settings, transfers: Transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(**details: Any) -> None:
        assert transfers.written == ["begun"]
        stage.rest.append(("redirect", details))
        stage.hang_up()  # Twilio stops the stream before it answers
        time.sleep(0.3)

    monkeypatch.setattr(clients, "redirect", slow)
    async with playing(stage, settings):
        await ask_for_transfer(stage)

    assert transfers.written == ["begun", "dialled"]
    assert transfers.begun["tool_call_id"] == "call_t"
    assert transfers.begun["stored"] == NURSE
    ((_, order),) = stage.rest
    assert order["call_sid"] == SID
    assert f"/twilio/transfer/{TRANSFER_ID}/ended" in order["document"]
    assert stage.outbox.of("call_finish") == []
    assert len(stage.outbox.of("call_forwarded")) == 1
    (done,) = stage.outbox.of("tool_call_done")
    assert done["order"]["tool_call_id"] == "call_t"


@pytest.mark.parametrize(
    ("error", "written"),
    [
        (TwilioRefusedError("Twilio answered 400."), "refused, there: Twilio answered 400."),
        (TwilioRefusedError("Lost.", unsure=True), "refused, there: Lost."),
    ],
)
async def test_an_order_that_twilio_refuses_is_told_to_the_model(
    stage: Stage, settings: Settings, transfers: Transfers, error: Exception, written: str
) -> None:
    stage.rest_error = error
    async with playing(stage, settings):
        await ask_for_transfer(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert transfers.written == ["begun", written]
    assert "could not be transferred" in outputs(stage)[0]
    (finish,) = stage.outbox.of("call_finish")
    assert finish["ended_reason"] == "customer-ended-call"


async def test_an_order_that_may_have_been_lost_and_ends_the_stream_was_taken(
    stage: Stage, settings: Settings, transfers: Transfers
) -> None:
    stage.rest_error = TwilioRefusedError("Lost.", unsure=True)
    async with playing(stage, settings):
        await ask_for_transfer(stage)
        await until(lambda: stage.rest)
        stage.hang_up()

    assert transfers.written == ["begun"]
    assert len(stage.outbox.of("call_forwarded")) == 1
    assert len(stage.outbox.of("tool_call_done")) == 1


async def test_a_caller_who_was_gone_before_the_order_is_written_as_gone(
    stage: Stage, settings: Settings, transfers: Transfers
) -> None:
    stage.rest_error = CallGoneError("The call was over already.")
    async with playing(stage, settings):
        await ask_for_transfer(stage)
        await until(lambda: len(transfers.written) == 2)
        stage.hang_up()

    assert transfers.written[1].startswith("refused, gone")


async def test_what_cannot_be_written_down_is_not_ordered(
    stage: Stage, settings: Settings, transfers: Transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(**_: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(forwarding, "transfer_begin", down)
    async with playing(stage, settings):
        await ask_for_transfer(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert stage.rest == []
    assert "could not be recorded" in outputs(stage)[0]


# Keys -------------------------------------------------------------------------------------------------------------------

PRESSES = replace(LOOKUP, name="dtmf", kind="dtmf", server_url="")
BEGUN = breaks.Begun(uuid.UUID(int=7), "t0ken")


@pytest.fixture
def pressed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """An assistant that can press keys; what is written down of that."""
    written: list[Any] = []
    stage.call = replace(CALL, snapshot=replace(SNAPSHOT, tools=(PRESSES,)))

    def begin(**details: Any) -> breaks.Begun:
        written.append(details)
        return BEGUN

    def order(**details: Any) -> None:
        stage.rest.append(("redirect", details))
        if stage.rest_error is not None:
            raise stage.rest_error

    def refused(*, break_id: uuid.UUID) -> None:
        written.append(break_id)

    monkeypatch.setattr(breaks, "keys_begin", begin)
    monkeypatch.setattr(breaks, "keys_refused", refused)
    monkeypatch.setattr(clients, "redirect", order)
    return written


async def ask_for_keys(stage: Stage) -> None:
    await stage.talk()
    item = {
        "id": "item_k",
        "type": "function_call",
        "call_id": "call_k",
        "name": "dtmf",
        "arguments": '{"keys":"1w2"}',
    }
    stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
    stage.realtime.say(
        type="response.done", response={"id": "resp_1", "status": "completed", "output": [item]}
    )


async def test_keys_are_written_down_then_ordered_and_the_call_is_not_over(
    stage: Stage, settings: Settings, pressed: list[Any]
) -> None:
    async with playing(stage, settings):
        await ask_for_keys(stage)
        await until(lambda: stage.rest)
        stage.hang_up()

    (begun,) = pressed
    assert begun["asked"] == {"tool_call_id": "call_k", "name": "dtmf", "arguments": {"keys": "1w2"}}
    assert begun["history"][-1]["toolCalls"][0]["id"] == "call_k"
    ((_, order),) = stage.rest
    assert order["call_sid"] == SID
    assert '<Play digits="1w2" />' in order["document"]
    assert '<Parameter name="token" value="t0ken" />' in order["document"]
    assert stage.outbox.of("call_finish") == []
    assert len(stage.outbox.of("call_forwarded")) == 1
    assert stage.outbox.of("tool_call_done") == []


async def test_keys_whose_order_may_have_been_lost_and_ends_the_stream_were_taken(
    stage: Stage, settings: Settings, pressed: list[Any]
) -> None:
    stage.rest_error = TwilioRefusedError("Lost.", unsure=True)
    async with playing(stage, settings):
        await ask_for_keys(stage)
        await until(lambda: stage.rest)
        stage.hang_up()

    assert len(pressed) == 1
    assert len(stage.outbox.of("call_forwarded")) == 1


@pytest.mark.parametrize("unsure", [False, True])
async def test_keys_that_twilio_refuses_are_told_to_the_model_and_let_no_other_stream_in(
    stage: Stage, settings: Settings, pressed: list[Any], caplog: pytest.LogCaptureFixture, *, unsure: bool
) -> None:
    stage.rest_error = TwilioRefusedError("Twilio answered 500.", unsure=unsure)
    async with playing(stage, settings):
        await ask_for_keys(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert pressed[1:] == [BEGUN.break_id]
    assert "Nobody has heard them" in outputs(stage)[0]
    assert "keys_not_pressed" in [problem["code"] for problem in stage.outbox.of("problem_write")]
    assert [end["ended_reason"] for end in stage.outbox.of("call_finish")] == ["customer-ended-call"]
    assert "1w2" not in caplog.text


async def test_keys_that_cannot_be_written_down_are_not_ordered(
    stage: Stage, settings: Settings, pressed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(**_: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(breaks, "keys_begin", down)
    async with playing(stage, settings):
        await ask_for_keys(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert stage.rest == []
    assert "Nobody has heard them" in outputs(stage)[0]


async def test_in_a_smoke_test_keys_are_pressed_for_nobody(
    stage: Stage, settings: Settings, pressed: list[Any]
) -> None:
    stage.call = replace(stage.call, smoke=SmokeCall(mocks=[], off_network=True))
    async with playing(stage, settings):
        await ask_for_keys(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert (pressed, stage.rest) == ([], [])
    assert outputs(stage) == ["Success."]


# Lost sessions ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is written down of a session that was lost."""
    written: list[Any] = []

    def begin(**details: Any) -> breaks.Begun:
        written.append(details)
        return BEGUN

    def order(**details: Any) -> None:
        stage.rest.append(("redirect", details))
        if stage.rest_error is not None:
            raise stage.rest_error

    monkeypatch.setattr(breaks, "session_lost", begin)
    monkeypatch.setattr(clients, "redirect", order)
    return written


async def lose_session(stage: Stage) -> None:
    await stage.talk()
    stage.realtime.lose(1001)
    await until(lambda: stage.rest)


async def test_a_call_whose_session_is_lost_is_given_to_another(
    stage: Stage, settings: Settings, lost: list[Any]
) -> None:
    async with playing(stage, settings):
        await lose_session(stage)
        stage.hang_up()

    ((what, order),) = stage.rest
    assert what == "redirect"
    assert '<Parameter name="token" value="t0ken" />' in order["document"]
    assert lost == [{"call_id": CALL_ID, "history": []}]


@pytest.mark.parametrize("why", ["before", "smoke test", "refused", "database"])
async def test_a_call_that_cannot_be_given_to_another_session_ends_in_an_apology(
    stage: Stage, settings: Settings, lost: list[Any], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def away(**_: Any) -> None:
        raise OperationalError("away")

    def apologise(**details: Any) -> None:
        stage.rest.append(("apologise", details))

    monkeypatch.setattr(clients, "apologise", apologise)
    match why:
        case "before":
            monkeypatch.setattr(breaks, "session_lost", lambda **_: None)
        case "smoke test":
            stage.call = replace(stage.call, smoke=SmokeCall(mocks=[], off_network=False))
        case "refused":
            stage.rest_error = TwilioRefusedError("Twilio answered 400.")
        case _:
            monkeypatch.setattr(breaks, "session_lost", away)
    async with playing(stage, settings):
        await lose_session(stage)
        await until(lambda: stage.rest[-1][0] == "apologise")
        stage.hang_up()

    assert stage.rest[-1][1]["text"] == "We are sorry."


# Another assistant takes over -------------------------------------------------------------------------------------------

HAND_OVER = ToolSnapshot(
    id=str(uuid.UUID(int=7)),
    kind="handoff",
    name="hand_over",
    description="",
    parameters={"type": "object", "properties": {}},
    server_url="",
    timeout_s=20,
    settings={"destinations": [{"type": "assistant", "assistantName": "Billing"}]},
)
BILLING_ID = str(uuid.UUID(int=8))
INVOICE = replace(LOOKUP, id=str(uuid.UUID(int=9)), name="get_invoice")


class Sockets:
    """Every socket to the Realtime API that the shell opens, in order."""

    def __init__(self, stage: Stage) -> None:
        self.made: list[FakeRealtime] = [stage.realtime]
        self.opened: list[str] = []
        self.refuse = ""

    async def connect(self, model: str) -> FakeRealtime:
        if self.opened:
            if self.refuse:
                raise RealtimeRefusedError(self.refuse)
            self.made.append(FakeRealtime())
        self.opened.append(model)
        return self.made[-1]


@pytest.fixture
def sockets(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    """A call of a squad: Billing has another voice and a webhook of its own."""
    billing = replace(SNAPSHOT, assistant_id=BILLING_ID, name="Billing", voice="shimmer", tools=(INVOICE,))
    member = Member("Billing", 3, billing, {}, ServerAuth())
    call = replace(
        CALL,
        snapshot=replace(SNAPSHOT, tools=(LOOKUP, HAND_OVER)),
        tools_written=(LOOKUP, HAND_OVER),
        members={BILLING_ID: member},
        ways={"hand_over": {"Billing": BILLING_ID}},
        tool_auths={LOOKUP.id: ServerAuth(), INVOICE.id: ServerAuth()},
    )

    async def load(_call_id: uuid.UUID) -> StreamCall:
        return call

    made = Sockets(stage)
    monkeypatch.setattr(consumers, "stream_call_load", load)
    monkeypatch.setattr(clients, "realtime_connect", made.connect)
    return made


def calls_a_tool(realtime: FakeRealtime, name: str, call_id: str, response: str = "resp_1") -> None:
    item = {
        "id": f"fc_{call_id}",
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": "{}",
    }
    realtime.say(type="response.created", response={"id": response})
    realtime.say(type="response.done", response={"id": response, "status": "completed", "output": [item]})


async def accepts(realtime: FakeRealtime) -> None:
    """The server of a second session takes its settings."""
    realtime.say(type="session.created", session={})
    await until(lambda: any(event["type"] == "session.update" for event in realtime.sent))
    update = next(event for event in realtime.sent if event["type"] == "session.update")
    realtime.say(type="session.updated", session=update["session"])


async def test_another_assistant_takes_over_on_a_socket_of_its_own(
    stage: Stage, sockets: Sockets, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        for number in range(1, 6):
            stage.frame(number)
        calls_a_tool(stage.realtime, "hand_over", "h1")
        await until(lambda: len(sockets.made) == 2)
        second = sockets.made[1]
        assert not stage.realtime.closed
        await accepts(second)
        await until(lambda: stage.realtime.closed)
        frames = stage.realtime.frames()
        for number in range(6, 10):
            stage.frame(number)
        await until(lambda: second.frames() >= 4)
        calls_a_tool(second, "get_invoice", "i1", "resp_2")
        await until(lambda: stage.outbox.of("tool_call_forward"))
        stage.hang_up()

    assert sockets.opened == [SNAPSHOT.model, SNAPSHOT.model]
    assert stage.realtime.frames() == frames
    voice = next(event for event in second.sent if event["type"] == "session.update")
    assert voice["session"]["audio"]["output"]["voice"] == "shimmer"
    (part,) = stage.outbox.of("part_write")
    assert (part["n"], part["assistant_id"], part["tool_call_id"]) == (1, BILLING_ID, "h1")
    (done,) = stage.outbox.of("tool_call_done")
    assert (done["order"]["tool"]["name"], done["output"]) == ("hand_over", "Success.")
    (order,) = stage.outbox.of("tool_call_forward")
    assert order["order"]["tool"]["name"] == "get_invoice"
    assert order["order"]["context"]["assistant"]["name"] == "Billing"
    assert order["order"]["context"]["assistantVersion"] == "v3"
    assert all(one.closed for one in sockets.made)


async def test_a_second_socket_that_is_refused_leaves_the_call_where_it_was(
    stage: Stage, sockets: Sockets, settings: Settings
) -> None:
    sockets.refuse = "http_429"

    async with playing(stage, settings):
        await stage.talk()
        calls_a_tool(stage.realtime, "hand_over", "h1")
        await until(lambda: any("could not be handed over" in str(event) for event in stage.realtime.sent))
        stage.hang_up()

    assert stage.outbox.of("part_write") == []
    assert "http_429" in [problem["code"] for problem in stage.outbox.of("problem_write")]


async def test_a_caller_who_hangs_up_while_the_second_socket_opens_leaves_none_open(
    stage: Stage, sockets: Sockets, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        calls_a_tool(stage.realtime, "hand_over", "h1")
        await until(lambda: len(sockets.made) == 2)
        stage.hang_up()

    assert [one.closed for one in sockets.made] == [True, True]
    assert stage.outbox.of("part_write") == []


async def test_whoever_cannot_take_over_is_told_of_to_the_model(
    stage: Stage, sockets: Sockets, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        consumers, "member_prepare", lambda *_, **__: "the assistant Billing was never published"
    )

    async with playing(stage, settings):
        await stage.talk()
        calls_a_tool(stage.realtime, "hand_over", "h1")
        await until(lambda: any("never published" in str(event) for event in stage.realtime.sent))
        stage.hang_up()

    assert len(sockets.opened) == 1
    assert "handoff_impossible" in [problem["code"] for problem in stage.outbox.of("problem_write")]
