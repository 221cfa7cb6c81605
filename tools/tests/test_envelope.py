import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tools.envelope import epoch_ms, function_call_body, tool_calls_body, webhook_body, without_secrets
from tools.jsontext import json_text
from tools.orders import ToolOrder
from tools.snapshots import ToolSnapshot
from tools.tests.factories import MOMENT, make_order, make_order_tool
from tools.tests.vapi_schema import complaints

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
            messages=definition["messages"],
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


def test_a_body_lacks_nothing_of_the_captured_but_secrets() -> None:
    first = {key: CAPTURED[key][:1] for key in ("toolCalls", "toolCallList", "toolWithToolCallList")}
    ours, theirs = types(captured_body()), types({**CAPTURED, **first})

    missing = {path for path in theirs if path not in ours}

    assert missing == {".phoneNumber.twilioAccountSid"}


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


def test_the_tool_is_printed_as_vapi_prints_it() -> None:
    messages = [{"type": "request-start", "content": "One moment."}]
    backoff = {"type": "fixed", "maxRetries": 1, "baseDelaySeconds": 1}
    tool = make_order_tool(
        wire_name="Book it!",
        asynchronous=True,
        messages=messages,
        backoff_plan=backoff,
        static_parameters=[{"key": "site", "value": "{{ site }}"}],
        rejection_plan={"conditions": []},
        settings={"strict": True},
    )

    printed = tool_calls_body(make_order(tool=tool), now_ms=0)["message"]["toolWithToolCallList"][0]

    assert (printed["type"], printed["async"], printed["messages"]) == ("function", True, messages)
    assert (printed["function"]["name"], printed["function"]["strict"]) == ("Book it!", True)
    assert printed["server"] == {"url": tool.server_url, "timeoutSeconds": 20, "backoffPlan": backoff}
    assert printed["parameters"] == [{"key": "site", "value": "{{ site }}"}]
    assert printed["rejectionPlan"] == {"conditions": []}
    assert "variableExtractionPlan" not in printed


def test_every_name_on_the_wire_is_the_servers() -> None:
    tool = make_order_tool(wire_name="Book it!")

    text = json_text(tool_calls_body(make_order(tool=tool), now_ms=0))

    assert '"name":"book_appointment"' not in text
    assert (
        text.count('"name":"Book it!"') == 9
    )  # three lists, each twice, the definition, and the history twice


def test_no_secret_of_the_server_is_printed() -> None:
    order = make_order(server_secret_token="gAAAA-secret")

    assert "gAAAA" not in json_text(tool_calls_body(order, now_ms=0))


LEGACY: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "tests" / "fixtures" / "vapi" / "function-call-request.json").read_text()
)


def legacy_order() -> ToolOrder:
    """The order behind the captured request of 2024."""
    message = LEGACY["message"]
    return make_order(
        call_id=uuid.UUID(message["call"]["id"]),
        call_sid=message["call"]["phoneCallProviderId"],
        tool=make_order_tool(name="reserveTable", legacy_form=True),
        arguments=message["functionCall"]["parameters"],
        context={
            **{key: message[key] for key in ("call", "phoneNumber", "customer")},
            "messages": message["artifact"]["messages"],
        },
    )


def test_the_first_form_is_the_captured_one() -> None:
    moment_ms = 1723228821004  # 2024-08-09T18:40:21.004Z

    body = webhook_body(legacy_order(), now_ms=moment_ms)

    # The assistant stands in newer bodies; who reads the first form does not look for it.
    assert body["message"].pop("assistant") == {}
    assert body == LEGACY


def test_the_first_form_has_no_id_and_no_lists() -> None:
    text = json_text(function_call_body(legacy_order(), now_ms=0))

    assert "call_bK2zT7" not in text
    assert "toolCallList" not in text


def test_the_form_is_the_tools_own() -> None:
    current, legacy = make_order(), make_order(tool=make_order_tool(legacy_form=True))

    assert webhook_body(current, now_ms=0)["message"]["type"] == "tool-calls"
    assert webhook_body(legacy, now_ms=0)["message"]["type"] == "function-call"


# What of Vapi's schema a body of ours goes against on purpose: numbers are printed without Twilio's account.
ON_PURPOSE = "phoneNumber: "


def test_a_body_fits_vapis_own_schema() -> None:
    assert complaints("ServerMessageToolCalls", CAPTURED) == []

    found = complaints("ServerMessageToolCalls", captured_body())

    assert [one for one in found if not one.startswith(ON_PURPOSE)] == []


def test_the_schema_would_notice() -> None:
    spoilt = {**captured_body(), "toolCallList": "x", "timestamp": "2024-08-09T18:40:21.004Z"}

    found = complaints("ServerMessageToolCalls", spoilt)

    assert [one.split(":")[0] for one in found if not one.startswith(ON_PURPOSE)] == [
        "timestamp",
        "toolCallList",
    ]
