"""Reading what a call brings with it that comes to a new session: from a transfer, from keys, from a lost stream."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from calls.models import Call, CallBreak, CallTransfer, LiveOrder
from calls.orders.messages import message_added
from calls.orders.rows import messages_added, orders_open
from calls.privacy.keeping import history_opened
from calls.transfers import destination_read
from tools.models import ToolCall
from tools.selectors import tool_calls_of, variables_taught
from transcripts.models import Utterance
from transcripts.selectors import transcript_of_call

TRANSFER = "transfer"
_ROLES = {Utterance.Speaker.CALLER: "user", Utterance.Speaker.ASSISTANT: "bot"}
_NO_ANSWER = (
    "No answer has come so far. Whether it took effect is not known; do not say that it did or did not."
)


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a call brings back, for the session that goes on with it.

    ``messages`` is what was said before, in Vapi's shapes; ``says`` is said first, word for word, where it is not
    empty. ``kind`` is ``transfer`` for one that nobody answered, else the kind of the break; ``asked`` is the tool call
    that pressed keys. ``orders`` are those from outside that hold on: who is muted, and what is still to be done. The
    rest are the facts of the call so far.
    """

    began_at: datetime
    session: int  # the number of sessions before this one
    dial_status: str
    messages: list[dict[str, Any]] = field(default_factory=list, repr=False)
    says: str = ""
    facts: dict[str, int] = field(default_factory=dict)
    learnt: dict[str, Any] = field(default_factory=dict, repr=False)  # what tools have taught before
    kind: str = TRANSFER
    asked: dict[str, Any] = field(default_factory=dict, repr=False)
    orders: list[dict[str, Any]] = field(default_factory=list, repr=False)


def sessions_before(call: Call) -> int:
    """How many media streams the call has had besides the one that has it now, or is to have it."""
    returned = call.transfers.filter(resumed_at__isnull=False).count()
    return returned + call.breaks.filter(refused=False).count()


def resumption_of(call: Call, *, language: str) -> Resumption | None:
    """What the call brings with it; None for one that comes to its first session."""
    if call.started_at is None:
        return None
    transfer = call.transfers.filter(resumed_at__isnull=False).order_by("resumed_at").last()
    cut = call.breaks.filter(refused=False).last()
    if transfer is None and cut is None:
        return None
    began_at, session = call.started_at, sessions_before(call)
    facts = {
        name: getattr(call, name) or 0
        for name in ("barge_ins", "frames_in", "frames_dropped", "tool_calls_made")
    }
    learnt, orders = variables_taught(call_id=call.id), orders_open(call)
    if cut is not None and (transfer is None or cut.began_at > (transfer.resumed_at or cut.began_at)):
        return Resumption(
            began_at,
            session,
            dial_status="",
            messages=_messages(call, cut),
            facts=facts,
            learnt=learnt,
            kind=cut.kind,
            asked=cut.asked,
            orders=orders,
        )
    assert transfer is not None
    return Resumption(
        began_at,
        session,
        dial_status=transfer.dial_status,
        messages=history_opened(transfer.history),
        says=_fallback_words(transfer, language),
        facts=facts,
        learnt=learnt,
        orders=orders,
    )


def _fallback_words(transfer: CallTransfer, language: str) -> str:
    destination = destination_read(transfer.destination, language=language)
    return destination.fallback.message if destination and destination.fallback else ""


def _messages(call: Call, cut: CallBreak) -> list[dict[str, Any]]:
    history = history_opened(cut.history)
    return history if cut.kind == CallBreak.Kind.KEYS else _before_loss(call, history)


def _before_loss(call: Call, history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What its bridge remembered, and the tools that it was waiting for; without a bridge, what is written down."""
    if not history:
        return history_stored(call)
    began_at = call.started_at or call.created_at
    untold = [row for row in tool_calls_of(call_id=call.id) if row.told_at is None]
    return [*history, *(_answered(row, began_at) for row in untold)]


def history_stored(call: Call) -> list[dict[str, Any]]:
    """What was said and done in a call as far as it is written down, in Vapi's shapes."""
    began_at = call.started_at or call.created_at
    spoken = _spoken(call.id)
    done = [_answered(row, began_at) for row in tool_calls_of(call_id=call.id)]
    added = [_added(row, began_at) for row in messages_added([call.id])]
    return sorted([*spoken, *done, *added], key=lambda message: message["time"])


def _spoken(call_id: uuid.UUID) -> list[dict[str, Any]]:
    transcript = transcript_of_call(call_id)
    if transcript is None:
        return []
    return [
        {
            "role": _ROLES[Utterance.Speaker(one.speaker)],
            "message": one.heard_text,
            "time": _epoch_ms(transcript.started_at + timedelta(milliseconds=one.began_ms)),
            "endTime": _epoch_ms(transcript.started_at + timedelta(milliseconds=one.ended_ms)),
            "secondsFromStart": round(one.began_ms / 1000, 3),
            "duration": one.ended_ms - one.began_ms,
        }
        for one in transcript.utterances.all()
        if one.heard_text
    ]


def _answered(row: ToolCall, began_at: datetime) -> dict[str, Any]:
    told_at = row.told_at or row.answered_at or row.requested_at
    return {
        "role": "tool_call_result",
        "toolCallId": row.item_id,
        "name": row.name,
        "result": row.outcome or _NO_ANSWER,
        "time": _epoch_ms(told_at),
        "secondsFromStart": round((told_at - began_at).total_seconds(), 3),
    }


def _added(row: LiveOrder, began_at: datetime) -> dict[str, Any]:
    at = row.done_at or row.asked_at
    times = {"time": _epoch_ms(at), "secondsFromStart": round((at - began_at).total_seconds(), 3)}
    return message_added(row.role, row.words, times)


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
