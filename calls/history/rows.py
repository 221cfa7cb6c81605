"""A conversation at Vapi as unsaved rows of our tables."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from calls.history.messages import Conversation, ToolStep
from calls.models import Call
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

MOST_MS: Final = 2_147_483_647
_STATUSES: Final = {
    "answered": ToolCall.Status.ANSWERED,
    "failed": ToolCall.Status.FAILED,
    "timed_out": ToolCall.Status.TIMED_OUT,
    "unknown": ToolCall.Status.TIMED_OUT,
}
_ERRORS: Final = {
    "failed": "Vapi had no usable answer from the tool's server.",
    "timed_out": "The tool's server did not answer Vapi in time.",
    "unknown": "Vapi's record of the call holds no result of it.",
}


def call_zero(call: Call) -> datetime:
    """Where the clock of a call's utterances begins."""
    return call.started_at or call.created_at


def utterance_rows(transcript: Transcript, conversation: Conversation) -> list[Utterance]:
    """What was said as rows, in the order of the call."""
    found = []
    for n, one in enumerate(conversation.said, start=1):
        began, ended = min(one.began_ms, MOST_MS), min(one.ended_ms, MOST_MS)
        lasted = ended - began if one.speaker == "assistant" else 0
        found.append(
            Utterance(
                transcript=transcript,
                item_id=f"vapi-{n}",
                speaker=one.speaker,
                text=one.text,
                heard_text=one.text,
                began_ms=began,
                ended_ms=ended,
                generated_ms=lasted,
                heard_ms=lasted,
                latency_ms=one.latency_ms,
            )
        )
    return found


def tool_call_rows(call: Call, steps: Sequence[ToolStep]) -> list[ToolCall]:
    """The steps as rows. Each was asked for later than the one before, so that the moment alone tells the order."""
    found: list[ToolCall] = []
    zero, last = call_zero(call), None
    for step in steps:
        asked_at = zero + timedelta(milliseconds=step.asked_ms)
        if last is not None and asked_at <= last:
            asked_at = last + timedelta(microseconds=1)
        last = asked_at
        answered_at = (
            None
            if step.answered_ms is None
            else max(asked_at, zero + timedelta(milliseconds=step.answered_ms))
        )
        found.append(
            ToolCall(
                call_id=call.pk,
                item_id=step.id,
                name=step.name,
                arguments=step.arguments,
                status=_STATUSES[step.outcome],
                outcome=step.result,
                error=_ERRORS.get(step.outcome, ""),
                answer=step.result,
                requested_at=asked_at,
                sent_at=asked_at if answered_at else None,
                answered_at=answered_at,
                told_at=answered_at,
            )
        )
    return found
