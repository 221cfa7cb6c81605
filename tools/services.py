"""The ledger of tool calls, and the forwarding of one.

Every step is one conditional UPDATE, so the database decides who goes on: only who moves a row from `requested` to
`sent` may send, and only who moves it on from `sent` has the last word. Everything can be repeated, in any order.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Coalesce

from tools import outcomes
from tools.answers import answer_read
from tools.clients import HttpAnswer, ToolError, webhook_post
from tools.envelope import epoch_ms, tool_calls_body
from tools.jsontext import json_clean, json_text, text_clean
from tools.models import Tool, ToolCall
from tools.orders import ToolOrder, ToolRefusal
from tools.outcomes import Outcome
from tools.selectors import tool_id_known

# Past the deadline of an exchange by this much, whoever sent it is dead: its own deadline ends it on time.
SENDER_GRACE = timedelta(seconds=5)
# No tool may take longer (300 s), and an order expires with its tool's timeout.
STALE_AFTER = timedelta(minutes=10)

_NEVER_TAKEN = "Not sent: the model was told the outcome before a worker took the request up."
_NAME_MAX = ToolCall._meta.get_field("name").max_length
Status = ToolCall.Status


@dataclass(frozen=True, slots=True)
class Taken:
    """The row is ours: send it."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """Somebody else has sent it and may still get the answer; look again in ``wait_s`` seconds."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class Settled:
    """It has its outcome, now or from before; nothing is sent."""

    outcome: Outcome


def tool_call_take(*, order: ToolOrder, now: datetime) -> Taken | InFlight | Settled:
    """Who may send this order: writes the row if there is none, and takes it unless it was taken before."""
    row = _row_write(order)
    rows = ToolCall.objects.filter(pk=row.pk)
    refusal = _refusal(order, now)
    if refusal is not None:
        _settle(rows.filter(status=Status.REQUESTED), refusal)
    elif rows.filter(status=Status.REQUESTED).update(status=Status.SENT, sent_at=now):
        return Taken()
    row.refresh_from_db()
    if row.status == Status.SENT:
        overdue_at = (row.sent_at or now) + timedelta(seconds=order.tool.timeout_s) + SENDER_GRACE
        if now < overdue_at:
            return InFlight(wait_s=(overdue_at - now).total_seconds())
        _settle(rows.filter(status=Status.SENT), _sender_lost())
        row.refresh_from_db()
    return Settled(_outcome_of(row))


def tool_call_send(*, order: ToolOrder, now: datetime) -> Outcome:
    """The outcome of sending a taken order: one request at most. Touches no row and raises nothing expected."""
    try:
        body = json_text(tool_calls_body(order, now_ms=epoch_ms(now))).encode()
    except (ValueError, RecursionError):
        return outcomes.refused(
            code="not_sendable", why="the arguments or the history cannot be written as JSON"
        )
    try:
        answer = webhook_post(
            url=order.tool.server_url,
            body=body,
            secret_token=order.server_secret_token,
            idempotency_key=order.tool_call_id,
            timeout_s=order.tool.timeout_s,
            send_within_s=(order.expires_at - now).total_seconds(),
        )
    except ToolError as exc:
        return _outcome_of_error(exc)
    return _outcome_of_answer(answer, order)


def tool_call_settle(*, call_id: uuid.UUID, item_id: str, outcome: Outcome) -> bool:
    """Write the outcome of a sent tool call. False when the row had its last word already."""
    return _settle(ToolCall.objects.filter(call_id=call_id, item_id=item_id, status=Status.SENT), outcome)


def tool_call_told(*, call_id: uuid.UUID, item_id: str, at: datetime, output: str, orphaned: bool) -> None:
    """Note that the model was told ``output`` at that moment, or (``orphaned``) that the call ended first.

    A request that no worker has taken up by the time the model was told is not sent any more. One whose call ended
    is: the caller may have agreed to it with the last word.
    """
    defaults: dict[str, Any] = {"requested_at": at, "status": Status.REQUESTED}
    with transaction.atomic():
        row, _ = ToolCall.objects.get_or_create(call_id=call_id, item_id=item_id, defaults=defaults)
        rows = ToolCall.objects.filter(pk=row.pk)
        if orphaned:
            rows.filter(told_at__isnull=True).update(orphaned=True)
            return
        rows.filter(status=Status.REQUESTED).update(status=Status.REFUSED, error=_NEVER_TAKEN)
        rows.filter(Q(told_at__isnull=True) | Q(told_at__gt=at)).update(
            told_at=at, outcome=text_clean(output), orphaned=False
        )


def tool_call_refuse(*, refusal: ToolRefusal, at: datetime, reason: str, output: str) -> None:
    """Write a tool call that was refused before any sending. When the model was told is for tool_call_told."""
    details = _details(
        name=refusal.name,
        arguments=refusal.arguments,
        requested_at=refusal.requested_at or at,
        tool_id=refusal.tool_id,
    )
    ending = {"status": Status.REFUSED, "error": text_clean(reason)}
    row, created = ToolCall.objects.get_or_create(
        call_id=refusal.call_id,
        item_id=refusal.tool_call_id,
        defaults={**details, **ending, "outcome": text_clean(output)},
    )
    if created:
        return
    rows = ToolCall.objects.filter(pk=row.pk)
    # Before the details, which end what is recognized here: a row that only tool_call_told has written.
    rows.filter(Q(status=Status.REQUESTED) | Q(status=Status.REFUSED, name="")).update(
        **ending, outcome=_outcome_unless_told(text_clean(output))
    )
    rows.filter(name="").update(**details)


def tool_call_done(*, refusal: ToolRefusal, at: datetime, output: str) -> None:
    """Write a tool call that was carried out without any server, such as hanging up: asked for and answered at once."""
    details = _details(
        name=refusal.name,
        arguments=refusal.arguments,
        requested_at=refusal.requested_at or at,
        tool_id=refusal.tool_id,
    )
    row, created = ToolCall.objects.get_or_create(
        call_id=refusal.call_id,
        item_id=refusal.tool_call_id,
        defaults={**details, "status": Status.ANSWERED, "outcome": text_clean(output), "told_at": at},
    )
    if not created:
        # Only a row that tool_call_told has written lacks its name.
        ToolCall.objects.filter(pk=row.pk, name="").update(
            **details,
            status=Status.ANSWERED,
            error="",
            outcome=_outcome_unless_told(text_clean(output)),
            told_at=Coalesce("told_at", Value(at)),
        )


def tool_calls_expire(*, now: datetime) -> int:
    """How many forgotten tool calls got their outcome: those whose worker and whose message are both gone."""
    stale = now - STALE_AFTER
    sent = ToolCall.objects.filter(status=Status.SENT, sent_at__lt=stale)
    requested = ToolCall.objects.filter(status=Status.REQUESTED, requested_at__lt=stale)
    never = outcomes.refused(code="not_sent", why="no worker took it up")
    return _settle_count(sent, _sender_lost()) + _settle_count(requested, never)


def _row_write(order: ToolOrder) -> ToolCall:
    """The order's row, new or known; one that only tool_call_told has written gets its details."""
    details = _details(
        name=order.tool.name,
        arguments=order.arguments,
        requested_at=order.requested_at,
        tool_id=order.tool.id,
    )
    row, created = ToolCall.objects.get_or_create(
        call_id=order.call_id, item_id=order.tool_call_id, defaults={**details, "status": Status.REQUESTED}
    )
    if not created and not row.name:
        ToolCall.objects.filter(pk=row.pk, name="").update(**details)
    return row


def _details(*, name: str, arguments: dict[str, Any], requested_at: datetime, tool_id: str) -> dict[str, Any]:
    try:
        kept = json_clean(arguments)
    except (ValueError, RecursionError):
        kept = {}  # the order will be refused as not sendable, which says why
    # An invented name may have any length; an empty one marks rows whose order has not come yet.
    return {
        "name": text_clean(name)[:_NAME_MAX] or "?",
        "arguments": kept,
        "requested_at": requested_at,
        "tool_id": tool_id_known(tool_id=tool_id),
    }


def _refusal(order: ToolOrder, now: datetime) -> Outcome | None:
    """Why this order may not be sent at all, or None."""
    if now >= order.expires_at:
        return outcomes.refused(code="expired", why="a worker took it up only after its time was over")
    if order.tool.kind != Tool.Kind.FUNCTION or not order.tool.server_url:
        return outcomes.refused(code="no_server", why="the tool has no server to ask")
    return None


def _settle(rows: QuerySet[ToolCall], outcome: Outcome) -> bool:
    return _settle_count(rows, outcome) > 0


def _settle_count(rows: QuerySet[ToolCall], outcome: Outcome) -> int:
    """Write the outcome to each row. `answered_at` is reckoned from `sent_at`, since clocks can step back."""
    moments: dict[str, Any] = {}
    if not outcome.sent:
        moments["sent_at"] = None
    elif outcome.elapsed_ms is not None:
        moments["answered_at"] = F("sent_at") + timedelta(milliseconds=outcome.elapsed_ms)
    return rows.update(
        status=outcome.status,
        outcome=_outcome_unless_told(outcome.output),
        error=text_clean(outcome.error),
        http_status=outcome.http_status,
        answer=outcome.answer,
        **moments,
    )


def _outcome_unless_told(output: str) -> Case:
    """The output, unless the model has been told something else already."""
    return Case(
        When(told_at__isnull=True, then=Value(output)), default=F("outcome"), output_field=TextField()
    )


def _outcome_of(row: ToolCall) -> Outcome:
    assert row.status not in (Status.REQUESTED, Status.SENT)
    return Outcome.from_json({"status": str(row.status), "output": row.outcome, "error": row.error})


def _outcome_of_error(exc: ToolError) -> Outcome:
    if not exc.sent and exc.code == "expired":
        return outcomes.refused(code=exc.code, why=exc.why)
    if not exc.sent:
        return outcomes.not_reached(code=exc.code, why=exc.why)
    if exc.http_status is not None and not exc.late:
        return outcomes.spoiled(code=exc.code, why=exc.why, http_status=exc.http_status)
    return outcomes.unknown(code=exc.code, why=exc.why, http_status=exc.http_status)


def _outcome_of_answer(answer: HttpAnswer, order: ToolOrder) -> Outcome:
    result = answer_read(
        body=answer.body,
        content_type=answer.content_type,
        http_status=answer.http_status,
        tool_call_id=order.tool_call_id,
    )
    return Outcome(
        status=result.status,
        output=result.output_text,
        error=result.error,
        http_status=answer.http_status,
        answer=outcomes.answer_clip(answer.body),
        elapsed_ms=answer.elapsed_ms,
    )


def _sender_lost() -> Outcome:
    return outcomes.unknown(code="worker_lost", why="the worker that waited for the answer was lost")
