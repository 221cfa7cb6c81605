"""Orders of tests, sent as a worker sends them."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from django.utils import timezone

from tools.auth.credentials import ServerAuth
from tools.auth.hosts import ANY
from tools.encryption import encrypt
from tools.orders import ToolOrder
from tools.sending import Attempt, Sent, order_send
from tools.tests.factories import make_order, make_order_tool
from tools.tests.servers import Behaviour, ToolServer, booking

QUICK = {"type": "fixed", "maxRetries": 2, "baseDelaySeconds": 0}


def send(order: ToolOrder, go_on: Callable[[Attempt], bool] = lambda _: True) -> Sent:
    return order_send(order, now=timezone.now(), go_on=go_on)


def planned(url: str, plan: dict[str, Any] | None = None, **fields: Any) -> ToolOrder:
    tool = make_order_tool(backoff_plan=QUICK if plan is None else plan)
    return make_order(tool=tool, url=url, **fields)


def after(failures: int, bad: Behaviour, good: Behaviour = booking) -> Behaviour:
    """Bad so many times, and good from then on."""
    left = [failures]

    def behave(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        left[0] -= 1
        (bad if left[0] >= 0 else good)(handler, server)

    return behave


def credential(kind: str, settings: dict[str, Any]) -> ServerAuth:
    """A credential that may go anywhere, as one that came with an order of an earlier release."""
    return ServerAuth(
        credential_id="c-1",
        credential_kind=kind,
        credential_token=encrypt(json.dumps(settings)),
        credential_hosts=ANY,
    )
