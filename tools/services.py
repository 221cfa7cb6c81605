"""The ledger of tool calls, and the forwarding of one.

Every step is one conditional UPDATE, so the database decides who goes on: only who moves a row from `requested` to
`sent` may send, and only who moves it on from `sent` has the last word. Everything can be repeated, in any order.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Case, F, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Coalesce

from tools import outcomes
from tools.arguments import arguments_shown
from tools.backoff import backoff_read
from tools.jsontext import json_clean, text_clean
from tools.mocks import Mocked, is_mocked
from tools.models import Tool, ToolAttempt, ToolCall
from tools.orders import ToolOrder, ToolRefusal
from tools.outcomes import Outcome
from tools.redaction.keeping import NOT_KEPT
from tools.selectors import tool_id_known
from tools.sending import Attempt, Sent, attempt_kept, order_send
from tools.snapshots import ToolSnapshot

# Past the deadline of an exchange by this much, whoever sent it is dead: its own deadline ends it on time.
SENDER_GRACE = timedelta(seconds=5)
# No tool may take longer (300 s), and an order expires with its tool's timeout.
STALE_AFTER = timedelta(minutes=10)

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
    refusal = _refusal(order, now)
    if refusal is None and _row_taken_new(order, now):
        return Taken()
    row = _row_write(order)
    rows = ToolCall.objects.filter(pk=row.pk)
    if refusal is not None:
        _settle(rows.filter(status=Status.REQUESTED), refusal)
    elif rows.filter(status=Status.REQUESTED).update(status=Status.SENT, sent_at=now, attempts_begun=1):
        return Taken()
    row.refresh_from_db()
    if row.status == Status.SENT:
        overdue_at = _overdue_at(order, row.sent_at or now)
        if now < overdue_at:
            return InFlight(wait_s=(overdue_at - now).total_seconds())
        _settle(rows.filter(status=Status.SENT), _sender_lost())
        row.refresh_from_db()
    return Settled(_outcome_of(row))


def tool_call_send(*, order: ToolOrder, now: datetime) -> Sent:
    """How sending a taken order ended. Touches no row, unless the tool's plan has a request sent again."""
    # An order of a smoke test goes the same way to its end, and nowhere.
    send = Mocked(order) if is_mocked(order) else None
    return order_send(order, now=now, go_on=lambda failed: _sent_again(order, failed), send=send)


def tool_attempts_write(*, call_id: uuid.UUID, item_id: str, attempts: Sequence[Attempt]) -> None:
    """Write down attempts; those that are written already stay as they are."""
    row = ToolCall.objects.filter(call_id=call_id, item_id=item_id).only("pk").first()
    if row is not None:
        ToolAttempt.objects.bulk_create([_attempt_row(row, one) for one in attempts], ignore_conflicts=True)


def tool_call_settle(*, call_id: uuid.UUID, item_id: str, outcome: Outcome) -> bool:
    """Write the outcome of a sent tool call. False when the row had its last word already."""
    return _settle(ToolCall.objects.filter(call_id=call_id, item_id=item_id, status=Status.SENT), outcome)


@dataclass(frozen=True, slots=True)
class Told:
    """What the model was told of a tool call, and when; ``orphaned``: the call ended before that."""

    call_id: uuid.UUID
    item_id: str
    at: datetime
    output: str
    orphaned: bool
    awaited: bool = True


def tool_calls_told(told: Sequence[Told]) -> None:
    """Note that the model was told each ``output`` at that moment, or (``orphaned``) that the call ended first.

    A request that no worker has taken up by the time the model was told is not sent any more. One whose call ended
    is: the caller may have agreed to it with the last word. So is one that nobody waits for (``awaited`` is False).
    """
    left = sorted(told, key=lambda one: (one.call_id, one.item_id, one.at))
    with transaction.atomic(savepoint=False):
        while left:
            # One statement can change a row once: what more there is on the same tool call comes in the next round.
            now = {(one.call_id, one.item_id): one for one in reversed(left)}
            _told_write([now[key] for key in sorted(now)])
            left = [one for one in left if now[one.call_id, one.item_id] is not one]


def _told_write(told: Sequence[Told]) -> None:
    known = set(
        ToolCall.objects.filter(
            call_id__in={one.call_id for one in told}, item_id__in={one.item_id for one in told}
        ).values_list("call_id", "item_id")
    )
    new = [one for one in told if (one.call_id, one.item_id) not in known]
    if new:
        ToolCall.objects.bulk_create(
            [
                ToolCall(
                    call_id=one.call_id, item_id=one.item_id, requested_at=one.at, status=Status.REQUESTED
                )
                for one in new
            ],
            ignore_conflicts=True,
        )
    with connection.cursor() as cursor:
        cursor.execute(
            _TOLD,
            {
                "call_ids": [one.call_id for one in told],
                "item_ids": [one.item_id for one in told],
                "ats": [one.at for one in told],
                "outputs": [text_clean(one.output) for one in told],
                "orphaned": [one.orphaned for one in told],
                "awaited": [one.awaited for one in told],
                "never_taken": outcomes.NEVER_TAKEN,
            },
        )


_TOLD: Final = """
UPDATE tools_toolcall x SET
    status = CASE WHEN n.never_taken THEN 'refused' ELSE x.status END,
    error = CASE WHEN n.never_taken THEN %(never_taken)s ELSE x.error END,
    told_at = CASE WHEN n.is_news THEN n.at ELSE x.told_at END,
    outcome = CASE WHEN n.is_news THEN n.output ELSE x.outcome END,
    orphaned = CASE WHEN n.is_news THEN false ELSE x.orphaned OR (n.orphaned AND x.told_at IS NULL) END
FROM (
    SELECT r.id, t.at, t.output, t.orphaned,
        NOT t.orphaned AND t.awaited AND r.status = 'requested' AS never_taken,
        NOT t.orphaned AND (r.told_at IS NULL OR r.told_at > t.at) AS is_news
    FROM unnest(
        %(call_ids)s::uuid[], %(item_ids)s::text[], %(ats)s::timestamptz[], %(outputs)s::text[], %(orphaned)s::boolean[],
        %(awaited)s::boolean[]
    ) t (call_id, item_id, at, output, orphaned, awaited)
    JOIN tools_toolcall r ON r.call_id = t.call_id AND r.item_id = t.item_id
    ORDER BY r.id FOR UPDATE OF r
) n
WHERE x.id = n.id
"""


def tool_call_told(
    *, call_id: uuid.UUID, item_id: str, at: datetime, output: str, orphaned: bool, awaited: bool = True
) -> None:
    """Note it of one tool call."""
    tool_calls_told([Told(call_id, item_id, at, output, orphaned, awaited)])


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


def tool_call_done(
    *, refusal: ToolRefusal, at: datetime, output: str, variables: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Write a tool call that was carried out without any server, such as hanging up: asked for and answered at once.

    ``variables`` is what it taught the call.
    """
    details = _details(
        name=refusal.name,
        arguments=refusal.arguments,
        requested_at=refusal.requested_at or at,
        tool_id=refusal.tool_id,
    )
    row, created = ToolCall.objects.get_or_create(
        call_id=refusal.call_id,
        item_id=refusal.tool_call_id,
        defaults={
            **details,
            "status": Status.ANSWERED,
            "outcome": text_clean(output),
            "told_at": at,
            "variables": json_clean(dict(variables)),
        },
    )
    if not created:
        # Only a row that tool_call_told has written lacks its name.
        ToolCall.objects.filter(pk=row.pk, name="").update(
            **details,
            status=Status.ANSWERED,
            error="",
            outcome=_outcome_unless_told(text_clean(output)),
            told_at=Coalesce("told_at", Value(at)),
            variables=json_clean(dict(variables)),
        )


def tool_calls_expire(*, now: datetime) -> int:
    """How many forgotten tool calls got their outcome: those whose worker and whose message are both gone."""
    stale = now - STALE_AFTER
    sent = ToolCall.objects.filter(status=Status.SENT, sent_at__lt=stale)
    requested = ToolCall.objects.filter(status=Status.REQUESTED, requested_at__lt=stale)
    never = outcomes.refused(code="not_sent", why="no worker took it up")
    return _settle_count(sent, _sender_lost()) + _settle_count(requested, never)


def _row_taken_new(order: ToolOrder, now: datetime) -> bool:
    """Write the order's row as one that is being sent; False when there is a row already, which then stays as it is.

    One statement, since a caller waits: the usual way through get_or_create and an UPDATE takes six, and 5 ms more.
    """
    details = _details(
        name=order.tool.name,
        arguments=order.keeping.values(arguments_shown(order.tool, order.arguments)),
        requested_at=order.requested_at,
        tool_id=None,
    )
    # Values come from the model's own fields, so that a new column with a default needs no change here.
    row = ToolCall(
        call_id=order.call_id,
        item_id=order.tool_call_id,
        **{**details, "status": Status.SENT, "sent_at": now, "attempts_begun": 1},
    )
    columns = [one for one in ToolCall._meta.concrete_fields if one.attname not in ("id", "tool_id")]
    values = [one.get_db_prep_save(getattr(row, one.attname), connection) for one in columns]
    names = ", ".join(connection.ops.quote_name(str(one.column)) for one in columns)
    marks = ", ".join(["%s"] * len(columns))
    statement = (
        f"INSERT INTO tools_toolcall ({names}, tool_id) "  # noqa: S608  # columns of our own model
        f"VALUES ({marks}, (SELECT id FROM tools_tool WHERE id = %s)) ON CONFLICT DO NOTHING"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, _uuid_or_none(order.tool.id)])
        return bool(cursor.rowcount == 1)


def _uuid_or_none(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _row_write(order: ToolOrder) -> ToolCall:
    """The order's row, new or known; one that only tool_call_told has written gets its details."""
    details = _details(
        name=order.tool.name,
        arguments=order.keeping.values(arguments_shown(order.tool, order.arguments)),
        requested_at=order.requested_at,
        tool_id=order.tool.id,
    )
    row, created = ToolCall.objects.get_or_create(
        call_id=order.call_id, item_id=order.tool_call_id, defaults={**details, "status": Status.REQUESTED}
    )
    if not created and not row.name:
        ToolCall.objects.filter(pk=row.pk, name="").update(**details)
    return row


def _details(
    *, name: str, arguments: dict[str, Any], requested_at: datetime, tool_id: str | None
) -> dict[str, Any]:
    try:
        kept = json_clean(arguments)
    except (ValueError, RecursionError):
        kept = {}  # the order will be refused as not sendable, which says why
    # An invented name may have any length; an empty one marks rows whose order has not come yet.
    return {
        "name": text_clean(name)[:_NAME_MAX] or "?",
        "arguments": kept,
        "requested_at": requested_at,
        "tool_id": tool_id_known(tool_id=tool_id) if tool_id else None,
    }


def _refusal(order: ToolOrder, now: datetime) -> Outcome | None:
    """Why this order may not be sent at all, or None."""
    if now >= order.expires_at:
        return outcomes.refused(code="expired", why="a worker took it up only after its time was over")
    if not _has_server(order.tool):
        return outcomes.refused(code="no_server", why="the tool has no server to ask")
    return None


def _has_server(tool: ToolSnapshot) -> bool:
    match tool.kind:
        case Tool.Kind.SMS:
            return bool(settings.TWILIO_ACCOUNT_SID and settings.TWILIO_AUTH_TOKEN)
        case Tool.Kind.FUNCTION | Tool.Kind.TRANSFER | Tool.Kind.MCP:
            return bool(tool.server_url)
        case Tool.Kind.API_REQUEST:
            return bool(tool.settings.get("url") or tool.server_url)
        case _:
            return False


def _overdue_at(order: ToolOrder, sent_at: datetime) -> datetime:
    """The moment past which whoever sent the order is dead."""
    last = sent_at + timedelta(seconds=order.tool.timeout_s)
    if backoff_read(order.tool.backoff_plan).max_retries:
        last = max(last, order.expires_at)
    return last + SENDER_GRACE


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
        message=outcome.message,
        variables=outcome.variables,
        **moments,
    )


def _outcome_unless_told(output: str) -> Case:
    """The output, unless the model has been told something else already."""
    return Case(
        When(told_at__isnull=True, then=Value(output)), default=F("outcome"), output_field=TextField()
    )


def _outcome_of(row: ToolCall) -> Outcome:
    assert row.status not in (Status.REQUESTED, Status.SENT)
    return Outcome.from_json(
        {
            "status": str(row.status),
            "output": outcomes.not_kept_output() if row.outcome == NOT_KEPT else row.outcome,
            "error": row.error,
            "message": row.message,
            "variables": row.variables,
        }
    )


def _sent_again(order: ToolOrder, failed: Attempt) -> bool:
    """Take the row once more, for another attempt. False when it has had its last word, or cannot be asked."""
    try:
        kept = [attempt_kept(failed, order.keeping)]
        tool_attempts_write(call_id=order.call_id, item_id=order.tool_call_id, attempts=kept)
        rows = ToolCall.objects.filter(
            call_id=order.call_id,
            item_id=order.tool_call_id,
            status=Status.SENT,
            attempts_begun=failed.n,
        )
        # Once the model was told that nothing came, a second request would be one that nobody knows of.
        told = Q(told_at__isnull=False) if not order.tool.asynchronous else Q(pk__in=[])
        return rows.exclude(told).update(attempts_begun=failed.n + 1) > 0
    except (OperationalError, InterfaceError):
        return False


def _attempt_row(row: ToolCall, attempt: Attempt) -> ToolAttempt:
    return ToolAttempt(
        tool_call=row,
        n=attempt.n,
        started_at=attempt.started_at,
        # Clocks can step back.
        finished_at=max(attempt.started_at, attempt.finished_at),
        sent=attempt.sent,
        code=attempt.code,
        error=text_clean(attempt.error),
        http_status=attempt.http_status,
        answer=attempt.answer,
        **asdict(attempt.steps),
    )


def _sender_lost() -> Outcome:
    return outcomes.unknown(code="worker_lost", why="the worker that waited for the answer was lost")
