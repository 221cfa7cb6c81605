"""Makers of test data: what a test does not name is filled in."""

import uuid
from typing import Any

from django.utils import timezone

from transcripts.models import Transcript, Utterance


def make_transcript(**fields: Any) -> Transcript:
    """A saved transcript of some call, still open."""
    defaults: dict[str, Any] = {"call_id": uuid.uuid4(), "started_at": timezone.now()}
    return Transcript.objects.create(**{**defaults, **fields})


def make_utterance(*, transcript: Transcript | None = None, **fields: Any) -> Utterance:
    """A saved utterance of the caller, a second after the last one."""
    transcript = transcript or make_transcript()
    last = transcript.utterances.order_by("-ended_ms").values_list("ended_ms", flat=True).first()
    began_ms = fields.pop("began_ms", 0 if last is None else last + 1000)
    defaults: dict[str, Any] = {
        "item_id": f"item_{uuid.uuid4().hex[:12]}",
        "speaker": Utterance.Speaker.CALLER,
        "text": "Is my bicycle ready?",
        "began_ms": began_ms,
        "ended_ms": began_ms + 1500,
    }
    return Utterance.objects.create(transcript=transcript, **{**defaults, **fields})
