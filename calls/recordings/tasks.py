"""Celery's side of recordings, on queue `records`."""

import logging
import uuid

from celery import shared_task
from django.utils import timezone

from calls.clients import TwilioRefusedError
from calls.models import Call
from calls.recordings import services, vapi
from calls.recordings.taking.services import takes_give_up
from tools.tasks import RECORDS, PrivateTask

logger = logging.getLogger(__name__)

# Whoever speaks first is not waited for: what a second try may cost is the beginning of the recording.
_PAUSES_S = (1, 3, 10)


@shared_task(bind=True, name="calls.recordings.tasks.recording_start", **RECORDS)
def recording_start(self: PrivateTask, *, call_id: str) -> None:
    """Have Twilio record a call that has begun."""
    try:
        services.recording_start(call_id=uuid.UUID(call_id))
    except TwilioRefusedError as exc:
        tries = self.request.retries
        if exc.unsure and tries < len(_PAUSES_S):
            raise self.retry(exc=exc, countdown=_PAUSES_S[tries]) from exc
        logger.warning("a call is not recorded", extra={"call_id": call_id, "why": str(exc)})
        services.recording_fail(call_id=uuid.UUID(call_id), why=str(exc))


@shared_task(name="calls.recordings.tasks.recording_told", **RECORDS)
def recording_told(*, call_sid: str, sid: str, status: str, started: str, error_code: str) -> None:
    """Take in Twilio's word on a recording, and fetch it when it is complete."""
    told = services.Told(call_sid, sid, status, started, error_code)
    recording = services.recording_told(told)
    if recording is not None:
        recording_download.delay(recording_id=str(recording.pk))


@shared_task(name="calls.recordings.tasks.recording_download", **RECORDS)
def recording_download(*, recording_id: str) -> None:
    """Fetch the sound of one recording from Twilio."""
    services.recording_download(recording_id=uuid.UUID(recording_id))


@shared_task(name="calls.recordings.tasks.vapi_recording_fetch", **RECORDS)
def vapi_recording_fetch(*, call_id: str) -> None:
    """Fetch the recording that Vapi made of an imported call."""
    call = Call.objects.filter(pk=call_id).first()
    if call is not None:
        vapi.recording_of_call_fetch(call)


@shared_task(name="calls.recordings.tasks.recordings_go_on", **{**RECORDS, "autoretry_for": ()})
def recordings_go_on() -> None:
    """Go on with what is not at rest; for the beat, every few minutes."""
    found = services.recordings_open(now=timezone.now())
    for pk in found.fetch:
        recording_download.delay(recording_id=str(pk))
    for recording in found.ask:
        try:
            if services.recording_ask(recording):
                recording_download.delay(recording_id=str(recording.pk))
        except TwilioRefusedError as exc:
            logger.warning("Twilio could not be asked of a recording", extra={"why": str(exc)})
            services.recording_put_off(recording)
    for recording in found.drop:
        services.recording_drop_at_twilio(recording)
    for recording in found.delete:
        services.recording_delete(recording)
    lost = takes_give_up(now=timezone.now())
    if lost:
        logger.warning("the sound of calls has not come", extra={"recordings": lost})
