"""Celery's side of tool calls: queue `tools` for what a caller waits for, queue `records` for the ledger.

Each task may be delivered twice and in any order. None of their arguments stands in a message header, where Celery
would put them in plain text for logs and monitors.
"""

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from celery import Task, shared_task
from celery.exceptions import OperationalError as BrokerError
from channels.exceptions import ChannelFull
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone
from redis.exceptions import RedisError

from tools import outcomes, replies, services, tracks
from tools.access.written import writes_expire
from tools.captures import store as capture
from tools.orders import ToolOrder, ToolRefusal
from tools.outcomes import Outcome
from tools.sending import Attempt, Sent, attempt_kept

logger = logging.getLogger(__name__)

T = TypeVar("T")

DATABASE_AWAY = (OperationalError, InterfaceError)
DATABASE_PAUSES_S = (0.1, 2.0)  # the first, and the longest; each is twice the one before
# While a caller waits, the row waits for the reply and not the reply for the row. A worker that dies between the two
# leaves a row whose outcome is unknown, and a caller who has heard it; the other way round it would be silence.
SETTLE_PATIENCE = timedelta(seconds=1)
REPLY_PAUSES_S = (0.1, 0.3, 1.0)


class PrivateTask(Task):  # type: ignore[type-arg]  # its parameters are known only to each task
    """A task whose arguments are shown to nobody: they hold what callers said."""

    abstract = True

    def apply_async(  # type: ignore[override]  # celery-types spells out every option
        self, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        return super().apply_async(args, kwargs, **{**options, "argsrepr": "(…)", "kwargsrepr": "{…}"})


RECORDS: dict[str, Any] = {
    "base": PrivateTask,
    "acks_late": True,
    "reject_on_worker_lost": True,
    "ignore_result": True,
    "autoretry_for": DATABASE_AWAY,
    "retry_backoff": True,
    "retry_backoff_max": 60,
    "max_retries": None,
}


@shared_task(
    bind=True,
    name="tools.tasks.tool_call_forward",
    base=PrivateTask,
    acks_late=True,
    reject_on_worker_lost=True,
    ignore_result=True,
    max_retries=None,
)
def tool_call_forward(self: PrivateTask, order: dict[str, Any], reply_channel: str) -> None:
    """Forward one tool call and send the outcome to the live call.

    The reply is ``{"type": "tool.result", "call_id", "tool_call_id", "status", "output"}``, with ``message`` (what the
    server wants spoken, in Vapi's form) and ``variables`` (what the call has learnt) where there are any. It may come
    twice, and after the order's expiry: the live call takes the first that it still waits for.
    """
    wanted, began_ns = ToolOrder.from_json(order), tracks.now_ns()
    try:
        taken = _through_outage(
            lambda: services.tool_call_take(order=wanted, now=timezone.now()), until=wanted.expires_at
        )
    except DATABASE_AWAY:
        logger.error("tool call not sent: the database is away", extra=_fields(wanted))  # noqa: TRY400  # exception text may hold rows
        refusal = outcomes.refused(code="not_sent", why="it could not be recorded")
        _reply(wanted, reply_channel, refusal)
        tracks.order_ended(wanted, refusal, began_ns=began_ns)
        return
    match taken:
        case services.InFlight(wait_s=wait_s):
            raise self.retry(countdown=wait_s)
        case services.Settled(outcome=outcome):
            logger.info("tool call not sent again", extra={**_fields(wanted), "status": outcome.status})
            _reply(wanted, reply_channel, outcome)
            if outcome.status == "refused":
                # Any other was counted by whoever sent it; this is the second delivery.
                tracks.order_ended(wanted, outcome, began_ns=began_ns)
        case services.Taken():
            tracks.order_taken(wanted)
            sent = _send_and_settle(wanted, reply_channel)
            tracks.order_ended(wanted, sent.outcome, began_ns=began_ns, sent=sent)


@shared_task(name="tools.tasks.tool_call_settle", **RECORDS)
def tool_call_settle(
    call_id: str, tool_call_id: str, outcome: dict[str, Any], attempts: list[dict[str, Any]] | None = None
) -> None:
    """Write an outcome, and the attempts that it took, which could not be written when they ended."""
    services.tool_call_settle(
        call_id=uuid.UUID(call_id), item_id=tool_call_id, outcome=Outcome.from_json(outcome)
    )
    tool_attempts_write(call_id, tool_call_id, attempts or [])


@shared_task(name="tools.tasks.tool_attempts_write", **RECORDS)
def tool_attempts_write(call_id: str, tool_call_id: str, attempts: list[dict[str, Any]]) -> None:
    """Write attempts that could not be written when they ended."""
    services.tool_attempts_write(
        call_id=uuid.UUID(call_id),
        item_id=tool_call_id,
        attempts=[Attempt.from_json(one) for one in attempts],
    )


@shared_task(name="tools.tasks.tool_call_told", **RECORDS)
def tool_call_told(  # a task's arguments are plain values
    call_id: str,
    tool_call_id: str,
    at: str,
    output: str,
    orphaned: bool,  # noqa: FBT001  # and positional
    awaited: bool = True,  # noqa: FBT001, FBT002
) -> None:
    """Note what the model was told and when (ISO), or that the call ended before it could be told."""
    services.tool_call_told(
        call_id=uuid.UUID(call_id),
        item_id=tool_call_id,
        at=datetime.fromisoformat(at),
        output=output,
        orphaned=orphaned,
        awaited=awaited,
    )


@shared_task(name="tools.tasks.tool_call_refuse", **RECORDS)
def tool_call_refuse(order: dict[str, Any], at: str, reason: str, output: str) -> None:
    """Write a tool call that was refused before any sending, from its order or the least of one (ToolRefusal)."""
    services.tool_call_refuse(
        refusal=ToolRefusal.from_json(order), at=datetime.fromisoformat(at), reason=reason, output=output
    )


@shared_task(name="tools.tasks.tool_call_done", **RECORDS)
def tool_call_done(
    order: dict[str, Any], at: str, output: str, variables: dict[str, Any] | None = None
) -> None:
    """Write a tool call that the bridge carried out by itself, from the least of an order (ToolRefusal)."""
    services.tool_call_done(
        refusal=ToolRefusal.from_json(order),
        at=datetime.fromisoformat(at),
        output=output,
        variables=variables or {},
    )


@shared_task(name="tools.tasks.tool_calls_expire", **RECORDS)
def tool_calls_expire() -> None:
    """Give forgotten tool calls their outcome; for the beat, every few minutes."""
    expired = services.tool_calls_expire(now=timezone.now())
    if expired:
        logger.warning("tool calls had been forgotten", extra={"expired": expired})


@shared_task(name="tools.tasks.captures_expire", **RECORDS)
def captures_expire() -> None:
    """Delete captures that have reached their age; for the beat, every hour."""
    capture.captures_expire(now=timezone.now())


@shared_task(name="tools.tasks.api_writes_expire", **RECORDS)
def api_writes_expire() -> None:
    """Delete what programs did longer ago than anybody asks for; for the beat, every hour."""
    writes_expire(now=timezone.now())


def _send_and_settle(order: ToolOrder, reply_channel: str) -> Sent:
    sent = services.tool_call_send(order=order, now=timezone.now())
    outcome = sent.outcome
    kept = outcomes.outcome_kept(outcome, order.keeping)
    attempts = [attempt_kept(one, order.keeping) for one in sent.attempts]

    def settle() -> bool:
        return services.tool_call_settle(call_id=order.call_id, item_id=order.tool_call_id, outcome=kept)

    lacking = _reply_refused(order, reply_channel, outcome)
    try:
        written = _through_outage(settle, until=timezone.now() + SETTLE_PATIENCE)
    except DATABASE_AWAY:
        if lacking:
            _reply(order, reply_channel, outcome)
        _settle_later(order, kept, attempts)
        return sent
    if not written:
        logger.warning("tool call had its outcome already", extra=_fields(order))
    if lacking:
        _reply(order, reply_channel, outcome)
    _attempts_write(order, attempts)
    done = {"status": outcome.status, "http_status": outcome.http_status, "elapsed_ms": outcome.elapsed_ms}
    logger.info("tool call forwarded", extra={**_fields(order), **done})
    return sent


def _settle_later(order: ToolOrder, outcome: Outcome, attempts: Sequence[Attempt]) -> None:
    went = [one.to_json() for one in attempts]
    try:
        tool_call_settle.delay(str(order.call_id), order.tool_call_id, outcome.to_json(), went)
    except BrokerError:
        # The row stays in `sent` until tool_calls_expire calls its outcome unknown.
        logger.error("outcome of a tool call lost: database and broker are away", extra=_fields(order))  # noqa: TRY400  # exception text may hold rows


def _attempts_write(order: ToolOrder, attempts: Sequence[Attempt]) -> None:
    """Write the attempts down; nobody waits for that any more."""
    try:
        services.tool_attempts_write(call_id=order.call_id, item_id=order.tool_call_id, attempts=attempts)
    except DATABASE_AWAY:
        _attempts_later(order, attempts)


def _attempts_later(order: ToolOrder, attempts: Sequence[Attempt]) -> None:
    try:
        tool_attempts_write.delay(str(order.call_id), order.tool_call_id, [one.to_json() for one in attempts])
    except BrokerError:
        logger.warning("attempts of a tool call were not written down", extra=_fields(order))


def _through_outage(work: Callable[[], T], *, until: datetime) -> T:
    """The work's result, tried again while the database is away. Raises its last error once ``until`` has come."""
    pause_s, longest_s = DATABASE_PAUSES_S
    while True:
        try:
            return work()
        except DATABASE_AWAY:
            if timezone.now() + timedelta(seconds=pause_s) >= until:
                raise
        close_old_connections()
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, longest_s)


def _reply(order: ToolOrder, reply_channel: str, outcome: Outcome) -> None:
    """Tell the live call, trying again for a second and a half. The row stands whether or not that succeeds."""
    cause = _reply_refused(order, reply_channel, outcome)
    for pause_s in REPLY_PAUSES_S:
        if not cause:
            return
        time.sleep(pause_s)
        cause = _reply_refused(order, reply_channel, outcome)
    if not cause:
        return
    fields = {**_fields(order), "cause": cause}
    logger.warning("outcome of a tool call could not be delivered to its call", extra=fields)


def _reply_refused(order: ToolOrder, reply_channel: str, outcome: Outcome) -> str:
    """Tell the live call, once: why it could not be told, or nothing."""
    message: dict[str, Any] = {
        "type": "tool.result",
        "call_id": str(order.call_id),
        "tool_call_id": order.tool_call_id,
        "status": outcome.status,
        "output": outcome.output,
    }
    if outcome.message:
        message["message"] = outcome.message
    if outcome.variables:
        message["variables"] = outcome.variables
    try:
        replies.message_send(reply_channel, message)
    except (RedisError, OSError, ChannelFull) as exc:
        return type(exc).__name__
    return ""


def _fields(order: ToolOrder) -> dict[str, Any]:
    """What a log line may hold of an order."""
    return {
        "call_id": str(order.call_id),
        "call_sid": order.call_sid,
        "tool_call_id": order.tool_call_id,
        "tool": order.tool.name,
    }
