"""Runs that one worker carries out: who may take one, and when nobody seems to work on it any more.

A run tells of itself in ``beat_at`` while it is ``running``; before that it is ``waiting``. Times of silence are each kind's own.
"""

from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

WAITING: Final = "waiting"
RUNNING: Final = "running"
# Longer than any worker leaves a job in the queue on a good day.
UNTAKEN: Final = timedelta(minutes=1)

Row = TypeVar("Row", bound=Model)


class Run(Protocol):
    """What is looked at of a run."""

    status: str
    beat_at: datetime | None
    created_at: datetime


def is_stuck(run: Run, *, silent: timedelta, now: datetime) -> bool:
    """Whether nobody seems to work on a run that has not ended."""
    since = now - (run.beat_at or run.created_at)
    return (run.status == RUNNING and since > silent) or (run.status == WAITING and since > UNTAKEN)


def stuck(*, silent: timedelta, now: datetime) -> Q:
    """The same of rows."""
    untaken = Q(beat_at__lt=now - UNTAKEN) | Q(beat_at__isnull=True, created_at__lt=now - UNTAKEN)
    return Q(status=RUNNING, beat_at__lt=now - silent) | (Q(status=WAITING) & untaken)


def taken(runs: QuerySet[Row], run_id: Any, *, silent: timedelta) -> Row | None:
    """The run, if it is ours to carry out: the database decides between two workers."""
    now = timezone.now()
    free = Q(status=WAITING) | Q(status=RUNNING, beat_at__lt=now - silent)
    won = runs.filter(free, pk=run_id).update(status=RUNNING, beat_at=now, progress="Reading …")
    return runs.select_related("started_by").get(pk=run_id) if won else None
