"""Reading what the pages and streams of running calls need."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import redis
from django.db.models import QuerySet

from calls.live import messages
from calls.live.feed import entry_message, stream_key
from calls.models import LIVE, Call
from tools import shared_state
from transcripts.models import Utterance
from transcripts.selectors import transcript_of_call

# A list of running calls that is longer is cut: nobody reads it, and each line costs.
MOST_SHOWN: Final = 200
_NEWEST: Final = 40


@dataclass(frozen=True, slots=True)
class Standing:
    """How a call stands by its rows, and what of it is written down."""

    over: bool
    ended_reason: str
    ended_ms: int
    said: tuple[dict[str, Any], ...] = field(repr=False)


def standing_of(call_id: uuid.UUID) -> Standing | None:
    """How a call stands; None for an unknown one."""
    call = Call.objects.filter(pk=call_id).only("status", "ended_reason", "ended_at", "created_at").first()
    if call is None:
        return None
    transcript = transcript_of_call(call_id)
    said = transcript.utterances.all() if transcript else ()
    return Standing(
        over=call.status not in LIVE,
        ended_reason=call.ended_reason,
        ended_ms=_epoch_ms(call.ended_at or call.created_at),
        said=tuple(_final(one, transcript.started_at) for one in said) if transcript else (),
    )


def _final(one: Utterance, zero: datetime) -> dict[str, Any]:
    return messages.transcript_final(
        item_id=one.item_id,
        speaker=one.speaker,
        text=one.heard_text if one.speaker == Utterance.Speaker.ASSISTANT else one.text,
        at_ms=_epoch_ms(zero) + one.ended_ms,
        from_start_s=one.began_ms / 1000,
        interrupted=one.interrupted,
        transcribed=one.transcribed,
        assistant=one.assistant,
    )


def calls_running() -> QuerySet[Call]:
    """The calls that go on now, the newest first."""
    return (
        Call.objects.filter(status__in=LIVE, stack=Call.Stack.DIRECT)
        .select_related("assistant", "phone_number")
        .only(
            "status",
            "did",
            "caller",
            "created_at",
            "started_at",
            "smoke_test",
            "assistant__name",
            "phone_number__label",
        )
        .order_by("-created_at")[:MOST_SHOWN]
    )


def last_lines(call_ids: list[uuid.UUID]) -> dict[uuid.UUID, dict[str, Any]] | None:
    """The newest words of each of these calls; None while they cannot be looked up."""
    # The ordinary client decodes texts, and entries hold bytes.
    try:
        with shared_state.store().pipeline(transaction=False) as pipe:
            for call_id in call_ids:
                pipe.xrevrange(stream_key(call_id), count=_NEWEST)
            found = pipe.execute() if call_ids else []
    except redis.RedisError:
        return None
    lines = {call_id: _last_line(entries) for call_id, entries in zip(call_ids, found, strict=True)}
    return {call_id: line for call_id, line in lines.items() if line is not None}


def _last_line(entries: list[tuple[str, dict[str, str]]]) -> dict[str, Any] | None:
    told = (entry_message({b"m": fields.get("m", "{}").encode()}) for _, fields in entries)
    return next((one for one in told if one.get("type") == "transcript" and one.get("transcript")), None)


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
