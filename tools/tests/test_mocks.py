"""Tools answered by a scenario: the same way to its end, and never to the customer's server."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tools import sending
from tools.auth.credentials import ServerAuth
from tools.mocks import NOT_MOCKED_ERROR, NOWHERE, Mocked, MocksError, mocks_read, order_mocked
from tools.models import Tool
from tools.orders import ToolOrder
from tools.services import tool_call_send
from tools.snapshots import ToolSnapshot

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def order(
    kind: str = Tool.Kind.FUNCTION, *, arguments: dict[str, Any] | None = None, **tool: Any
) -> ToolOrder:
    """An order as the recorder makes it, with everything in it that could lead to the customer."""
    return ToolOrder(
        call_id=uuid.uuid4(),
        call_sid="CA1",
        tool_call_id="call_1",
        tool=ToolSnapshot(
            id=str(uuid.uuid4()),
            kind=kind,
            name="book",
            description="",
            parameters={"type": "object", "properties": {}},
            server_url="https://customer.example.com/hook",
            timeout_s=5,
            backoff_plan={"type": "fixed", "maxRetries": 3, "baseDelaySeconds": 1},
            encrypted_paths=["day"],
            **{
                "settings": {
                    "url": "https://customer.example.com/api",
                    "method": "POST",
                    "headers": {"k": "v"},
                },
                **tool,
            },
        ),
        arguments=arguments if arguments is not None else {"day": "Tuesday"},
        requested_at=NOW,
        expires_at=NOW + timedelta(seconds=30),
        context={"messages": []},
        server_from="tool",
        auth=ServerAuth(secret_token="gAAAA-secret"),
    )


@pytest.fixture(autouse=True)
def _nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def sent(*_: Any, **__: Any) -> None:
        raise AssertionError("a request left the house")

    monkeypatch.setattr(sending, "http_send", sent)


@pytest.mark.parametrize("kind", list(Tool.Kind))
def test_nothing_in_a_mocked_order_leads_to_the_customer_whatever_its_kind(kind: str) -> None:
    mocked = order_mocked(order(kind), [{"tool": "book", "result": "Done."}])

    stored = str(mocked.to_json())
    assert "customer.example.com" not in stored
    assert "gAAAA-secret" not in stored
    assert mocked.tool.server_url == NOWHERE
    assert ToolOrder.from_json(mocked.to_json()) == mocked
    sent = tool_call_send(order=mocked, now=NOW)
    assert [attempt.sent for attempt in sent.attempts] == [True]


@pytest.mark.parametrize(
    ("kind", "result", "output"),
    [
        (Tool.Kind.FUNCTION, "Booked for Tuesday.", "Booked for Tuesday."),
        (Tool.Kind.FUNCTION, {"ok": True}, '{"ok":true}'),
        (Tool.Kind.SMS, "Sent.", "Sent."),
        (Tool.Kind.MCP, [1, 2], "[1,2]"),
        (Tool.Kind.API_REQUEST, {"ok": True}, '{"ok":true}'),
    ],
)
def test_the_answer_takes_the_way_of_a_real_one(kind: str, result: Any, output: str) -> None:
    sent = tool_call_send(order=order_mocked(order(kind), [{"tool": "book", "result": result}]), now=NOW)

    assert (sent.outcome.status, sent.outcome.output) == ("answered", output)
    assert [attempt.http_status for attempt in sent.attempts] == [200]


def test_without_an_answer_nothing_is_sent_and_the_ledger_says_so() -> None:
    sent = tool_call_send(order=order_mocked(order(), [{"tool": "other", "result": 1}]), now=NOW)

    assert (sent.outcome.status, sent.outcome.sent, sent.outcome.error) == ("failed", False, NOT_MOCKED_ERROR)
    assert len(sent.attempts) == 1


def test_answers_that_cannot_be_read_answer_nothing() -> None:
    broken = replace(order_mocked(order(), []), mocks=[{"tool": "book"}])

    assert tool_call_send(order=broken, now=NOW).outcome.error == NOT_MOCKED_ERROR


def test_errors_and_time_outs_are_those_of_a_server() -> None:
    failed = tool_call_send(order=order_mocked(order(), [{"tool": "book", "error": "No room."}]), now=NOW)
    late = tool_call_send(order=order_mocked(order(), [{"tool": "book", "times_out": True}]), now=NOW)

    assert (failed.outcome.status, "No room." in failed.outcome.output) == ("failed", True)
    assert late.outcome.status == "timed_out"


@pytest.mark.parametrize(
    ("wanted", "given", "fits"),
    [
        ({}, {"day": "x"}, True),
        ({"day": "tuesday"}, {"day": " Tuesday"}, True),
        ({"ticket": 481}, {"ticket": "481"}, True),
        ({"ticket": "481"}, {"ticket": "482"}, False),
        ({"ticket": "4*"}, {"ticket": "481"}, True),
        ({"ticket": "4*2"}, {"ticket": "481"}, False),
        ({"ticket": "*"}, {}, False),
        ({"ticket": ""}, {}, True),
        ({"who": {"name": "A*"}}, {"who": {"name": "Ann", "age": 3}}, True),
        ({"list": [1, "b"]}, {"list": ["1", "B"]}, True),
        ({"list": [1]}, {"list": [1, 2]}, False),
        ({"list": [1]}, {"list": "1"}, False),
    ],
)
def test_arguments_fit_or_do_not(
    wanted: dict[str, Any], given: dict[str, Any], fits: bool
) -> None:  # a table's column
    mocked = Mocked(
        order_mocked(order(arguments=given), [{"tool": "book", "arguments": wanted, "result": "x"}])
    )

    found = tool_call_send(order=mocked.order, now=NOW).outcome.status == "answered"

    assert found is fits


def test_the_second_call_of_a_tool_may_have_another_answer() -> None:
    mocks = [{"tool": "book", "nth": 1, "result": "Full."}, {"tool": "book", "nth": 2, "result": "Booked."}]
    calls = [
        {"role": "tool_calls", "toolCalls": [{"id": f"call_{n}", "function": {"name": "book"}}]}
        for n in (0, 1)
    ]
    second = replace(order(), context={"messages": calls})

    assert tool_call_send(order=order_mocked(order(), mocks), now=NOW).outcome.output == "Full."
    assert tool_call_send(order=order_mocked(second, mocks), now=NOW).outcome.output == "Booked."


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({}, "must be a list"),
        ([{}], "Answer 1 must be an object with “tool”"),
        ([{"tool": "a", "result": 1, "x": 1}], "there is no “x”"),
        ([{"tool": "a"}], "must have one of “result”, “error” and “times_out”"),
        ([{"tool": "a", "result": 1, "error": "b"}], "must have one of"),
        ([{"tool": "a", "result": 1, "arguments": []}], "“arguments” must be an object"),
        ([{"tool": "a", "result": 1, "delay_s": 99}], "“delay_s” must be a number of seconds from 0 to 30"),
        ([{"tool": "a", "result": 1, "nth": 0}], "“nth” must be 1, 2, 3"),
        ([{"tool": "a", "error": 1}], "“error” must be a text"),
    ],
)
def test_answers_that_are_written_wrong_are_named(stored: Any, words: str) -> None:
    with pytest.raises(MocksError) as refused:
        mocks_read(stored)

    assert words in str(refused.value)
