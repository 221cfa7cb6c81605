"""What the forwarding of a tool call leaves behind for whoever looks from outside: counts, and spans below the call's own."""

import time
from datetime import datetime

from django.utils import timezone

from tools.models import Tool
from tools.observing import metrics, tracing
from tools.orders import ToolOrder
from tools.outcomes import Outcome
from tools.sending import Attempt, Sent, attempt_key


def order_taken(order: ToolOrder) -> None:
    """A worker has begun with an order."""
    if order.mocks is None:
        metrics.TOOL_WAIT.observe(max(0.0, _since(order.requested_at)))


def order_ended(order: ToolOrder, outcome: Outcome, *, began_ns: int, sent: Sent | None = None) -> None:
    """An order has its outcome, after these attempts. One of a smoke test is traced, and not counted."""
    if order.mocks is None:
        kind = order.tool.kind if order.tool.kind in Tool.Kind.values else metrics.OTHER
        metrics.TOOL_CALLS.labels(kind, outcome.status).inc()
        metrics.TOOL_SECONDS.labels(outcome.status).observe(max(0.0, _since(order.requested_at)))
    key = f"forward:{order.tool_call_id}"
    for attempt in sent.attempts if sent else ():
        _attempt_ended(order, attempt, parent=key)
    tracing.span_write(
        order.call_id,
        key=key,
        parent=f"tool:{order.tool_call_id}",
        name="tool forward",
        began=began_ns,
        kind=tracing.Kind.CONSUMER,
        error="" if outcome.status == "answered" else outcome.status,
        facts={
            "tool_call_id": order.tool_call_id,
            "tool": order.tool.name,
            "tool_kind": order.tool.kind,
            "outcome": outcome.status,
            "waited_ms": max(0, (began_ns // 1_000_000) - round(order.requested_at.timestamp() * 1000)),
            "attempts": len(sent.attempts) if sent else 0,
            "smoke": order.mocks is not None,
        },
    )


def now_ns() -> int:
    """When something begins, for order_ended."""
    return time.time_ns()


def _attempt_ended(order: ToolOrder, attempt: Attempt, *, parent: str) -> None:
    if order.mocks is None:
        answered = attempt.http_status is not None
        result = (
            metrics.status_class(attempt.http_status or 0)
            if answered
            else metrics.attempt_class(attempt.code)
        )
        metrics.TOOL_REQUESTS.labels(result).inc()
    steps = attempt.steps
    tracing.span_write(
        order.call_id,
        key=attempt_key(order.tool_call_id, attempt.n),
        parent=parent,
        name="tool request",
        began=attempt.started_at,
        ended=attempt.finished_at,
        kind=tracing.Kind.CLIENT,
        error=attempt.code,
        facts={
            "attempt": attempt.n,
            "sent": attempt.sent,
            "http.response.status_code": attempt.http_status,
            "resolve_ms": steps.resolve_ms,
            "connect_ms": steps.connect_ms,
            "tls_ms": steps.tls_ms,
            "first_byte_ms": steps.first_byte_ms,
            "whole_ms": steps.whole_ms,
        },
    )


def _since(moment: datetime) -> float:
    return (timezone.now() - moment).total_seconds()
