"""Writing what was said. Every write may come twice, late or out of order, and changes nothing the second time."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Greatest

from tools.jsontext import text_clean
from transcripts.models import Transcript, Utterance

_FIELDS = (
    "speaker", "text", "heard_text", "began_ms", "ended_ms", "generated_ms", "heard_ms", "interrupted", "latency_ms",
    "transcribed",
)  # fmt: skip
_NAME_MAX = 80


def utterances_write(
    *,
    call_id: uuid.UUID,
    started_at: datetime,
    utterances: Iterable[Mapping[str, Any]],
    closed_at: datetime | None = None,
) -> Transcript:
    """The transcript with these utterances in it, closed at ``closed_at`` if that is given.

    Utterances are keyed by their item: the first writing wins, except that the closing one knows the whole call
    and so overrides what came before it. A closed transcript takes no late partial news.
    """
    with transaction.atomic():
        transcript, _ = Transcript.objects.get_or_create(call_id=call_id, defaults={"started_at": started_at})
        rows = [
            Utterance(
                transcript=transcript,
                item_id=one["item_id"],
                **{name: _clean(one[name]) for name in _FIELDS},
                assistant=_clean(one.get("assistant", ""))[:_NAME_MAX],
            )
            for one in utterances
        ]
        if closed_at is None:
            Utterance.objects.bulk_create(rows, ignore_conflicts=True)
        else:
            Utterance.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["transcript", "item_id"],
                update_fields=[*_FIELDS, "assistant"],
            )
            Transcript.objects.filter(pk=transcript.pk).update(
                closed_at=Coalesce(Greatest(F("closed_at"), closed_at), closed_at)
            )
    return transcript


def _clean(value: Any) -> Any:
    # One character that the database cannot hold would cost all that was said with it.
    return text_clean(value) if isinstance(value, str) else value
