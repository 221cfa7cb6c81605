"""Celery's side of Vapi's calls, on queue `records`: imports that people started, and reports that could not wait."""

import base64
import uuid
import zlib
from typing import Any

from celery import shared_task

from calls.history import recorder, runs
from tools.tasks import RECORDS, PrivateTask


class ImportTask(PrivateTask):
    """An import that ends unexpectedly says so on its page; the log has the traceback."""

    abstract = True

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        runs.run_fail(
            kwargs.get("run_id") or args[0],
            f"Something unexpected happened ({type(exc).__name__}). What was read until then is here; the worker's log "
            "says more.",
        )


@shared_task(name="calls.history.tasks.vapi_calls_import", **{**RECORDS, "base": ImportTask})
def vapi_calls_import(run_id: str) -> None:
    """Carry out an import of calls that was asked for on its page."""
    runs.run_carry_out(uuid.UUID(run_id))


@shared_task(name="calls.history.tasks.report_write", **RECORDS)
def report_write(*, recorder_id: int, body: str) -> None:
    """Write a report that came while the database was away."""
    recorder.report_keep(recorder_id, zlib.decompress(base64.b64decode(body)))
