"""Smoke tests as rows: taken pair by pair, cancelled, taken up again, and brought to their verdict.

Every step is one conditional UPDATE or one locked row, so any number of players may work on one run, and any of them may
die: what it had in hand is given out again.
"""

import logging
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from calls.models import SmokeLeg, SmokePair, SmokeRun
from calls.smoke.judging import run_verdict

logger = logging.getLogger(__name__)

# A pair in hand for so long belongs to a player that has died: no call of a smoke test may take longer.
LOST_AFTER: Final = timedelta(minutes=12)
# A pair that broke in placing is tried so often: a busy exchange is no finding.
MOST_ATTEMPTS: Final = 2
LIVE: Final = (SmokeRun.Status.PLANNED, SmokeRun.Status.RUNNING)


def run_begin(run_id: uuid.UUID) -> bool:
    """Whether there is anything to play: the run is set running unless it is over."""
    now = timezone.now()
    runs = SmokeRun.objects.filter(pk=run_id)
    runs.filter(status=SmokeRun.Status.PLANNED).update(
        status=SmokeRun.Status.RUNNING, started_at=now, moved_at=now
    )
    return runs.filter(status=SmokeRun.Status.RUNNING).exists()


def pair_take(run_id: uuid.UUID) -> SmokePair | None:
    """The next pair to be played, now in our hands; None where there is none, or so many are played already as may be.

    A run whose budget is used up is stopped.
    """
    with transaction.atomic():
        run = (
            SmokeRun.objects.select_for_update()
            .defer("snapshot")
            .filter(pk=run_id, status=SmokeRun.Status.RUNNING)
            .first()
        )
        if run is None:
            return None
        _lost_given_back(run)
        in_hand = run.pairs.filter(status__in=[SmokePair.Status.PLACED, SmokePair.Status.CONNECTED]).count()
        if in_hand >= run.side_by_side:
            return None
        spent = budget_spent(run)
        if spent:
            SmokeRun.objects.filter(pk=run.pk).update(status=SmokeRun.Status.STOPPED, stopped_because=spent)
            return None
        pair = run.pairs.filter(status=SmokePair.Status.WAITING).order_by("attempts", "position").first()
        if pair is None:
            return None
        now = timezone.now()
        SmokePair.objects.filter(pk=pair.pk).update(
            status=SmokePair.Status.PLACED, placed_at=now, attempts=F("attempts") + 1, call=None
        )
        SmokeRun.objects.filter(pk=run.pk).update(moved_at=now)
        return SmokePair.objects.select_related("run").get(pk=pair.pk)


def _lost_given_back(run: SmokeRun) -> None:
    lost = run.pairs.filter(
        status__in=[SmokePair.Status.PLACED, SmokePair.Status.CONNECTED],
        placed_at__lt=timezone.now() - LOST_AFTER,
    )
    lost.filter(attempts__lt=MOST_ATTEMPTS).update(status=SmokePair.Status.WAITING, call=None)
    lost.filter(attempts__gte=MOST_ATTEMPTS).update(
        status=SmokePair.Status.JUDGED,
        outcome=SmokePair.Outcome.ERRORED,
        judged_at=timezone.now(),
        why="Whoever played this call was lost, more than once. See the log of the worker.",
    )


def budget_spent(run: SmokeRun) -> str:
    """Why no further call may be placed, empty while one may. Calls that are under way count when they have ended."""
    minutes = minutes_spent(run)
    if run.budget_minutes is not None and minutes >= run.budget_minutes:
        return f"The budget of {run.budget_minutes} minutes of conversation is used up ({minutes:.1f})."
    usd = minutes * run.usd_per_minute
    if run.budget_usd is not None and usd >= run.budget_usd:
        return f"The budget of {run.budget_usd:.2f} USD is used up, by the estimate of {run.usd_per_minute} a minute."
    return ""


def minutes_spent(run: SmokeRun) -> Decimal:
    """The minutes of conversation so far. Over the telephone: of every call that was answered, at either stack, also of those
    that broke or go on."""
    if run.line != SmokeRun.Line.TELEPHONE:
        return Decimal(str(run.pairs.aggregate(total=Sum("seconds"))["total"] or 0)) / 60
    legs = SmokeLeg.objects.filter(pair__run=run, answered_at__isnull=False)
    lasted = legs.aggregate(total=Sum(Coalesce("over_at", Now()) - F("answered_at")))["total"]
    return Decimal(str(lasted.total_seconds() if lasted else 0)) / 60


def pair_give_back(pair: SmokePair) -> None:
    """Have a pair played again from its beginning: whoever played it was told to stop."""
    SmokePair.objects.filter(pk=pair.pk, attempts=pair.attempts).exclude(
        status=SmokePair.Status.JUDGED
    ).update(status=SmokePair.Status.WAITING, attempts=F("attempts") - 1, call=None)


def pair_broke(pair: SmokePair, why: str, *, final: bool = False) -> None:
    """Note that a pair could not be played; it is tried once more unless that is ``final``."""
    mine = SmokePair.objects.filter(pk=pair.pk, attempts=pair.attempts).exclude(
        status=SmokePair.Status.JUDGED
    )
    if not final and pair.attempts < MOST_ATTEMPTS:
        mine.update(status=SmokePair.Status.WAITING, call=None)
        return
    mine.update(
        status=SmokePair.Status.JUDGED,
        outcome=SmokePair.Outcome.ERRORED,
        why=why,
        judged_at=timezone.now(),
    )


def run_cancel(run_id: uuid.UUID, *, why: str) -> bool:
    """Whether the run was live and is cancelled now; calls under way are let go, and nothing is lost of what was found."""
    cancelled = SmokeRun.objects.filter(pk=run_id, status__in=LIVE).update(
        status=SmokeRun.Status.CANCELLED, stopped_because=why
    )
    return bool(cancelled)


def run_resume(
    run_id: uuid.UUID, *, budget_minutes: int | None = None, budget_usd: Decimal | None = None
) -> bool:
    """Whether a run that was cancelled or stopped goes on with the pairs that are left, with another budget if one is given."""
    halted = SmokeRun.objects.filter(
        pk=run_id, status__in=[SmokeRun.Status.CANCELLED, SmokeRun.Status.STOPPED]
    )
    given = {"budget_minutes": budget_minutes, "budget_usd": budget_usd}
    changes = {name: value for name, value in given.items() if value is not None}
    return bool(
        halted.update(status=SmokeRun.Status.RUNNING, stopped_because="", moved_at=timezone.now(), **changes)
    )


def run_finish(run_id: uuid.UUID) -> SmokeRun | None:
    """The run with its verdict, if nothing of it is left to be played; None while something is, or somebody stopped it."""
    with transaction.atomic():
        run = SmokeRun.objects.select_for_update().filter(pk=run_id, status=SmokeRun.Status.RUNNING).first()
        if run is None or run.pairs.exclude(status=SmokePair.Status.JUDGED).exists():
            return None
        found = run_verdict(run)
        run.status, run.outcome, run.verdict = SmokeRun.Status.DONE, found.outcome, found.to_json()
        run.finished_at = timezone.now()
        run.save(update_fields=["status", "outcome", "verdict", "finished_at"])
    logger.info("smoke test done", extra={"run_id": str(run.id), "outcome": run.outcome})
    return run


def progress(run: SmokeRun) -> dict[str, int]:
    """How many pairs there are, how many are compared, and how many of those differ or broke."""
    pairs = run.pairs.values_list("status", "outcome")
    counted = {"total": 0, "judged": 0, "drifted": 0, "errored": 0, "in_hand": 0}
    for status, outcome in pairs:
        counted["total"] += 1
        counted["judged"] += status == SmokePair.Status.JUDGED
        counted["drifted"] += outcome == SmokePair.Outcome.DRIFTED
        counted["errored"] += outcome == SmokePair.Outcome.ERRORED
        counted["in_hand"] += status in (SmokePair.Status.PLACED, SmokePair.Status.CONNECTED)
    return counted


def run_stop(run_id: uuid.UUID, *, why: str) -> None:
    """Note that a run cannot go on as things are."""
    SmokeRun.objects.filter(pk=run_id, status__in=LIVE).update(
        status=SmokeRun.Status.STOPPED, stopped_because=why
    )


def runs_forgotten() -> QuerySet[SmokeRun]:
    """The runs that somebody should be playing, and in which nothing has moved for longer than a call may take."""
    return SmokeRun.objects.filter(
        status=SmokeRun.Status.RUNNING, moved_at__lt=timezone.now() - LOST_AFTER - timedelta(minutes=1)
    )
