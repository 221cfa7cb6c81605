"""Celery's side of calls, on queue `records`, summaries on `tools`. Each task may run twice and in any order."""

import functools
import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from celery import shared_task
from django.utils import timezone

from calls import forwarding, reaping, services
from calls.bridge.realtime import usage_told
from calls.costs.tasks import call_cost, usage_write
from calls.cutover import budget
from calls.cutover import forwarding as handed_over
from calls.cutover.services import Outcome, rollback
from calls.erasing.late import late_strip
from calls.groups import over_tell
from calls.lasting import records
from calls.messages.tasks import notice_soon
from calls.models import CallTransfer, PhoneNumber
from calls.observing.whole import call_traced
from calls.orders.rows import orders_forget_left
from calls.squads import part_write as part_write_row
from calls.summaries import Request, SummaryError, summary_write
from tools.redaction.keeping import Keeping
from tools.sealing import unseal
from tools.tasks import DATABASE_AWAY, RECORDS, PrivateTask

logger = logging.getLogger(__name__)


@shared_task(name="calls.tasks.records_write", **RECORDS)
def records_write(*, lines: str) -> None:
    """Write many records of an outbox in one stroke: one JSON object of `task` and `kwargs` for each line."""
    put_aside = records.records_write(lines)
    if put_aside:
        logger.error("records were put aside", extra={"records": put_aside})
    call_ids = records.calls_in(lines)
    late_strip(call_ids)
    notice_soon(call_ids)


@shared_task(name="calls.tasks.call_finish", **RECORDS)
def call_finish(
    *, call_id: str, ended_at: str, ended_reason: str, facts: dict[str, Any], session: int = 0
) -> None:
    """Write how a conversation ended."""
    services.call_finish(
        call_id=uuid.UUID(call_id),
        ended_at=datetime.fromisoformat(ended_at),
        ended_reason=ended_reason,
        facts=facts,
        session=session,
    )
    call_traced(uuid.UUID(call_id))
    _budget_check(uuid.UUID(call_id))
    call_cost(call_id=call_id)
    notice_soon([call_id])


@shared_task(name="calls.tasks.call_forwarded", **RECORDS)
def call_forwarded(*, call_id: str, facts: dict[str, Any]) -> None:
    """Write the facts of a conversation that ended in a transfer."""
    services.call_forwarded(call_id=uuid.UUID(call_id), facts=facts)


@shared_task(name="calls.tasks.transfer_summarise", base=PrivateTask, ignore_result=True, acks_late=False)
def transfer_summarise(
    *,
    transfer_id: str,
    model: str,
    request: dict[str, Any],
    expires_at: str,
    keeping: dict[str, Any] | None = None,
) -> None:
    """Have the operator of a transfer told of the call; whoever is too late for that does nothing."""
    left_s = (datetime.fromisoformat(expires_at) - timezone.now()).total_seconds()
    if left_s <= 0:
        return
    asked = unseal(request)
    try:
        summary = summary_write(
            Request(asked["instructions"], tuple(asked["texts"])),
            model=model,
            within_s=left_s,
            used=functools.partial(_summary_used, transfer_id, model),
        )
    except SummaryError as exc:
        logger.warning("no summary for an operator", extra={"transfer_id": transfer_id, "why": str(exc)})
        return
    # The operator is told it from the row, so under the HIPAA switch it goes only when the transfer is over.
    summary = Keeping.from_json(keeping).note(summary)
    forwarding.transfer_summary_write(transfer_id=uuid.UUID(transfer_id), summary=summary)


def _summary_used(transfer_id: str, model: str, response: Mapping[str, Any]) -> None:
    """Have it written what a summary used, which the call pays for, whether there is any text in it or not."""
    call_id = CallTransfer.objects.filter(pk=transfer_id).values_list("call_id", flat=True).first()
    if call_id is not None:
        usage_write.delay(
            call_id=str(call_id),
            kind="summary",
            session=transfer_id,
            item=str(response.get("id") or "summary")[:100],
            model=model,
            status=str(response.get("status") or "completed")[:20],
            usage=usage_told(response.get("usage")),
            at=timezone.now().isoformat(),
        )


@shared_task(name="calls.tasks.calls_reap", base=PrivateTask, ignore_result=True)
def calls_reap() -> None:
    """Close the calls whose end nobody has told us of, and forget what was still to be done in those that were lost."""
    orders_forget_left(now=timezone.now())
    services.calls_left(now=timezone.now())
    for call, reason in reaping.calls_reap(now=timezone.now()):
        logger.warning("a call was closed late", extra={"call_id": str(call.id), "reason": reason})
        over_tell(call.id, reason)
        call_traced(call.id)


@shared_task(name="calls.tasks.part_write", **RECORDS)
def part_write(*, call_id: str, n: int, assistant_id: str, began_at: str, tool_call_id: str) -> None:
    """Write that an assistant has taken a call over."""
    part_write_row(
        call_id=uuid.UUID(call_id),
        n=n,
        assistant_id=uuid.UUID(assistant_id),
        began_at=datetime.fromisoformat(began_at),
        tool_call_id=tool_call_id,
    )


@shared_task(name="calls.tasks.problem_write", **RECORDS)
def problem_write(
    *, call_id: str, key: str, source: str, code: str, message: str, benign: bool, at: str
) -> None:
    """Write something that went wrong in a call."""
    services.problem_write(
        call_id=uuid.UUID(call_id),
        key=key,
        source=source,
        code=code,
        message=message,
        benign=benign,
        at=datetime.fromisoformat(at),
    )


@shared_task(
    name="calls.tasks.status_forward",
    **{**RECORDS, "autoretry_for": (*DATABASE_AWAY, handed_over.NotDeliveredError), "max_retries": 8},
)
def status_forward(*, call_id: str, pairs: list[list[str]]) -> None:
    """Tell the old provider how a call ended that was handed to it."""
    handed_over.status_forward(call_id=uuid.UUID(call_id), pairs=[(name, value) for name, value in pairs])


@shared_task(name="calls.tasks.budgets_check", **{**RECORDS, "autoretry_for": ()})
def budgets_check() -> None:
    """Look at the error budget of every number that was cut over; for the beat, every minute."""
    budget.budgets_check(roll_back=_roll_back)


def _budget_check(call_id: uuid.UUID) -> None:
    """Look at the budget of the number that a call was on, without waiting for the beat."""
    number = PhoneNumber.objects.filter(calls=call_id, cut_over_at__isnull=False).first()
    if number is not None:
        budget.budget_check(number, roll_back=_roll_back)


def _roll_back(number: PhoneNumber, reason: str) -> Outcome:
    return rollback(number, reason=reason, actor_label=budget.ACTOR)
