"""Error budgets in the admin, and the calls that took the way back."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from calls.models import BudgetRule, BudgetTrip, FallbackCall
from tools.adminkit import ModelAdmin, ReadOnlyAdmin, SinceFilter, badge, moment, object_link


@admin.register(BudgetRule)
class BudgetRuleAdmin(ModelAdmin[BudgetRule]):
    """What may go wrong before a number is rolled back by itself. A change is in force at the next look."""

    fields = [
        "number",
        "enabled",
        ("calls_n", "least_calls_n", "least_failures_n"),
        ("setup_percent", "tool_percent"),
        ("sound_percent", "sound_ms"),
    ]
    autocomplete_fields = ["number"]
    list_display = [
        "whose",
        "enabled",
        "calls_n",
        "setup_percent",
        "tool_percent",
        "sound_percent",
        "sound_ms",
    ]
    list_select_related = ["number"]

    @admin.display(description="number", ordering="number__did")
    def whose(self, rule: BudgetRule) -> str:
        return str(rule.number) if rule.number else "All other numbers"


class SeenAtFilter(SinceFilter):
    """By when it happened."""

    column = "at"


class _HappenedAdmin(ReadOnlyAdmin):
    """When something happened, and to which number."""

    @admin.display(description="at", ordering="at")
    def when(self, row: Any) -> SafeString | str:
        return moment(row.at)

    @admin.display(description="number", ordering="number__did")
    def of_number(self, row: Any) -> SafeString | str:
        if row.number is None:
            return str(getattr(row, "did", "") or "-")
        return object_link("calls_phonenumber", row.number.pk, row.number)


@admin.register(FallbackCall)
class FallbackCallAdmin(_HappenedAdmin):
    """Signs that callers were served without us."""

    list_display = ["when", "of_number", "kind", "error_code", "error_url", "call_sid"]
    list_display_links = None
    list_select_related = ["number"]
    list_filter = ["kind", SeenAtFilter]
    search_fields = ["did", "call_sid", "error_code"]


@admin.register(BudgetTrip)
class BudgetTripAdmin(_HappenedAdmin):
    """Burnt budgets, and what was done. Whoever has looked into one notes it, which opens its gate again."""

    list_display = ["when", "of_number", "state", "words", "message", "seen"]
    list_display_links = None
    list_select_related = ["number", "seen_by"]
    list_filter = ["outcome", SeenAtFilter]
    search_fields = ["number__did", "words"]
    actions = ["note_seen"]

    @admin.display(description="state", ordering="outcome")
    def state(self, trip: BudgetTrip) -> SafeString:
        return badge(trip.get_outcome_display(), "bad" if trip.seen_at is None else "plain")

    @admin.display(description="seen by", ordering="seen_at")
    def seen(self, trip: BudgetTrip) -> str:
        return str(trip.seen_by or "somebody") if trip.seen_at else "nobody yet"

    def has_note_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may answer for a number."""
        return request.user.has_perm("calls.cut_over_phonenumber")

    @admin.action(description="Note as seen", permissions=["note"])
    def note_seen(self, request: HttpRequest, queryset: QuerySet[BudgetTrip]) -> None:
        open_rows = queryset.filter(seen_at=None)
        noted = open_rows.update(seen_at=timezone.now(), seen_by=request.user)
        self.message_user(request, f"{noted} noted as seen.")
