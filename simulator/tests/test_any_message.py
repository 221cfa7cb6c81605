"""Whatever a peer sends, the readers refuse it in their own words and never fail otherwise."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import twiml, validation, webhook
from simulator.media_stream import ViolationError, read_message
from simulator.settings import defaults

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
words = st.sampled_from(
    [
        "type",
        "event",
        "session",
        "audio",
        "input",
        "output",
        "voice",
        "tools",
        "item",
        "role",
        "content",
        "text",
        "media",
        "payload",
        "streamSid",
        "mark",
        "name",
        "message",
        "toolCalls",
        "toolCallList",
        "function",
        "call",
    ]
)
values = st.recursive(
    leaves
    | st.sampled_from(["realtime", "message", "user", "function", "server_vad", "tool-calls", "media"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_client_events(value: Any) -> None:
    for event in (
        value,
        *({"type": name, "session": value, "item": value, "response": value} for name in validation.EVENTS),
    ):
        with contextlib.suppress(validation.RefusedError):
            validation.client_event(event)


@given(values)
def test_items_and_responses(value: Any) -> None:
    item = {"type": "message", "role": "user", "content": [value]}
    for event in (
        {"type": "conversation.item.create", "item": item},
        {"type": "conversation.item.create", "item": value},
        {"type": "response.create", "response": value},
        {"type": "input_audio_buffer.append", "audio": value},
    ):
        with contextlib.suppress(validation.RefusedError):
            validation.client_event(event)


@given(values, st.booleans())
def test_session_updates(value: Any, voice_locked: bool) -> None:
    session = defaults("gpt-realtime-2.1", "sess_1")
    for update in (
        value,
        {"type": "realtime", "audio": {"input": value}},
        {"type": "realtime", "audio": {"output": {"voice": value}}},
        {"type": "realtime", "tools": [value]},
        {"type": "realtime", "tools": [{"type": "function", "name": "a", "parameters": value}]},
    ):
        with contextlib.suppress(validation.RefusedError):
            validation.session_update(update, session, voice_locked=voice_locked)


@given(values)
def test_messages_to_twilio(value: Any) -> None:
    for message in (
        value,
        {"event": "media", "streamSid": "MZ", "media": value},
        {"event": value, "streamSid": "MZ"},
    ):
        with contextlib.suppress(ViolationError):
            read_message(json.dumps(message), stream_sid="MZ")


@given(values)
def test_tool_requests(value: Any) -> None:
    for body in (value, {"message": value}, {"message": {"type": "tool-calls", "toolCallList": [value]}}):
        problems, _, _ = webhook.read_envelope(json.dumps(body).encode())
        assert problems


@given(st.binary(max_size=60))
def test_documents(body: bytes) -> None:
    for document in (body, b"<Response>" + body + b"</Response>"):
        with contextlib.suppress(twiml.TwimlError):
            twiml.parse(document, content_type="text/xml", base_url="https://voice.example.com/x")


def test_an_own_voice_after_audio_is_refused() -> None:
    update = {"type": "realtime", "audio": {"output": {"voice": {"id": "voice_1"}}}}

    with pytest.raises(validation.RefusedError, match="voice"):
        validation.session_update(update, defaults("gpt-realtime-2.1", "sess_1"), voice_locked=True)
