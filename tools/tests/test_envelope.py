import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tools.envelope import epoch_ms, tool_calls_body, without_secrets
from tools.jsontext import json_text
from tools.orders import ToolOrder
from tools.snapshots import ToolSnapshot
from tools.tests.factories import MOMENT, make_order

FIXTURES = Path(__file__).parent / "fixtures"
CAPTURED: dict[str, Any] = json.loads((FIXTURES / "tool-calls-request.json").read_text())["message"]


def captured_order() -> ToolOrder:
    """The order behind the first call of the captured request."""
    definition, call = CAPTURED["toolWithToolCallList"][0], CAPTURED["toolCalls"][0]
    return make_order(
        call_id=uuid.UUID(CAPTURED["call"]["id"]),
        call_sid=CAPTURED["call"]["phoneCallProviderId"],
        tool_call_id=call["id"],
        requested_at=MOMENT,
        tool=ToolSnapshot(
            id="11111111-aaaa-4aaa-8aaa-000000000001",
            kind="function",
            name=definition["function"]["name"],
            description=definition["function"]["description"],
            parameters=definition["function"]["parameters"],
            server_url=definition["server"]["url"],
            timeout_s=definition["server"]["timeoutSeconds"],
        ),
        arguments=call["function"]["arguments"],
        context={
            **{
                key: CAPTURED[key]
                for key in ("call", "assistant", "phoneNumber", "customer", "assistantVersion")
            },
            "messages": CAPTURED["artifact"]["messages"],
            "variableValues": CAPTURED["artifact"]["variableValues"],
        },
    )


def captured_body() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(
        json_text(tool_calls_body(captured_order(), now_ms=CAPTURED["timestamp"]))
    )
    return body["message"]  # type: ignore[no-any-return]  # JSON


def types(value: object, path: str = "") -> dict[str, str]:
    """The JSON type at every path; the entries of an array share theirs with the first."""
    kind = (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )
    found = {path: kind}
    if isinstance(value, dict):
        for key, item in value.items():
            found |= types(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in reversed(value):
            found |= types(item, f"{path}[]")
    return found


def test_a_body_has_the_captured_type_at_every_path() -> None:
    ours, theirs = (
        types(captured_body()),
        types({**CAPTURED, "toolWithToolCallList": CAPTURED["toolWithToolCallList"][:1]}),
    )

    different = {path: (kind, theirs[path]) for path, kind in ours.items() if theirs.get(path, kind) != kind}

    assert different == {}


def test_a_body_lacks_nothing_of_the_captured_but_secrets_and_tool_messages() -> None:
    first = {key: CAPTURED[key][:1] for key in ("toolCalls", "toolCallList", "toolWithToolCallList")}
    ours, theirs = types(captured_body()), types({**CAPTURED, **first})

    missing = {path for path in theirs if path not in ours}

    assert missing == {path for path in theirs if path.startswith(".toolWithToolCallList[].messages[]")} | {
        ".phoneNumber.twilioAccountSid"
    }


def test_the_history_is_the_captured_history() -> None:
    body = captured_body()

    given = CAPTURED["artifact"]
    assert body["artifact"]["messages"] == given["messages"]
    assert body["artifact"]["messagesOpenAIFormatted"] == given["messagesOpenAIFormatted"]
    assert body["artifact"]["variableValues"] == given["variableValues"]
    for part in ("call", "assistant", "customer", "assistantVersion", "timestamp", "type"):
        assert body[part] == CAPTURED[part]


@pytest.mark.parametrize("path", ["toolCalls", "toolCallList"])
def test_a_listed_call_satisfies_readers_of_all_three_forms(path: str) -> None:
    (item,) = captured_body()[path]

    arguments = CAPTURED["toolCalls"][0]["function"]["arguments"]
    assert item["id"] == CAPTURED["toolCalls"][0]["id"]
    for place in (item, item["function"]):
        assert place["name"] == "book_appointment"
        assert place["arguments"] == place["parameters"] == arguments


def test_the_body_is_the_golden_one() -> None:
    order = make_order(
        call_id=uuid.UUID("91e4c7a2-0d3b-4f58-9c26-6a7b8d9e0f66"),
        requested_at=MOMENT,
        context={
            "call": {
                "id": "91e4c7a2-0d3b-4f58-9c26-6a7b8d9e0f66",
                "type": "inboundPhoneCall",
                "status": "ringing",
            },
            "assistant": {"id": "b2d7a6d4-6a53-4b0f-8a60-1c7f6f1a9e11", "name": "Riverbend front desk"},
            "phoneNumber": {"number": "+13125550100", "twilioAuthToken": "hidden"},
            "customer": {"number": "+13125550177"},
            "messages": [
                {"role": "bot", "message": "Hello.", "time": 1781100200412, "secondsFromStart": 0.5},
                {"role": "user", "message": "Thursday.", "time": 1781100216412, "secondsFromStart": 16.5},
            ],
        },
    )

    body = tool_calls_body(order, now_ms=epoch_ms(MOMENT) + 5)

    assert body == json.loads((FIXTURES / "tool-calls-body.json").read_text())


def test_arguments_in_the_history_are_strings_and_the_calls_own_are_not_doubled() -> None:
    function = {"name": "book_appointment", "arguments": {"slot": "a"}}
    asked = {
        "role": "tool_calls",
        "message": "",
        "toolCalls": [{"id": "call_bK2zT7", "type": "function", "function": function}],
    }
    order = make_order(context={"messages": [asked]})

    artifact = tool_calls_body(order, now_ms=0)["message"]["artifact"]

    assert len(artifact["messages"]) == 1
    assert artifact["messages"][0]["toolCalls"][0]["function"]["arguments"] == '{"slot":"a"}'
    assert artifact["messagesOpenAIFormatted"][0]["tool_calls"][0]["function"]["arguments"] == '{"slot":"a"}'


@pytest.mark.parametrize(
    "context", [{}, {"messages": None, "call": [], "customer": "x"}, {"messages": ["x", {}]}]
)
def test_a_poor_context_still_gives_a_whole_body(context: dict[str, Any]) -> None:
    order = make_order(context=context)

    message = tool_calls_body(order, now_ms=0)["message"]

    assert message["call"]["id"] == str(order.call_id)
    assert message["customer"] == {}
    assert message["artifact"]["messages"][-1]["role"] == "tool_calls"


def test_secrets_are_stripped_and_the_customers_own_data_is_not() -> None:
    assistant = {
        "serverUrlSecret": "s",
        "server": {
            "url": "https://h",
            "secret": "s",
            "headers": {"Authorization": "s", "X-Api-Key": "s", "X-Site": "n"},
        },
        "model": {
            "headers": {"X-Auth": "s"},
            "tools": [
                {
                    "server": {"secret": "s"},
                    "function": {"parameters": {"properties": {"secret": {}, "token": {}}}},
                }
            ],
        },
        "credentials": [{"apiKey": "s"}],
        "metadata": {"secret": "kept"},
        "name": "x",
    }

    assert without_secrets(assistant) == {
        "server": {"url": "https://h", "headers": {"X-Site": "n"}},
        "model": {
            "headers": {},
            "tools": [
                {"server": {}, "function": {"parameters": {"properties": {"secret": {}, "token": {}}}}}
            ],
        },
        "metadata": {"secret": "kept"},
        "name": "x",
    }
