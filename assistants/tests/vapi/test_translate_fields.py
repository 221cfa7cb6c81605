"""From Vapi's assistants to ours: the fields that need more than a row of the mapping."""

from typing import Any

import pytest

from assistants.tests.vapi.cases import SERVER, assert_each_leaf_once, assistant, codes, finding
from assistants.vapi.drafts import Verdict

KEPT, CONVERTED, DEFAULT, DECISION, DROPPED = Verdict


def test_further_messages_are_found_in_the_conversation_before_the_call() -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Hi."},
        {"role": "system", "content": "Later."},
        {"role": "tool", "content": "{}"},
    ]

    draft = assistant({"model": {"messages": messages}})

    assert draft.fields["instructions"] == "Be kind.\n\nBe brief."
    assert draft.fields["history"] == messages[2:5]
    assert finding(draft, "model.messages[3].content").field == "history"
    assert finding(draft, "model.messages[5].content").code == "unknown_role"


def test_a_prompt_in_parts_is_read() -> None:
    parts = [{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}]
    messages = [{"role": "system", "content": parts}, {"role": "user", "content": parts[:1]}]

    draft = assistant({"model": {"messages": messages}})

    assert draft.fields["instructions"] == "Be kind.\n\nBe brief."
    assert draft.fields["history"] == [{"role": "user", "content": "Be kind."}]
    assert finding(draft, "model.messages[0].content[0].text").verdict is KEPT
    assert finding(draft, "model.messages[1].content[0].text").field == "history"
    assert not codes(draft) & {"no_prompt", "wrong_type"}


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"credentialIds": "x"}, "credentialIds"),
        ({"maxDurationSeconds": 1e300}, "maxDurationSeconds"),
        ({"maxDurationSeconds": "x"}, "maxDurationSeconds"),
        ({"voice": []}, "voice"),
        ({"artifactPlan": []}, "artifactPlan"),
    ],
)
def test_what_is_said_of_a_value_of_another_type_is_true(part: dict[str, Any], path: str) -> None:
    found = finding(assistant(part), path)

    assert found.code == "wrong_type"
    assert "own default" not in found.reason
    assert "something else" not in found.reason
    assert ("too large" in found.reason) == (found.source == 1e300)
    assert ("not the type" in found.reason) == (found.source != 1e300)


@pytest.mark.parametrize("on", ["assistant.speech.interrupted", "call.ending"])
def test_a_hook_that_callers_would_miss_is_asked_about(on: str) -> None:
    draft = assistant({"hooks": [{"on": on, "do": [{"type": "say", "exact": "One moment."}]}]})

    assert finding(draft, "hooks[0].do[0].type").code == "hook_action"
    assert "says something" in finding(draft, "hooks[0].do[0].type").reason


def test_a_hook_that_tandem_carries_out_is_not_asked_about() -> None:
    silence = {"on": "customer.speech.timeout", "do": [{"type": "say", "exact": "Still there?"}]}

    assert "hook_action" not in codes(assistant({"hooks": [silence]}))
    assert "hook_action" in codes(assistant({"hooks": [silence, silence]}))


def test_an_assistant_without_a_prompt_is_asked_about() -> None:
    assert "no_prompt" in codes(assistant({"model": {"messages": []}}))
    assert "no_prompt" in codes(assistant({"model": None}))
    assert "no_prompt" not in codes(assistant({}))
    unspoken = assistant({"model": {"messages": [{"role": "user", "content": "Hi."}]}})
    assert finding(unspoken, "model.systemPrompt").code == "no_prompt"
    assert finding(unspoken, "model.messages[0].content").verdict is KEPT


def test_a_language_other_than_english_is_asked_for_in_the_prompt() -> None:
    draft = assistant({"transcriber": {"language": "es-419"}})

    assert draft.fields["instructions"].endswith(
        "Answer in Spanish unless the caller asks for another language."
    )
    assert "answer in Spanish" in finding(draft, "transcriber.language").reason


def test_two_settings_of_one_thing_do_not_both_count() -> None:
    draft = assistant({"responseDelaySeconds": 1, "startSpeakingPlan": {"waitSeconds": 0.5}})

    assert draft.fields["vad_silence_ms"] == 600
    assert finding(draft, "responseDelaySeconds").verdict is DROPPED


def test_a_null_is_the_same_as_nothing_and_has_one_finding() -> None:
    draft = assistant({"maxDurationSeconds": None, "hooks": None, "endCallMessage": None})

    assert draft.fields["max_duration_s"] == 600
    assert finding(draft, "maxDurationSeconds").verdict is DEFAULT
    assert finding(draft, "hooks").verdict is KEPT
    assert_each_leaf_once(draft)


def test_an_unknown_field_is_asked_about_once_and_as_a_whole() -> None:
    draft = assistant({"quantumPlan": {"spin": [1, 2]}})

    assert finding(draft, "quantumPlan").code == "unknown_field"
    assert finding(draft, "quantumPlan").source == {"spin": [1, 2]}


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"model": "gpt-4"}, "model"),
        ({"voice": ["x"]}, "voice"),
        ({"hooks": {"on": "x"}}, "hooks"),
        ({"firstMessage": {"text": "Hi"}}, "firstMessage"),
        ({"maxDurationSeconds": "900"}, "maxDurationSeconds"),
        ({"maxDurationSeconds": 10**400}, "maxDurationSeconds"),
        ({"endCallPhrases": "bye"}, "endCallPhrases"),
        ({"metadata": "note"}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"server": {"headers": {"X-A": 1}}}, "server.headers.X-A"),
    ],
)
def test_a_value_of_another_type_is_asked_about_and_left_out(raw: dict[str, Any], path: str) -> None:
    draft = assistant(raw)

    assert finding(draft, path).code == "wrong_type"
    assert draft.fields["max_duration_s"] == 600
    assert draft.fields["first_message"] == ""


def test_what_is_nested_without_end_is_cut_and_asked_about() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]

    draft = assistant({"metadata": {"deep": deep}})

    assert finding(draft, "metadata").code == "too_deep"


def test_variables_without_a_value_are_asked_about_once() -> None:
    draft = assistant(
        {
            "firstMessage": "{{clinic}} here, {{customer.name}}.",
            "endCallMessage": "{{ clinic }} says {{ farewell | default: 'bye' }}",
            "voicemailMessage": '{{"now" | date: "%A"}} {{shop.name}}',
        }
    )

    assert {one.path for one in draft.findings if one.code == "unknown_variable"} == {
        "variableValues.clinic",
        "variableValues.shop",
    }
    assert "first message and the last message" in finding(draft, "variableValues.clinic").reason


def test_a_variable_that_a_tool_fills_needs_no_value() -> None:
    extracting = {
        "type": "function",
        "function": {"name": "f"},
        "server": SERVER,
        "variableExtractionPlan": {
            "schema": {"properties": {"slot": {}}},
            "aliases": [{"key": "day", "value": "{{$.d}}"}],
        },
    }
    raw = {
        "model": {
            "messages": [{"role": "system", "content": "{{slot}} {{day}} {{other}}"}],
            "tools": [extracting],
        }
    }

    assert {one.path for one in assistant(raw).findings if one.code == "unknown_variable"} == {
        "variableValues.other"
    }
