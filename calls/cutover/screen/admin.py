"""The cutover screen in the admin: the list, and the pages that belong to it."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from calls.cutover.batches import batch_create
from calls.cutover.screen import account_admin, progress, schedule_admin  # noqa: F401  # register their pages
from calls.cutover.screen.assignment_pages import assignment_page
from calls.cutover.screen.list import (
    AccountFilter,
    AssistantFilter,
    Columns,
    NumberList,
    ProblemFilter,
    search_term,
)
from calls.cutover.screen.number_page import accept_page, number_page
from calls.cutover.screen.preview import batch_enqueue, preview_page, preview_url
from calls.cutover.screen.previews import PreviewError, preview_make
from calls.cutover.screen.rights import ASSIGN, CUT_OVER, VIEW, allowed, require, rights
from calls.cutover.screen.rows import with_facts
from calls.cutover.screen.schedule_pages import schedule_start_page, schedule_start_url
from calls.cutover.selectors import numbers_listed, with_us
from calls.models import (
    CutoverBatch,
    CutoverNumber,
    CutoverOperation,
    CutoverPreview,
    NumberSnapshot,
    TwilioAccount,
)
from tools.adminkit import HistoryAdmin

Kind = CutoverOperation.Kind
FIRST_SHARE = 10


@admin.register(CutoverNumber)
class CutoverNumberAdmin(Columns, HistoryAdmin):
    """All numbers, and what can be done with those that are chosen."""

    change_list_template = "admin/cutover/list.html"
    list_display = [
        "title", "stands", "answers", "calls_label", "errors_label", "drift_label", "last_change", "scheduled",
    ]  # fmt: skip
    list_display_links = None
    list_fullwidth = True
    list_per_page = 100
    list_filter = [ProblemFilter, "state", "answered_by", AssistantFilter, AccountFilter]
    search_fields = ["did", "label", "assistant__name", "squad__name"]
    search_help_text = "By any part of the number, its label, its assistant or its squad."
    actions: Any = ("move_cutover", "move_canary", "move_rollback", "put_on_schedule")

    # --- Rights: a number's, for it is a number

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW)

    def has_cut_over_permission(self, request: HttpRequest) -> bool:
        """Whether the buttons for chosen numbers are there."""
        return request.user.has_perm(VIEW) and request.user.has_perm(CUT_OVER)

    # --- The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[CutoverNumber]:
        return with_facts(super().get_queryset(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NumberList]:
        return NumberList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term_: str
    ) -> tuple[QuerySet[Any], bool]:
        found: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term(search_term_)
        )
        return found

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            **rights(request),
            "title": "Cutover",
            "with_us_n": numbers_listed().filter(with_us()).count(),
            "any_number": CutoverNumber.objects.exists(),
            "any_account": _any_account(),
            "reading": CutoverBatch.objects.filter(
                kind=CutoverBatch.Kind.SYNC, status__in=progress.LIVE
            ).first(),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        named = "calls_cutovernumber"
        get_or_post = require_http_methods(["GET", "HEAD", "POST"])
        return [
            path("read/", wrap(require_POST(read_page)), name=f"{named}_read"),
            path("rollback-all/", wrap(require_POST(rollback_all_page)), name=f"{named}_rollback_all"),
            path("assign/", wrap(get_or_post(assignment_page)), name=f"{named}_assign"),
            path("preview/<uuid:preview_id>/", wrap(get_or_post(preview_page)), name=f"{named}_preview"),
            path(
                "schedule/<uuid:preview_id>/",
                wrap(get_or_post(schedule_start_page)),
                name=f"{named}_schedule",
            ),
            path("<uuid:number_id>/move/", wrap(require_POST(move_page)), name=f"{named}_move"),
            path("<uuid:number_id>/accept/", wrap(get_or_post(accept_page)), name=f"{named}_accept"),
            path("<uuid:number_id>/change/", wrap(require_GET(number_page)), name=f"{named}_change"),
            *super().get_urls(),
        ]

    # --- What can be done with those that are chosen

    @admin.action(description="Cut over…", permissions=["cut_over"])
    def move_cutover(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return _previewed(request, queryset, kind=Kind.CUTOVER)

    @admin.action(description="Canary…", permissions=["cut_over"])
    def move_canary(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return _previewed(request, queryset, kind=Kind.CANARY, percent=FIRST_SHARE)

    @admin.action(description="Roll back…", permissions=["cut_over"])
    def move_rollback(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return _previewed(request, queryset, kind=Kind.ROLLBACK)

    @admin.action(description="Schedule…", permissions=["cut_over"])
    def put_on_schedule(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return _previewed(request, queryset, kind=Kind.CUTOVER, show=schedule_start_url)


def _any_account() -> bool:
    return bool(settings.TWILIO_ACCOUNT_SID) or TwilioAccount.objects.filter(enabled=True).exists()


def read_page(request: HttpRequest) -> HttpResponse:
    """Read all numbers from Twilio, by a worker; one reading at a time."""
    user = require(request, CUT_OVER if allowed(request, CUT_OVER) else ASSIGN)
    running = CutoverBatch.objects.filter(kind=CutoverBatch.Kind.SYNC, status__in=progress.LIVE).first()
    if running is not None and not progress.is_stuck(running):
        return HttpResponseRedirect(reverse("admin:calls_cutoverbatch_change", args=[running.pk]))
    return batch_enqueue(request, batch_create(kind=CutoverBatch.Kind.SYNC, actor=user))


def rollback_all_page(request: HttpRequest) -> HttpResponse:
    """A preview of giving every number back that is with us."""
    require(request, CUT_OVER)
    return _previewed(request, numbers_listed().filter(with_us()), kind=Kind.ROLLBACK)


def move_page(request: HttpRequest, number_id: Any) -> HttpResponse:
    """A preview of a move of one number, from its own page."""
    require(request, CUT_OVER)
    back = reverse("admin:calls_cutovernumber_change", args=[number_id])
    kind = request.POST.get("kind", "")
    target = None
    if kind == Kind.RESTORE:
        target = _snapshot(number_id, request.POST.get("snapshot", ""))
        if target is None:
            messages.error(request, "There is no such snapshot of this number.")
            return HttpResponseRedirect(back)
    given = request.POST.get("percent", "")
    percent = int(given) if given.isdecimal() and len(given) < 4 else 100
    numbers = numbers_listed().filter(pk=number_id)
    return _previewed(request, numbers, kind=kind, percent=percent, target=target, back=back)


def _snapshot(number_id: Any, given: str) -> NumberSnapshot | None:
    found = NumberSnapshot.objects.filter(number=number_id)
    return next((one for one in found if str(one.pk) == given), None)


def _previewed(
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    kind: str,
    percent: int = 100,
    target: NumberSnapshot | None = None,
    back: str = "",
    show: Callable[[CutoverPreview], str] = preview_url,
) -> HttpResponse:
    user = require(request, CUT_OVER)
    numbers = numbers_listed().filter(pk__in=queryset.order_by().values("pk"))
    try:
        preview = preview_make(numbers, kind=kind, percent=percent, target=target, user=user)
    except PreviewError as exc:
        messages.error(request, str(exc))
        return HttpResponseRedirect(back or reverse("admin:calls_cutovernumber_changelist"))
    return HttpResponseRedirect(show(preview))
