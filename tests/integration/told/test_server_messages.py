"""Whole calls of which the customer's server is told."""

from typing import Any

from assistants.vapi.defaults import SERVER_MESSAGES
from calls.messages import kinds
from calls.models import ServerMessage
from tests.integration.rows import GREETING, SECRET, Desk, make_desk
from tests.integration.stack import Stack, eventually
from tests.integration.stories import ASKS, Told, story


def desk_that_tells(stack: Stack) -> Desk:
    """A desk whose customer wants to hear of its calls what Vapi sends by default, and every word besides."""
    listed = [*SERVER_MESSAGES, "transcript"]
    url = stack.outside.tool_url("events")
    return make_desk(stack, server_url=url, server_secret=SECRET, server_messages=listed)


@story("one_tool", makes=desk_that_tells)
def test_the_customers_server_is_told_of_the_call_from_its_beginning_to_the_report(told: Told) -> None:
    def reported() -> list[dict[str, Any]]:
        messages = [one["body"]["message"] for one in told.report.messages]
        return messages if messages and messages[-1]["type"] == "end-of-call-report" else []

    everything = eventually(reported, "the end-of-call report")
    messages = [one for one in everything if not in_passing(one)]

    statuses = [one["status"] for one in messages if one["type"] == "status-update"]
    assert statuses == ["in-progress", "ended"]
    assert [one["type"] for one in messages[:2]] == ["status-update", "assistant.started"]
    assert [one["type"] for one in messages[-2:]] == ["status-update", "end-of-call-report"]
    assert {one["call"]["id"] for one in messages} == {str(told.rows.call.id)}
    assert {one["headers"]["x-vapi-secret"] for one in told.report.messages} == {SECRET}
    keys = [one["headers"]["idempotency-key"] for one in told.report.messages]
    assert len(set(keys)) == len(keys)
    report = messages[-1]
    assert report["endedReason"] == "assistant-ended-call"
    asked = [one for one in report["artifact"]["messages"] if one["role"] == "tool_calls"]
    assert [one["toolCalls"][0]["function"]["name"] for one in asked] == ["get_repair_status", "end_call"]
    assert report["artifact"]["transcript"].startswith(f"AI: {GREETING}\nUser: {ASKS}\n")
    heard = [one["message"] for one in report["messages"] if one["role"] == "bot"]
    assert heard == told.heard()
    # Each turn was told with all before it. Which of two goes first is known from its time: workers write turns side by side.
    updates = [one for one in messages if one["type"] == "conversation-update"]
    grown = [len(one["messages"]) for one in sorted(updates, key=lambda one: one["timestamp"])]
    assert grown == sorted(grown)
    # One that waits for long is left out, where a later one tells the same and more.
    left_out = ServerMessage.objects.filter(
        call=told.rows.call, kind=kinds.CONVERSATION, state=ServerMessage.State.SKIPPED
    )
    assert len(grown) == len(told.rows.utterances) - left_out.count()

    # Who speaks was told while they did, in its order. On a busy machine some of it is dropped: it is told at once or not at all.
    at = {one["body"]["message"]["timestamp"]: one["at"] for one in told.report.messages}
    speech = [one for one in everything if one["type"] == "speech-update"]
    assert {one["status"] for one in speech} == {"started", "stopped"}
    assert {one["role"] for one in speech} == {"assistant", "user"}
    moments = [one["timestamp"] for one in speech]
    assert moments == sorted(moments)
    assert all(at[moment] - moment / 1000 < 60 for moment in moments)
    # And words before they were final, never behind that.
    words_told = [one for one in everything if one["type"] == "transcript"]
    assert any(one["transcriptType"] == "partial" for one in words_told)
    for role in ("assistant", "user"):
        texts = [(one["transcriptType"], one["transcript"]) for one in words_told if one["role"] == role]
        finals = [[later for what, later in texts[n:] if what == "final"] for n in range(len(texts))]
        for (_, text), behind in zip(texts, finals, strict=True):
            assert any(one.startswith(text.strip()) for one in behind), (text, behind)


def in_passing(message: dict[str, Any]) -> bool:
    return message["type"] == "speech-update" or message.get("transcriptType") == "partial"
