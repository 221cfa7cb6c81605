"""What a caller would hear about a tool call, as a page tells it."""

from typing import Any

import pytest

from calls.templatetags.tool_said import tool_said
from tools.outcomes import Outcome, refused

ANSWERED = Outcome("answered", "Ready.")
FAILED = Outcome("failed", "Not ready.")


def said(messages: Any, outcome: Outcome = ANSWERED, **arguments: Any) -> dict[str, list[str]]:
    return dict(tool_said(messages, outcome, arguments))


def test_without_messages_the_model_speaks() -> None:
    assert said([]) == {
        "At the start": ["Nothing of its own."],
        "When it is complete": ["What the model makes of it."],
    }


def test_all_variants_of_a_moment_are_named() -> None:
    messages = [{"type": "request-start", "content": text} for text in ("One.", "Two.", "Three.")]

    assert said(messages)["At the start"] == ["“One.”", "“Two.”", "“Three.”"]


@pytest.mark.parametrize(("city", "text"), [("Rome", "“Ciao.”"), ("Bonn", "“Hello.”")])
def test_conditions_are_held_against_the_arguments(city: str, text: str) -> None:
    condition = {"param": "city", "operator": "eq", "value": "Rome"}
    messages = [
        {"type": "request-start", "content": "Ciao.", "conditions": [condition]},
        {"type": "request-start", "content": "Hello."},
    ]

    assert said(messages, city=city)["At the start"] == [text]


def test_delays_are_told_with_their_times() -> None:
    messages = [
        {"type": "request-response-delayed", "content": "Still looking.", "timingMilliseconds": 2500},
        {"type": "request-response-delayed", "content": "Sorry.", "timingMilliseconds": 9000},
    ]

    assert said(messages)["After 2.5 s of waiting"] == ["“Still looking.”"]
    assert said(messages)["After 9 s of waiting"] == ["“Sorry.”"]


def test_hints_silence_and_the_end_of_the_call_are_told_apart() -> None:
    messages = [
        {"type": "request-start", "content": ""},
        {"type": "request-complete", "role": "system", "content": "Be brief."},
        {"type": "request-failed", "content": "Goodbye.", "endCallAfterSpokenEnabled": True},
    ]

    assert said(messages)["At the start"] == ["Silence."]
    assert said(messages)["When it is complete"] == ["A hint to the model, not spoken: “Be brief.”"]
    assert said(messages, FAILED)["When it has failed"] == ["“Goodbye.” The call ends then."]


def test_what_the_server_wants_said_wins() -> None:
    outcome = Outcome("answered", "Ready.", message={"type": "request-complete", "content": "All done."})
    messages = [{"type": "request-complete", "content": "Fine."}]

    assert said(messages, outcome)["At the end, by the server's wish"] == ["“All done.”"]
    assert "When it is complete" not in said(messages, outcome)


def test_of_a_request_that_was_never_sent_only_the_model_speaks() -> None:
    messages = [{"type": "request-failed", "content": "It failed."}]

    ends = said(messages, refused(code="x", why="y"))

    assert ends["At the end"] == ["What the model makes of it: the request was never sent."]


@pytest.mark.parametrize("messages", [{"type": 7}, None, [7], "text"], ids=repr)
def test_messages_without_their_form_say_nothing(messages: Any) -> None:
    assert said(messages)["At the start"] == ["Nothing of its own."]
