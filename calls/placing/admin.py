"""Calls that we place, in the admin: the list of them, calling one off, and the page on which staff has somebody called."""

import logging
import uuid
from collections.abc import Collection
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST

from assistants.models import Assistant
from calls.concurrency.room import room
from calls.models import AHEAD, LIVE, Call, Placing
from calls.placing.cancelling import call_cancel, calls_cancellable
from calls.placing.forms import PlaceForm
from calls.placing.revoking_page import PLACE, revoke_page
from calls.placing.services import Orderer, calls_place
from calls.placing.tasks import calls_hang_up, have_done
from calls.placing.telling import placed_tell
from tools.access.errors import ApiError
from tools.adminkit import HistoryAdmin, Tone, badge, clipped, moment, object_link, unbroken

logger = logging.getLogger(__name__)

_TONES: Final[dict[str, Tone]] = {
    Call.Status.SCHEDULED: "plain",
    Call.Status.QUEUED: "info",
    Call.Status.RINGING: "info",
    Call.Status.IN_PROGRESS: "good",
    Call.Status.FORWARDING: "warn",
}


class StageFilter(admin.SimpleListFilter):
    """Calls to come, those on the line, and those that are over."""

    title = "stage"
    parameter_name = "stage"
    _stages: Final = {"ahead": AHEAD, "live": LIVE, "over": (Call.Status.ENDED,)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("ahead", "To come"), ("live", "On the line"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Placing]) -> QuerySet[Placing]:
        stage = self._stages.get(self.value() or "")
        return queryset.filter(call__status__in=stage) if stage else queryset


@admin.register(Placing)
class PlacingAdmin(HistoryAdmin):
    """Outbound calls, the latest first."""

    page_template = "admin/placing/call.html"
    change_list_template = "admin/placing/list.html"
    list_display = ["to", "status", "due", "sender", "assistant", "by", "why"]
    list_display_links = ["to"]
    list_filter = [StageFilter, "call__assistant"]
    list_select_related = ["call__assistant", "request"]
    search_fields = ["call__caller", "call__did", "call__name", "request__by_label"]
    search_help_text = "By a number, the name of the call, or who asked for it."
    ordering = ["-due_at"]
    actions = ["call_off_chosen"]  # type: ignore[assignment]  # the pages of others have none

    def has_place_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may have calls placed, and call them off."""
        return request.user.has_perm(PLACE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Placing]:
        queryset: QuerySet[Placing] = super().get_queryset(request)
        return queryset.defer(
            "call__assistant__instructions",
            "call__assistant__server_secret",
            "call__assistant__server_headers",
        )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "place/",
                wrap(require_http_methods(["GET", "HEAD", "POST"])(self.place_view)),
                name="calls_placing_place",
            ),
            path("revoke-keys/", wrap(self.revoke_view), name="calls_placing_revoke_keys"),
            path(
                "<uuid:call_id>/call-off/",
                wrap(require_POST(self.call_off_view)),
                name="calls_placing_call_off",
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        found = room(now=timezone.now())
        more = {"may_place": request.user.has_perm(PLACE), "limit": found.limit, "taken": found.taken}
        return super().changelist_view(request, more | (extra_context or {}))

    # --- The list

    @admin.display(description="to", ordering="call__caller")
    def to(self, row: Placing) -> SafeString:
        return unbroken(row.call.caller or "Deleted")

    @admin.display(description="status", ordering="call__status")
    def status(self, row: Placing) -> SafeString:
        if row.call.status == Call.Status.QUEUED and row.state == Placing.State.WAITING:
            return badge("Waiting for its turn", "info")
        return badge(row.call.get_status_display(), _TONES.get(row.call.status, "plain"))

    @admin.display(description="due", ordering="due_at")
    def due(self, row: Placing) -> SafeString | str:
        return moment(row.due_at)

    @admin.display(description="from", ordering="call__did")
    def sender(self, row: Placing) -> SafeString:
        return unbroken(row.call.did or "-")

    @admin.display(description="assistant", ordering="call__assistant__name")
    def assistant(self, row: Placing) -> str:
        return clipped(row.call.assistant.name, 40) if row.call.assistant else "-"

    @admin.display(description="by", ordering="request__by_label")
    def by(self, row: Placing) -> str:
        return clipped(row.request.by_label, 40)

    @admin.display(description="ended", ordering="call__ended_reason")
    def why(self, row: Placing) -> str:
        return row.call.ended_reason or "-"

    # --- One call

    def page_title(self, obj: Placing) -> str:
        return f"Call to {obj.call.caller or 'a deleted number'}"

    def page_context(self, request: HttpRequest, obj: Placing) -> dict[str, Any]:
        call = obj.call
        problem = call.problems.filter(key="placing").first()
        return {
            "facts": [
                ("Status", self.status(obj)),
                ("Ended", self.why(obj)),
                ("Why", problem.message if problem else "-"),
                ("From", call.did or "-"),
                ("Assistant", self.assistant(obj)),
                ("Person", obj.customer.get("name") or "-"),
                ("Asked for", moment(call.created_at)),
                ("By", obj.request.by_label or "-"),
                ("Not before", moment(obj.earliest_at)),
                ("Given up after", moment(obj.give_up_at)),
                ("Dialled", moment(obj.claimed_at)),
                ("Orders to Twilio", obj.attempts),
                ("Answered", moment(obj.answered_at)),
                ("Answered by", obj.answered_by or "-"),
                ("Record", object_link("calls_call", call.pk, "The call's page")),
            ],
            "may_call_off": request.user.has_perm(PLACE) and bool(calls_cancellable([call.pk])),
        }

    def call_off_view(self, request: HttpRequest, call_id: Any) -> HttpResponse:
        """Call off a call that nobody has answered yet."""
        user = request.user
        if not isinstance(user, User) or not user.has_perm(PLACE) or not self.has_view_permission(request):
            raise PermissionDenied
        if _called_off(user, [call_id]):
            messages.success(request, "The call is off.")
        else:
            messages.warning(
                request, "It was answered meanwhile, or is over. A running call is ended on its live page."
            )
        return HttpResponseRedirect(reverse("admin:calls_placing_change", args=[call_id]))

    @admin.action(description="Call off", permissions=["place"])
    def call_off_chosen(self, request: HttpRequest, queryset: QuerySet[Placing]) -> None:
        """Call off those of the chosen calls that nobody has answered yet."""
        user = request.user
        assert isinstance(user, User)  # nobody else is staff
        chosen = list(queryset.values_list("pk", flat=True))
        done = _called_off(user, calls_cancellable(chosen))
        if done:
            messages.success(request, f"{done} call{' is' if done == 1 else 's are'} off.")
        if left := len(chosen) - done:
            messages.warning(
                request,
                f"{left} {'was' if left == 1 else 'were'} answered meanwhile, or over. A running call is ended on its live page.",
            )

    # --- Placing one

    def revoke_view(self, request: HttpRequest) -> HttpResponse:
        """Revoke keys of programs, and call off what they have ordered."""
        return revoke_page(request, site=self.admin_site)

    def place_view(self, request: HttpRequest) -> HttpResponse:
        """Have somebody called."""
        user = request.user
        if not isinstance(user, User) or not user.has_perm(PLACE):
            raise PermissionDenied
        posted = request.method == "POST"
        form = PlaceForm(request.POST) if posted else PlaceForm(initial=_initial(request))
        if posted and form.is_valid():
            try:
                placed = calls_place(form.body(), Orderer(user.get_username(), user=user), now=timezone.now())
            except ApiError as exc:
                for one in [exc.message] if isinstance(exc.message, str) else exc.message:
                    form.add_error("number" if one.startswith("customer.") else None, _for_people(one))
            else:
                if placed.again:
                    messages.info(
                        request, "This very call was asked for a moment ago; it was not placed twice."
                    )
                else:
                    placed_tell(placed)
                    logger.info("a call was placed by hand", extra={"by": f"user {user.pk}"})
                return HttpResponseRedirect(reverse("admin:calls_placing_change", args=[placed.call_ids[0]]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Place a call",
            "form": form,
        }
        return TemplateResponse(request, "admin/placing/place.html", context)


def _called_off(user: User, call_ids: Collection[uuid.UUID]) -> int:
    """How many of the calls are off, which stands in the history of what staff has done."""
    done = [call_id for call_id in call_ids if call_cancel(call_id, now=timezone.now())]
    if done:
        have_done(calls_hang_up)
        LogEntry.objects.log_actions(
            user.pk, Call.objects.filter(pk__in=done), CHANGE, change_message="Called off."
        )
    return len(done)


def _initial(request: HttpRequest) -> dict[str, Any]:
    """The assistant that the page was opened from, and the number that it answers."""
    wanted = request.GET.get("assistant", "")
    try:
        found = Assistant.objects.filter(pk=uuid.UUID(wanted)).first()
    except ValueError:
        return {}
    number = found.phone_numbers.order_by("did").first() if found else None
    return {"assistant": found.pk if found else None, "phone_number": number.pk if number else None}


def _for_people(sentence: str) -> str:
    plain = sentence.removeprefix("customer.number ").removeprefix("Couldn't Start Call. ")
    return f"The number {plain}" if sentence.startswith("customer.number ") else plain
