"""Celery's side of calls, on queue `records`. Each task may run twice and in any order."""

import uuid
from datetime import datetime
from typing import Any

from celery import shared_task
from django.db import InterfaceError, OperationalError

from calls import services

# The database may be away for as long as it likes: what happened in a call is written when it is back.
WRITES: dict[str, Any] = {
    "autoretry_for": (OperationalError, InterfaceError),
    "retry_backoff": 1,
    "retry_backoff_max": 30,
    "max_retries": None,
    "ignore_result": True,
}


@shared_task(**WRITES)
def call_finish(*, call_id: str, ended_at: str, ended_reason: str, facts: dict[str, Any]) -> None:
    """Write how a conversation ended."""
    services.call_finish(
        call_id=uuid.UUID(call_id),
        ended_at=datetime.fromisoformat(ended_at),
        ended_reason=ended_reason,
        facts=facts,
    )


@shared_task(**WRITES)
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
