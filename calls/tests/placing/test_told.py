"""What the servers of tools are told of a call that a program has placed: all that it sent along, but for secrets."""

from typing import Any
from uuid import UUID

from calls.models import Call
from calls.selectors import call_for_stream
from calls.tests.placing.desk import Desk
from calls.tool_context import tool_context


def told_of(placed: dict[str, Any]) -> dict[str, Any]:
    """The call in the webhook of a tool."""
    Call.objects.filter(pk=placed["id"]).update(status=Call.Status.RINGING)
    loaded = call_for_stream(UUID(placed["id"]))
    assert loaded is not None
    context = tool_context(
        loaded, public_origin="https://voice.example", org_id="o-1", messages=[], learnt={}
    )
    call: dict[str, Any] = context["call"]
    return call


def test_servers_of_tools_are_told_the_metadata_and_the_overrides_of_a_call(desk: Desk) -> None:
    over = {
        "firstMessage": "Hello {{ who }}.",
        "server": {"url": "https://desk.example.com/hooks", "secret": "hunter2"},
        "variableValues": {"who": "Ida", "apiKey": "hunter3"},
    }

    call = told_of(desk.place(metadata={"order": 7, "tags": []}, assistantOverrides=over))

    assert call["metadata"] == {"order": 7, "tags": []}
    assert call["assistantOverrides"]["firstMessage"] == "Hello {{ who }}."
    assert call["assistantOverrides"]["variableValues"] == {"who": "Ida"}
    assert call["assistantId"] == str(desk.assistant.pk)
    assert "hunter" not in str(call)


def test_of_a_call_with_which_nothing_was_sent_nothing_is_told(desk: Desk) -> None:
    assert not told_of(desk.place()).keys() & {"metadata", "assistantOverrides", "squadOverrides"}
