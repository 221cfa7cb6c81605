import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tools.captures.conform import Difference, NotComparableError, differences
from tools.tests.factories import make_order_tool

VAPI = Path(__file__).parents[2] / "tests" / "fixtures" / "vapi"
REQUEST: dict[str, Any] = json.loads((VAPI / "tool-calls-request.json").read_text())
LEGACY: dict[str, Any] = json.loads((VAPI / "function-call-request.json").read_text())


def changed(**parts: Any) -> dict[str, Any]:
    body = copy.deepcopy(REQUEST)
    body["message"] |= parts
    return body


def unwanted(body: Any, **fields: Any) -> list[Difference]:
    return [one for one in differences(body, **fields) if not one.on_purpose]


def test_a_captured_request_is_rendered_as_it_was_captured() -> None:
    found = differences(REQUEST)

    assert [one for one in found if not one.on_purpose] == []
    # What is on purpose is reported all the same: the other spellings of a call, and the secrets that are left out.
    assert {"message.toolCalls[0].name", "message.phoneNumber.twilioAccountSid"} <= {
        one.path for one in found
    }


def test_the_first_form_too_but_for_the_assistant() -> None:
    assert [(one.path, one.kind) for one in unwanted(LEGACY)] == [("message.assistant", "extra")]


@pytest.mark.parametrize(
    ("parts", "path", "kind"),
    [
        ({"chat": {"id": "x"}}, "message.chat", "missing"),
        ({"timestamp": "2026-06-10T14:03:42.312Z"}, "message.timestamp", "type"),
        ({"type": "tool-calls", "customer": None}, "message.customer", "type"),
    ],
)
def test_each_kind_of_difference_is_found(parts: dict[str, Any], path: str, kind: str) -> None:
    assert (path, kind) in {(one.path, one.kind) for one in unwanted(changed(**parts))}


def test_arguments_as_text_are_noticed() -> None:
    body = copy.deepcopy(REQUEST)
    for key in ("toolCalls", "toolCallList"):
        for call in body["message"][key]:
            call["function"]["arguments"] = json.dumps(call["function"]["arguments"])

    found = {one.path: one for one in unwanted(body)}

    assert found["message.toolCalls[0].function.arguments"].kind == "type"
    assert found["message.toolCalls[0].function.arguments"].vapi == "string"


def test_our_own_definition_is_compared_where_it_is_that_tools() -> None:
    tool = make_order_tool(name="book_appointment", description="Something else.")

    paths = {one.path for one in unwanted(REQUEST, tool=tool)}

    assert "message.toolWithToolCallList[0].function.description" in paths
    assert unwanted(REQUEST, tool=make_order_tool(name="another")) == []


def test_ids_and_moments_do_not_differ() -> None:
    body = json.loads(
        json.dumps(REQUEST).replace("1781100222312", "1781100999999").replace("call_bK2zT7", "call_AAAA")
    )

    assert unwanted(body) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "no message"),
        ({"message": "x"}, "no message"),
        ({"message": {"type": "status-update"}}, "'status-update'"),
    ],
)
def test_what_is_no_tool_webhook_is_left_out(body: Any, says: str) -> None:
    with pytest.raises(NotComparableError, match=says):
        differences(body)
