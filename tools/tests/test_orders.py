import json
import uuid
from typing import Any

import pytest

from tools.orders import OrderError, ToolOrder, ToolRefusal
from tools.tests.factories import MOMENT, make_order


def test_an_order_survives_json() -> None:
    order = make_order(requested_at=MOMENT, server_from="tool", server_secret_token="gAAAA")

    assert ToolOrder.from_json(json.loads(json.dumps(order.to_json()))) == order


def test_unknown_keys_of_a_newer_release_are_left_aside() -> None:
    order = make_order()

    assert (
        ToolOrder.from_json({**order.to_json(), "new": 1, "tool": {**order.to_json()["tool"], "new": 1}})
        == order
    )


def test_an_order_shows_neither_arguments_nor_history_nor_secret() -> None:
    order = make_order(
        server_secret_token="gAAAA", context={"messages": ["spoken"]}, arguments={"a": "spoken"}
    )

    assert "spoken" not in repr(order)
    assert "gAAAA" not in repr(order)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"call_id": "x"}, "call_id"),
        ({"call_id": None}, "call_id"),
        ({"tool_call_id": ""}, "tool_call_id"),
        ({"tool_call_id": "c" * 65}, "tool_call_id"),
        ({"tool": None}, "tool"),
        ({"arguments": []}, "arguments"),
        ({"requested_at": "yesterday"}, "requested_at"),
        ({"expires_at": "2026-06-10T14:03:42"}, "expires_at"),
        ({"server_from": "nobody"}, "server_from"),
        ({"auth": {"secret_token": 3}}, "auth"),
        ({"auth": {"password": "x"}}, "auth"),
    ],
)
def test_a_wrong_order_names_the_field(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(OrderError, match=names):
        ToolOrder.from_json({**make_order().to_json(), **changes})


@pytest.mark.parametrize("timeout_s", [0, 301, "20", None])
def test_a_wrong_timeout_is_refused(timeout_s: object) -> None:
    stored = make_order().to_json()

    with pytest.raises(OrderError, match="timeout_s"):
        ToolOrder.from_json({**stored, "tool": {**stored["tool"], "timeout_s": timeout_s}})


def test_a_refusal_is_read_from_a_whole_order() -> None:
    order = make_order(requested_at=MOMENT)

    refusal = ToolRefusal.from_json(order.to_json())

    assert refusal.name == "book_appointment"
    assert refusal.tool_id == order.tool.id
    assert refusal.arguments == order.arguments
    assert refusal.requested_at == MOMENT


def test_a_refusal_is_read_from_the_least() -> None:
    call_id = uuid.uuid4()

    refusal = ToolRefusal.from_json(
        {"call_id": str(call_id), "tool_call_id": "call_1", "name": "no_such_tool"}
    )

    assert refusal == ToolRefusal(
        call_id=call_id,
        tool_call_id="call_1",
        name="no_such_tool",
        tool_id="",
        arguments={},
        requested_at=None,
    )
