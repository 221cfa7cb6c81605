"""Requests to a server of a test, as the worker sends them."""

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tools.clients import HttpAnswer, HttpRequest, ToolError, http_send
from tools.tests.servers import ToolServer, answering

BODY = '{"message":{"type":"tool-calls","text":"für"}}'.encode()


def post(url: str, **fields: Any) -> HttpAnswer:
    headers = {"Content-Type": b"application/json", **fields.pop("headers", {})}
    request = HttpRequest(
        method=fields.pop("method", "POST"), url=url, body=fields.pop("body", BODY), headers=headers
    )
    return http_send(request, **{"timeout_s": 60, "send_within_s": 60, **fields})


def failing(url: str, **fields: Any) -> ToolError:
    with pytest.raises(ToolError) as raised:
        post(url, **fields)
    return raised.value


# The worker's connections


def keeping(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Answers, and leaves the connection open; who asks is told by the answer on which connection it came."""
    answering(str(handler.client_address[1]), headers={"Connection": "keep-alive"})(handler, server)
