"""How the two stacks do on the same number, side by side."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from calls.cutover.budget import call_set_up
from calls.models import Call, CallProblem, PhoneNumber
from tools.models import ToolCall

_TOOL_FAILED = (ToolCall.Status.FAILED, ToolCall.Status.TIMED_OUT)


@dataclass(frozen=True, slots=True)
class StackResult:
    """The calls that one stack took. Counts and means; None where nothing tells.

    Of a call that was handed over only Twilio's own word is known, until Vapi's history is imported: whether it was
    answered, and for how long.
    """

    stack: str
    calls: int = 0
    answered: int = 0
    broke_off: int = 0
    mean_duration_s: float | None = None
    tool_calls: int = 0
    tool_errors: int = 0
    first_sound_ms: int | None = None  # the median
    first_sound_p95_ms: int | None = None


def stack_results(
    numbers: Iterable[PhoneNumber], *, since: datetime, until: datetime
) -> dict[Any, tuple[StackResult, StackResult]]:
    """For each number, by its id: our stack's calls and the old one's in that time. Four queries, however many numbers."""
    ids = [number.pk for number in numbers]
    calls = list(
        Call.objects.filter(
            phone_number__in=ids, created_at__gte=since, created_at__lt=until, smoke_test=False
        ).only(
            "id",
            "stack",
            "status",
            "phone_number",
            "created_at",
            "started_at",
            "ended_at",
            "ended_reason",
            "first_sound_ms",
        )
    )
    tools = _tools([call.id for call in calls])
    unopened = set(
        CallProblem.objects.filter(
            call__in=[call.id for call in calls], code="stream_error", benign=False
        ).values_list("call_id", flat=True)
    )
    grouped: dict[tuple[Any, str], list[Call]] = defaultdict(list)
    for call in calls:
        grouped[call.phone_number_id, call.stack].append(call)
    return {
        pk: (
            _result("direct", grouped[pk, "direct"], tools, unopened, until),
            _result("vapi", grouped[pk, "vapi"], tools, unopened, until),
        )
        for pk in ids
    }


def _result(
    stack: str, calls: Sequence[Call], tools: dict[Any, Counter[str]], unopened: set[Any], until: datetime
) -> StackResult:
    lengths = [length for call in calls if (length := call.duration_s) is not None]
    sounds = sorted(call.first_sound_ms for call in calls if call.first_sound_ms is not None)
    used: Counter[str] = Counter()
    for call in calls:
        used += tools.get(call.id, Counter())
    return StackResult(
        stack=stack,
        calls=len(calls),
        answered=sum(call.started_at is not None for call in calls),
        broke_off=sum(_broke_off(call, unopened, until) for call in calls),
        mean_duration_s=sum(lengths) / len(lengths) if lengths else None,
        tool_calls=used.total(),
        tool_errors=sum(used[status] for status in _TOOL_FAILED),
        first_sound_ms=percentile(sounds, 50),
        first_sound_p95_ms=percentile(sounds, 95),
    )


def _broke_off(call: Call, unopened: set[Any], until: datetime) -> bool:
    if call.stack == Call.Stack.VAPI:
        return "fault" in call.ended_reason or "error" in call.ended_reason
    return call_set_up(call, stream_error=call.id in unopened, now=until) is False


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The value that so many percent of the ordered ones do not exceed; None without any."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _tools(call_ids: Sequence[Any]) -> dict[Any, Counter[str]]:
    found: dict[Any, Counter[str]] = defaultdict(Counter)
    for call_id, status in ToolCall.objects.filter(call_id__in=call_ids).values_list("call_id", "status"):
        found[call_id][status] += 1
    return found
