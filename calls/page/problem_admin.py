"""The list of problems of all calls, and the page of one. Read only."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from calls.models import Call, CallProblem
from calls.naming import ends_of
from calls.searching import calls_named
from tools.adminkit import HistoryAdmin, SinceFilter, badge, clipped, moment, object_link


class HappenedSinceFilter(SinceFilter):
    column = "at"


@admin.register(CallProblem)
class CallProblemAdmin(HistoryAdmin):
    """What went wrong, in any call."""

    page_template = "admin/tandem/problem.html"
    list_display = ["happened", "source", "code", "message_text", "benign_label", "call_link"]
    list_filter = ["source", "benign", HappenedSinceFilter, "code"]
    search_fields = ["code", "message"]
    search_help_text = "By code, message, call id, call SID, or the beginning or end of a number."
    always_sortable = ["happened"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CallProblem]:
        # Of a page of them; joined, all calls would be read to order or to search all problems.
        return super().get_queryset(request).prefetch_related("call")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CallProblem], search_term: str
    ) -> tuple[QuerySet[CallProblem], bool]:
        named = calls_named(search_term)
        if named is None:
            return super().get_search_results(request, queryset, search_term)
        calls, sure = named
        in_calls = Exists(Call.objects.filter(calls, pk=OuterRef("call_id")))
        if sure:
            return queryset.filter(in_calls), False
        # A few digits may be an error's code as well.
        text = search_term.strip()
        return queryset.filter(Q(in_calls) | Q(code__icontains=text) | Q(message__icontains=text)), False

    @admin.display(description="when", ordering="at")
    def happened(self, problem: CallProblem) -> SafeString | str:
        return moment(problem.at)

    @admin.display(description="in words")
    def message_text(self, problem: CallProblem) -> str:
        return clipped(problem.message) or "-"

    @admin.display(description="weight", ordering="benign")
    def benign_label(self, problem: CallProblem) -> SafeString:
        return badge("Harmless") if problem.benign else badge("Problem", "bad")

    @admin.display(description="call")
    def call_link(self, problem: CallProblem) -> SafeString:
        call = problem.call
        return object_link("calls_call", call.pk, ends_of(call))

    def page_title(self, obj: CallProblem) -> str:
        return obj.code

    def page_context(self, request: HttpRequest, obj: CallProblem) -> dict[str, Any]:
        facts = [
            ("Call", self.call_link(obj)),
            ("When", moment(obj.at)),
            ("From", obj.get_source_display()),
            ("Code", obj.code),
            ("In words", obj.message or "-"),
            ("Weight", self.benign_label(obj)),
        ]
        return {"facts": facts}
