"""Server messages in the admin: what waits, what was given up and why, sending again, and deleting."""

from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from calls.messages.outbox import messages_drop, messages_resend
from calls.models import ServerMessage
from tools.adminkit import HistoryAdmin, SinceFilter, Tone, badge, clipped, moment, ms_text, object_link

State = ServerMessage.State
TONES: Final[dict[str, Tone]] = {"waiting": "info", "sent": "good", "dead": "bad", "skipped": "plain"}


class TroubleFilter(admin.SimpleListFilter):
    """Messages that went well at once, and those that did not."""

    title = "trouble"
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("given_up", "Given up"), ("again", "To be tried again"), ("late", "Arrived late")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ServerMessage]) -> QuerySet[ServerMessage]:
        match self.value():
            case "given_up":
                return queryset.filter(state=State.DEAD)
            case "again":
                return queryset.filter(state=State.WAITING, attempts_n__gt=0)
            case "late":
                return queryset.filter(state=State.SENT, attempts_n__gt=1)
            case _:
                return queryset


@admin.register(ServerMessage)
class ServerMessageAdmin(HistoryAdmin):
    """What was told to customers' servers, or could not be. Bodies are not kept: they are made of the call's rows."""

    page_template = "admin/tandem/server_message.html"
    list_display = [
        "kind_label",
        "call_label",
        "state_label",
        "host_label",
        "tries_label",
        "error_text",
        "at_label",
    ]
    list_filter = [TroubleFilter, "state", "kind", "server_from", SinceFilter]
    search_fields = ["=call__id", "=call__call_sid", "=public_id", "host"]
    search_help_text = "By the id of a call, Twilio's, the message's own, or its server's host."
    list_select_related = ["call"]
    actions = ["send_again", "delete_chosen"]  # type: ignore[assignment]  # the pages of others have none
    always_sortable = ["kind_label"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServerMessage]:
        return super().get_queryset(request).only(
            "kind", "state", "server_from", "host", "attempts_n", "resent_n", "http_status", "error", "elapsed_ms", "at", "due_at",
            "tried_at", "sent_at", "created_at", "public_id", "facts", "part", "call__did", "call__caller",
        )  # fmt: skip

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Whether the user may have messages sent again."""
        return request.user.has_perm("calls.resend_servermessage")

    def has_drop_permission(self, request: HttpRequest) -> bool:
        """Whether the user may delete messages."""
        return request.user.has_perm("calls.delete_servermessage")

    def get_urls(self) -> list[URLPattern]:
        again = path(
            "<int:pk>/again/",
            self.admin_site.admin_view(require_POST(self.again_view)),
            name="calls_servermessage_again",
        )
        return [again, *super().get_urls()]

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have one message sent again."""
        if not self.has_resend_permission(request):
            raise Http404
        self._resent(request, messages_resend([pk]))
        return HttpResponseRedirect(reverse("admin:calls_servermessage_change", args=[pk]))

    @admin.display(description="message", ordering="-id")
    def kind_label(self, row: ServerMessage) -> SafeString | str:
        status = row.facts.get("status") if isinstance(row.facts, dict) else None
        return f"{row.kind}, {status}" if status else row.kind

    @admin.display(description="call")
    def call_label(self, row: ServerMessage) -> SafeString:
        return object_link("calls_call", row.call_id, str(row.call_id)[:8])

    @admin.display(description="state", ordering="state")
    def state_label(self, row: ServerMessage) -> SafeString:
        trouble = row.state == State.WAITING and row.attempts_n > 0 and bool(row.error)
        return badge(
            "To be tried again" if trouble else row.get_state_display(),
            "warn" if trouble else TONES[row.state],
        )

    @admin.display(description="server", ordering="host")
    def host_label(self, row: ServerMessage) -> str:
        return clipped(row.host, 40) or "-"

    @admin.display(description="attempts", ordering="attempts_n")
    def tries_label(self, row: ServerMessage) -> str:
        return f"{row.attempts_n} ({row.http_status})" if row.http_status else str(row.attempts_n)

    @admin.display(description="last trouble")
    def error_text(self, row: ServerMessage) -> str:
        return clipped(row.error, 80) or "-"

    @admin.display(description="true since", ordering="at")
    def at_label(self, row: ServerMessage) -> SafeString | str:
        return moment(row.at)

    @admin.action(description="Send again", permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[ServerMessage]) -> None:
        self._resent(request, messages_resend(queryset.values_list("pk", flat=True)))

    @admin.action(description="Delete", permissions=["drop"])
    def delete_chosen(self, request: HttpRequest, queryset: QuerySet[ServerMessage]) -> None:
        done = messages_drop(queryset.values_list("pk", flat=True))
        messages.success(
            request, f"{done} message{'' if done == 1 else 's'} deleted. Who has not got one gets it no more."
        )

    def _resent(self, request: HttpRequest, done: int) -> None:
        if done:
            messages.success(
                request,
                f"{done} message{'' if done == 1 else 's'} will be sent within seconds, to where the server is now.",
            )
        else:
            messages.warning(
                request,
                "Nothing to send: it is on its way just now, or was a question to which nobody waits for an answer any more.",
            )

    def page_title(self, obj: ServerMessage) -> str:
        return f"Server message {obj.kind}"

    def page_context(self, request: HttpRequest, obj: ServerMessage) -> dict[str, Any]:
        facts = [
            ("Call", object_link("calls_call", obj.call_id, obj.call_id)),
            ("What", self.kind_label(obj)),
            ("True since", moment(obj.at)),
            ("State", self.state_label(obj)),
            (
                "Server",
                ", ".join(filter(None, (obj.get_server_from_display(), obj.host))) or "-",
            ),
            ("Last trouble", obj.error or "-"),
            ("HTTP status", obj.http_status or "-"),
            ("Attempts", obj.attempts_n),
            ("Last attempt", moment(obj.tried_at)),
            ("It took", ms_text(obj.elapsed_ms)),
            ("Next attempt", moment(obj.due_at)),
            ("Arrived", moment(obj.sent_at)),
            ("Sent again by people", obj.resent_n),
            ("Idempotency-Key", obj.public_id),
        ]
        may = self.has_resend_permission(request) and obj.kind != "assistant-request"
        url = reverse("admin:calls_servermessage_again", args=[obj.pk]) if may else ""
        return {"facts": facts, "again_url": url}
