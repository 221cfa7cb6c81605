"""Reading smoke tests: the newest verdict on a number."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from calls.models import PhoneNumber, SmokeRun


@dataclass(frozen=True, slots=True)
class LatestVerdict:
    """The newest finished smoke test of a number. ``rate`` and ``upper`` are shares of 1, None where nothing could be compared.

    ``simulated``: the model was a simulated one, so the verdict proves nothing about the assistant that callers meet.
    ``assistant_version_id`` is None for a draft that was never published as it was tested.
    """

    run_id: uuid.UUID
    outcome: str  # pass, fail, inconclusive, errored
    finished_at: datetime
    assistant_id: uuid.UUID
    assistant_version_id: int | None
    rate: float | None
    upper: float | None
    compared: int
    simulated: bool
    sentence: str


def verdict_latest(*, number: PhoneNumber) -> LatestVerdict | None:
    """What the newest smoke test of this number found, or None: it was never tested to the end.

    A check of a draft before publishing is none: it has too few calls to prove anything.
    """
    run = (
        finished_runs()
        .filter(number=number, purpose=SmokeRun.Purpose.SMOKE_TEST)
        .defer("snapshot")
        .order_by("-finished_at")
        .first()
    )
    return _latest(run) if run is not None else None


def finished_runs() -> QuerySet[SmokeRun]:
    """The smoke tests that have a verdict."""
    return SmokeRun.objects.filter(status=SmokeRun.Status.DONE, finished_at__isnull=False).exclude(outcome="")


def _latest(run: SmokeRun) -> LatestVerdict:
    assert run.finished_at is not None
    return LatestVerdict(
        run_id=run.id,
        outcome=run.outcome,
        finished_at=run.finished_at,
        assistant_id=run.assistant_id,
        assistant_version_id=run.assistant_version_id,
        rate=run.verdict.get("rate"),
        upper=run.verdict.get("upper"),
        compared=run.verdict.get("compared", 0),
        simulated=run.simulated_model,
        sentence=str(run.verdict.get("sentence", "")),
    )
