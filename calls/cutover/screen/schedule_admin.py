"""Schedules as they run: what is due when, why one stopped, and the buttons that pause, resume and cancel."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from calls.cutover.schedules import WEEKDAYS, schedule_cancel, schedule_pause, schedule_resume
from calls.cutover.screen.rights import CUT_OVER, VIEW, require, rights
from calls.cutover.screen.rows import schedule_dates
from calls.cutover.screen.words import SCHEDULE_TONES, kind_words, state_badge
from calls.models import CutoverSchedule, CutoverScheduleItem
from tools.adminkit import HistoryAdmin, Tone, badge, clipped, moment

Status = CutoverSchedule.Status
PER_PAGE = 100
_ITEM_TONES: dict[str, Tone] = {"done": "good", "failed": "bad", "running": "info", "dropped": "warn"}
_TURNS = {"pause": schedule_pause, "resume": schedule_resume, "cancel": schedule_cancel}
_TURNED = {
    "pause": "Paused. No further number is moved until it is resumed.",
    "resume": "It goes on.",
    "cancel": "Cancelled. Numbers that were moved stay where they are; the others are not moved.",
}


@admin.register(CutoverSchedule)
class ScheduleAdmin(HistoryAdmin):
    """Schedules. One is made from the list of numbers."""

    page_template = "admin/cutover/schedule.html"
    list_display = ["title", "status_label", "moves", "counted", "rhythm", "made_by"]
    list_display_links = ["title"]
    list_filter = ["status", "kind"]
    search_fields = ["name", "reason", "created_by_label", "items__number__did"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CutoverSchedule]:
        queryset: QuerySet[CutoverSchedule] = super().get_queryset(request)
        return queryset.annotate(
            all_n=Count("items", distinct=True),
            done_n=Count("items", filter=Q(items__status="done"), distinct=True),
        )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        turn = path(
            "<uuid:schedule_id>/turn/<str:turn>/",
            wrap(require_POST(turn_page)),
            name="calls_cutoverschedule_turn",
        )
        return [turn, *super().get_urls()]

    @admin.display(description="schedule", ordering="name")
    def title(self, schedule: CutoverSchedule) -> str:
        return clipped(schedule.name, 60)

    @admin.display(description="status", ordering="status")
    def status_label(self, schedule: CutoverSchedule) -> SafeString:
        return status_badge(schedule)

    @admin.display(description="does")
    def moves(self, schedule: CutoverSchedule) -> str:
        return kind_words(schedule.kind, schedule.percent)

    @admin.display(description="numbers")
    def counted(self, schedule: Any) -> str:
        return f"{schedule.done_n} of {schedule.all_n} moved"

    @admin.display(description="when")
    def rhythm(self, schedule: CutoverSchedule) -> str:
        return rhythm(schedule)

    @admin.display(description="by", ordering="created_by_label")
    def made_by(self, schedule: CutoverSchedule) -> str:
        return clipped(schedule.created_by_label, 40)

    def page_title(self, obj: CutoverSchedule) -> str:
        return f"Schedule: {clipped(obj.name, 120)}"

    def page_context(self, request: HttpRequest, obj: CutoverSchedule) -> dict[str, Any]:
        items = obj.items.select_related("number").order_by("position")
        dates = schedule_dates(obj, items, now=timezone.now())
        page = Paginator(items, PER_PAGE).get_page(request.GET.get("page"))
        facts = [
            ("Status", status_badge(obj)),
            ("Does", kind_words(obj.kind, obj.percent)),
            ("When", rhythm(obj)),
            ("First day", f"{obj.starts_on:%d %b %Y}"),
            ("By", obj.created_by_label),
            ("Made", moment(obj.created_at)),
            ("Reason", obj.reason),
        ]
        facts += [(f"Gate “{one.get('gate')}” overridden", one.get("reason")) for one in obj.overrides]
        return {
            **rights(request),
            "facts": facts,
            "stopped": obj.status == Status.STOPPED,
            "may_pause": obj.status == Status.RUNNING,
            "may_resume": obj.status in (Status.PAUSED, Status.STOPPED),
            "may_cancel": obj.status in (Status.RUNNING, Status.PAUSED, Status.STOPPED),
            "page": page,
            "items": [_row(item, dates.get(item.pk)) for item in page.object_list],
        }


def turn_page(request: HttpRequest, schedule_id: Any, turn: str) -> HttpResponse:
    """Pause a schedule, go on with it, or give it up."""
    user = require(request, CUT_OVER)
    if turn not in _TURNS:
        raise PermissionDenied
    schedule = CutoverSchedule.objects.filter(pk=schedule_id).first()
    if schedule is None:
        raise Http404("There is no such schedule.")
    if _TURNS[turn](schedule, actor=user):
        messages.success(request, _TURNED[turn])
    else:
        messages.info(request, f"It is “{schedule.get_status_display()}”, so there was nothing to {turn}.")
    return HttpResponseRedirect(reverse("admin:calls_cutoverschedule_change", args=[schedule.pk]))


def _row(item: CutoverScheduleItem, due: Any) -> dict[str, Any]:
    return {
        "number": item.number,
        "state": state_badge(item.number),
        "status": badge(item.get_status_display(), _ITEM_TONES.get(item.status, "plain")),
        "when": moment(item.finished_at or item.started_at or due),
        "is_due": due is not None,
        "message": item.message,
    }


def status_badge(schedule: CutoverSchedule) -> SafeString:
    """How a schedule stands, as a coloured label."""
    return badge(schedule.get_status_display(), SCHEDULE_TONES.get(schedule.status, "plain"))


def rhythm(schedule: CutoverSchedule) -> str:
    """Its days and hours in words; whatever is stored."""
    days = [WEEKDAYS[day] for day in schedule.weekdays if isinstance(day, int) and 0 <= day < 7]
    count = "1 number" if schedule.per_day == 1 else f"{schedule.per_day} numbers"
    return (
        f"{count} a day, {', '.join(days) or 'no day'}, {schedule.from_time:%H:%M} to {schedule.until_time:%H:%M} "
        f"({schedule.timezone})"
    )
