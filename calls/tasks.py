"""Celery's side of calls, on queue `records`. Each task may run twice and in any order."""

import uuid
from datetime import datetime
from typing import Any

from celery import shared_task

from calls import services
from tools.tasks import RECORDS


@shared_task(name="calls.tasks.call_finish", **RECORDS)
def call_finish(*, call_id: str, ended_at: str, ended_reason: str, facts: dict[str, Any]) -> None:
    """Write how a conversation ended."""
    services.call_finish(
        call_id=uuid.UUID(call_id),
        ended_at=datetime.fromisoformat(ended_at),
        ended_reason=ended_reason,
        facts=facts,
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
