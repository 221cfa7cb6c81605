"""Who opened which call, and erasing a caller, in the admin."""

import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from calls.erasing.erasing import StillTalkingError, caller_erase, number_digests
from calls.erasing.forms import EraseForm
from calls.erasing.numbers import NotANumberError, number_read
from calls.models import CallOpened, Erasure
from tools.adminkit import HistoryAdmin, SinceFilter, moment, object_link

_BUSY = (
    "It could not be done just now: one of these calls is being written. What was deleted before stays deleted. Do it again in a "
    "minute."
)


class OpenedSinceFilter(SinceFilter):
    column = "at"


@admin.register(CallOpened)
class CallOpenedAdmin(HistoryAdmin):
    """Who looked at which call. Nobody can change it, the database itself refuses to."""

    page_template = "admin/tandem/problem.html"
    list_display = ["when", "who", "what_label", "call"]
    list_filter = [OpenedSinceFilter, "what"]
    search_fields = ["actor_label"]
    search_help_text = "By the name of who opened it, or the id of a call."
    ordering = ["-at", "-id"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CallOpened], search_term: str
    ) -> tuple[QuerySet[CallOpened], bool]:
        return queryset.filter(_by(search_term)) if search_term.strip() else queryset, False

    @admin.display(description="when", ordering="at")
    def when(self, row: CallOpened) -> SafeString | str:
        return moment(row.at)

    @admin.display(description="who", ordering="actor_label")
    def who(self, row: CallOpened) -> str:
        return row.actor_label

    @admin.display(description="what", ordering="what")
    def what_label(self, row: CallOpened) -> str:
        return row.get_what_display()

    @admin.display(description="call")
    def call(self, row: CallOpened) -> SafeString:
        return object_link("calls_call", row.call_id, str(row.call_id))

    def page_title(self, obj: CallOpened) -> str:
        return f"Opened by {obj.actor_label}"

    def page_context(self, request: HttpRequest, obj: CallOpened) -> dict[str, Any]:
        return {
            "facts": [
                ("Who", obj.actor_label),
                ("What", obj.get_what_display()),
                ("When", moment(obj.at)),
                ("Call", self.call(obj)),
            ]
        }


def _by(term: str) -> Q:
    """What somebody looks for: the name of a person or a key, or the id of a call."""
    try:
        return Q(call_id=uuid.UUID(term.strip()))
    except ValueError:
        return Q(actor_label__icontains=term.strip())


@admin.register(Erasure)
class ErasureAdmin(HistoryAdmin):
    """Receipts, and the page on which a caller is erased."""

    page_template = "admin/tandem/erasure.html"
    change_list_template = "admin/tandem/erasures.html"
    list_display = ["receipt", "when", "what", "calls_n", "who"]
    list_filter = [OpenedSinceFilter, "kind"]
    ordering = ["-at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(self.erase_view))
        return [path("caller/", view, name="calls_erasure_caller"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may = {"may_erase": request.user.has_perm("calls.erase_caller")}
        return super().changelist_view(request, may | (extra_context or {}))

    def erase_view(self, request: HttpRequest) -> HttpResponse:
        """Look up a number, see what would be deleted, and have it deleted."""
        if not request.user.has_perm("calls.erase_caller"):
            raise PermissionDenied
        form = EraseForm(request.POST if request.method == "POST" else None)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Erase a caller",
            "form": form,
        }
        if request.method == "POST" and form.is_valid():
            done = self._erase(request, form, context)
            if done is not None:
                return done
        return TemplateResponse(request, "admin/tandem/erase_caller.html", context)

    def _erase(self, request: HttpRequest, form: EraseForm, context: dict[str, Any]) -> HttpResponse | None:
        number, sure = form.caller.canonical, form.cleaned_data["sure"] and "erase" in request.POST
        try:
            receipt = caller_erase(number, actor=request.user, dry_run=not sure)
        except (StillTalkingError, NotANumberError) as exc:
            form.add_error("number", str(exc))
            return None
        except OperationalError:
            form.add_error(None, _BUSY)
            return None
        if sure:
            messages.success(request, "Erased. This is the receipt; it does not tell whose calls they were.")
            return HttpResponseRedirect(reverse("admin:calls_erasure_change", args=[receipt.id]))
        if "erase" in request.POST:
            form.add_error("sure", "Tick this to delete it for good.")
        context |= {
            "looked_up": True,
            "calls_n": receipt.calls_n,
            "counts": receipt.counts.items(),
            "earlier": [
                object_link("calls_erasure", one.pk, f"Receipt of {one.at:%d %b %Y}")
                for one in Erasure.objects.filter(digest__in=number_digests(number_read(number)))[:5]
            ],
        }
        return None

    @admin.display(description="receipt", ordering="id")
    def receipt(self, row: Erasure) -> str:
        return str(row.pk)

    @admin.display(description="when", ordering="at")
    def when(self, row: Erasure) -> SafeString | str:
        return moment(row.at)

    @admin.display(description="what", ordering="kind")
    def what(self, row: Erasure) -> str:
        return row.get_kind_display()

    @admin.display(description="who", ordering="actor_label")
    def who(self, row: Erasure) -> str:
        return row.actor_label

    def page_context(self, request: HttpRequest, obj: Erasure) -> dict[str, Any]:
        return {
            "facts": [
                ("Receipt", str(obj.pk)),
                ("What", obj.get_kind_display()),
                ("When", moment(obj.at)),
                ("Who", obj.actor_label),
                ("Calls", obj.calls_n),
                *(
                    [("Digest of the number", format_html("<code>{}</code>", obj.digest))]
                    if obj.digest
                    else []
                ),
            ],
            "counts": obj.counts.items(),
            "notes": obj.notes,
        }
