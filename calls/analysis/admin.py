"""Analyses in the admin: what was found out, what failed, and asking again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from calls.analysis.services import analysis_again
from calls.models import CallAnalysis
from tools.adminkit import HistoryAdmin, SinceFilter, Tone, badge, clipped, json_pretty, moment, object_link

TONES: dict[str, Tone] = {"waiting": "info", "done": "good", "partly": "warn", "failed": "bad"}
_PARTS = {
    "summary": "Summary",
    "structuredData": "Facts",
    "successEvaluation": "Verdict",
}


@admin.register(CallAnalysis)
class CallAnalysisAdmin(HistoryAdmin):
    """What was found out about calls after their end."""

    page_template = "admin/tandem/analysis.html"
    list_display = ["call_label", "state_label", "verdict", "summary_text", "finished"]
    list_filter = ["state", "success", "rubric", SinceFilter, "call__assistant"]
    list_select_related = ["call", "call__assistant"]
    search_fields = ["=call__id", "call__did", "call__caller"]
    search_help_text = "By the id of a call, or a whole number."
    actions = ["analyse_again"]  # type: ignore[assignment]  # the pages of others have none

    def get_queryset(self, request: HttpRequest) -> QuerySet[CallAnalysis]:
        queryset: QuerySet[CallAnalysis] = super().get_queryset(request)
        return queryset.defer(
            "call__assistant__instructions",
            "call__assistant__server_secret",
            "call__assistant__server_headers",
        )

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Whether the user may have calls analysed again."""
        return request.user.has_perm("calls.run_callanalysis")

    @admin.display(description="call", ordering="call__created_at")
    def call_label(self, row: CallAnalysis) -> str:
        assistant = row.call.assistant.name if row.call.assistant else "No assistant"
        return f"{assistant}, {row.call.created_at:%d %b %Y, %H:%M} UTC"

    @admin.display(description="state", ordering="state")
    def state_label(self, row: CallAnalysis) -> SafeString:
        return badge(row.get_state_display(), TONES.get(row.state, "plain"), title=row.why)

    @admin.display(description="verdict")
    def verdict(self, row: CallAnalysis) -> SafeString | str:
        return _verdict(row)

    @admin.display(description="summary")
    def summary_text(self, row: CallAnalysis) -> str:
        return clipped(row.summary, 100) or "-"

    @admin.display(description="finished", ordering="finished_at")
    def finished(self, row: CallAnalysis) -> SafeString | str:
        return moment(row.finished_at)

    @admin.action(description="Analyse again: the model is asked and paid anew", permissions=["run"])
    def analyse_again(self, request: HttpRequest, queryset: QuerySet[CallAnalysis]) -> None:
        done = sum(analysis_again(row.call) for row in queryset.select_related("call"))
        messages.success(
            request, f"{done} call{'' if done == 1 else 's'} will be analysed again within a minute."
        )

    def page_title(self, obj: CallAnalysis) -> str:
        return f"Analysis of the call of {obj.call.created_at:%d %b %Y, %H:%M} UTC"

    def page_context(self, request: HttpRequest, obj: CallAnalysis) -> dict[str, Any]:
        facts = [
            ("Call", object_link("calls_call", obj.call_id, obj.call)),
            ("State", format_html("{} {}", self.state_label(obj), obj.why)),
            ("Verdict", _verdict(obj)),
            ("Rubric", obj.rubric or "-"),
            ("Model", obj.model or "-"),
            (
                "Tokens",
                f"{obj.input_tokens:,} in ({obj.cached_tokens:,} of them cached), {obj.output_tokens:,} out",
            ),
            ("Finished", moment(obj.finished_at)),
        ]
        return {"facts": facts, "parts": analysis_parts(obj), "summary": obj.summary, "data": _data(obj)}


def analysis_parts(row: CallAnalysis) -> list[dict[str, Any]]:
    """What became of each part, for a page. Takes odd data."""
    parts = row.parts if isinstance(row.parts, dict) else {}
    return [
        {
            "name": _PARTS.get(key) or f"Facts: {key.partition('.')[2]}",
            "state": badge(
                dict(CallAnalysis.State.choices).get(str(one.get("state")), "?"),
                TONES.get(str(one.get("state")), "plain"),
            ),
            "why": one.get("why", ""),
            "tries": one.get("tries", 1),
        }
        for key, one in parts.items()
        if isinstance(one, dict)
    ]


def _verdict(row: CallAnalysis) -> SafeString | str:
    if row.success is not None:
        return badge("Passed", "good") if row.success else badge("Failed", "bad")
    score = f" ({row.score_percent.normalize():f} of 100)" if row.score_percent is not None else ""
    return f"{clipped(row.success_evaluation, 60)}{score}" if row.success_evaluation else "-"


def _data(row: CallAnalysis) -> list[tuple[str, str]]:
    found = [("Facts", json_pretty(row.structured_data))] if row.structured_data is not None else []
    more = row.structured_data_multi if isinstance(row.structured_data_multi, list) else []
    found += [
        (f"Facts: {one.get('key', '?')}", json_pretty(one.get("result")))
        for one in more
        if isinstance(one, dict)
    ]
    if len(row.success_evaluation) > 60:
        found.append(("Verdict in full", row.success_evaluation))
    return found
