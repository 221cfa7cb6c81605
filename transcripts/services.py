"""Writing what was said. Every write may come twice, late or out of order, and changes nothing the second time."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F
from django.db.models.functions import Coalesce, Greatest

from tools.jsontext import text_clean
from transcripts.models import Transcript

_FIELDS = (
    "speaker", "text", "heard_text", "began_ms", "ended_ms", "generated_ms", "heard_ms", "interrupted", "latency_ms",
    "transcribed",
)  # fmt: skip
_NAME_MAX = 80
_COLUMNS = ("transcript_id", "item_id", *_FIELDS, "assistant")
# Types as the columns have them, so that what does not fit is refused as ever.
_INSERT = f"""
INSERT INTO transcripts_utterance ({", ".join(_COLUMNS)})
SELECT {", ".join(_COLUMNS)} FROM json_populate_recordset(NULL::transcripts_utterance, %s::json)
"""  # noqa: S608  # our own names
_KEEP = "ON CONFLICT (transcript_id, item_id) DO NOTHING"
_OVERRIDE = "ON CONFLICT (transcript_id, item_id) DO UPDATE SET " + ", ".join(
    f"{name} = EXCLUDED.{name}" for name in (*_FIELDS, "assistant")
)


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
    utterances_write_many([Said(call_id, started_at, list(utterances), closed_at)])
    return Transcript.objects.get(call_id=call_id)


def utterances_write_many(said: Sequence[Said]) -> None:
    """Write all of it into the transcripts of its calls: a handful of statements for any number of calls.

    Utterances are keyed by their item: the first writing wins, except that the closing one knows the whole call
    and so overrides what came before it. A closed transcript takes no late partial news.
    """
    if not said:
        return
    closing = [one for one in said if one.closed_at is not None]
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        ids = _transcripts(said)
        _write(cursor, _rows([one for one in said if one.closed_at is None], ids), _KEEP)
        _write(cursor, _rows(closing, ids), _OVERRIDE)
        for one in closing:
            Transcript.objects.filter(pk=ids[one.call_id]).update(
                closed_at=Coalesce(Greatest(F("closed_at"), one.closed_at), one.closed_at)
            )


def _transcripts(said: Sequence[Said]) -> dict[uuid.UUID, int]:
    """The ids of the calls' transcripts, which are there then."""
    # In one order everywhere, so that two writers never wait for each other.
    wanted = dict(sorted({one.call_id: one for one in reversed(said)}.items()))
    found = _ids_of(wanted)
    new = [
        Transcript(call_id=id_, started_at=one.started_at) for id_, one in wanted.items() if id_ not in found
    ]
    if new:
        Transcript.objects.bulk_create(new, ignore_conflicts=True)
        found |= _ids_of([one.call_id for one in new])
    return found


def _ids_of(call_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    return dict(Transcript.objects.filter(call_id__in=list(call_ids)).order_by().values_list("call_id", "id"))


def _rows(said: Iterable[Said], ids: Mapping[uuid.UUID, int]) -> list[dict[str, Any]]:
    """One row for each item, in the order of their keys; of several the first, or of a closing write the last."""
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for one in said:
        transcript_id = ids[one.call_id]
        for utterance in one.utterances:
            key = (transcript_id, utterance["item_id"])
            if one.closed_at is not None or key not in rows:
                row = {name: _clean(utterance[name]) for name in _FIELDS}
                row["transcript_id"], row["item_id"] = key
                row["assistant"] = _clean(utterance.get("assistant", ""))[:_NAME_MAX]
                rows[key] = row
    return [rows[key] for key in sorted(rows)]


def _write(cursor: CursorWrapper, rows: Sequence[Mapping[str, Any]], conflict: str) -> None:
    # One parameter for all rows: a row of a model costs ten times as much, and every turn of every call comes by here.
    if rows:
        cursor.execute(f"{_INSERT} {conflict}", [orjson.dumps(rows).decode()])


def _clean(value: Any) -> Any:
    # One character that the database cannot hold would cost all that was said with it.
    return text_clean(value) if isinstance(value, str) else value
