"""The Realtime API's events, read and built, and the session they agree on."""

from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.bridge import realtime, twilio
from calls.bridge.conversation import Conversation
from calls.bridge.errors import RemoteProtocolError
from calls.bridge.line import Timer
from calls.bridge.plan import Plan, ToolSpec, floor_given, floor_payload, session_faults, session_payload

PLAN = Plan(instructions="Be brief.", tools=(ToolSpec("book", "Book a slot", {"type": "object"}),))
AUDIO = b64encode(bytes(160)).decode()
CALL = {"type": "function_call", "id": "fc1", "call_id": "c1", "name": "book", "arguments": "{}"}
CALLED = realtime.FunctionCall("r1", "fc1", "c1", "book", "{}")


def event(kind: str, **fields: object) -> bytes:
    return orjson.dumps({"type": kind, "event_id": "event_1", **fields})


def done(**response: object) -> bytes:
    return event("response.done", response={"id": "r1", **response})


@pytest.mark.parametrize("name", ["response.output_audio.delta", "response.audio.delta"], ids=["ga", "beta"])
def test_audio_is_read_under_both_names(name: str) -> None:
    text = event(name, response_id="r1", item_id="i1", delta=AUDIO)

    assert realtime.parse(text) == realtime.AudioDelta("r1", "i1", AUDIO, 160)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (event("session.created", session={}), realtime.SessionCreated()),
        (event("session.updated", session={"voice": "marin"}), realtime.SessionUpdated({"voice": "marin"})),
        (
            event("response.created", response={"id": "r1", "metadata": None}),
            realtime.ResponseCreated("r1", ""),
        ),
        (
            event("response.created", response={"id": "r1", "metadata": {"client_event_id": "evt_1"}}),
            realtime.ResponseCreated("r1", "evt_1"),
        ),
        (event("response.output_audio.done", response_id="r1", item_id="i1"), realtime.AudioDone("r1", "i1")),
        (
            event("response.output_audio_transcript.delta", response_id="r1", item_id="i1", delta="Hi"),
            realtime.TextDelta("r1", "i1", "Hi"),
        ),
        (
            event("response.audio_transcript.done", item_id="i1", transcript="Hi"),
            realtime.TextDone("", "i1", "Hi"),
        ),
        (
            event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=40),
            realtime.SpeechStarted("u1", 40),
        ),
        (
            event("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=0),
            realtime.SpeechStopped("u1", 0),
        ),
        (event("input_audio_buffer.committed", item_id="u1"), realtime.Committed("u1")),
        (
            event("conversation.item.input_audio_transcription.completed", item_id="u1", transcript="Yes"),
            realtime.CallerText("u1", "Yes"),
        ),
        (
            event(
                "conversation.item.input_audio_transcription.delta", item_id="u1", delta=" I", obfuscation="x"
            ),
            realtime.CallerTextDelta("u1", " I"),
        ),
        (
            event("conversation.item.input_audio_transcription.failed", item_id="u1", error=None),
            realtime.CallerTextFailed("u1", "unknown"),
        ),
        (
            event("error", error={"type": "server_error", "code": None, "event_id": None}),
            realtime.Error("server_error", "", ""),
        ),
        (
            event("error", error={"code": "invalid_value", "message": "m", "event_id": "evt_1"}),
            realtime.Error("invalid_value", "m", "evt_1"),
        ),
        (event("rate_limits.updated", rate_limits=[]), realtime.Ignored("rate_limits.updated")),
        (event("response.weather"), realtime.Ignored("response.weather")),
    ],
)
def test_the_other_events_are_read(text: bytes, expected: realtime.Event) -> None:
    assert realtime.parse(text) == expected


def test_a_partial_transcript_under_the_name_of_a_finished_one_is_not_taken_for_it() -> None:
    kind = "conversation.item.input_audio_transcription.completed"

    parsed = realtime.parse(event(kind, item_id="u1", transcript="Ye", status="in_progress"))

    assert isinstance(parsed, realtime.Ignored)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (CALL, CALLED),
        ({**CALL, "status": "completed"}, CALLED),
        ({**CALL, "status": "incomplete"}, realtime.Ignored("response.output_item.done")),
        ({"type": "message", "id": "i1"}, realtime.Ignored("response.output_item.done")),
    ],
    ids=["no status", "completed", "cut off", "message"],
)
def test_only_a_complete_function_call_counts(item: dict[str, object], expected: realtime.Event) -> None:
    assert realtime.parse(event("response.output_item.done", response_id="r1", item=item)) == expected


def test_a_response_that_is_done_brings_its_calls() -> None:
    parsed = realtime.parse(done(status="completed", output=[{"type": "message"}, CALL], usage=None))

    assert parsed == realtime.ResponseDone("r1", "completed", "", "", "", (CALLED,))


@pytest.mark.parametrize(
    ("response", "code", "reason"),
    [
        ({"status": "cancelled", "status_details": {"reason": "turn_detected"}}, "", "turn_detected"),
        (
            {"status": "failed", "status_details": {"error": {"code": "rate_limit_exceeded"}}},
            "rate_limit_exceeded",
            "",
        ),
        (
            {"status": "failed", "status_details": {"error": {"type": "server_error", "code": None}}},
            "server_error",
            "",
        ),
        ({"status": "failed", "status_details": None}, "", ""),
    ],
)
def test_why_a_response_was_not_completed_is_read(
    response: dict[str, object], code: str, reason: str
) -> None:
    parsed = realtime.parse(done(**response))

    assert isinstance(parsed, realtime.ResponseDone)
    assert (parsed.code, parsed.reason, parsed.silent) == (code, reason, True)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        event("response.created"),
        event("response.created", response={"id": 1}),
        event("response.created", response={"id": "r1", "metadata": ["x"]}),
        event("response.output_audio.delta", item_id="i1", delta="abc"),
        event("response.output_audio.delta", item_id="i1", delta=["a"] * 4),
        event("response.output_audio.delta", item_id="i1", delta=None),
        event("response.output_audio.delta", item_id="i1", delta=AUDIO, response_id=["r1"]),
        event("response.output_audio.delta", item_id=None, delta=AUDIO),
        event("response.output_audio_transcript.done", item_id="i1", transcript=None),
        event("response.done", response={"id": "r1", "output": {"a": 1}}),
        event("session.updated", session="new"),
        event("error", error="broken"),
        event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms="soon"),
    ],
)
def test_a_malformed_event_is_the_peers_error(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        realtime.parse(text)


@given(text=st.binary() | st.text())
def test_no_bytes_raise_anything_else(text: bytes | str) -> None:
    with suppress(RemoteProtocolError):
        realtime.parse(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**40) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["id", "item_id", "type", "status", "error", "code", "output", "metadata", "call_id", "name"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
FIELDS = [
    "delta",
    "item_id",
    "response_id",
    "transcript",
    "item",
    "response",
    "session",
    "error",
    "audio_start_ms",
]


@given(
    kind=st.sampled_from(sorted(realtime._READERS)), fields=st.dictionaries(st.sampled_from(FIELDS), VALUES)
)
def test_no_shape_of_a_known_event_raises_anything_else_there_or_later(
    kind: str, fields: dict[str, Any]
) -> None:
    try:
        parsed = realtime.parse(orjson.dumps({"type": kind, **fields}))
    except RemoteProtocolError:
        return
    conversation = Conversation(PLAN)
    conversation.receive_realtime(realtime.SessionCreated(), now=0.0)
    conversation.receive_realtime(parsed, now=0.0)


def test_every_message_has_its_handler_or_is_ignored_on_purpose() -> None:
    conversation = Conversation(PLAN)

    assert set(get_args(realtime.Event)) - set(conversation._on_realtime) == {realtime.Ignored}
    ignored = {twilio.Connected, twilio.Ignored}
    assert set(get_args(twilio.Message)) - set(conversation._on_twilio) == ignored
    assert set(conversation._on_timer) == set(Timer)


def test_an_output_is_placed_behind_its_call_where_that_has_an_id() -> None:
    placed, loose = (
        orjson.loads(realtime.function_output("evt_1", "c1", "{}", after=i)) for i in ("fc1", "")
    )

    assert placed["previous_item_id"] == "fc1"
    assert "previous_item_id" not in loose


# The session --------------------------------------------------------------------------------------------------------

BETA = {
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "g711_ulaw",
    "voice": "marin",
    "tools": [{}],
}


def test_the_session_that_was_asked_for_has_no_faults() -> None:
    assert session_faults(PLAN, session_payload(PLAN, floor_open=True)) == []


def test_the_beta_session_that_was_asked_for_has_no_faults() -> None:
    assert session_faults(PLAN, BETA) == []


@pytest.mark.parametrize(
    ("effective", "faults"),
    [
        ({}, ["input format", "output format", "number of tools"]),
        ({**BETA, "output_audio_format": "pcm16"}, ["output format"]),
        ({**BETA, "input_audio_format": {"type": "audio/pcm"}}, ["input format"]),
        ({**BETA, "voice": "alloy"}, ["voice"]),
        ({**BETA, "tools": []}, ["number of tools"]),
        ({**BETA, "tools": 1}, ["number of tools"]),
        ({**BETA, "audio": "loud"}, []),
        ({**BETA, "audio": {"input": {"format": "g711_ulaw"}}}, []),
    ],
)
def test_a_session_that_differs_is_told_by_its_faults(effective: dict[str, Any], faults: list[str]) -> None:
    assert session_faults(PLAN, effective) == faults


def test_a_model_that_does_not_reason_is_not_told_how_much_to() -> None:
    assert "reasoning" not in session_payload(replace(PLAN, reasoning_effort=None), floor_open=True)
    assert session_payload(PLAN, floor_open=True)["reasoning"] == {"effort": "low"}


def test_noise_reduction_can_be_off() -> None:
    payload = session_payload(replace(PLAN, noise_reduction=""), floor_open=True)

    assert payload["audio"]["input"]["noise_reduction"] is None


def test_every_update_repeats_both_formats_and_only_the_first_names_the_voice() -> None:
    update = floor_payload(PLAN)

    assert update["audio"]["input"]["format"] == update["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert "voice" not in update["audio"]["output"]


@pytest.mark.parametrize("effective", [session_payload(PLAN, floor_open=True), {}], ids=["given", "unsaid"])
def test_the_server_answers_the_caller_by_itself_unless_it_says_otherwise(effective: dict[str, Any]) -> None:
    assert floor_given(effective)


@pytest.mark.parametrize(
    "effective",
    [session_payload(PLAN, floor_open=False), {"turn_detection": {"create_response": False}}],
    ids=["ga", "beta"],
)
def test_the_server_says_when_it_does_not_answer_the_caller(effective: dict[str, Any]) -> None:
    assert not floor_given(effective)
