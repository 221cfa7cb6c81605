"""Arguments from the model to the customer's server: restored, checked, and refused with words for the model."""

import json
from typing import Any

import pytest

from tools import services
from tools.models import ToolCall
from tools.orders import ToolOrder
from tools.services import Taken
from tools.tests.factories import make_order, make_order_tool
from tools.tests.servers import booking, serve

pytestmark = pytest.mark.django_db

PARAMETERS = {
    "type": "object",
    "properties": {
        "patient": {
            "type": "object",
            "properties": {"fullName": {"type": "string"}},
            "required": ["fullName"],
        },
        "dose": {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "enum": ["booster"]}]},
    },
    "required": ["patient"],
}


def order_with(arguments: dict[str, Any], url: str = "") -> ToolOrder:
    tool = make_order_tool(parameters=PARAMETERS)
    return make_order(tool=tool, url=url or "https://hooks.example/vapi", arguments=arguments)


def take(order: ToolOrder) -> Any:
    return services.tool_call_take(order=order, now=order.requested_at)


def row_of(order: ToolOrder) -> ToolCall:
    return ToolCall.objects.get(call_id=order.call_id, item_id=order.tool_call_id)


@pytest.mark.usefixtures("loopback")
def test_the_server_gets_the_arguments_in_its_own_shape_and_the_row_keeps_those() -> None:
    due = {"dose": 2, "patient": {"fullName": "Anna Zzyzx"}}
    with serve(booking) as server:
        order = order_with({"patient.fullName": "Anna Zzyzx", "dose": "2"}, url=server.url)
        assert take(order) == Taken()
        services.tool_call_send(order=order, now=order.requested_at)

        (body,) = server.bodies

    assert body["message"]["toolCallList"][0]["arguments"] == due
    assert row_of(order).arguments == due


@pytest.mark.usefixtures("loopback")
def test_arguments_that_do_not_fit_are_refused_with_words_for_the_model() -> None:
    with serve(booking) as server:
        order = order_with({"dose": "0"}, url=server.url)
        take(order)
        outcome = services.tool_call_send(order=order, now=order.requested_at).outcome

        assert server.requests == []

    told = json.loads(outcome.output)
    assert (outcome.status, outcome.sent, told["error"]) == ("refused", False, "invalid_arguments")
    assert "patient is missing." in told["message"]
    assert "Correct them and request it again" in told["message"]
    assert "not possible right now" not in told["message"]
    assert row_of(order).arguments == {"dose": "0"}
