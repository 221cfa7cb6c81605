"""Celery's side of calls, on queue `records`, summaries on `tools`. Each task may run twice and in any order."""

import logging
import uuid
from datetime import datetime
from typing import Any

from celery import shared_task
from django.utils import timezone

from calls import forwarding, services
from calls.summaries import Request, SummaryError, summary_write
from tools.tasks import RECORDS, PrivateTask

logger = logging.getLogger(__name__)


@shared_task(name="calls.tasks.call_finish", **RECORDS)
def call_finish(*, call_id: str, ended_at: str, ended_reason: str, facts: dict[str, Any]) -> None:
    """Write how a conversation ended."""
    services.call_finish(
        call_id=uuid.UUID(call_id),
        ended_at=datetime.fromisoformat(ended_at),
        ended_reason=ended_reason,
        facts=facts,
    )


@shared_task(name="calls.tasks.call_forwarded", **RECORDS)
def call_forwarded(*, call_id: str, facts: dict[str, Any]) -> None:
    """Write the facts of a conversation that ended in a transfer."""
    services.call_forwarded(call_id=uuid.UUID(call_id), facts=facts)


@shared_task(name="calls.tasks.transfer_summarise", base=PrivateTask, ignore_result=True, acks_late=False)
def transfer_summarise(*, transfer_id: str, model: str, request: dict[str, Any], expires_at: str) -> None:
    """Have the operator of a transfer told of the call; whoever is too late for that does nothing."""
    left_s = (datetime.fromisoformat(expires_at) - timezone.now()).total_seconds()
    if left_s <= 0:
        return
    try:
        summary = summary_write(
            Request(request["instructions"], tuple(request["texts"])), model=model, within_s=left_s
        )
    except SummaryError as exc:
        logger.warning("no summary for an operator", extra={"transfer_id": transfer_id, "why": str(exc)})
        return
    forwarding.transfer_summary_write(transfer_id=uuid.UUID(transfer_id), summary=summary)


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
