"""What the page of a call shows besides its facts and its conversation."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from assistants.models import AssistantVersion
from calls.costs.selectors import CostSheet, call_costs
from calls.messages.shown import messages_shown
from calls.models import Call, CallAnalysis, Recording, SmokePair, VapiCall
from calls.page.timeline import Told
from calls.page.waterfall import Answer, Bar, Span, Waterfall, waterfall
from calls.recordings.player import recording_news, recording_player
from calls.recordings.vapi import recording_urls
from tools.adminkit import Tone, badge, clipped, json_pretty, ms_text, object_link
from tools.models import ToolCall
from transcripts.admin import SLOW_ANSWER_MS, clock_text
from transcripts.models import Utterance

_PAIR_TONES: dict[str, Tone] = {
    SmokePair.Outcome.SAME: "good",
    SmokePair.Outcome.REORDERED: "good",
    SmokePair.Outcome.DRIFTED: "bad",
    SmokePair.Outcome.ERRORED: "warn",
}
_PAIRS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class WaitRow:
    """One answer in the table of waits."""

    clock: str
    words: str
    waited: str
    slow: bool
    parts: str
    bar: Bar


def page_parts(request: HttpRequest, call: Call, told: Told) -> dict[str, Any]:
    """The sections of the page, empty ones as None. A fixed number of queries, however long the call was."""
    falls = _waterfall(call, told)
    return {
        "waits": [_wait_row(bar) for bar in falls.bars] if falls is not None else None,
        "waits_told": _waits_told(falls) if falls is not None else "",
        "costs": _costs(call),
        "analysis": _analysis(call),
        "server_messages": messages_shown(call.pk)
        if request.user.has_perm("calls.view_servermessage")
        else None,
        "pairs": _pairs(call) if request.user.has_perm("calls.view_smokerun") else None,
        **_recording(request, call, told.zero),
    }


# --- Waits ----------------------------------------------------------------------------------------------------


def _waterfall(call: Call, told: Told) -> Waterfall | None:
    answers = [
        Answer(one.began_ms, one.latency_ms, clipped(one.text, 60))
        for one in told.utterances
        if one.latency_ms is not None and one.speaker == Utterance.Speaker.ASSISTANT
    ]
    spans = [span for one in told.tool_calls if (span := _span(one, told.zero)) is not None]
    return waterfall(answers, spans, silence_ms=_silence_ms(call))


def _span(tool_call: ToolCall, zero: datetime) -> Span | None:
    over = tool_call.told_at or tool_call.answered_at
    if over is None:
        return None
    since, to = ((at - zero).total_seconds() * 1000 for at in (tool_call.requested_at, over))
    return Span(round(since), round(to))


def _silence_ms(call: Call) -> int | None:
    """The silence that ended a turn, by the version's setting; None at Vapi, and where turns end by what was said."""
    if call.version_id is None or call.stack == Call.Stack.VAPI:
        return None
    keys = AssistantVersion.objects.filter(pk=call.version_id).values_list(
        "snapshot__turn_detection", "snapshot__vad_silence_ms"
    )
    detection, silence = keys.first() or (None, None)
    return silence if detection in (None, "server_vad") and isinstance(silence, int) else None


def _wait_row(bar: Bar) -> WaitRow:
    parts = []
    if bar.silence_ms is not None:
        parts.append(f"silence {ms_text(bar.silence_ms)}")
    if bar.tool_ms:
        parts.append(f"tools {ms_text(bar.tool_ms)}")
    parts.append(f"model and line {ms_text(bar.rest_ms)}" if parts else "not taken apart")
    return WaitRow(
        clock=clock_text(bar.answer.began_ms),
        words=bar.answer.words or "-",
        waited=ms_text(bar.answer.waited_ms),
        slow=bar.answer.waited_ms >= SLOW_ANSWER_MS,
        parts=", ".join(parts),
        bar=bar,
    )


def _waits_told(falls: Waterfall) -> str:
    n = len(falls.bars)
    if n == 1:
        return f"One answer, after {ms_text(falls.longest_ms)}."
    return (
        f"{n} answers: half of them within {ms_text(falls.median_ms)}, 95 of 100 within {ms_text(falls.p95_ms)}, "
        f"the longest after {ms_text(falls.longest_ms)}."
    )


# --- Money, analysis, drift -----------------------------------------------------------------------------------


def _costs(call: Call) -> CostSheet | None:
    sheet = call_costs(call.pk)
    return sheet if sheet.lines else None


def _analysis(call: Call) -> dict[str, Any] | None:
    """What was found out about the call: by us, or by Vapi."""
    ours = CallAnalysis.objects.filter(call=call).first()
    if ours is not None:
        facts: list[tuple[str, object]] = [
            ("State", ours.get_state_display()),
            *([("Why", ours.why)] if ours.why else []),
            *([("Success", ours.success_evaluation)] if ours.success_evaluation else []),
        ]
        data = ours.structured_data
        if data is None and ours.structured_data_multi:
            data = ours.structured_data_multi
        return {
            "facts": facts,
            "summary": ours.summary,
            "data": "" if data is None else json_pretty(data),
            "by": ours.model,
        }
    row = VapiCall.objects.filter(call=call).only("analysis").first()
    theirs = row.analysis if row is not None and isinstance(row.analysis, dict) else {}
    if not theirs:
        return None
    success, data = theirs.get("successEvaluation"), theirs.get("structuredData")
    return {
        "facts": [("Success", success)] if success not in (None, "") else [],
        "summary": str(theirs.get("summary") or ""),
        "data": "" if data in (None, {}, []) else json_pretty(data),
        "by": "Vapi",
    }


def _pairs(call: Call) -> list[tuple[str, SafeString, SafeString, SafeString]]:
    """The comparisons in which the call stands: its part in it, which, of what run, and how it ended."""
    rows = (
        SmokePair.objects.filter(Q(call=call) | Q(reference=call))
        .select_related("run")
        .only("title", "outcome", "call", "reference", "run__did", "run__created_at", "run__assistant")
        .order_by("-run__created_at", "position")[:_PAIRS_SHOWN]
    )
    shown = []
    for pair in rows:
        part = "Our call" if pair.call_id == call.pk else "Vapi's, compared with"
        url = reverse("admin:calls_smokerun_pair", args=[pair.pk])
        run = object_link("calls_smokerun", pair.run_id, f"Smoke test of {pair.run.created_at:%d %b %Y}")
        outcome = badge(pair.get_outcome_display(), _PAIR_TONES.get(pair.outcome, "plain"))
        shown.append((part, _link(url, pair.title), run, outcome))
    return shown


def _link(url: str, text: str) -> SafeString:
    return format_html('<a class="t-link" href="{}">{}</a>', url, text)


# --- Sound ----------------------------------------------------------------------------------------------------


def _recording(request: HttpRequest, call: Call, zero: datetime) -> dict[str, Any]:
    rows = list(Recording.objects.filter(call=call).order_by("-created_at"))
    if rows and not request.user.has_perm("calls.view_recording"):
        return {"player": None, "recording_told": "There is a recording, and you may not hear it."}
    player = recording_player(rows, zero=zero)
    told = "" if player is not None else recording_news(rows)
    fetchable = None
    if player is None and call.stack == Call.Stack.VAPI and request.user.has_perm("calls.add_recording"):
        row = VapiCall.objects.filter(call=call).only("vapi_id", "recordings").first()
        if row is not None and recording_urls(row):
            fetchable = reverse("admin:calls_recording_fetch", args=[call.pk])
            told = (
                told or "Vapi recorded the call. Its links expire, so fetch the recording while it is there."
            )
    return {"player": player, "recording_told": told, "recording_fetch_url": fetchable}
