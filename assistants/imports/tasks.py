"""Celery's side of assistants, on queue `records`: imports that people started, and the watch of Vapi."""

import uuid
from typing import Any

from celery import shared_task
from django.conf import settings

from assistants.imports import runs, watch
from tools.tasks import RECORDS, PrivateTask


class ImportTask(PrivateTask):
    """An import that ends unexpectedly says so on its page; the log has the traceback."""

    abstract = True

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        runs.run_fail(
            kwargs.get("run_id") or args[0],
            f"Something unexpected happened ({type(exc).__name__}), so nothing was imported. The worker's log says more.",
        )


@shared_task(name="assistants.imports.tasks.vapi_import_run", **{**RECORDS, "base": ImportTask})
def vapi_import_run(run_id: str) -> None:
    """Carry out an import that was asked for on its page."""
    runs.run_carry_out(uuid.UUID(run_id))


@shared_task(name="assistants.imports.tasks.vapi_watch_look", **{**RECORDS, "autoretry_for": ()})
def vapi_watch_look() -> None:
    """Look at what was imported from Vapi, as it is there now; for the beat. Without a key there is nothing to look with."""
    if settings.VAPI_API_KEY:
        watch.watch_look()
