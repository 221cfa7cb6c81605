"""Celery's side of smoke tests, on queue `records`: one thread of the worker plays a run, minutes at a time.

A task must end before the broker takes its worker for dead and gives it to another, so a long run is played by several
tasks, one after the other. Two at once would do no harm: each pair is taken by one of them.
"""

import logging
import uuid
from typing import Final

from celery import shared_task

from calls.smoke.lines import PlayError
from calls.smoke.playing import run_play
from calls.smoke.runs import run_stop, runs_forgotten
from calls.smoke.telephone_line import legs_hang_up
from tools.tasks import PrivateTask

logger = logging.getLogger(__name__)

# After this no further call begins; the last may take as long again and more, within the broker's patience of 15 minutes.
PLAYS_FOR_S: Final = 240.0


@shared_task(
    name="calls.smoke.tasks.smoke_run_play",
    base=PrivateTask,
    ignore_result=True,
    acks_late=True,
    reject_on_worker_lost=True,
)
def smoke_run_play(*, run_id: str) -> None:
    """Play what is left of a run, for some minutes, and have the rest played after that."""
    try:
        more = run_play(uuid.UUID(run_id), until_s=PLAYS_FOR_S)
    except PlayError as exc:
        logger.warning("a smoke test could not be played", extra={"run_id": run_id})
        run_stop(uuid.UUID(run_id), why=str(exc))
        return
    if more:
        smoke_run_play.delay(run_id=run_id)


@shared_task(name="calls.smoke.tasks.smoke_runs_go_on", ignore_result=True)
def smoke_runs_go_on() -> None:
    """Have runs taken up again whose player was lost, and calls hung up that nobody waits for; for the beat, every few minutes."""
    if hung_up := legs_hang_up():
        logger.warning("calls of smoke tests were hung up that nobody waited for", extra={"n": hung_up})
    for run in runs_forgotten().only("pk"):
        logger.warning("a smoke test had been forgotten", extra={"run_id": str(run.pk)})
        smoke_run_play.delay(run_id=str(run.pk))
