"""Calls that ran at Vapi, as a reference: which tools were called in which order, and what was said."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from assistants.models import Assistant, VapiObject
from calls.models import Call, PhoneNumber
from tools.models import ToolCall
from transcripts.models import Utterance


@dataclass(frozen=True, slots=True)
class ReferenceStep:
    """One tool call, in the order in which the model asked. ``outcome`` is a status of the ledger."""

    name: str
    arguments: dict[str, Any] = field(repr=False)
    outcome: str
    told: str = field(repr=False)
    requested_at: datetime
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class ReferenceLine:
    """What one side said."""

    speaker: str
    text: str = field(repr=False)
    began_ms: int
    latency_ms: int | None


@dataclass(frozen=True, slots=True)
class ReferenceCall:
    """One finished call at Vapi. ``assistants`` are Vapi's ids in the order of the call, several for a squad."""

    call_id: uuid.UUID
    vapi_id: str
    did: str
    created_at: datetime
    duration_s: int | None
    ended_reason: str
    cost: Decimal | None
    first_sound_ms: int | None
    assistants: tuple[str, ...]
    steps: tuple[ReferenceStep, ...]
    lines: tuple[ReferenceLine, ...]

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools in order, which is what drift compares."""
        return tuple(step.name for step in self.steps)


def reference_rows(
    *, assistant: Assistant | None = None, number: PhoneNumber | None = None, since: datetime | None = None
) -> QuerySet[Call]:
    """The calls that were imported from Vapi, the newest first; those of an assistant also where it was imported later."""
    rows = Call.objects.filter(stack=Call.Stack.VAPI, vapi_call__isnull=False).order_by("-created_at", "-id")
    if assistant is not None:
        keys = VapiObject.objects.filter(kind=VapiObject.Kind.ASSISTANT, assistant=assistant).values("key")
        rows = rows.filter(Q(assistant=assistant) | Q(vapi_call__assistant_id__in=keys))
    if number is not None:
        rows = rows.filter(Q(phone_number=number) | Q(did=number.did))
    return rows.filter(created_at__gte=since) if since is not None else rows


def reference_calls(
    *,
    assistant: Assistant | None = None,
    number: PhoneNumber | None = None,
    since: datetime | None = None,
    limit: int = 50,
) -> list[ReferenceCall]:
    """The newest such calls with all their steps and lines. Three queries, however many calls."""
    rows = reference_rows(assistant=assistant, number=number, since=since).select_related("vapi_call").only(
        "did", "created_at", "started_at", "ended_at", "ended_reason", "first_sound_ms",
        "vapi_call__vapi_id", "vapi_call__cost", "vapi_call__activations", "vapi_call__assistant_id",
    )[:limit]  # fmt: skip
    calls = list(rows)
    steps, lines = _steps([call.pk for call in calls]), _lines([call.pk for call in calls])
    return [
        ReferenceCall(
            call_id=call.pk,
            vapi_id=call.vapi_call.vapi_id,
            did=call.did,
            created_at=call.created_at,
            duration_s=call.duration_s,
            ended_reason=call.ended_reason,
            cost=call.vapi_call.cost,
            first_sound_ms=call.first_sound_ms,
            assistants=_assistants(call),
            steps=tuple(steps[call.pk]),
            lines=tuple(lines[call.pk]),
        )
        for call in calls
    ]


def _assistants(call: Call) -> tuple[str, ...]:
    activated = [one.get("assistantId", "") for one in call.vapi_call.activations]
    return tuple(one for one in activated if one) or tuple(filter(None, [call.vapi_call.assistant_id]))


def _steps(call_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[ReferenceStep]]:
    found: dict[uuid.UUID, list[ReferenceStep]] = defaultdict(list)
    for row in ToolCall.objects.filter(call_id__in=call_ids).order_by("call_id", "requested_at", "id"):
        found[row.call_id].append(
            ReferenceStep(row.name, row.arguments, row.status, row.outcome, row.requested_at, row.duration_ms)
        )
    return found


def _lines(call_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[ReferenceLine]]:
    found: dict[uuid.UUID, list[ReferenceLine]] = defaultdict(list)
    rows = Utterance.objects.filter(transcript__call_id__in=call_ids).order_by("transcript", "began_ms", "id")
    columns = ("transcript__call_id", "speaker", "text", "began_ms", "latency_ms")
    for call_id, speaker, text, began_ms, latency_ms in rows.values_list(*columns):
        found[call_id].append(ReferenceLine(speaker, text, began_ms, latency_ms))
    return found
