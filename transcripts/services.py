"""Writing what was said. Every write may come twice, late or out of order, and changes nothing the second time."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Said:
    """Utterances of one call, or with ``closed_at`` all of them."""

    call_id: uuid.UUID
    started_at: datetime
    utterances: Sequence[Mapping[str, Any]]
    closed_at: datetime | None = None


def utterances_write(
    *,
    call_id: uuid.UUID,
    started_at: datetime,
    utterances: Iterable[Mapping[str, Any]],
    closed_at: datetime | None = None,
) -> Transcript:
    """The transcript with these utterances in it, closed at ``closed_at`` if that is given."""
    said = Said(call_id, started_at, list(utterances), closed_at)
    return utterances_write_many([said])[call_id]


def utterances_write_many(said: Sequence[Said]) -> dict[uuid.UUID, Transcript]:
    """The transcripts by their calls, with all of it in them: a handful of statements for any number of calls.

    Utterances are keyed by their item: the first writing wins, except that the closing one knows the whole call
    and so overrides what came before it. A closed transcript takes no late partial news.
    """
    if not said:
        return {}
    with transaction.atomic():
        transcripts = _transcripts(said)
        partial = _rows([one for one in said if one.closed_at is None], transcripts)
        Utterance.objects.bulk_create(partial.values(), ignore_conflicts=True)
        closing = [one for one in said if one.closed_at is not None]
        Utterance.objects.bulk_create(
            _rows(closing, transcripts).values(),
            update_conflicts=True,
            unique_fields=["transcript", "item_id"],
            update_fields=[*_FIELDS, "assistant"],
        )
        for one in closing:
            Transcript.objects.filter(pk=transcripts[one.call_id].pk).update(
                closed_at=Coalesce(Greatest(F("closed_at"), one.closed_at), one.closed_at)
            )
    return transcripts


def _transcripts(said: Sequence[Said]) -> dict[uuid.UUID, Transcript]:
    # In one order everywhere, so that two writers never wait for each other.
    wanted = dict(sorted({one.call_id: one for one in reversed(said)}.items()))
    found = {one.call_id: one for one in Transcript.objects.filter(call_id__in=wanted)}
    new = [
        Transcript(call_id=id_, started_at=one.started_at) for id_, one in wanted.items() if id_ not in found
    ]
    if new:
        Transcript.objects.bulk_create(new, ignore_conflicts=True)
        ids = [one.call_id for one in new]
        found |= {one.call_id: one for one in Transcript.objects.filter(call_id__in=ids)}
    return found


def _rows(
    said: Iterable[Said], transcripts: Mapping[uuid.UUID, Transcript]
) -> dict[tuple[int, str], Utterance]:
    """One row for each item, in the order of their keys; of several the first, or of a closing write the last."""
    rows: dict[tuple[int, str], Utterance] = {}
    for one in said:
        transcript = transcripts[one.call_id]
        for utterance in one.utterances:
            key = (transcript.pk, utterance["item_id"])
            if one.closed_at is not None or key not in rows:
                rows[key] = Utterance(
                    transcript=transcript,
                    item_id=utterance["item_id"],
                    **{name: _clean(utterance[name]) for name in _FIELDS},
                    assistant=_clean(utterance.get("assistant", ""))[:_NAME_MAX],
                )
    return dict(sorted(rows.items()))


def _clean(value: Any) -> Any:
    # One character that the database cannot hold would cost all that was said with it.
    return text_clean(value) if isinstance(value, str) else value
