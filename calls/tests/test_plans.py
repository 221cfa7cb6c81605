"""From a published assistant to what the bridge needs of it."""

from dataclasses import replace
from typing import Any

import pytest

from assistants.snapshots import Snapshot
from calls.bridge.plan import Remark, session_payload
from calls.bridge.toolmessages import Moment
from calls.plans import plan_from_snapshot
from calls.tests.stage import LOOKUP, SNAPSHOT
from simulator.validation import client_event


def transcription(**changes: Any) -> dict[str, Any]:
    """What the session says of transcription, once it is known to be legal."""
    payload = session_payload(plan_from_snapshot(replace(SNAPSHOT, **changes)), floor_open=True)
    client_event({"type": "session.update", "session": payload})
    found: dict[str, Any] = payload["audio"]["input"]["transcription"]
    return found


KEYWORDS = {"keywords": ("Bike<Hub>", "pannier\r\nbag", "<>")}
OLDER = {"transcription_model": "gpt-4o-transcribe", "transcription_takes_languages": False}


def test_keywords_go_to_the_models_that_take_them_without_what_they_do_not_take() -> None:
    assert transcription(**KEYWORDS) == {
        "model": "gpt-transcribe",
        "languages": ["en"],
        "keywords": ["Bike Hub", "pannier  bag"],
    }
    assert transcription(language="") == {"model": "gpt-transcribe"}


def test_older_models_have_them_in_their_prompt() -> None:
    assert transcription(**KEYWORDS, **OLDER) == {
        "model": "gpt-4o-transcribe",
        "language": "en",
        "prompt": "Words that may occur: Bike Hub, pannier  bag.",
    }
    assert transcription(**OLDER, language="") == {"model": "gpt-4o-transcribe"}


def test_a_model_without_a_prompt_has_none() -> None:
    older = {**OLDER, "transcription_model": "gpt-4o-transcribe-diarize"}

    assert transcription(**KEYWORDS, **older) == {"model": "gpt-4o-transcribe-diarize", "language": "en"}


@pytest.mark.parametrize(
    ("messages", "remarks"),
    [
        ([], ()),
        (
            [
                {"role": "system", "content": " Be kind. "},
                {"role": "user", "content": "Hi."},
                {"role": "assistant", "content": "Hello."},
                {"role": "bot", "message": "Which day?"},
            ],
            (
                Remark("system", "Be kind."),
                Remark("user", "Hi."),
                Remark("assistant", "Hello."),
                Remark("assistant", "Which day?"),
            ),
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "One."}, "Two.", {"type": "image"}]}],
            (Remark("user", "One.\nTwo."),),
        ),
        (
            [
                {"role": "tool", "content": "{}"},
                {"role": "assistant", "content": None, "toolCalls": []},
                {"role": "user", "content": ""},
                {"content": "Nobody said this."},
            ],
            (),
        ),
    ],
    ids=["none", "roles", "parts", "no words"],
)
def test_the_history_holds_what_was_said(messages: list[dict[str, Any]], remarks: tuple[Remark, ...]) -> None:
    assert plan_from_snapshot(replace(SNAPSHOT, history=messages)).history == remarks


def test_every_setting_of_the_conversation_arrives() -> None:
    settings: dict[str, Any] = {
        "end_call_phrases": ("goodbye",),
        "idle_messages": ("Hello?",),
        "idle_timeout_s": 5.0,
        "idle_max_count": 2,
        "idle_resets": True,
        "eagerness": "low",
        "interruptible": False,
        "interrupt_words": 2,
        "keypad_enabled": True,
        "keypad_timeout_s": 4.0,
        "keypad_delimiters": "*",
    }

    plan = plan_from_snapshot(replace(SNAPSHOT, turn_detection="semantic_vad", **settings))

    assert {name: getattr(plan, name) for name in settings} == settings
    assert plan.semantic_turns
    assert not plan_from_snapshot(SNAPSHOT).semantic_turns


@pytest.mark.parametrize("detection", ["server_vad", "semantic_vad"])
def test_the_api_takes_either_way_of_finding_the_end_of_a_turn(detection: str) -> None:
    plan = plan_from_snapshot(replace(SNAPSHOT, turn_detection=detection))

    client_event({"type": "session.update", "session": session_payload(plan, floor_open=True)})


def test_a_tool_brings_its_messages_in_the_callers_language() -> None:
    tool = replace(
        LOOKUP,
        asynchronous=True,
        messages=[
            {"type": "request-start", "contents": [{"type": "text", "text": "Moment.", "language": "de"}]}
        ],
    )

    (spec,) = plan_from_snapshot(Snapshot(**{**_fields(), "language": "de", "tools": (tool,)})).tools

    assert spec.asynchronous
    assert [(one.moment, one.text) for one in spec.messages] == [(Moment.START, "Moment.")]


def _fields() -> dict[str, Any]:
    return {name: getattr(SNAPSHOT, name) for name in SNAPSHOT.__slots__}


def test_the_tools_of_an_mcp_server_are_offered_and_a_server_without_a_list_is_not() -> None:
    server: dict[str, Any] = {"kind": "mcp", "server_url": "https://mcp.example/mcp"}
    schema = {"type": "object", "properties": {"slot": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}
    listed = replace(
        LOOKUP,
        **server,
        name="book",
        wire_name="calendar/book",
        parameters=schema,
        settings={"protocol": "shttp", "protocolVersion": "2025-11-25"},
    )
    unlisted = replace(LOOKUP, **server, name="mcp", settings={})

    plan = plan_from_snapshot(replace(SNAPSHOT, tools=(LOOKUP, listed, unlisted)))

    assert [tool.name for tool in plan.tools] == [LOOKUP.name, "book"]
    assert "anyOf" not in str(plan.tools[1].parameters)
