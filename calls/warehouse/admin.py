"""Deliveries to the warehouse in the admin: what waits, what was given up and why, and sending again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from calls.models import WarehouseDelivery
from calls.warehouse import outbox
from tools.adminkit import HistoryAdmin, SinceFilter, Tone, badge, clipped, moment, object_link

State = WarehouseDelivery.State
TONES: dict[str, Tone] = {"waiting": "info", "sent": "good", "dead": "bad", "erased": "plain"}


@admin.register(WarehouseDelivery)
class WarehouseDeliveryAdmin(HistoryAdmin):
    """Calls on their way to the warehouse."""

    page_template = "admin/tandem/delivery.html"
    list_display = ["call_label", "state_label", "rows_label", "sent", "error_text", "due"]
    list_filter = ["state", "task", SinceFilter]
    search_fields = ["=call_id"]
    search_help_text = "By the id of a call."
    actions = ["send_again"]  # type: ignore[assignment]  # the pages of others have none

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Whether the user may have calls sent again."""
        return request.user.has_perm("calls.resend_warehousedelivery")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not outbox.is_on():
            messages.info(
                request,
                "No warehouse is used beside our own database (WAREHOUSE is postgres), so nothing is sent.",
            )
        return super().changelist_view(request, extra_context)

    @admin.display(description="call", ordering="id")
    def call_label(self, row: WarehouseDelivery) -> str:
        return str(row.call_id)

    @admin.display(description="state", ordering="state")
    def state_label(self, row: WarehouseDelivery) -> SafeString:
        erasing = row.task == WarehouseDelivery.Task.ERASE and row.state == State.WAITING
        text = "Being erased" if erasing else row.get_state_display()
        return badge(text, "warn" if erasing else TONES.get(row.state, "plain"))

    @admin.display(description="rows", ordering="rows_n")
    def rows_label(self, row: WarehouseDelivery) -> str:
        return f"{row.rows_n:,}"

    @admin.display(description="sent", ordering="sent_at")
    def sent(self, row: WarehouseDelivery) -> SafeString | str:
        return moment(row.sent_at)

    @admin.display(description="last trouble")
    def error_text(self, row: WarehouseDelivery) -> str:
        return clipped(row.error, 100) or "-"

    @admin.display(description="looked at next", ordering="due_at")
    def due(self, row: WarehouseDelivery) -> SafeString | str:
        return moment(row.due_at)

    @admin.action(description="Send again", permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[WarehouseDelivery]) -> None:
        done = outbox.deliveries_retry(queryset.values_list("pk", flat=True))
        messages.success(
            request, f"{done} deliver{'y' if done == 1 else 'ies'} will be tried again within a minute."
        )

    def page_title(self, obj: WarehouseDelivery) -> str:
        return "Delivery to the warehouse"

    def page_context(self, request: HttpRequest, obj: WarehouseDelivery) -> dict[str, Any]:
        facts = [
            ("Call", object_link("calls_call", obj.call_id, obj.call_id)),
            ("What is done", obj.get_task_display()),
            ("State", self.state_label(obj)),
            ("Last trouble", obj.error or "-"),
            ("Refused attempts", obj.attempts_n),
            ("Looked at next", moment(obj.due_at)),
            ("Sent", moment(obj.sent_at)),
            ("Rows", obj.rows_n),
            ("Revision there", obj.sent_revision or "None yet"),
            ("Out of sight since", moment(obj.hidden_at)),
        ]
        return {"facts": facts}
