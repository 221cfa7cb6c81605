"""The admin's first page: how the last 24 hours went, and for a newcomer what to do next."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from assistants.models import Assistant
from calls.models import LIVE, Call, CallProblem, PhoneNumber
from tools.adminkit import ms_text

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure with its words and where to read on."""

    figure: str
    words: str
    url: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a newcomer does before the first call."""

    words: str
    url: str
    link: str
    done: bool


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the index template shows; nothing of it to somebody who may not see calls. UNFOLD names this function."""
    if not request.user.has_perm("calls.view_call"):
        return context
    since = timezone.now() - timedelta(hours=24)
    recent = Call.objects.filter(created_at__gte=since, stack=Call.Stack.DIRECT, smoke_test=False)
    steps = _steps()
    return context | {
        "title": "Overview",
        "tiles": _tiles(since),
        "slowest": recent.filter(first_sound_ms__isnull=False)
        .select_related("assistant")
        .only("id", "caller", "did", "first_sound_ms", "created_at", "assistant__name")
        .order_by("-first_sound_ms")[:SHOWN],
        "latest_problems": CallProblem.objects.filter(benign=False).select_related("call")[:SHOWN],
        "steps": [] if all(step.done for step in steps) else steps,
    }


def _tiles(since: Any) -> list[Tile]:
    wrong = CallProblem.objects.filter(call=OuterRef("pk"), benign=False)
    found = (
        Call.objects.filter(created_at__gte=since, stack=Call.Stack.DIRECT, smoke_test=False)
        .annotate(has_problem=Exists(wrong))
        .aggregate(
            total=Count("pk"),
            answered=Count("pk", filter=Q(started_at__isnull=False)),
            live=Count("pk", filter=Q(status__in=LIVE)),
            wrong=Count("pk", filter=Q(has_problem=True)),
            slowest=Max("first_sound_ms"),
        )
    )
    calls = reverse("admin:calls_call_changelist")
    share = f"{100 * found['answered'] / found['total']:.0f} %" if found["total"] else "-"
    return [
        Tile(f"{found['total']:,}", "calls in the last 24 hours", f"{calls}?since=day"),
        Tile(share, "answered by an assistant", f"{calls}?since=day"),
        Tile(f"{found['live']:,}", "in progress now", f"{calls}?status__exact=in-progress"),
        Tile(f"{found['wrong']:,}", "with problems", f"{calls}?since=day&problems=yes"),
        Tile(ms_text(found["slowest"]), "slowest first sound", f"{calls}?since=day&o=-8"),
    ]


def _steps() -> list[Step]:
    assistants = Assistant.objects.aggregate(all=Count("pk"), live=Count("live_version"))
    numbers = PhoneNumber.objects.aggregate(all=Count("pk"), assigned=Count("assistant"))
    assistant_list = reverse("admin:assistants_assistant_changelist")
    number_list = reverse("admin:calls_phonenumber_changelist")
    return [
        Step(
            "Write an assistant: its prompt, its voice, its tools.",
            reverse("admin:assistants_assistant_add"),
            "Add an assistant",
            done=assistants["all"] > 0,
        ),
        Step(
            "Publish it. Callers only ever hear a published version.",
            assistant_list,
            "Assistants",
            done=assistants["live"] > 0,
        ),
        Step(
            "Add the number that callers dial, and choose the assistant that answers.",
            reverse("admin:calls_phonenumber_add") if not numbers["all"] else number_list,
            "Add a number" if not numbers["all"] else "Numbers",
            done=numbers["assigned"] > 0,
        ),
        Step(
            "Call it, then read here what was said.",
            reverse("admin:calls_call_changelist"),
            "Calls",
            done=Call.objects.exists(),
        ),
    ]
