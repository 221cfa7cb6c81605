"""Celery's side of recording voices, on queue `records`."""

import logging
import uuid
from concurrent.futures import ThreadPoolExecutor

from celery import shared_task
from django.db import connections

from assistants.voices.recording import ClipRefusedError
from assistants.voices.services import AT_A_TIME, recording_take, voice_record
from tools.tasks import RECORDS

logger = logging.getLogger(__name__)


@shared_task(name="assistants.voices.tasks.voices_record", **RECORDS)
def voices_record(*, assistant_id: str) -> None:
    """Make every recording of this assistant that waits. Delivered twice, the second finds nothing to do."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for done in [pool.submit(_work, uuid.UUID(assistant_id)) for _ in range(AT_A_TIME)]:
            done.result()


def _work(assistant_id: uuid.UUID) -> None:
    try:
        while (taken := recording_take(assistant_id=assistant_id)) is not None:
            try:
                voice_record(
                    assistant_id=assistant_id, voice=str(taken.voice_id), made_by_id=taken.asked_by_id
                )
            except ClipRefusedError as exc:  # its reason stands in the recording's row
                fields = {
                    "assistant_id": str(assistant_id),
                    "voice": str(taken.voice_id),
                    "code": exc.code,
                }
                logger.warning("voice not recorded", extra=fields)
    finally:
        connections.close_all()  # this thread's own
