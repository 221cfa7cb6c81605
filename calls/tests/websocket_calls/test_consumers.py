"""A program's own socket: the same conversation as by telephone, and what only such a socket can do."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from calls.draining.here import INSTANCE
from calls.lines import shell
from calls.tests.stage import CALL, CALL_ID, Stage, stage, until
from calls.websocket_calls import consumers, line, pacing
from calls.websocket_calls.consumers import SocketCallConsumer
from calls.websocket_calls.formats import ClientFormat
from calls.websocket_calls.intake import FRAME_MS, MOST_AHEAD_MS
from calls.websocket_calls.pacing import Pacer

__all__ = ["stage"]

TOKEN = "t0ken"
FRAME = b"\x00\x10" * 320  # 20 ms at 16 kHz
# Of what a client has still to play: however late this process is, what was heard is what the clock says.
LEAD_MS = 3000


class Client:
    """A program: what it got, by kind, and what it sends."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @property
    def sound(self) -> bytes:
        return b"".join(m["bytes"] for m in self.stage.sent if "bytes" in m)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [orjson.loads(m["text"]) for m in self.stage.sent if "text" in m]

    def kinds(self) -> list[str]:
        return [one["type"] for one in self.told]

    def send(self, sound: bytes) -> None:
        self.stage.from_twilio.put_nowait({"type": "websocket.receive", "bytes": sound})

    def say(self, text: str | dict[str, Any]) -> None:
        written = text if isinstance(text, str) else orjson.dumps(text).decode()
        self.stage.from_twilio.put_nowait({"type": "websocket.receive", "text": written})

    def leave(self, code: int = 1000, **said: str) -> None:
        self.stage.from_twilio.put_nowait({"type": "websocket.disconnect", "code": code, **said})

    async def talk(self) -> dict[str, Any]:
        """Until both sides are there; the session that was asked for."""
        realtime = self.stage.realtime
        realtime.say(type="session.created", session={})
        await until(lambda: any(event["type"] == "session.update" for event in realtime.sent))
        update = next(event for event in realtime.sent if event["type"] == "session.update")
        realtime.say(type="session.updated", session=update["session"])
        await until(lambda: "status-update" in self.kinds())
        session: dict[str, Any] = update["session"]
        return session

    def heard_by_model(self) -> bytes:
        return b"".join(
            base64.b64decode(event["audio"])
            for event in self.stage.realtime.sent
            if event["type"] == "input_audio_buffer.append"
        )

    def model_speaks(self, ms: int, *, item: str = "item_1", bytes_per_ms: int = 48) -> None:
        keys = {"response_id": "resp_1", "item_id": item, "output_index": 0, "content_index": 0}
        say = self.stage.realtime.say
        say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
        sound = base64.b64encode(b"\x00\x10" * (ms * bytes_per_ms // 2)).decode()
        say(type="response.output_audio.delta", **keys, delta=sound)
        say(type="response.output_audio.done", **keys)
        say(type="response.output_audio_transcript.done", **keys, transcript="Your bike is ready now.")
        say(type="response.done", response={"id": "resp_1", "status": "completed", "output": [{}]})


@pytest.fixture
def client(stage: Stage) -> Client:
    return Client(stage)


@asynccontextmanager
async def connected(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    form: ClientFormat | int = ClientFormat("pcm_s16le", 16_000),  # noqa: B008  # frozen
    *,
    origin: bytes = b"",
) -> AsyncIterator[None]:
    """The consumer at work; it must come to its own end."""

    async def load(_call_id: uuid.UUID, token: str) -> Any:
        assert token == TOKEN
        return form if isinstance(form, int) else (replace(stage.call, audio=form.at_model), form)

    monkeypatch.setattr(consumers, "socket_call_load", load)
    scope = {
        "type": "websocket",
        "path": f"/media/{CALL_ID}/transport",
        "query_string": f"token={TOKEN}".encode(),
        "headers": [(b"origin", origin)] if origin else [],
        "url_route": {"kwargs": {"call_id": CALL_ID}},
    }
    stage.from_twilio.put_nowait({"type": "websocket.connect"})
    work = asyncio.ensure_future(SocketCallConsumer()(scope, stage.from_twilio.get, stage.twilio_send))
    try:
        yield
        await asyncio.wait_for(work, 60)
    finally:
        work.cancel()


async def test_sound_goes_both_ways_at_the_clients_own_rate(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(stage, monkeypatch):
        session = await client.talk()
        for _ in range(20):
            client.send(FRAME)
        await until(lambda: stage.realtime.frames() >= 19)
        client.model_speaks(100)
        await until(lambda: len(client.sound) >= 95 * 32)
        client.leave()

    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    heard = np.frombuffer(client.heard_by_model()[: 960 * 15], "<i2")
    assert abs(heard[200:].astype(int) - 0x1000).max() < 40
    spoken = np.frombuffer(client.sound, "<i2")[200:]
    assert abs(spoken.astype(int) - 0x1000).max() < 40
    (end,) = stage.outbox.of("call_finish")
    assert end["ended_reason"] == "customer-ended-call"
    assert end["facts"]["frames_in"] == stage.realtime.frames()
    assert stage.rest == []  # nobody at Twilio knows of it


@pytest.mark.parametrize("form", [ClientFormat("mulaw", 8000), ClientFormat("pcm_s16le", 24_000)])
async def test_what_the_model_takes_is_passed_on_as_it_is(
    form: ClientFormat, stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = bytes(range(256)) * 15
    async with connected(stage, monkeypatch, form):
        session = await client.talk()
        client.send(sound)
        await until(lambda: len(client.heard_by_model()) >= len(sound) - form.at_model.bytes_per_ms * 20 + 1)
        client.leave()

    assert session["audio"]["output"]["format"] == dict(form.at_model.session)
    assert sound.startswith(client.heard_by_model())


async def test_what_was_heard_is_counted_by_the_clock_and_an_interruption_takes_the_rest_back(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "LEAD_MS", LEAD_MS)
    async with connected(stage, monkeypatch, ClientFormat("pcm_s16le", 24_000)):
        await client.talk()
        client.send(b"\x00" * 960)
        client.model_speaks(8000)
        await until(lambda: len(client.sound) > (LEAD_MS + 300) * 48)
        stage.realtime.say(type="input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_c")
        await until(lambda: "user-interrupted" in client.kinds())
        sent_ms = len(client.sound) // 48
        await until(lambda: any(e["type"] == "conversation.item.truncate" for e in stage.realtime.sent))
        client.leave()

    (cut,) = [e for e in stage.realtime.sent if e["type"] == "conversation.item.truncate"]
    assert sent_ms - LEAD_MS - 80 <= cut["audio_end_ms"] <= sent_ms
    assert len(client.sound) // 48 < 8000
    spoken = stage.outbox.of("utterances_write")[-1]["utterances"]
    said = next(one for one in spoken if one["item_id"] == "item_1")
    assert said["interrupted"]
    assert said["heard_ms"] == cut["audio_end_ms"]
    assert said["generated_ms"] == 8000


async def test_the_client_reads_along_and_is_told_of_the_end(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(stage, monkeypatch):
        await client.talk()
        client.model_speaks(60)
        await until(lambda: any(one.get("transcriptType") == "final" for one in client.told))
        client.say({"type": "end-call"})

    final = next(one for one in client.told if one.get("transcriptType") == "final")
    assert (final["role"], final["transcript"]) == ("assistant", "Your bike is ready now.")
    assert client.told[0]["status"] == "in-progress"
    assert client.told[-1] | {"timestamp": 0} == {
        "type": "status-update",
        "status": "ended",
        "endedReason": "customer-ended-call",
        "timestamp": 0,
    }
    assert stage.closed_with() == 1000


async def test_a_redacted_call_tells_its_client_no_words_before_they_are_complete(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.call = replace(CALL, snapshot=replace(CALL.snapshot, redact=("card",)))
    async with connected(stage, monkeypatch):
        await client.talk()
        stage.realtime.say(
            type="conversation.item.input_audio_transcription.delta", item_id="item_c", delta="4111"
        )
        client.say({"type": "hangup"})

    assert "transcript" not in client.kinds()


async def test_a_fault_of_ours_in_sending_closes_the_socket_rather_than_leaving_it_silent(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(stage, monkeypatch):
        await client.talk()
        monkeypatch.setattr(Pacer, "take", lambda *_: 1 / 0)
        client.model_speaks(100)
        await until(lambda: stage.closed_with() is not None)

    assert stage.closed_with() == 1011
    assert len(stage.outbox.of("call_finish")) == 1


async def test_a_piece_of_sound_that_is_too_long_is_not_taken(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(stage, monkeypatch):
        await client.talk()
        client.send(bytes(line.LONGEST_SOUND + 2))
        client.send(b"")
        client.send(FRAME * 3)
        await until(stage.realtime.frames)
        client.leave()

    assert stage.realtime.frames() <= 3
    assert [one["code"] for one in stage.outbox.of("problem_write")] == ["malformed_message"]


async def test_garbage_is_reported_a_few_times_and_a_flood_of_it_ends_the_call(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(stage, monkeypatch):
        await client.talk()
        for text in ("{", "[]", '{"type":1}', "\ud800", "x" * 20_000, '{"type":"unknown"}', ""):
            client.say(text)
        for _ in range(1000):  # ten a second are allowed, and however slow this is, it takes no minute
            client.say("nonsense")
        await until(lambda: stage.closed_with() is not None)

    assert stage.closed_with() == 1008
    codes = [one["code"] for one in stage.outbox.of("problem_write")]
    assert codes.count("malformed_message") == 10
    assert {one["source"] for one in stage.outbox.of("problem_write")} == {"tandem"}


async def test_more_messages_than_any_microphone_makes_end_the_call_and_nothing_more_is_heard(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_SOUNDS", (50, 1.0))
    async with connected(stage, monkeypatch):
        await client.talk()
        for _ in range(2000):
            client.send(b"\x01")
        client.send(FRAME * 10)
        client.say({"type": "say", "message": "The shop closes at six."})
        await until(lambda: stage.closed_with() is not None)

    assert stage.closed_with() == 1008
    assert stage.realtime.frames() == 0
    assert "error" not in client.kinds()


async def test_more_sound_than_anybody_can_have_spoken_ends_the_call(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with connected(stage, monkeypatch, ClientFormat("mulaw", 8000)):
        await client.talk()
        for _ in range(20):
            client.send(b"\x20" * 40_000)
        await until(lambda: stage.closed_with() is not None)
    lasted_ms = (loop.time() - began) * 1000

    assert stage.closed_with() == 1008
    assert len(client.heard_by_model()) <= 8 * (MOST_AHEAD_MS + FRAME_MS + lasted_ms)


async def test_a_client_that_does_not_read_is_let_go_and_has_heard_no_more_than_it_took(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "SENT_WITHIN_S", 0.05)
    monkeypatch.setattr(pacing, "LEAD_MS", LEAD_MS)
    send, stuck = stage.twilio_send, False

    async def slow(message: dict[str, Any]) -> None:
        if stuck and message["type"] == "websocket.send":
            await asyncio.Event().wait()
        await send(message)

    monkeypatch.setattr(stage, "twilio_send", slow)
    async with connected(stage, monkeypatch):
        await client.talk()
        client.model_speaks(8000)
        await until(lambda: client.sound)
        stuck = True

    spoken = stage.outbox.of("utterances_write")[-1]["utterances"]
    assert spoken[0]["heard_ms"] <= len(client.sound) // 32 + 20
    assert "client_too_slow" in [one["code"] for one in stage.outbox.of("problem_write")]


async def test_a_client_that_takes_nothing_at_all_and_stays_holds_nothing_here(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "SENT_WITHIN_S", 0.05)
    monkeypatch.setattr(shell, "CLOSED_WITHIN_S", 0.05)
    send, stuck = stage.twilio_send, False

    async def full(message: dict[str, Any]) -> None:
        if stuck:
            await asyncio.Event().wait()  # as uvicorn does, also with a close
        await send(message)

    monkeypatch.setattr(stage, "twilio_send", full)
    async with connected(stage, monkeypatch):
        await client.talk()
        client.model_speaks(2000)
        await until(lambda: client.sound)
        stuck = True  # and no disconnect ever comes

    (end,) = stage.outbox.of("call_finish")
    assert end["ended_reason"] == "phone-call-provider-closed-websocket"


async def test_a_client_that_leaves_before_its_socket_is_open_breaks_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.gone = True

    async with connected(stage, monkeypatch):
        pass

    assert stage.sent == []
    assert stage.realtime.sent == []
    assert stage.outbox.entries == []


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (1000, {"reason": ""}, "customer-ended-call"),
        (1005, {"reason": ""}, "customer-ended-call"),
        (4001, {"reason": "tab closed"}, "customer-ended-call"),
        # Only our own server can say that it restarts; a client that says so is just going away.
        (1012, {"reason": ""}, "customer-ended-call"),
        (1012, {}, "worker-shutdown"),
        (1002, {"reason": ""}, "phone-call-provider-closed-websocket"),
        (1006, {}, "phone-call-provider-closed-websocket"),
        # Uvicorn's word for a connection that was lost without any.
        (1005, {}, "phone-call-provider-closed-websocket"),
    ],
)
async def test_how_the_socket_is_closed_says_why_the_call_is_over(
    code: int,
    said: dict[str, str],
    reason: str,
    stage: Stage,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with connected(stage, monkeypatch):
        await client.talk()
        client.leave(code, **said)

    (end,) = stage.outbox.of("call_finish")
    assert end["ended_reason"] == reason


async def test_a_client_may_have_something_said_where_its_assistant_allows_that(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(stage, monkeypatch):
        await client.talk()
        client.say({"type": "say", "message": "The shop closes at six."})
        client.say({"type": "say"})
        client.say({"type": "transfer", "destination": {"type": "number", "number": "+14155550100"}})
        await until(lambda: any("at six" in str(event) for event in stage.realtime.sent))
        await until(lambda: "error" in client.kinds())
        client.leave()

    errors = [one["message"] for one in client.told if one["type"] == "error"]
    assert len(errors) == 1
    assert "content" in errors[0]


async def test_a_client_gives_no_orders_where_control_is_switched_off(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {"controlAuthenticationEnabled": True}
    stage.call = replace(CALL, snapshot=replace(CALL.snapshot, monitor_plan=plan))
    async with connected(stage, monkeypatch):
        await client.talk()
        client.say({"type": "say", "message": "The shop closes at six."})
        await until(lambda: "error" in client.kinds())
        client.leave()

    assert not any("at six" in str(event) for event in stage.realtime.sent)


async def test_a_token_that_opens_nothing_is_refused_before_the_socket_is_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(stage, monkeypatch, 1008):
        pass

    assert stage.sent == [{"type": "websocket.close", "code": 1008}]
    assert stage.realtime.sent == []


async def test_the_token_and_no_cookie_lets_in_so_any_page_may_use_it(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(stage, monkeypatch, origin=b"https://shop.example"):
        await client.talk()
        client.leave()

    assert stage.sent[0]["type"] == "websocket.accept"


async def test_a_process_that_drains_asks_the_client_to_come_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(INSTANCE), "refusing", property(lambda _: True))

    async with connected(stage, monkeypatch):
        pass

    assert stage.closed_with() == 1012
    assert stage.realtime.sent == []


async def test_there_is_no_telephone_to_be_connected_to_anybody(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(stage, monkeypatch):
        await client.talk()
        stage.layer.messages.put_nowait(
            {
                "type": "call.transfer",
                "order_id": "o1",
                "destination": {"type": "number", "number": "+14155550100", "message": ""},
            }
        )
        await until(lambda: any("no telephone call" in str(event) for event in stage.realtime.sent))
        client.leave()

    assert stage.rest == []
