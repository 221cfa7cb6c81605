"""Records that could not be written: seen, tried again, deleted."""

from typing import Any

from django.contrib import admin, messages
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.utils.safestring import SafeString

from calls.lasting.records import unwritten_write
from calls.models import UnwrittenRecord
from tools.adminkit import SinceFilter, WrittenElsewhereAdmin, moment, object_link

# Nobody waits for longer than a page may take.
MOST_AT_ONCE = 500
_BUSY = "The database is busy with one of these just now, or away. What was not written stays here. Do it again in a minute."


@admin.register(UnwrittenRecord)
class UnwrittenRecordAdmin(WrittenElsewhereAdmin):
    """What a worker put aside. Its content is shown nowhere: it may hold what was said."""

    list_display = ["kept_at", "task", "call_link", "error", "tries", "tried"]
    list_filter = [SinceFilter, "task"]
    search_fields = ["call_id", "task", "error"]
    search_help_text = "By call id, task or error."
    fields = ["task", "call_id", "error", "tries", "created_at", "tried_at"]
    readonly_fields = ["task", "call_id", "error", "tries", "created_at", "tried_at"]
    actions = ["write_again"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("content")

    @admin.display(description="put aside", ordering="created_at")
    def kept_at(self, kept: UnwrittenRecord) -> SafeString | str:
        return moment(kept.created_at)

    @admin.display(description="tried", ordering="tried_at")
    def tried(self, kept: UnwrittenRecord) -> SafeString | str:
        return moment(kept.tried_at)

    @admin.display(description="call", ordering="call_id")
    def call_link(self, kept: UnwrittenRecord) -> SafeString | str:
        return object_link("calls_call", kept.call_id, kept.call_id) if kept.call_id else "-"

    @admin.action(description="Write again", permissions=["delete"])
    def write_again(self, request: HttpRequest, queryset: Any) -> None:
        wanted = list(queryset.order_by("created_at", "pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        done: list[bool] = []
        try:
            for kept in UnwrittenRecord.objects.filter(pk__in=wanted[:MOST_AT_ONCE]).order_by(
                "created_at", "pk"
            ):
                done.append(unwritten_write(kept))  # noqa: PERF401  # what was done before it broke off is told
        except (OperationalError, InterfaceError):
            self.message_user(request, _BUSY, messages.ERROR)
        written, left = sum(done), len(done) - sum(done)
        if written:
            self.message_user(
                request, f"{written} record{'s were' if written > 1 else ' was'} written.", messages.SUCCESS
            )
        if left:
            self.message_user(
                request,
                f"{left} could not be written; the newest reason stands beside each.",
                messages.WARNING,
            )
        if len(wanted) > MOST_AT_ONCE:
            self.message_user(
                request,
                f"These were the {MOST_AT_ONCE} oldest of those chosen. Do it again for the others.",
                messages.WARNING,
            )
