"""Calls as they might have been, for tests and benchmarks: as many as wanted, made by the database itself.

The same numbers give the same calls, apart from the day on which they end: today.
"""

# ruff: noqa: S608 - every statement is made of this module's own texts and of numbers

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, models, transaction

from assistants.models import Assistant, AssistantVersion
from assistants.services import assistant_publish
from calls.models import (
    Call,
    CallCost,
    CallProblem,
    CallTransfer,
    CostLine,
    PhoneNumber,
    VapiCall,
)
from tools.models import ToolAttempt, ToolCall
from transcripts.models import Transcript, Utterance

SEEDED: Final = (
    Call, Transcript, Utterance, ToolCall, ToolAttempt, CallProblem, CallTransfer, VapiCall, CallCost, CostLine,
)  # fmt: skip
_BATCH: Final = 20_000  # calls in one statement
_LONGEST_MS: Final = 3_500_000
SAID: Final = (
    "Is my bicycle ready? The ticket is four eight one.",
    "Let me check that for you, one moment please.",
    "It should be ready on Tuesday after 15:00, and the repair comes to $84.50 with the new chain.",
    "Could you tell me your name and the number that we can call you back on?",
    "هل الدراجة جاهزة؟ رقم التذكرة أربعة ثمانية واحد.",
    "האופניים יהיו מוכנים ביום שלישי, והתיקון עולה 84 דולר.",
    "Thank you for calling Alder Street Bike Repair. Goodbye!",
    "No, not that one. I mean the red one, the one that my daughter left with you last week.",
)


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was made."""

    calls: int
    turns: int
    tool_calls: int


def _chance(salt: int, of: str = "g") -> str:
    """SQL of a number from 0 to below 1 that depends on `of` alone."""
    return f"((hashint8extended({of}, {salt}) & 2147483647) / 2147483648.0)"


def calls_seed(
    calls: int, *, turns: int = 20, days: int = 365, assistants: int = 4, analyze: bool = True
) -> Seeded:
    """This many calls of both stacks over so many days until now, with so many turns each on average.

    Every tenth ran at Vapi. Without ``analyze`` the planner learns of them later, by ``calls_analyze``.
    """
    with transaction.atomic():
        versions = [seeded_version(n) for n in range(assistants)]
        numbers = [
            PhoneNumber.objects.get_or_create(did=f"+1202555{n:04}", defaults={"label": f"Line {n}"})[0]
            for n in range(assistants)
        ]
    made = [0, 0, 0]
    first = Call.objects.filter(call_sid__startswith="CAseed").count() + 1
    for begin in range(first, first + calls, _BATCH):
        end = min(begin + _BATCH, first + calls) - 1
        with transaction.atomic():
            for n, rows in enumerate(_batch(begin, end, versions, numbers, turns=turns, days=days)):
                made[n] += rows
    if analyze:
        calls_analyze()
    return Seeded(*made)


def calls_analyze() -> None:
    """Let the planner know what the tables hold by now."""
    with connection.cursor() as cursor:
        for model in SEEDED:
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def seeded_version(n: int) -> AssistantVersion:
    """The live version of the nth seeded assistant."""
    assistant, is_new = Assistant.objects.get_or_create(
        name=f"Seeded desk {n}", defaults={"instructions": "You answer for Harbour Bikes."}
    )
    if is_new or assistant.live_version is None:
        assistant_publish(assistant=assistant, note="Seeded")
        assistant.refresh_from_db()
    assert assistant.live_version is not None
    return assistant.live_version


def _batch(
    begin: int,
    end: int,
    versions: list[AssistantVersion],
    numbers: list[PhoneNumber],
    *,
    turns: int,
    days: int,
) -> tuple[int, int, int]:
    calls = _calls(begin, end, versions, numbers, days=days)
    # What follows is made of the calls of this batch, each with its number g again.
    of_calls = (
        f"(SELECT c.*, substr(c.call_sid, 7)::bigint AS g FROM calls_call c JOIN generate_series({begin}, {end}) s(n) "
        "ON c.id = md5('seeded call ' || s.n)::uuid) c"
    )
    _insert(
        Transcript,
        {
            "call_id": "c.id",
            "started_at": "c.started_at",
            "closed_at": "c.ended_at",
            "created_at": "c.ended_at",
        },
        f"{of_calls} WHERE c.started_at IS NOT NULL",
    )
    said = _turns(of_calls, turns=turns)
    tools = _tool_calls(of_calls)
    _beside(of_calls)
    return calls, said, tools


def _calls(
    begin: int, end: int, versions: list[AssistantVersion], numbers: list[PhoneNumber], *, days: int
) -> int:
    assistant_ids = ", ".join(f"'{one.assistant_id}'" for one in versions)
    version_ids = ", ".join(str(one.pk) for one in versions)
    dids = ", ".join(f"'{one.did}'" for one in numbers)
    number_ids = ", ".join(f"'{one.pk}'" for one in numbers)
    which = f"1 + (g %% {len(versions)})::int"
    seconds = f"least({_LONGEST_MS / 1000}, 8 - 150 * ln(1 - {_chance(2)}))"
    source = (
        f"(SELECT g, {_chance(3)} AS luck, {which} AS which, g %% 10 = 0 AS at_vapi, "
        f"now() - {_chance(1)} * interval '{days} days' - interval '1 hour' AS came, "
        f"{seconds} * interval '1 second' AS lasted FROM generate_series({begin}::bigint, {end}::bigint) g) g"
    )
    reasons = (
        "(ARRAY['customer-ended-call', 'customer-ended-call', 'customer-ended-call', 'assistant-ended-call', "
        "'assistant-forwarded-call', 'silence-timed-out', 'exceeded-max-duration', "
        "'call.in-progress.error-providerfault-openai-llm-failed'])[1 + floor(luck * 8)::int]"
    )
    return _insert(
        Call,
        {
            "id": "md5('seeded call ' || g)::uuid",
            "stack": "CASE WHEN at_vapi THEN 'vapi' ELSE 'direct' END",
            "status": "CASE WHEN luck < 0.02 AND NOT at_vapi THEN 'refused' ELSE 'ended' END",
            "call_sid": "'CAseed' || g",
            "did": f"(ARRAY[{dids}])[which]",
            "caller": "'+1312' || lpad((g %% 9999999)::text, 7, '0')",
            "phone_number_id": f"(ARRAY[{number_ids}]::uuid[])[which]",
            "assistant_id": f"(ARRAY[{assistant_ids}]::uuid[])[which]",
            "version_id": f"CASE WHEN NOT at_vapi THEN (ARRAY[{version_ids}])[which] END",
            "ended_reason": f"CASE WHEN luck < 0.02 AND NOT at_vapi THEN '' ELSE {reasons} END",
            "refused_because": "CASE WHEN luck < 0.02 AND NOT at_vapi THEN 'The number has no assistant.' ELSE '' END",
            "created_at": "came",
            "started_at": "CASE WHEN luck >= 0.02 OR at_vapi THEN came + interval '1 second' END",
            "ended_at": "came + interval '1 second' + lasted",
            "first_sound_ms": "CASE WHEN luck >= 0.02 THEN 400 + floor(luck * 1500)::int END",
            "barge_ins": "floor(luck * 3)::int",
        },
        source,
    )


def _turns(of_calls: str, *, turns: int) -> int:
    chance = _chance(11, "c.g * 1000 + k")
    said = (
        f"(ARRAY[{', '.join(['%s'] * len(SAID))}])[1 + floor({_chance(12, 'c.g * 1000 + k')} * {len(SAID)})::int]"
        # Names and numbers: what people look for is rare.
        f" || CASE WHEN k %% 3 = 0 THEN ' My ticket is R' || floor({_chance(13, 'c.g * 1000 + k')} * 200000)::int ELSE '' END"
    )
    last = f"greatest(1, least(999, floor({2 * turns} * {_chance(10, 'c.g')})::int))"
    source = (
        "(SELECT t.id AS transcript, k, chance, said, k %% 2 = 0 AS by_assistant, "
        "k %% 2 = 0 AND chance < 0.08 AND NOT at_vapi AS cut FROM "
        f"(SELECT c.id, c.stack = 'vapi' AS at_vapi, k, {chance} AS chance, {said} AS said "
        f"FROM {of_calls} CROSS JOIN LATERAL generate_series(1, {last}) k) c "
        "JOIN transcripts_transcript t ON t.call_id = c.id) u"
    )
    return _insert(
        Utterance,
        {
            "transcript_id": "transcript",
            "item_id": "'item_seeded_' || k",
            "speaker": "CASE WHEN by_assistant THEN 'assistant' ELSE 'caller' END",
            "text": "said",
            "heard_text": "CASE WHEN cut THEN left(said, 12) ELSE said END",
            "began_ms": "k * 4000",
            "ended_ms": "k * 4000 + CASE WHEN cut THEN 900 ELSE 3000 END",
            "generated_ms": "CASE WHEN by_assistant THEN 3000 ELSE 0 END",
            "heard_ms": "CASE WHEN cut THEN 900 WHEN by_assistant THEN 3000 ELSE 0 END",
            "interrupted": "cut",
            "latency_ms": "CASE WHEN by_assistant THEN floor(550 - 300 * ln(1 - chance))::int END",
        },
        source,
        SAID,
    )


def _tool_calls(of_calls: str) -> int:
    chance = _chance(21, "c.g * 10 + k")
    source = (
        f"(SELECT c.id, c.started_at + k * interval '11 seconds' AS asked, k, {chance} AS chance "
        f"FROM {of_calls} CROSS JOIN LATERAL generate_series(1, floor({_chance(20, 'c.g')} * 4)::int) k "
        "WHERE c.started_at IS NOT NULL) x"
    )
    made = _insert(
        ToolCall,
        {
            "call_id": "id",
            "item_id": "'call_seeded_' || k",
            "name": "(ARRAY['get_repair_status', 'book_appointment', 'end_call'])[k]",
            "status": "CASE WHEN chance < 0.02 THEN 'failed' WHEN chance < 0.03 THEN 'timed_out' ELSE 'answered' END",
            "error": "CASE WHEN chance < 0.02 THEN 'The server answered 500.' WHEN chance < 0.03 THEN 'No answer came.' ELSE '' END",
            "http_status": "CASE WHEN chance < 0.02 THEN 500 WHEN chance >= 0.03 THEN 200 END",
            "requested_at": "asked",
            "sent_at": "asked + interval '5 milliseconds'",
            "answered_at": "CASE WHEN chance < 0.02 OR chance >= 0.03 THEN asked + (30 - 400 * ln(1 - chance)) * interval '1 millisecond' END",
            "told_at": "asked + (40 - 400 * ln(1 - chance)) * interval '1 millisecond'",
            "attempts_begun": "1",
        },
        source,
    )
    _insert(
        ToolAttempt,
        {
            "tool_call_id": "x.id",
            "n": "1",
            "started_at": "x.sent_at",
            "finished_at": "coalesce(x.answered_at, x.told_at)",
            "sent": "true",
            "code": "CASE x.status WHEN 'answered' THEN '' ELSE x.status END",
            "http_status": "x.http_status",
            "first_byte_ms": "extract(epoch FROM x.answered_at - x.sent_at) * 900",
            "whole_ms": "extract(epoch FROM x.answered_at - x.sent_at) * 1000",
        },
        f"tools_toolcall x JOIN {of_calls} ON c.id = x.call_id WHERE x.item_id LIKE 'call_seeded_%%'",
    )
    return made


def _beside(of_calls: str) -> None:
    """Problems, transfers and what Vapi charged."""
    _insert(
        CallProblem,
        {
            "call_id": "c.id",
            "key": "'seeded'",
            "source": "CASE WHEN c.g %% 2 = 0 THEN 'openai' ELSE 'twilio' END",
            "code": "(ARRAY['response_failed', 'stream_error', 'frames_late'])[1 + (c.g %% 3)::int]",
            "message": "'The model did not answer.'",
            "benign": "c.g %% 5 = 0",
            "at": "c.created_at + interval '20 seconds'",
        },
        f"{of_calls} WHERE {_chance(30, 'c.g')} < 0.05",
    )
    _insert(
        CallTransfer,
        {
            "id": "md5('seeded transfer ' || c.g)::uuid",
            "call_id": "c.id",
            "tool_call_id": "'call_seeded_transfer'",
            "address": "'+13125550142'",
            "mode": "'blind-transfer'",
            "requested_at": "c.created_at + interval '30 seconds'",
            "dial_status": "(ARRAY['completed', 'completed', 'busy', 'no-answer'])[1 + (c.g %% 4)::int]",
        },
        f"{of_calls} WHERE c.ended_reason = 'assistant-forwarded-call'",
    )
    cost = "round((extract(epoch FROM c.ended_at - c.started_at) / 60 * 0.14)::numeric, 4)"
    _insert(
        VapiCall,
        {
            "call_id": "c.id",
            "vapi_id": "c.id::text",
            "source": "'api'",
            "cost": cost,
            "cost_breakdown": (
                f"jsonb_build_object('transport', {cost} * 0.1, 'stt', {cost} * 0.1, 'llm', {cost} * 0.3, "
                f"'tts', {cost} * 0.2, 'vapi', {cost} * 0.3, 'total', {cost})"
            ),
            "imported_at": "now()",
        },
        f"{of_calls} WHERE c.stack = 'vapi'",
    )
    _costs(of_calls)


# What a minute of a call uses: for what, the item of the price list, its part, how much.
_USES: Final = (
    ("response", "gpt-realtime-2.1", "audio_in", 900),
    ("response", "gpt-realtime-2.1", "audio_cached", 4000),
    ("response", "gpt-realtime-2.1", "text_in", 300),
    ("response", "gpt-realtime-2.1", "text_cached", 5000),
    ("response", "gpt-realtime-2.1", "text_out", 90),
    ("response", "gpt-realtime-2.1", "audio_out", 550),
    ("transcription", "gpt-transcribe", "seconds", 25),
    ("line", "inbound local, US", "minutes", 1),
    ("stream", "media streams", "minutes", 1),
)


def _costs(of_calls: str) -> None:
    """What our own calls cost."""
    uses = ", ".join(f"('{kind}', '{item}', '{part}', {n})" for kind, item, part, n in _USES)
    prices = (
        "(SELECT DISTINCT ON (u.item, u.part) u.kind, u.item, u.part, u.n, p.id, p.provider, p.usd / p.per AS each "
        f"FROM (VALUES {uses}) u(kind, item, part, n) JOIN calls_price p ON p.item = u.item AND p.part = u.part "
        "ORDER BY u.item, u.part, p.valid_from DESC)"
    )
    quantity = "ceil(extract(epoch FROM c.ended_at - c.started_at) / 60 * u.n)"
    _insert(
        CostLine,
        {
            "call_id": "c.id",
            "provider": "u.provider",
            "kind": "u.kind",
            "item": "u.item",
            "part": "u.part",
            "quantity": quantity,
            "price_id": "u.id",
            "amount_usd": f"round({quantity} * u.each, 10)",
            "written_at": "c.ended_at",
        },
        f"{of_calls} CROSS JOIN {prices} u WHERE c.stack = 'direct' AND c.started_at IS NOT NULL",
    )
    _insert(
        CallCost,
        {
            "call_id": "c.id",
            "day": "(c.created_at AT TIME ZONE 'UTC')::date",
            "assistant_id": "c.assistant_id",
            "total_usd": "l.usd",
            "priced_at": "c.ended_at",
        },
        f"{of_calls} JOIN LATERAL (SELECT sum(amount_usd) AS usd FROM calls_costline WHERE call_id = c.id AND superseded_at IS NULL) l "
        "ON l.usd IS NOT NULL",
    )


def _insert(
    model: type[models.Model], given: Mapping[str, str], source: str, params: tuple[Any, ...] = ()
) -> int:
    """How many rows were made of ``source``: SQL for the columns that are given, the model's defaults for the others."""
    values: list[Any] = []
    columns = dict(given)
    for field in model._meta.concrete_fields:
        assert field.column is not None
        if field.column in columns or field.null or isinstance(field, models.AutoField):
            continue
        columns[field.column] = "%s"
        values.append(field.get_db_prep_save(field.get_default(), connection))
    names = ", ".join(f'"{one}"' for one in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(columns.values())} FROM {source}",
            [*values, *params],
        )
        return int(cursor.rowcount)
