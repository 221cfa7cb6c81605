"""Celery's side of the doctor. Pings are sent to the queue that is looked at, so they have no route of their own."""

from celery import shared_task

from calls.doctor import services
from calls.doctor.checks import folders, stores
from tools.tasks import RECORDS


@shared_task(name=stores.PING_TASK, ignore_result=True, acks_late=False)
def ping(*, token: str) -> None:
    """Tell whoever sent this that a worker took it."""
    stores.ping_answer(token)


@shared_task(name=folders.SEEN_TASK, ignore_result=True, acks_late=False)
def recording_seen(*, name: str, token: str) -> None:
    """Tell whoever sent this whether a file that it has kept among the recordings is found here."""
    folders.recording_seen(name=name, token=token)


@shared_task(name="calls.doctor.tasks.beat_mark", **{**RECORDS, "autoretry_for": ()})
def beat_mark() -> None:
    """Note that the beat lives; for the beat, every minute."""
    stores.beat_mark()


@shared_task(name="calls.doctor.tasks.examine", **{**RECORDS, "autoretry_for": ()})
def examine() -> None:
    """Examine everything; for the beat, so that a cutover of the night has something to go by."""
    services.report_keep(services.examination(), by_label="the beat")
