"""Orders to running calls in the admin: who ordered what, when, and what became of it. Read only."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from calls.models import LIVE, Call, LiveOrder
from calls.naming import caller_of, ends_of
from calls.page.order_lines import order_outcome, order_what
from calls.privacy.access import call_opened
from tools.adminkit import HistoryAdmin, SinceFilter, badge, clipped, moment, ms_text, object_link, unbroken

Result = LiveOrder.Result
_OPEN: Final = Q(result=Result.TAKEN, done_at=None, failed_at=None)
_STATES: Final[dict[str, tuple[str, Q]]] = {
    "open": ("Taken, not done yet", _OPEN & Q(call__status__in=LIVE)),
    "done": ("Done", Q(result=Result.TAKEN, done_at__isnull=False)),
    "not-done": (
        "Taken, and not done",
        Q(result=Result.TAKEN, failed_at__isnull=False) | _OPEN & ~Q(call__status__in=LIVE),
    ),
    "refused": ("Refused by the call", Q(result=Result.REFUSED)),
    "nobody": ("Nobody had the call", Q(result=Result.NOBODY)),
    "unknown": ("Lost on its way, perhaps", Q(result=Result.UNKNOWN)),
}
_NOT_KEPT: Final = "Not kept: the assistant is switched to HIPAA."
_ERASED: Final = "Not there (any more)"
_NOT_YOURS: Final = "Only for people who may view calls."


class StateFilter(admin.SimpleListFilter):
    """By what became of it."""

    title = "what became of it"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in _STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        _, found = _STATES.get(self.value() or "", ("", Q()))
        return queryset.filter(found)


class AskedFilter(SinceFilter):
    """By when it was asked."""

    column = "asked_at"


@admin.register(LiveOrder)
class LiveOrderAdmin(HistoryAdmin):
    """The list says no words: who reads those may view calls and has opened this one, which is written down."""

    page_template = "admin/tandem/live_order.html"
    list_display = ["asked", "what", "who", "call_link", "outcome", "why_text"]
    list_filter = [StateFilter, "kind", ("by", admin.ChoicesFieldListFilter), AskedFilter]
    list_select_related = ["call"]
    search_fields = ["=call__id", "=call__call_sid", "=order_id", "by_label"]
    search_help_text = "By the id of a call, Twilio's, the order's own, or the name of who gave it."
    date_hierarchy = "asked_at"
    always_sortable = ["asked"]
    ordering = ["-asked_at", "-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LiveOrder]:
        return super().get_queryset(request).defer("order", "words")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Pages of calls, keys and users link to their own; as filters these would list all there are.
        return lookup in ("call__id__exact", "key__id__exact", "actor__id__exact") or super().lookup_allowed(
            lookup, value, request
        )

    @admin.display(description="asked", ordering="asked_at")
    def asked(self, row: LiveOrder) -> SafeString:
        url = reverse("admin:calls_liveorder_change", args=[row.pk])
        return format_html('<a class="t-link" href="{}">{}</a>', url, moment(row.asked_at))

    @admin.display(description="order", ordering="kind")
    def what(self, row: LiveOrder) -> str:
        return clipped(order_what(row), 36)

    @admin.display(description="who", ordering="by_label")
    def who(self, row: LiveOrder) -> str:
        return clipped(row.by_label, 24) or "-"

    @admin.display(description="call")
    def call_link(self, row: LiveOrder) -> SafeString:
        return object_link("calls_call", row.call_id, unbroken(clipped(caller_of(row.call), 20)))

    @admin.display(description="outcome", ordering="result")
    def outcome(self, row: LiveOrder) -> SafeString:
        return order_outcome(row, live=row.call.status in LIVE)

    @admin.display(description="why")
    def why_text(self, row: LiveOrder) -> str:
        return clipped(row.why, 60) or "-"

    def page_title(self, obj: LiveOrder) -> str:
        return f"Order: {clipped(order_what(obj), 60)}"

    def page_context(self, request: HttpRequest, obj: LiveOrder) -> dict[str, Any]:
        call = Call.objects.select_related("version").get(pk=obj.call_id)
        facts = [
            ("Order", order_what(obj)),
            ("Outcome", order_outcome(obj, live=call.status in LIVE)),
            ("Why", obj.why or "-"),
            ("Who", _whose(obj)),
            ("Call", object_link("calls_call", call.pk, ends_of(call))),
            ("Asked", moment(obj.asked_at)),
            ("Taken by the call", _at(obj, obj.taken_at)),
            ("Done", _at(obj, obj.done_at)),
            ("Given up", _at(obj, obj.failed_at)),
            ("Id", obj.order_id),
            ("Others of this call", _others(obj)),
        ]
        if obj.words and not request.user.has_perm("calls.view_call"):
            return {"facts": facts, "words": "", "no_words": _NOT_YOURS}
        if obj.words:
            call_opened(call_id=call.pk, user=request.user, what="page")
        return {"facts": facts, "words": obj.words, "no_words": _why_no_words(obj, call)}


def _whose(row: LiveOrder) -> SafeString | str:
    if row.key_id is not None:
        return object_link("tools_apikey", row.key_id, row.by_label)
    if row.actor_id is not None:
        return object_link("auth_user", row.actor_id, row.by_label)
    return row.by_label or row.get_by_display()


def _until(row: LiveOrder, at: Any) -> str:
    # Whoever asked and whoever did it may have clocks of their own.
    return ms_text(max(0, round((at - row.asked_at).total_seconds() * 1000))) if at is not None else "-"


def _at(row: LiveOrder, at: Any) -> SafeString | str:
    return format_html("{} ({} later)", moment(at), _until(row, at)) if at is not None else "-"


def _others(row: LiveOrder) -> SafeString:
    url = reverse("admin:calls_liveorder_changelist")
    return format_html(
        '<a class="t-link" href="{}?call__id__exact={}">All that was ordered of it</a>', url, row.call_id
    )


def _why_no_words(row: LiveOrder, call: Call) -> SafeString | str:
    """What stands where words would, if the order had any."""
    if row.words or row.kind not in (LiveOrder.Kind.SAY, LiveOrder.Kind.ADD_MESSAGE):
        return ""
    if call.version is not None and call.version.snapshot.get("hipaa") is True:
        return badge(_NOT_KEPT, "info")
    if row.result in (Result.NOBODY, Result.UNKNOWN):
        return "Not kept: no call has answered, so nobody knew what may be kept."
    return _ERASED
