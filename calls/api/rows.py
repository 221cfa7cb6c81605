"""The rows of many calls, read as plain values in a handful of statements: model instances of a thousand calls take a second.

The statements are written by hand: composing them takes longer than running them for a single call. Each is given the ids of
the calls as one array.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from django.db import connection
from psycopg.types.datetime import TimestamptzLoader

from assistants.vapi.reverse import without_marks
from calls.api.many import Wanted, many_reading
from calls.api.records import (
    Added,
    Analysed,
    AtVapi,
    Head,
    Kept,
    Named,
    OnSocket,
    Ordered,
    Part,
    Record,
    Transferred,
)

# Nobody was on the line of a smoke test; and of a call that was erased there is nothing to tell.
_HEADS: Final = """
SELECT
    c.id::text, c.stack, c.direction, c.status, c.call_sid, c.account_sid, c.did, c.caller, c.name, c.ended_reason, c.refused_because,
    c.created_at, c.started_at, c.ended_at, greatest(c.created_at, c.started_at, c.ended_at), c.barge_ins, line.label,
    c.assistant_id::text, c.squad_id::text, version.assistant_id::text, version.number,
    coalesce(nullif(line.vapi_id, ''), line.id::text),
    -- Of the others nobody wants it, and a snapshot is long.
    CASE WHEN c.status = ANY(%s) THEN (version.snapshot -> 'monitor_plan')::text END,
    transcript.id, transcript.started_at
FROM calls_call c
    LEFT JOIN assistants_assistantversion version ON version.id = c.version_id
    LEFT JOIN calls_phonenumber line ON line.id = c.phone_number_id
    LEFT JOIN transcripts_transcript transcript ON transcript.call_id = c.id
WHERE c.id = ANY(%s::uuid[]) AND NOT c.smoke_test
    AND NOT EXISTS (SELECT FROM calls_callstripped erased WHERE erased.call_id = c.id AND erased.why = 'erased')
"""
# What few calls have: of which kind, in which order, and the columns as JSON.
_BESIDE: Final = """
WITH wanted AS MATERIALIZED (SELECT unnest(%s::uuid[]) AS call_id) -- or each table would be planned for a thousand ids
SELECT call_id::text, 'vapi', 0, json_build_array(vapi_id, org_id, call_type, name, assistant_id, squad_id, phone_number_id, ended_message,
        cost, cost_breakdown, costs, analysis)::text
    FROM calls_vapicall WHERE call_id IN (TABLE wanted)
UNION ALL
SELECT call_id::text, 'analysis', 0, json_build_array(summary, structured_data, structured_data_multi, success_evaluation)::text
    FROM calls_callanalysis WHERE call_id IN (TABLE wanted)
UNION ALL
SELECT call_id::text, 'ordered', 0, json_build_array(earliest_at, latest_at, customer, metadata)::text
    FROM calls_placing WHERE call_id IN (TABLE wanted)
UNION ALL
SELECT call_id::text, 'socket', 0, json_build_array(kind, encoding, sample_rate, customer, metadata)::text
    FROM calls_socketcall WHERE call_id IN (TABLE wanted)
UNION ALL
SELECT call_id::text, 'values', 0, "values"::text
    FROM calls_callvariables WHERE call_id IN (TABLE wanted)
UNION ALL
SELECT call_id::text, 'parts', part.n, json_build_array(part.assistant_id, ran_on.number)::text
    FROM calls_callpart part JOIN assistants_assistantversion ran_on ON ran_on.id = part.version_id
    WHERE call_id IN (TABLE wanted)
UNION ALL
SELECT call_id::text, 'transfers', extract(epoch FROM requested_at),
        json_build_array(id, destination, mode, dial_status, error, dialled_at IS NOT NULL, resumed_at IS NOT NULL)::text
    FROM calls_calltransfer WHERE call_id IN (TABLE wanted)
UNION ALL
SELECT call_id::text, 'recording', -extract(epoch FROM created_at), json_build_array(channels, content_type)::text
    FROM calls_recording WHERE call_id IN (TABLE wanted) AND state = 'stored'
UNION ALL
SELECT call_id::text, 'added', extract(epoch FROM done_at), json_build_array(role, words, done_at)::text
    FROM calls_liveorder WHERE call_id IN (TABLE wanted) AND kind = 'add-message' AND done_at IS NOT NULL
ORDER BY 3, 4
"""
# The first id of its own at Vapi, as `calls.selectors.names_it` knows them.
_KNOWN: Final = """
SELECT x.id::text, x.name, made.kind, made.document::text, coalesce(
    (SELECT key FROM assistants_vapiobject WHERE {kind}_id = x.id AND key !~ '[:#/]' AND key <> '' ORDER BY id LIMIT 1), x.id::text)
FROM assistants_{kind} x LEFT JOIN assistants_transient made ON made.id = x.transient_id
WHERE x.id = ANY(%s::uuid[])
"""

Row = tuple[Any, ...]


# The first columns of calls, by id.
Heads = Mapping[str, Row]


def heads_read(call_ids: Sequence[uuid.UUID | str], *, monitored: Collection[str]) -> Heads:
    """These calls in their order, without those that programs do not see: what `records_reading` is given.

    ``monitored`` says in which status an assistant's monitor plan is wanted.
    """
    heads = {row[0]: row for row in _fetched(_HEADS, [list(monitored), _array(call_ids)])} if call_ids else {}
    return {pk: heads[pk] for pk in map(str, call_ids) if pk in heads}


@contextmanager
def records_reading(heads: Heads) -> Iterator[Iterator[Record]]:
    """All that is told of these calls, one after the other. They take the connection, as `many_reading` says."""
    if not heads:
        yield iter(())
        return
    beside: dict[str, dict[str, list[Any]]] = {pk: defaultdict(list) for pk in heads}
    for call_id, what, _, content in _fetched(_BESIDE, [_array(heads)]):
        beside[call_id][what].append(json.loads(content))
    parts = [pk for one in beside.values() if "parts" in one for pk, _ in one["parts"]]
    assistants = _known("assistant", {*parts, *(pk for row in heads.values() for pk in (row[-8], row[-6]))})
    squads = _known("squad", {row[-7] for row in heads.values()})
    wanted = [
        Wanted(pk, row[-2] or 0, row[-1].timestamp() * 1000 if row[-1] else 0) for pk, row in heads.items()
    ]
    with many_reading(wanted) as each:
        yield (
            _record(
                heads[pk], beside[pk], assistants, squads, spoken=spoken, tool_calls=tool_calls, used=used
            )
            for pk, spoken, tool_calls, used in each
        )


def _record(
    row: Row,
    beside: Mapping[str, list[Any]],
    assistants: Mapping[str, Named],
    squads: Mapping[str, Named],
    **many: Any,
) -> Record:
    *head, assistant, squad, ran_on, version, line, plan, _, talked_from = row
    if beside:
        many |= {name: read(beside[name]) for name, read in _BESIDE_READ.items() if name in beside}
        many["parts"] = tuple(
            # One that came with the call may be deleted between two statements.
            Part(assistants[pk], number)
            for pk, number in beside.get("parts", ())
            if pk in assistants
        )
    return Record(
        Head(*head),
        version,
        assistants.get(ran_on),
        assistants.get(assistant),
        squads.get(squad),
        line,
        None if plan is None else json.loads(plan),
        talked_from,
        **many,
    )


def _ordered(rows: list[Any]) -> Ordered:
    earliest, latest, customer, metadata = rows[0]
    return Ordered(_moment(earliest), _moment(latest), customer, metadata)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


_BESIDE_READ: Final[Mapping[str, Callable[[list[Any]], Any]]] = {
    "vapi": lambda rows: AtVapi(*rows[0]),
    "analysis": lambda rows: Analysed(*rows[0]),
    "ordered": _ordered,
    "socket": lambda rows: OnSocket(*rows[0]),
    "values": lambda rows: rows[0],
    "transfers": lambda rows: tuple(Transferred(*one) for one in rows),
    "recording": lambda rows: Kept(*rows[0]),
    "added": lambda rows: tuple(Added(role, words, datetime.fromisoformat(at)) for role, words, at in rows),
}


def _known(kind: str, ids: Collection[str | None]) -> dict[str, Named]:
    """Assistants or squads by the ids of their rows."""
    wanted = [one for one in ids if one is not None]
    rows = _fetched(_KNOWN.format(kind=kind), [_array(wanted)]) if wanted else []
    return {
        pk: Named(None, name, made_of, without_marks(json.loads(document)))
        if made_of is not None
        else Named(known_id, name, "", None)
        for pk, name, made_of, document, known_id in rows
    }


def _fetched(statement: str, params: Any) -> list[Row]:
    with connection.cursor() as cursor:
        # Django's own, which knows zones that no connection of ours has, takes ten times as long.
        cursor.cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(statement, params)
        rows: list[Row] = cursor.fetchall()
        return rows


def _array(ids: Iterable[object]) -> str:
    return f"{{{','.join(map(str, ids))}}}"
