import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from simulator import clips, ulaw
from simulator.clock import Clock
from simulator.dialogue import Dialogue
from simulator.media_stream import _NOISE
from simulator.report import CallLog, CallReport
from simulator.scenario import Faults, Model, Scenario, load
from simulator.session import Binding, Close, Session
from simulator.trouble import Trouble

FIXTURES = Path(__file__).parent / "fixtures"
ASK = "Hi, is my bike ready? The ticket is four eight one."
SPEED = 20.0
IDLE = b"".join(_NOISE)

Event = dict[str, Any]


def lines_of(name: str) -> list[Event]:
    return [json.loads(line) for line in (FIXTURES / name).read_text().splitlines()]


UPDATE = lines_of("client-events-ga.jsonl")[0]


class Client:
    """The other end of a session, without a network."""

    def __init__(self, scenario: Scenario, model: str = "gpt-realtime-2.1") -> None:
        self.report = CallReport(call_sid="CA1", scenario=scenario.name)
        self.said: list[str] = []
        binding = Binding(
            scenario=scenario,
            log=CallLog(self.report, Clock(speed=SPEED)),
            trouble=Trouble(scenario.faults),
            dialogue=Dialogue(scenario),
            on_say=self.said.append,
            on_tool_call=lambda: None,
        )
        self.session = Session(model, binding)
        self.session.begin()
        self.events: list[Event] = []

    def send(self, event: str, **fields: Any) -> None:
        self.session.receive(json.dumps({"type": event, **fields}))

    def say(self, audio: bytes) -> None:
        self.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    async def expect(self, event: str) -> Event:
        """The next event of that type; those before it are kept in `events`."""
        while True:
            entry = await asyncio.wait_for(self.session.outbox.get(), 60)
            assert isinstance(entry, str), entry
            received: Event = json.loads(entry)
            self.events.append(received)
            if received["type"] == event:
                return received

    async def error(self) -> Event:
        error: Event = (await self.expect("error"))["error"]
        return error

    def took(self, event: str) -> list[Event]:
        return [entry for entry in self.events if entry["type"] == event]


def make_client(scenario: Scenario | None = None, **model: Any) -> Client:
    story = scenario or load("one_tool")
    return Client(story.but(model=Model(**model)) if model else story)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = make_client()
    client.session.receive(json.dumps(UPDATE))
    await client.expect("session.updated")
    yield client
    client.session.end()


async def test_a_correct_clients_events_are_accepted() -> None:
    client = make_client()

    for event in lines_of("client-events-ga.jsonl"):
        client.session.receive(json.dumps(event))

    # These refer to items of the recorded session, and its own last event is useless on purpose.
    for error in client.report.realtime_errors:
        assert error["code"] in {
            "invalid_tool_call_id",
            "item_truncate_invalid_item_id",
            "item_create_invalid_item_id",
            "conversation_already_has_active_response",
            "response_cancel_not_active",
        }
        assert error["event_id"] in {"evt_c_0009", "evt_c_0010", "evt_c_0011", "evt_c_0012"}
    client.session.end()


async def test_the_session_created_has_the_shape_of_the_real_one() -> None:
    client = make_client()

    created = await client.expect("session.created")

    real = lines_of("ga-call.jsonl")[0]
    assert {**created["session"], "id": 0, "expires_at": 0} == {**real["session"], "id": 0, "expires_at": 0}


async def test_a_spoken_turn_comes_in_the_real_order(client: Client) -> None:
    client.say(IDLE * 4 + clips.clip_of(ASK, "caller").audio + IDLE * 4)
    await client.expect("rate_limits.updated")

    real = lines_of("ga-call.jsonl")
    first = next(n for n, event in enumerate(real) if event["type"] == "input_audio_buffer.speech_started")
    last = next(n for n, event in enumerate(real) if n > first and event["type"] == "rate_limits.updated")

    assert order_of(client.events[1:]) == order_of(real[first : last + 1])
    assert client.report.realtime_errors == []


def order_of(events: list[Event]) -> list[str]:
    """Types in order, each run of deltas as one, without the transcription that comes at any time."""
    order: list[str] = []
    for event in events:
        kind = event["type"]
        if "input_audio_transcription" in kind or kind == "session.updated":
            continue
        kind = "audio and transcript" if kind.endswith(("audio.delta", "transcript.delta")) else kind
        if not order or order[-1] != kind:
            order.append(kind)
    return order


async def test_events_have_the_keys_of_the_real_ones(client: Client) -> None:
    client.say(IDLE * 4 + clips.clip_of(ASK, "caller").audio + IDLE * 4)
    await client.expect("rate_limits.updated")
    if not client.took("conversation.item.input_audio_transcription.completed"):
        await client.expect("conversation.item.input_audio_transcription.completed")

    real = {event["type"]: event for event in lines_of("ga-call.jsonl")}

    for event in client.events:
        assert set(event) == set(real[event["type"]]), event["type"]
    done = client.took("response.done")[0]["response"]
    assert set(done) == set(real["response.done"]["response"])
    assert set(done["usage"]) == set(real["response.done"]["response"]["usage"])


async def test_deltas_are_uneven_and_add_up(client: Client) -> None:
    client.send("response.create", response={"instructions": "Say exactly this sentence: We are closed."})
    await client.expect("response.done")

    sizes = [len(base64.b64decode(event["delta"])) for event in client.took("response.output_audio.delta")]
    text = "".join(event["delta"] for event in client.took("response.output_audio_transcript.delta"))

    assert sum(sizes) == len(clips.clip_of("We are closed.", "assistant").audio)
    assert any(size % 160 for size in sizes)
    assert text == "We are closed."
    assert client.said == ["We are closed."]


async def test_speech_cancels_the_response_and_a_late_delta_follows() -> None:
    client = make_client(rate=0.5)
    client.session.receive(json.dumps(UPDATE))
    client.send("response.create")
    await client.expect("response.output_audio.delta")

    client.say(IDLE + clips.clip_of(ASK, "caller").audio)
    done = await client.expect("response.done")

    kinds = [event["type"] for event in client.events]
    after = kinds[kinds.index("input_audio_buffer.speech_started") :]
    assert after[1] == "response.output_audio.delta"
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["response"]["output"][0]["status"] == "incomplete"
    client.session.end()


async def test_speech_leaves_the_response_alone_if_told_so() -> None:
    client = make_client(rate=5)
    update = json.loads(json.dumps(UPDATE))
    detection = update["session"]["audio"]["input"]["turn_detection"]
    detection.update(create_response=False, interrupt_response=False)
    client.session.receive(json.dumps(update))
    client.send("response.create")
    await client.expect("response.output_audio.delta")

    client.say(IDLE + clips.clip_of(ASK, "caller").audio + IDLE * 4)
    done = await client.expect("response.done")

    assert done["response"]["status"] == "completed"
    assert len(client.took("response.created")) == 1
    assert client.took("input_audio_buffer.committed")
    client.session.end()


async def test_without_turn_detection_the_client_commits() -> None:
    client = make_client()
    update = json.loads(json.dumps(UPDATE))
    update["session"]["audio"]["input"]["turn_detection"] = None
    client.session.receive(json.dumps(update))
    client.send("input_audio_buffer.commit", event_id="c1")
    error = await client.error()
    client.say(clips.clip_of(ASK, "caller").audio)
    client.send("input_audio_buffer.commit")

    transcript = await client.expect("conversation.item.input_audio_transcription.completed")

    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "c1")
    assert transcript["transcript"] == ASK
    assert not client.took("input_audio_buffer.speech_started")
    assert not client.took("response.created")
    client.session.end()


async def test_one_response_at_a_time(client: Client) -> None:
    client.send("response.create")
    client.send("response.create", event_id="second")
    error = await client.error()
    client.send("response.create", response={"conversation": "none", "output_modalities": ["text"]})

    await client.expect("response.done")
    await client.expect("response.done")

    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "second")
    assert client.took("response.output_text.done")


async def test_cancelling(client: Client) -> None:
    client.send("response.cancel", event_id="c")
    idle = await client.error()
    client.send("response.create")
    created = await client.expect("response.created")
    client.send("response.cancel", response_id=created["response"]["id"])
    done = await client.expect("response.done")

    assert (idle["code"], idle["event_id"]) == ("response_cancel_not_active", "c")
    assert done["response"]["status_details"]["reason"] == "client_cancelled"


async def test_truncating(client: Client) -> None:
    client.send("response.create")
    done = await client.expect("response.done")
    item = done["response"]["output"][0]["id"]
    keys = {"item_id": item, "content_index": 0}

    client.send("conversation.item.truncate", **keys, audio_end_ms=2401)
    too_far = await client.error()
    client.send("conversation.item.truncate", **keys, audio_end_ms=1360)
    truncated = await client.expect("conversation.item.truncated")
    client.send("conversation.item.truncate", **{**keys, "item_id": "item_unknown"}, audio_end_ms=0)
    unknown = await client.error()

    assert too_far["code"] == "invalid_value"
    assert too_far["message"] == "Audio content of 2400ms is already shorter than 2401ms"
    assert truncated["audio_end_ms"] == 1360
    assert unknown["code"] == "item_truncate_invalid_item_id"
    assert [(entry.line, entry.audio_end_ms) for entry in client.report.truncations] == [
        ("Alder Street Bike Repair, how can I help?", 1360)
    ]


async def test_a_text_item_cannot_be_truncated(client: Client) -> None:
    content = [{"type": "output_text", "text": "Hello."}]
    client.send(
        "conversation.item.create",
        item={"type": "message", "role": "assistant", "id": "item_1", "content": content},
    )
    client.send("conversation.item.truncate", item_id="item_1", content_index=0, audio_end_ms=0)

    assert (await client.error())["code"] == "invalid_value"


async def test_an_output_needs_its_call(client: Client) -> None:
    output = {"type": "function_call_output", "call_id": "call_unknown", "output": "{}"}
    client.send("conversation.item.create", item=output, event_id="c")

    error = await client.error()

    assert (error["param"], error["event_id"]) == ("item.call_id", "c")


async def test_a_tool_is_called_and_its_output_quoted() -> None:
    client = make_client()
    client.session.receive(json.dumps(UPDATE))
    client.say(IDLE * 4 + clips.clip_of(ASK, "caller").audio + IDLE * 4)
    call = (await client.expect("response.done"))["response"]["output"][1]
    for _ in range(2):
        output = {
            "type": "function_call_output",
            "call_id": call["call_id"],
            "output": '{"status":"waiting_for_parts"}',
        }
        client.send("conversation.item.create", item=output)
    client.send("response.create")
    await client.expect("response.done")

    assert json.loads(call["arguments"]) == {"ticket": "481", "include_price": True}
    assert client.said[-1].startswith("Ticket 481 is waiting for parts")
    assert len(client.report.tool_calls[0].outputs) == 2
    assert client.report.realtime_warnings == ["2 outputs for one call of get_repair_status"]
    client.session.end()


async def test_a_tool_call_of_an_earlier_session_wants_no_answer(client: Client) -> None:
    client.session.receive(json.dumps(UPDATE))
    call = {"type": "function_call", "call_id": "c1", "name": "get_repair_status", "arguments": "{}"}
    client.send("conversation.item.create", item=call)
    output = {"type": "function_call_output", "call_id": "c1", "output": '{"status":"waiting_for_parts"}'}
    client.send("conversation.item.create", item=output)
    client.send("response.create")
    await client.expect("response.done")

    assert client.said == ["Alder Street Bike Repair, how can I help?"]
    assert client.report.realtime_errors == []
    assert client.report.realtime_warnings == []


@pytest.mark.parametrize("context", [{}, {"input": []}], ids=["in context", "alone"])
async def test_an_exact_sentence_after_the_output_is_the_answer_to_it(context: Event) -> None:
    client = make_client()
    client.send("session.update", session=UPDATE["session"])
    client.say(clips.clip_of(ASK, "caller").audio + ulaw.SILENCE * 8000)
    called = await client.expect("response.function_call_arguments.done")
    await client.expect("response.done")
    output = {"type": "function_call_output", "call_id": called["call_id"], "output": "waiting_for_parts"}
    exactly = {"instructions": "Say exactly this sentence and nothing else: One moment.", **context}

    client.send("response.create", response=exactly)  # while the tool is at work
    await client.expect("response.done")
    client.send("conversation.item.create", item=output)
    client.send("response.create", response=exactly)
    await client.expect("response.done")
    client.send(
        "conversation.item.create",
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How much?"}]},
    )
    client.send("response.create")
    await client.expect("response.done")

    assert client.said[-3:] == [
        "One moment.",
        "One moment.",
        "Sorry, I did not catch that. Could you say it again?",
    ]
    client.session.end()


async def test_a_refused_update_changes_nothing(client: Client) -> None:
    before = client.session.settings
    client.send(
        "session.update", event_id="u", session={"type": "realtime", "instructions": "x", "voice": "ash"}
    )

    error = await client.error()

    assert (error["code"], error["event_id"]) == ("unknown_parameter", "u")
    assert client.session.settings == before


async def test_the_voice_is_fixed_by_the_first_audio(client: Client) -> None:
    other = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    client.send("session.update", session=other)
    await client.expect("session.updated")
    client.send("response.create")
    await client.expect("response.done")
    client.send("session.update", session={"type": "realtime", "audio": {"output": {"voice": "ash"}}})

    assert (await client.error())["code"] == "cannot_update_voice"


async def test_messages_that_are_no_events(client: Client) -> None:
    client.session.receive(b"\x00")
    binary = await client.error()
    client.session.receive("{")
    broken = await client.error()

    assert (binary["code"], broken["code"]) == ("invalid_event", "invalid_json")


async def test_audio_before_the_update_is_noted() -> None:
    client = make_client()

    client.say(IDLE)

    assert client.report.realtime_warnings == ["audio was appended before session.updated"]


async def test_mu_law_in_a_pcm_session_is_noise() -> None:
    client = make_client()

    client.say(clips.clip_of(ASK, "caller").audio * 3)

    assert await client.expect("input_audio_buffer.speech_started")
    client.session.end()


async def test_idle_timeout() -> None:
    client = make_client()
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    pcmu = {"type": "audio/pcmu"}
    client.send(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"format": pcmu, "turn_detection": detection}}},
    )
    client.send("response.create")
    await client.expect("response.done")
    client.say(IDLE * 22)  # 7 s; the greeting itself plays for 2.4
    assert not client.took("input_audio_buffer.timeout_triggered")
    client.say(IDLE * 4)

    timeout = await client.expect("input_audio_buffer.timeout_triggered")
    await client.expect("response.created")

    assert timeout["audio_end_ms"] - timeout["audio_start_ms"] >= 5000
    client.session.end()


@pytest.mark.parametrize(
    ("faults", "status", "code"),
    [
        (Faults(fail_responses=1, fail_code="rate_limit_exceeded"), "failed", "rate_limit_exceeded"),
        (Faults(fail_responses=1), "failed", "server_error"),
    ],
)
async def test_failed_responses_end_and_the_next_answers(faults: Faults, status: str, code: str) -> None:
    client = make_client(load("one_tool").but(faults=faults))
    client.session.receive(json.dumps(UPDATE))
    client.send("response.create")
    first = (await client.expect("response.done"))["response"]
    client.send("response.create")
    second = (await client.expect("response.done"))["response"]

    assert (first["status"], first["status_details"]["error"]["code"]) == (status, code)
    assert second["status"] == "completed"
    client.session.end()


async def test_other_faults() -> None:
    faults = Faults(unknown_events=True, huge_message=True, invalid_json=True, close_mid_response=1011)
    client = make_client(load("one_tool").but(faults=faults))
    client.session.receive(json.dumps(UPDATE))
    client.send("response.create")

    received: list[str] = []
    while isinstance(entry := await asyncio.wait_for(client.session.outbox.get(), 60), str):
        received.append(entry)

    assert entry == Close(1011, "simulated")
    assert max(map(len, received)) > 3_000_000
    assert any("session.weather" in text for text in received)
    assert sum(not text.endswith("}") for text in received) == 1
    client.session.end()


async def test_a_mute_session_takes_the_update_and_never_speaks() -> None:
    client = make_client(load("one_tool").but(faults=Faults(mute="after_updated")))
    client.session.receive(json.dumps(UPDATE))
    await client.expect("session.updated")
    client.send("response.create")
    await asyncio.sleep(0.05)

    assert client.session.outbox.empty()


async def test_a_retired_model_connects_and_fails() -> None:
    client = Client(load("one_tool"), model="gpt-4o-realtime-preview-2025-06-03")
    client.send("response.create")

    done = await client.expect("response.done")

    assert done["response"]["status_details"]["error"]["code"] == "model_not_found"
    client.session.end()
