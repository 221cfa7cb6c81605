"""What was done and said in a call, as comparisons need it, from the rows that both stacks write."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from calls.models import Call, VapiCall
from calls.smoke.causes import Said
from calls.smoke.sequences import ToolStep
from tools.mocks import NOT_MOCKED_ERROR
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

# The bridge's word for a request that the model made twice in one breath, and that one answer answered.
_TWIN = "duplicate_call"


@dataclass(frozen=True, slots=True)
class CallFacts:
    """One call, read: its tools in order, what was said, how fast it answered, and what it cost, where that is known."""

    steps: tuple[ToolStep, ...]
    said: tuple[Said, ...]
    unanswered: tuple[str, ...]
    latency_ms: int | None
    usd: Decimal | None


def call_facts(call: Call, *, name_of: Callable[[str], str] = str) -> CallFacts:
    """The facts of a call of either stack; ``name_of`` gives tools the names under which they are compared."""
    transcript = Transcript.objects.prefetch_related("utterances").filter(call_id=call.pk).first()
    spoken = list(transcript.utterances.all()) if transcript else []
    began = transcript.started_at if transcript else call.started_at or call.created_at
    rows = [row for row in _tool_rows(call) if row.error != _TWIN]
    return CallFacts(
        steps=tuple(_step(row, began, name_of) for row in rows),
        said=tuple(
            Said(one.heard_text or one.text, one.began_ms)
            for one in spoken
            if one.speaker == Utterance.Speaker.ASSISTANT
        ),
        unanswered=tuple(name_of(row.name) for row in rows if row.error == NOT_MOCKED_ERROR),
        latency_ms=_latency(call, spoken),
        usd=_usd(call),
    )


def _tool_rows(call: Call) -> Iterable[ToolCall]:
    return ToolCall.objects.filter(call_id=call.pk).exclude(name="").order_by("requested_at", "id")


def _step(row: ToolCall, began: datetime, name_of: Callable[[str], str]) -> ToolStep:
    at_ms = max(0, round((row.requested_at - began).total_seconds() * 1000))
    arguments = row.arguments if isinstance(row.arguments, dict) else {}
    return ToolStep(name_of(row.name), arguments, at_ms, row.status)


def _latency(call: Call, spoken: list[Utterance]) -> int | None:
    """The median answer time; of a call at Vapi whose turns have none, the mean that Vapi gave."""
    known = [one.latency_ms for one in spoken if one.latency_ms is not None]
    if known:
        return round(statistics.median(known))
    theirs = _vapi_call(call)
    mean = theirs.metrics.get("turnLatencyAverage") if theirs and isinstance(theirs.metrics, dict) else None
    return round(mean) if isinstance(mean, int | float) and not isinstance(mean, bool) else None


def _usd(call: Call) -> Decimal | None:
    theirs = _vapi_call(call)
    return theirs.cost if theirs else None


def _vapi_call(call: Call) -> VapiCall | None:
    if call.stack != Call.Stack.VAPI:
        return None
    return VapiCall.objects.filter(call=call).only("cost", "metrics").first()
