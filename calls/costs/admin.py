"""Money in the admin: costs by day, of each call, the price list, spending limits and their alerts."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from calls.costs.overview import costs_overview
from calls.costs.reckoning import call_reckon
from calls.models import CallCost, CostLine, Price, SpendingAlert, SpendingLimit
from calls.naming import call_title, ends_of
from calls.searching import calls_found
from tools.adminkit import (
    BoundedPaginator,
    ModelAdmin,
    ReadOnlyAdmin,
    SinceFilter,
    badge,
    moment,
    object_link,
    unbroken,
)

PERIODS = {1: "Today", 7: "7 days", 30: "30 days"}
MOST_RECKONED = 500


# --- The price list -------------------------------------------------------------------------------------------


class InForceFilter(admin.SimpleListFilter):
    """Prices that are in force now, and all others."""

    title = "in force"
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Now"), ("no", "Before, or later")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("yes", "no"):
            return queryset
        # Both are annotated by PriceAdmin.get_queryset.
        now = {"valid_from__lte": timezone.now(), "followed": False}
        return queryset.filter(**now) if self.value() == "yes" else queryset.exclude(**now)


@admin.register(Price)
class PriceAdmin(ModelAdmin[Price]):
    """The price list. A row is never changed: what costs something else from some moment on gets a new row."""

    fields = ["provider", "item", "part", ("usd", "per"), "valid_from", "source"]
    list_display = ["item", "part", "costs", "since", "state", "where_from", "again"]
    list_filter = [InForceFilter, "provider", "part"]
    search_fields = ["item", "source"]
    search_help_text = "By model or item."
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Price]:
        same = Price.objects.filter(
            provider=OuterRef("provider"),
            item=OuterRef("item"),
            part=OuterRef("part"),
            valid_from__lte=timezone.now(),
        )
        later = same.filter(valid_from__gt=OuterRef("valid_from")) | same.filter(
            valid_from=OuterRef("valid_from"), pk__gt=OuterRef("pk")
        )
        queryset: QuerySet[Price] = super().get_queryset(request)
        return queryset.annotate(followed=Exists(later))

    def has_change_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        if obj is not None and CostLine.objects.filter(price=obj).exists():
            return False
        return super().has_delete_permission(request, obj)

    @admin.display(description="costs", ordering="usd")
    def costs(self, price: Price) -> SafeString:
        per = f" per {price.per:,}" if price.per > 1 else ""
        return unbroken(f"${price.usd.normalize():f}{per}")

    @admin.display(description="from", ordering="valid_from")
    def since(self, price: Price) -> SafeString | str:
        return moment(price.valid_from)

    @admin.display(description="state")
    def state(self, price: Any) -> SafeString:
        if price.followed:
            return badge("Replaced")
        if price.valid_from > timezone.now():
            return badge("Later", "info")
        return badge("In force", "good")

    @admin.display(description="source", ordering="source")
    def where_from(self, price: Price) -> SafeString:
        return format_html('<span class="t-under">{}</span>', price.source or "-")

    @admin.display(description="")
    def again(self, price: Price) -> SafeString:
        given = urlencode({name: getattr(price, name) for name in ("provider", "item", "part", "per")})
        label = f"New price for {price.item}, {price.get_part_display()}"
        url = f"{reverse('admin:calls_price_add')}?{given}"
        return format_html('<a class="t-link" href="{}" aria-label="{}">New price</a>', url, label)


# --- Costs of calls -------------------------------------------------------------------------------------------


class UnknownFilter(admin.SimpleListFilter):
    """Calls of whose costs something is not known."""

    title = "unknown"
    parameter_name = "unknown"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Something is not known"), ("no", "All is known")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "yes":
                return queryset.filter(unpriced_n__gt=0)
            case "no":
                return queryset.filter(unpriced_n=0)
            case _:
                return queryset


@admin.register(CallCost)
class CallCostAdmin(ReadOnlyAdmin):
    """What each call costs. Its lines are on the call's page."""

    list_display = ["of_call", "day", "assistant", "cost", "unknown", "reckoned"]
    list_display_links = None
    list_select_related = ["call", "assistant"]
    list_filter = [UnknownFilter, "day", "assistant"]
    search_fields = ["call__id", "call__did", "call__caller", "call__call_sid"]
    search_help_text = "By number, caller, call id or call SID."
    ordering = ["-day", "-call__created_at"]
    # By the others all costs of all years would be read; a day or an assistant is what the filters are for.
    sortable_by = ["day"]
    actions = ["reckon_again"]
    paginator = BoundedPaginator

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CallCost], search_term: str
    ) -> tuple[QuerySet[CallCost], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(call__in=calls_found(search_term)), False

    def get_queryset(self, request: HttpRequest) -> QuerySet[CallCost]:
        queryset: QuerySet[CallCost] = super().get_queryset(request)
        return queryset.defer("assistant__instructions", "assistant__server_secret")

    @admin.display(description="call")
    def of_call(self, cost: CallCost) -> SafeString:
        call = cost.call
        return object_link("calls_call", call.pk, ends_of(call))

    @admin.display(description="US dollars", ordering="total_usd")
    def cost(self, cost: CallCost) -> SafeString:
        return unbroken(f"${cost.total_usd:.4f}")

    @admin.display(description="unknown", ordering="unpriced_n")
    def unknown(self, cost: CallCost) -> SafeString | str:
        if not cost.unpriced_n:
            return "-"
        return badge(cost.unpriced_n, "warn", title="Lines without an amount: it cost more.")

    @admin.display(description="reckoned", ordering="priced_at")
    def reckoned(self, cost: CallCost) -> SafeString | str:
        return moment(cost.priced_at) if cost.priced_at else badge("Running", "info")

    def has_reckon_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may have costs reckoned anew."""
        return request.user.has_perm("calls.add_price")

    @admin.action(description="Reckon again, by the prices of now", permissions=["reckon"])
    def reckon_again(self, request: HttpRequest, queryset: QuerySet[CallCost]) -> None:
        """By the price list as it is now, for the moment of each call; the lines of before are kept."""
        now = timezone.now()
        chosen = list(queryset.values_list("call_id", flat=True)[: MOST_RECKONED + 1])
        done = sum(call_reckon(call_id=call_id, now=now) for call_id in chosen[:MOST_RECKONED])
        more = " More were chosen: choose again for the rest." if len(chosen) > MOST_RECKONED else ""
        self.message_user(
            request, f"{done} reckoned again. What has changed is a new line; the old ones are kept.{more}"
        )

    # --- By day

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.by_day_view)
        return [path("by-day/", page, name="calls_callcost_by_day"), *super().get_urls()]

    def by_day_view(self, request: HttpRequest) -> HttpResponse:
        """Costs by day, by assistant and by what they were for."""
        if not request.user.has_perm("calls.view_callcost"):
            raise PermissionDenied
        asked = request.GET.get("days", "")
        days = int(asked) if asked.isdecimal() and len(asked) < 3 and int(asked) in PERIODS else 7
        context = {
            **self.admin_site.each_context(request),
            "opts": CallCost._meta,
            "title": "Costs by day",
            "overview": costs_overview(today=timezone.now().date(), days=days),
            "periods": [(n, words, n == days) for n, words in PERIODS.items()],
            "alerts": SpendingAlert.objects.select_related("limit__assistant", "call").filter(
                day=timezone.now().date()
            )[:20],
        }
        return TemplateResponse(request, "admin/tandem/costs.html", context)


# --- Limits ---------------------------------------------------------------------------------------------------


class SpendingLimitForm(forms.ModelForm[SpendingLimit]):
    """A limit; what it lacks is told where it is lacking."""

    class Meta:
        model = SpendingLimit
        fields = "__all__"  # noqa: DJ007  # the admin chooses

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not cleaned.get("call_usd") and not cleaned.get("day_usd") and not self.errors:
            self.add_error("call_usd", "Enter how much a call may cost, or a day, or both.")
        forwards = cleaned.get("when_day") == SpendingLimit.WhenDay.FORWARD
        if forwards and not cleaned.get("forward_to") and "forward_to" not in self.errors:
            self.add_error("forward_to", "Enter the number to which new calls are connected.")
        return cleaned


@admin.register(SpendingLimit)
class SpendingLimitAdmin(ModelAdmin[SpendingLimit]):
    """How much may be spent. A change is in force for what is used next."""

    form = SpendingLimitForm
    fieldsets = [
        (None, {"fields": ["assistant", "warn_percent"]}),
        ("A call", {"fields": ["call_usd", "when_call", "closing_sentence"]}),
        ("A day", {"fields": ["day_usd", "when_day", "refusal_sentence", "forward_to"]}),
    ]
    autocomplete_fields = ["assistant"]
    list_display = ["whose", "call_usd", "when_call", "day_usd", "when_day"]
    list_select_related = ["assistant"]

    @admin.display(description="for", ordering="assistant__name")
    def whose(self, limit: SpendingLimit) -> str:
        return str(limit.assistant) if limit.assistant is not None else "All"


class AlertedFilter(SinceFilter):
    """By when it was noticed."""

    column = "at"


@admin.register(SpendingAlert)
class SpendingAlertAdmin(ReadOnlyAdmin):
    """Limits that were nearly or wholly spent."""

    list_display = ["when", "level_label", "whose", "of_what", "figures", "told"]
    list_display_links = None
    list_select_related = ["limit__assistant", "call"]
    list_filter = ["level", AlertedFilter]
    search_fields = ["limit__assistant__name", "call__id"]

    @admin.display(description="when", ordering="at")
    def when(self, alert: SpendingAlert) -> SafeString | str:
        return moment(alert.at)

    @admin.display(description="state", ordering="level")
    def level_label(self, alert: SpendingAlert) -> SafeString:
        return badge(alert.get_level_display(), "bad" if alert.level == SpendingAlert.Level.SPENT else "warn")

    @admin.display(description="limit of")
    def whose(self, alert: SpendingAlert) -> SafeString:
        limit = alert.limit
        name = limit.assistant.name if limit.assistant is not None else "All"
        return object_link("calls_spendinglimit", limit.pk, name)

    @admin.display(description="a call, or a day")
    def of_what(self, alert: SpendingAlert) -> SafeString | str:
        if alert.call is None:
            return f"{alert.day:%d %b %Y}"
        return object_link("calls_call", alert.call.pk, call_title(alert.call))

    @admin.display(description="spent", ordering="spent_usd")
    def figures(self, alert: SpendingAlert) -> SafeString:
        return unbroken(f"${alert.spent_usd:.4f} of ${alert.allowed_usd}")

    @admin.display(description="told to end", ordering="told_at")
    def told(self, alert: SpendingAlert) -> SafeString | str:
        return moment(alert.told_at)
