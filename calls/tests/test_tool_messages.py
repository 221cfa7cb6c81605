"""Vapi's messages about tool calls, as exports and servers have them."""

from typing import Any

import pytest

from calls.bridge.toolcalls import ToolResult
from calls.bridge.toolmessages import Condition, Moment, ToolMessage
from calls.tool_messages import tool_message, tool_messages, tool_result

IN_THREE = [
    {"type": "text", "text": "One moment.", "language": "en"},
    {"type": "text", "text": "Un momento.", "language": "es"},
    {"type": "text", "text": "", "language": "fr"},
    "nonsense",
]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            {"type": "request-start", "content": " One moment. ", "blocking": True},
            ToolMessage(Moment.START, "One moment.", blocking=True),
        ),
        (
            {"type": "request-response-delayed", "content": "Wait.", "timingMilliseconds": 2500},
            ToolMessage(Moment.DELAYED, "Wait.", after_ms=2500),
        ),
        (
            {"type": "request-complete", "content": "Done.", "endCallAfterSpokenEnabled": True},
            ToolMessage(Moment.COMPLETE, "Done.", ends_call=True),
        ),
        (
            {"type": "request-complete", "role": "system", "content": "Be brief."},
            ToolMessage(Moment.COMPLETE, "Be brief.", hint=True),
        ),
        ({"type": "request-start", "content": ""}, ToolMessage(Moment.START)),
        ({"type": "request-start"}, ToolMessage(Moment.START)),
        ({"type": "request-finished", "content": "No."}, ToolMessage(Moment.FAILED, "No.")),
        ({"content": "No.", "contents": None, "conditions": {}}, ToolMessage(Moment.FAILED, "No.")),
        (
            {
                "type": "request-start",
                "content": "Now.",
                "conditions": [
                    {"param": "urgent", "operator": "eq", "value": True},
                    {"param": "people", "operator": "gt", "value": 3},
                    "nonsense",
                ],
            },
            ToolMessage(
                Moment.START, "Now.", (Condition("urgent", "eq", "true"), Condition("people", "gt", "3"))
            ),
        ),
    ],
    ids=["start", "delayed", "complete", "hint", "silent", "bare", "unknown", "untyped", "conditions"],
)
def test_a_message_is_read(message: dict[str, Any], expected: ToolMessage) -> None:
    assert tool_messages([message, "nonsense"], language="en") == (expected,)


@pytest.mark.parametrize(
    ("language", "content", "text"),
    [
        ("es", "Wait.", "Un momento."),
        ("es-MX", None, "Un momento."),
        ("de", "Wait.", "Wait."),
        ("de", None, "One moment."),
        ("fr", "Wait.", "Wait."),
    ],
)
def test_a_message_is_in_the_callers_language_if_it_can_be(
    language: str, content: str | None, text: str
) -> None:
    message = {"type": "request-start", "contents": IN_THREE, "content": content}

    assert tool_message(message, language=language).text == text


SAID = {"type": "request-complete", "content": "Booked."}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, ToolResult("ok", Moment.COMPLETE)),
        ({"status": "answered", "message": None}, ToolResult("ok", Moment.COMPLETE)),
        ({"status": "failed"}, ToolResult("ok", Moment.FAILED)),
        ({"status": "timed_out", "message": {}}, ToolResult("ok", Moment.FAILED)),
        ({"status": "refused"}, ToolResult("ok", None)),
        ({"status": "answered", "message": "Booked."}, ToolResult("ok", Moment.COMPLETE)),
        (
            {"status": "answered", "message": SAID},
            ToolResult("ok", Moment.COMPLETE, ToolMessage(Moment.COMPLETE, "Booked.")),
        ),
    ],
)
def test_a_workers_word_is_read(told: dict[str, Any], expected: ToolResult) -> None:
    assert tool_result({"output": "ok", **told}, language="en") == expected
