"""Writing clips: ordering recordings, making them, keeping uploads, choosing a voice."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from assistants.models import Assistant, Voice, VoiceClip, VoiceRecording
from assistants.voices.recording import ClipRefusedError, Line, Patience, speak
from assistants.voices.selectors import INTERRUPTED_AFTER
from assistants.voices.texts import clip_text
from assistants.voices.wav import UploadRefusedError, duration_ms, shortened, sound_of_upload, wav

AT_A_TIME: Final = 2
MOST_UPLOADS: Final = 20


# --- Recording -----------------------------------------------------------------------------------------------


def recordings_ask(*, assistant: Assistant, voices: Iterable[str], asked_by: User | None = None) -> list[str]:
    """Ask for a clip in each of these voices. Returns those asked for; one that is under way is not asked for twice."""
    asked = []
    for name in Voice.objects.filter(pk__in=list(voices)).values_list("pk", flat=True):
        with transaction.atomic():
            row, created = VoiceRecording.objects.select_for_update().get_or_create(
                assistant=assistant, voice_id=name, defaults={"asked_by": asked_by}
            )
            if not created and _is_running(row, timezone.now()):
                continue
            row.status, row.code, row.error = VoiceRecording.Status.WAITING, "", ""
            row.asked_by, row.changed_at = asked_by, timezone.now()
            row.save(update_fields=["status", "code", "error", "asked_by", "changed_at"])
        asked.append(name)
    return asked


def recording_take(*, assistant_id: uuid.UUID) -> VoiceRecording | None:
    """The next recording to make, marked as begun; None when none waits or enough are under way."""
    now = timezone.now()
    with transaction.atomic():
        # The lock on the assistant makes counting and taking one step for all workers.
        if not Assistant.objects.select_for_update(no_key=True).only("pk").filter(pk=assistant_id):
            return None
        rows = list(VoiceRecording.objects.filter(assistant_id=assistant_id))
        if sum(_is_running(row, now) for row in rows) >= AT_A_TIME:
            return None
        ready = (VoiceRecording.Status.WAITING, VoiceRecording.Status.RUNNING)
        taken = next((row for row in rows if row.status in ready and not _is_running(row, now)), None)
        if taken is not None:
            taken.status, taken.changed_at = VoiceRecording.Status.RUNNING, now
            taken.save(update_fields=["status", "changed_at"])
    return taken


def _is_running(recording: VoiceRecording, now: datetime) -> bool:
    running = recording.status == VoiceRecording.Status.RUNNING
    return running and now - recording.changed_at < INTERRUPTED_AFTER


def voice_record(
    *,
    assistant_id: uuid.UUID,
    voice: str,
    made_by_id: int | None = None,
    patience: Patience | None = None,
) -> VoiceClip:
    """The clip of the assistant's draft in this voice, in place of an older one.

    Raises ClipRefusedError; an older clip stays then, and the reason is kept for whoever looks at the page.
    """
    now = timezone.now()
    assistant = Assistant.objects.defer("server_secret", "server_headers").filter(pk=assistant_id).first()
    if assistant is None:
        raise ClipRefusedError("assistant_gone", "The assistant was deleted meanwhile.")
    wanted = clip_text(assistant, now=now)
    line = Line(
        text=wanted.text, model=str(assistant.model_id), voice=voice, speed=float(Decimal(assistant.speed))
    )
    try:
        spoken = speak(line, patience=patience)
    except ClipRefusedError as exc:
        _keep_failure(assistant_id, voice, exc, made_by_id)
        raise
    mulaw = shortened(spoken.mulaw)
    with transaction.atomic():
        _require(assistant_id, voice)
        clip, _ = VoiceClip.objects.update_or_create(
            assistant_id=assistant_id,
            voice_id=voice,
            defaults={
                "label": voice,
                "text": wanted.text,
                "said": spoken.words,
                "sample": bool(wanted.sample_because),
                "model": line.model,
                "speed": assistant.speed,
                "content_type": "audio/wav",
                "sound": wav(mulaw),
                "duration_ms": duration_ms(mulaw),
                "made_by_id": made_by_id,
                "created_at": now,
            },
        )
        VoiceRecording.objects.filter(assistant_id=assistant_id, voice_id=voice).delete()
    return clip


def _require(assistant_id: uuid.UUID, voice: str | None = None) -> None:
    """Hold the assistant and the voice, so that neither is deleted under what is written next.

    Raises ClipRefusedError if one was.
    """
    if not Assistant.objects.select_for_update(no_key=True).only("pk").filter(pk=assistant_id):
        raise ClipRefusedError("assistant_gone", "The assistant was deleted meanwhile.")
    if voice is not None and not Voice.objects.select_for_update(no_key=True).filter(pk=voice):
        raise ClipRefusedError("voice_gone", "The voice was taken out of the list of voices meanwhile.")


def _keep_failure(
    assistant_id: uuid.UUID, voice: str, refused: ClipRefusedError, asked_by_id: int | None
) -> None:
    failed = {
        "status": VoiceRecording.Status.FAILED,
        "code": refused.code,
        "error": str(refused),
        "changed_at": timezone.now(),
    }
    with transaction.atomic():
        _require(assistant_id, voice)
        VoiceRecording.objects.update_or_create(
            assistant_id=assistant_id,
            voice_id=voice,
            defaults=failed,
            create_defaults={**failed, "asked_by_id": asked_by_id},
        )


def recordings_give_up(*, assistant: Assistant, voices: Iterable[str], code: str, why: str) -> None:
    """Say of recordings that wait that nobody will make them."""
    waiting = VoiceRecording.objects.filter(
        assistant=assistant, voice__in=list(voices), status=VoiceRecording.Status.WAITING
    )
    failed = VoiceRecording.Status.FAILED
    waiting.update(status=failed, code=code, error=why, changed_at=timezone.now())


# --- Uploading and choosing ----------------------------------------------------------------------------------


def upload_keep(*, assistant: Assistant, data: bytes, label: str, made_by: User | None = None) -> VoiceClip:
    """A new clip of an uploaded file. Raises UploadRefusedError with the reason."""
    sound = sound_of_upload(data)
    with transaction.atomic():
        _require(assistant.pk)
        if VoiceClip.objects.filter(assistant=assistant, voice=None).count() >= MOST_UPLOADS:
            raise UploadRefusedError(f"There are {MOST_UPLOADS} uploads already. Delete one first.")
        return VoiceClip.objects.create(
            assistant=assistant,
            label=label,
            content_type=sound.content_type,
            sound=sound.data,
            duration_ms=sound.duration_ms,
            made_by=made_by,
        )


def voice_choose(*, assistant: Assistant, voice: Voice) -> bool:
    """Let the draft speak in this voice. Returns whether that changed it; callers hear it once it is published."""
    drafts = Assistant.objects.filter(pk=assistant.pk).exclude(voice=voice)
    return bool(drafts.update(voice=voice, updated_at=timezone.now()))
