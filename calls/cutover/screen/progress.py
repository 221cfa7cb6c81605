"""Moves of many numbers, and readings from Twilio, as they go on: how far each is, and what became of every number."""

from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from calls.cutover.batches import SILENT
from calls.cutover.screen.rights import require, rights
from calls.cutover.screen.words import BATCH_TONES, ITEM_TONES, change_rows, kind_words, state_badge
from calls.models import CutoverBatch, CutoverBatchItem
from tools.adminkit import HistoryAdmin, badge, clipped, moment

Status = CutoverBatch.Status
LIVE: Final = (Status.WAITING, Status.RUNNING)
PER_PAGE: Final = 100
NO_WORKER: Final = "Nobody seems to work on it. See that a worker runs for the queue “records”; it is gone on with by itself within minutes then."
_UNSEEN: Final = timedelta(seconds=30)


@admin.register(CutoverBatch)
class BatchAdmin(HistoryAdmin):
    """What was begun on the cutover screen. Nobody changes it here."""

    page_template = "admin/cutover/progress.html"
    list_display = ["began", "what", "status_label", "counted", "who", "reason_text"]
    list_display_links = ["began", "what"]
    list_filter = ["status", "kind"]
    search_fields = ["actor_label", "reason", "items__number__did"]
    search_help_text = "By who, why, or a number."

    def has_module_permission(self, request: HttpRequest) -> bool:
        return rights_view(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return rights_view(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CutoverBatch]:
        queryset: QuerySet[CutoverBatch] = super().get_queryset(request)
        return queryset

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        state = path("<uuid:batch_id>/state/", wrap(state_page), name="calls_cutoverbatch_state")
        return [state, *super().get_urls()]

    @admin.display(description="began", ordering="created_at")
    def began(self, batch: CutoverBatch) -> SafeString | str:
        return moment(batch.created_at)

    @admin.display(description="what", ordering="kind")
    def what(self, batch: CutoverBatch) -> str:
        return batch_title(batch)

    @admin.display(description="status", ordering="status")
    def status_label(self, batch: CutoverBatch) -> SafeString:
        return status_badge(batch)

    @admin.display(description="numbers")
    def counted(self, batch: CutoverBatch) -> str:
        return str(batch.done) if batch.total is None else f"{batch.done} of {batch.total}"

    @admin.display(description="who", ordering="actor_label")
    def who(self, batch: CutoverBatch) -> str:
        return clipped(batch.actor_label, 40)

    @admin.display(description="why")
    def reason_text(self, batch: CutoverBatch) -> str:
        return clipped(batch.reason) or "-"

    def page_title(self, obj: CutoverBatch) -> str:
        return batch_title(obj)

    def page_context(self, request: HttpRequest, obj: CutoverBatch) -> dict[str, Any]:
        page = Paginator(_items(obj), PER_PAGE).get_page(request.GET.get("page"))
        facts = [
            ("Status", status_badge(obj)),
            ("Began", moment(obj.created_at)),
            ("By", obj.actor_label),
            ("Ended", moment(obj.finished_at) if obj.finished_at else "Not yet"),
        ]
        if obj.kind != CutoverBatch.Kind.SYNC:
            facts.append(("Reason", obj.reason or "-"))
        facts += [(f"Gate “{one.get('gate')}” overridden", one.get("reason")) for one in obj.overrides]
        return {
            **rights(request),
            "facts": facts,
            "is_sync": obj.kind == CutoverBatch.Kind.SYNC,
            "live": obj.status in LIVE,
            "stuck": NO_WORKER if is_stuck(obj) else "",
            "failed": obj.status == Status.FAILED,
            "sync": _sync_lines(obj),
            "accounts": obj.summary.get("accounts", []) if obj.kind == CutoverBatch.Kind.SYNC else [],
            "trouble": obj.summary.get("trouble", "") if obj.kind == CutoverBatch.Kind.SYNC else "",
            "page": page,
            "items": [item_row(item) for item in page.object_list],
            "counts": _counts(obj),
            "list_url": reverse("admin:calls_cutovernumber_changelist"),
        }


def rights_view(request: HttpRequest) -> bool:
    """Whether the person may see numbers, and with that all that was done to them."""
    return request.user.has_perm("calls.view_phonenumber")


def state_page(request: HttpRequest, batch_id: Any) -> HttpResponse:
    """How far it is, for the script of its page: the words, the bar, and the rows that the page shows."""
    require(request)
    batch = CutoverBatch.objects.filter(pk=batch_id).first()
    if batch is None:
        raise Http404("There is no such move.")
    page = Paginator(_items(batch), PER_PAGE).get_page(request.GET.get("page"))
    return JsonResponse(
        {
            "live": batch.status in LIVE,
            "stuck": is_stuck(batch),
            "text": batch.progress,
            "done": batch.done,
            "total": batch.total,
            "items": [
                {
                    "id": str(item.pk),
                    "status": item.get_status_display(),
                    "tone": ITEM_TONES.get(item.status, "plain"),
                    "message": item.message,
                }
                for item in page.object_list
                if item.status != CutoverBatchItem.Status.WAITING
            ],
        }
    )


def item_row(item: CutoverBatchItem) -> dict[str, Any]:
    """What became of one number, for a table: in words, with the fields that were not as shown."""
    operation = item.operation
    return {
        "id": item.pk,
        "number": item.number,
        "state": state_badge(item.number),
        "status": badge(item.get_status_display(), ITEM_TONES.get(item.status, "plain")),
        "message": item.message,
        "differences": change_rows(operation.differences) if operation is not None else [],
        "snapshot": str(item.target_id or ""),
        "again": item.status in (CutoverBatchItem.Status.REFUSED, CutoverBatchItem.Status.FAILED),
    }


def batch_title(batch: CutoverBatch) -> str:
    """What was begun, as a heading."""
    if batch.kind == CutoverBatch.Kind.SYNC:
        return "Reading numbers from Twilio"
    many = "1 number" if batch.total == 1 else f"{batch.total} numbers"
    return f"{kind_words(batch.kind, batch.percent)}: {many}"


def status_badge(batch: CutoverBatch) -> SafeString:
    """How it stands, as a coloured label."""
    if is_stuck(batch):
        return badge("Stuck", "warn", title=NO_WORKER)
    return badge(batch.get_status_display(), BATCH_TONES.get(batch.status, "plain"))


def is_stuck(batch: CutoverBatch) -> bool:
    """Whether a worker should have given a sign of life by now."""
    now = timezone.now()
    if batch.status == Status.WAITING:
        return now - batch.created_at > _UNSEEN
    return batch.status == Status.RUNNING and batch.beat_at is not None and now - batch.beat_at > SILENT


def _items(batch: CutoverBatch) -> QuerySet[CutoverBatchItem]:
    return batch.items.select_related("number", "operation").order_by("position")


def _counts(batch: CutoverBatch) -> list[tuple[SafeString, int]]:
    if batch.kind == CutoverBatch.Kind.SYNC or batch.status in LIVE:
        return []
    return [
        (badge(status.label, ITEM_TONES.get(status, "plain")), batch.summary.get(status, 0))
        for status in CutoverBatchItem.Status
        if batch.summary.get(status)
    ]


def _sync_lines(batch: CutoverBatch) -> list[tuple[str, list[str]]]:
    """What a reading found: the title and its numbers, the first fifty of them."""
    told = (
        ("changed", "Changed behind our back"),
        ("found", "New here"),
        ("gone", "Gone from their account"),
        ("returned", "Back in an account"),
        ("seen", "Answered by somebody else now"),
        ("changed_back", "As we wrote them again"),
        ("skipped", "Left out"),
    )
    found = []
    for name, title in told:
        listed = batch.summary.get(name) if batch.kind == CutoverBatch.Kind.SYNC else None
        if listed:
            more = [f"and {len(listed) - 50} more"] if len(listed) > 50 else []
            found.append((f"{title}: {len(listed)}", [str(one) for one in listed[:50]] + more))
    return found
