"""Back to Vapi's shape and forth again: what was edited here survives the way through a program."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.tests.vapi.cases import CATALOGUE
from assistants.vapi.assistant_fields import assistant_translate
from assistants.vapi.reverse import (
    ASSISTANT_ONLY_HERE,
    ASSISTANT_STEPS,
    TOOL_ONLY_HERE,
    TOOL_STEPS,
    document_with,
    put,
    without_marks,
)
from assistants.vapi.tool_fields import tool_translate

WORD = (
    st.text(alphabet="abcäß !?", min_size=1, max_size=12)
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
)
LINES = st.lists(WORD, max_size=3).map("\n".join)
# Left out are values that mean the same as others: a first message that is empty, noise from afar, half seconds.
ASSISTANT = {
    "instructions": WORD,
    "history": st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": WORD}), max_size=2),
    "first_message": WORD,
    "first_message_mode": st.sampled_from(["assistant-speaks-first", "assistant-waits-for-user"]),
    "first_message_interruptible": st.booleans(),
    "end_call_message": WORD | st.just(""),
    "end_call_phrases": LINES,
    "voicemail_message": WORD | st.just(""),
    "model": st.sampled_from(CATALOGUE.realtime_models),
    "max_output_tokens": st.integers(1024, 4096),
    "reasoning_effort": st.sampled_from(["minimal", "low", "medium", "high"]),
    "voice": st.sampled_from(CATALOGUE.realtime_voices),
    "speed": st.integers(25, 150).map(lambda n: n / 100),
    "transcription_model": st.sampled_from(CATALOGUE.transcription_models),
    "language": st.just("en"),
    "keywords": st.lists(WORD, max_size=3, unique=True).map("\n".join),
    "vad_silence_ms": st.integers(300, 1200),
    "interruptible": st.booleans(),
    "interrupt_words": st.integers(0, 10),
    "noise_reduction": st.sampled_from(["", "near_field"]),
    "max_duration_s": st.integers(10, 3500),
    "silence_timeout_s": st.integers(10, 3600),
    "keypad_enabled": st.booleans(),
    "keypad_timeout_s": st.integers(0, 10).map(float),
    "keypad_delimiters": st.sampled_from(["", "#", "*", "#*"]),
    "idle_messages": LINES.filter(bool),
    "idle_timeout_s": st.integers(1, 1000).map(float),
    "idle_max_count": st.integers(1, 10),
    "idle_resets": st.booleans(),
    "server_url": st.sampled_from(["", "https://tools.example.com/x"]),
    "server_backoff_plan": st.sampled_from([{}, {"type": "fixed", "maxRetries": 2}]),
    "server_encrypted_paths": st.sampled_from([[], ["ssn"]]),
    "variables": st.dictionaries(st.sampled_from("abc"), WORD, max_size=2),
    "metadata": st.dictionaries(st.sampled_from("abc"), WORD, max_size=2),
    "recording_enabled": st.booleans(),
    "monitor_plan": st.sampled_from([{}, {"listenEnabled": False}]),
    "hipaa": st.booleans(),
    "analysis_plan": st.sampled_from([{}, {"minMessagesThreshold": 3}, {"successEvaluationPlan": {"enabled": True, "rubric": "Matrix"}}]),
}  # fmt: skip


def forward(document: dict[str, Any]) -> dict[str, Any]:
    return assistant_translate({"id": "a", **document}, key="a", catalogue=CATALOGUE).fields


def forward_tool(document: dict[str, Any]) -> dict[str, Any]:
    return tool_translate({"id": "t", **document}, key="t", resolve=lambda _: None).fields


@settings(max_examples=15)
@given(
    values=st.fixed_dictionaries(ASSISTANT), changed=st.sets(st.sampled_from(sorted(ASSISTANT)), min_size=1)
)
def test_an_assistants_settings_come_back_from_vapis_shape(values: dict[str, Any], changed: set[str]) -> None:
    before = forward({})
    if changed & {"idle_messages", "idle_timeout_s", "idle_max_count", "idle_resets"}:
        changed |= {"idle_messages", "idle_timeout_s", "idle_max_count", "idle_resets"}
    if "first_message_mode" in changed:
        changed |= {"first_message"}
    if "first_message" in changed:
        changed |= {"first_message_mode"}
    wanted = {**before, **{name: values[name] for name in changed}}

    document = document_with({}, wanted, frozenset(changed), ASSISTANT_STEPS)

    came = forward(document)
    assert {name: came[name] for name in ASSISTANT} == {name: wanted[name] for name in ASSISTANT}


@pytest.mark.parametrize("kind", ["function", "apiRequest", "endCall", "sms"])
@settings(max_examples=15)
@given(
    name=st.from_regex(r"[a-z_]{1,20}", fullmatch=True),
    description=WORD,
    timeout=st.integers(1, 300),
    messages=st.lists(st.fixed_dictionaries({"type": st.just("request-start"), "content": WORD}), max_size=2),
    static=st.lists(st.fixed_dictionaries({"key": WORD, "value": WORD}), max_size=2),
)
def test_a_tools_settings_come_back_from_vapis_shape(
    kind: str, name: str, description: str, timeout: int, messages: Any, static: Any
) -> None:
    schema = {"type": "object", "properties": {"day": {"type": "string"}}}
    wanted = {
        **forward_tool({"type": kind}),
        "name": name,
        "description": description,
        "timeout_s": timeout,
        "messages": messages,
        "static_parameters": static,
        "variable_extraction": {"schema": schema},
        "encrypted_paths": ["day"],
        "server_url": "https://tools.example.com/x",
    }
    if kind != "apiRequest":
        wanted["parameters"] = schema

    document = document_with({}, wanted, frozenset(wanted), TOOL_STEPS)

    assert forward_tool(document) == wanted


def test_every_setting_has_a_place_at_vapi_or_a_reason_why_not() -> None:
    for fields, steps, only_here in (
        (forward({}), ASSISTANT_STEPS, ASSISTANT_ONLY_HERE),
        (forward_tool({}), TOOL_STEPS, TOOL_ONLY_HERE),
    ):
        placed = {name for step in steps for name in step.columns} - {"name"}
        assert {*fields, "credential"} - {"name"} == placed | set(only_here)
        assert not placed & set(only_here)


def test_what_is_taken_out_leaves_no_empty_objects() -> None:
    document: dict[str, Any] = {"server": {"backoffPlan": {"type": "fixed"}}, "name": "Desk"}

    put(document, "server.backoffPlan.type", None)

    assert document == {"name": "Desk"}


def test_the_places_of_secrets_are_left_out() -> None:
    value = {"secret": "(hidden)", "headers": [{"a": "(hidden)"}, "(hidden)", 1]}

    assert without_marks(value) == {"headers": [{}, 1]}
