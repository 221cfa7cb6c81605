"""Celery's side of transcripts, on queue `records`."""

import uuid
from datetime import datetime
from typing import Any

from celery import shared_task

from tools.tasks import RECORDS
from transcripts import services


@shared_task(name="transcripts.tasks.utterances_write", **RECORDS)
def utterances_write(
    *, call_id: str, started_at: str, utterances: list[dict[str, Any]], closed_at: str | None = None
) -> None:
    """Write finished utterances; with ``closed_at``, all of a call, and close its transcript."""
    services.utterances_write(
        call_id=uuid.UUID(call_id),
        started_at=datetime.fromisoformat(started_at),
        utterances=utterances,
        closed_at=datetime.fromisoformat(closed_at) if closed_at else None,
    )
