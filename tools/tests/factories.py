"""Makers of test data: what a test does not name is filled in."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from tools.auth.credentials import ServerAuth
from tools.captures.store import token_hash
from tools.models import Capture, CapturePoint, Tool, ToolCall
from tools.orders import ToolOrder
from tools.snapshots import ToolSnapshot

CALL_SID = "CA00000000000000000000000000004471"
MOMENT = datetime(2026, 6, 10, 14, 3, 42, 212000, tzinfo=UTC)


def make_tool(**fields: Any) -> Tool:
    """A saved webhook tool."""
    defaults = {"name": "book_appointment", "server_url": "https://hooks.example/vapi"}
    return Tool.objects.create(**{**defaults, **fields})


def make_tool_call(**fields: Any) -> ToolCall:
    """A saved row of the ledger, as requested a moment ago."""
    defaults = {
        "call_id": uuid.uuid4(),
        "item_id": f"call_{uuid.uuid4().hex[:10]}",
        "name": "book_appointment",
        "requested_at": timezone.now(),
    }
    return ToolCall.objects.create(**{**defaults, **fields})


def make_order_tool(**fields: Any) -> ToolSnapshot:
    """A tool of an order, with no row behind it."""
    defaults: dict[str, Any] = {
        "id": "11111111-aaaa-4aaa-8aaa-000000000001",
        "kind": "function",
        "name": "book_appointment",
        "description": "Books one visit.",
        "parameters": {"type": "object", "properties": {"slot": {"type": "string"}}},
        "server_url": "https://hooks.example/vapi?secret=s3",
        "timeout_s": 20,
    }
    return ToolSnapshot(**{**defaults, **fields})


def make_order(
    *, tool: ToolSnapshot | None = None, url: str = "", timeout_s: int = 0, **fields: Any
) -> ToolOrder:
    """An order requested now (or at ``requested_at``) that expires with its tool's timeout."""
    tool = tool or make_order_tool()
    tool = replace(tool, server_url=url or tool.server_url, timeout_s=timeout_s or tool.timeout_s)
    requested_at = fields.pop("requested_at", None) or timezone.now()
    secret_token = fields.pop("server_secret_token", "")
    if secret_token:
        fields["auth"] = ServerAuth(secret_token=secret_token)
    defaults: dict[str, Any] = {
        "call_id": uuid.uuid4(),
        "call_sid": CALL_SID,
        "tool_call_id": "call_bK2zT7",
        "arguments": {"slot": "n-0611-0930"},
        "expires_at": requested_at + timedelta(seconds=tool.timeout_s),
        "context": {"customer": {"number": "+13125550177"}, "messages": []},
    }
    return ToolOrder(tool=tool, requested_at=requested_at, **{**defaults, **fields})


def make_capture_point(*, token: str = "t0ken", **fields: Any) -> CapturePoint:  # noqa: S107
    """A saved capture point of this token."""
    defaults: dict[str, Any] = {"token_hash": token_hash(token)}
    if "tool" not in fields:
        defaults["tool"] = make_tool()
    return CapturePoint.objects.create(**{**defaults, **fields})


def make_capture(**fields: Any) -> Capture:
    """A saved capture, as received a moment ago."""
    defaults: dict[str, Any] = {"received_at": timezone.now(), "body": "{}", "http_status": 200}
    if "point" not in fields:
        defaults["point"] = make_capture_point()
    return Capture.objects.create(**{**defaults, **fields})
