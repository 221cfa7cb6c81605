"""What calls have many of: turns, tool calls, lines of costs. Read call by call, while PostgreSQL makes those that come next.

It is the larger half of a page's work, and there are two processes for it: what is text in a document is made as text by the
database. ``calls.api.written`` puts it together.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from django.db import connection
from psycopg import Cursor
from psycopg.types.string import ByteaBinaryLoader

from calls.api.records import Asked, Spoken, Used

# A row for each call, in the order in which they are given. An amount of money is whole: AMOUNTS_PER_USD.
_MANY: Final = r"""
SELECT o.call_id::text, said.*, asked.*, used.*
FROM unnest(%s::uuid[], %s::bigint[], %s::float8[]) WITH ORDINALITY AS o(call_id, transcript_id, zero_ms, n)
CROSS JOIN LATERAL (
    SELECT
        string_agg(
            CASE WHEN heard <> '' THEN
                CASE WHEN ours THEN '{"role":"bot","message":' ELSE '{"role":"user","message":' END || words
                -- From the right, or the words would be copied with every piece.
                || (',"time":' || (zero_ms + began_ms)::bigint || (',"endTime":' || (zero_ms + ended_ms)::bigint
                || (',"secondsFromStart":' || began_ms / 1000::float8 || (',"duration":' || ended_ms - began_ms
                || CASE assistant WHEN '' THEN '}' ELSE ',"assistantName":' || to_json(assistant)::text || '}' END))))
            END, E'\n'),
        string_agg(
            CASE WHEN heard <> '' THEN
                CASE WHEN ours THEN '{"role":"assistant","content":' ELSE '{"role":"user","content":' END || words || '}'
            END, E'\n'),
        to_json(string_agg(
            CASE WHEN heard <> '' THEN CASE WHEN ours THEN 'AI: ' ELSE 'User: ' END || heard || E'\n' END, ''))::text,
        string_agg(CASE WHEN heard <> '' THEN began_ms::text END, ','),
        string_agg(latency_ms::text, ',')
    FROM (
        SELECT *, to_json(heard)::text AS words
        FROM (
            SELECT
                speaker = 'assistant' AS ours, CASE speaker WHEN 'assistant' THEN heard_text ELSE text END AS heard,
                began_ms, ended_ms, latency_ms, assistant
            FROM transcripts_utterance WHERE transcript_id = o.transcript_id
            ORDER BY began_ms, id
        ) turn
        OFFSET 0 -- or the words of each would be escaped twice
    ) turn
) said
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_array(item_id, name, arguments, outcome, requested_at, answered_at, told_at, variables)
        ORDER BY requested_at, id)::text
    FROM tools_toolcall WHERE call_id = o.call_id
) asked
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_array(kind, item, amount, fresh, cached, out))::text
    FROM (
        SELECT
            kind, item, (coalesce(sum(amount_usd), 0) * 10000000000)::bigint AS amount,
            coalesce(sum(trunc(quantity)) FILTER (WHERE part LIKE '%%\_in'), 0) AS fresh,
            coalesce(sum(trunc(quantity)) FILTER (WHERE part LIKE '%%\_cached'), 0) AS cached,
            coalesce(sum(trunc(quantity)) FILTER (WHERE part LIKE '%%\_out'), 0) AS out
        FROM calls_costline WHERE call_id = o.call_id AND superseded_at IS NULL
        GROUP BY provider, kind, item ORDER BY provider, kind, item
    ) line
) used
ORDER BY n
"""
# So many calls are fetched at once: few enough that one side seldom waits for the other.
_AT_ONCE: Final = 16


class Wanted(NamedTuple):
    """A call to be read: its transcript, 0 where there is none, and zero of the clock of what was said in epoch milliseconds."""

    call_id: str
    transcript_id: int
    zero_ms: float


class Many(NamedTuple):
    """What a call has many of."""

    call_id: str
    spoken: Spoken
    tool_calls: tuple[Asked, ...]
    used: tuple[Used, ...]


@contextmanager
def many_reading(wanted: Sequence[Wanted]) -> Iterator[Iterator[Many]]:
    """What each call has, in the order of the calls.

    Until the end of the context the connection is taken: who asks the database for anything else meanwhile gets a RuntimeError.
    """
    columns = [f"{{{','.join(map(str, column))}}}" for column in zip(*wanted, strict=True)]
    with connection.cursor() as cursor, connection.wrap_database_errors:
        # What is cheap for each of a thousand calls may seem dear enough in sum to be compiled, which takes longer than all of it.
        cursor.execute("SET jit = off")
        # Django's puts values into the statement, and has no way for results as they are.
        plain: Any = Cursor(connection.connection)
        # It goes into a document as it comes.
        plain.adapters.register_loader("text", ByteaBinaryLoader)
        # It would wait for the end of a statement that is read by whoever waits.
        with (
            connection.execute_wrapper(_taken),
            closing(plain.stream(_MANY, columns, binary=True, size=_AT_ONCE)) as rows,
        ):
            yield map(_many, rows)


def _taken(*_: Any) -> Any:
    raise RuntimeError(
        "Calls are being read on this connection. Ask the database before that, or afterwards."
    )


def _many(row: tuple[Any, ...]) -> Many:
    call_id, messages, formatted, transcript, began, latencies, asked, used = row
    spoken = Spoken(
        messages or b"",
        formatted or b"",
        transcript or b'""',
        _numbers(began),
        _numbers(latencies),
    )
    return Many(
        call_id.decode(),
        spoken,
        tuple(map(_asked, json.loads(asked))) if asked else (),
        tuple(map(Used._make, orjson.loads(used))) if used else (),
    )


def _numbers(text: bytes | None) -> tuple[int, ...]:
    # Three times as fast as `int` of each.
    return tuple(orjson.loads(b"[%b]" % text)) if text else ()


def _asked(row: list[Any]) -> Asked:
    item_id, name, arguments, outcome, requested, answered, told, variables = row
    return Asked(
        item_id, name, arguments, outcome, datetime.fromisoformat(requested), _moment(answered), _moment(told), variables
    )  # fmt: skip


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
