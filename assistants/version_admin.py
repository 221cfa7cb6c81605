"""Published versions: what callers heard, and hear."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from assistants.models import (
    AssistantVersion,
)
from assistants.pages import snapshot_view
from tools.adminkit import (
    HistoryAdmin,
    badge,
    clipped,
    json_pretty,
    moment,
    object_link,
)


@admin.register(AssistantVersion)
class AssistantVersionAdmin(HistoryAdmin):
    """What callers heard, and hear."""

    page_template = "admin/assistants/version.html"
    list_display = ["title", "live_label", "published", "author", "note_text", "calls_link"]
    list_filter = ["assistant"]
    search_fields = ["assistant__name", "note", "author__username"]
    search_help_text = "By assistant, note or author."
    ordering = ["-published_at", "-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AssistantVersion]:
        calls = AssistantVersion.objects.filter(pk=OuterRef("pk"), calls__isnull=False)
        queryset: QuerySet[AssistantVersion] = super().get_queryset(request)
        match = request.resolver_match
        if match is None or "object_id" not in match.kwargs:
            # What programs sent along with calls is reached from these, and stands in no list.
            queryset = queryset.filter(assistant__transient=None)
        queryset = queryset.select_related("assistant__transient", "author")
        # Not how many: for that every call of the version would be read.
        queryset = queryset.annotate(has_calls=Exists(calls))
        return queryset.defer("assistant__server_secret", "assistant__instructions")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = changelist.result_list.defer(
            "snapshot", "assistant__server_secret", "assistant__instructions"
        )
        return changelist

    @admin.display(description="version", ordering="assistant__name")
    def title(self, version: AssistantVersion) -> str:
        return f"{version.assistant.name}, version {version.number}"

    @admin.display(description="live")
    def live_label(self, version: AssistantVersion) -> SafeString | str:
        return badge("Live", "good") if version.assistant.live_version_id == version.pk else "-"

    @admin.display(description="published", ordering="published_at")
    def published(self, version: AssistantVersion) -> SafeString | str:
        return moment(version.published_at)

    @admin.display(description="note")
    def note_text(self, version: AssistantVersion) -> str:
        return clipped(version.note) or "-"

    @admin.display(description="calls")
    def calls_link(self, version: Any) -> SafeString | str:
        if not version.has_calls:
            return "None"
        url = reverse("admin:calls_call_changelist")
        return format_html(
            '<a class="t-link" href="{}?version__id__exact={}" aria-label="Its calls: {}">Its calls</a>',
            url, version.pk, self.title(version),
        )  # fmt: skip

    def page_title(self, obj: AssistantVersion) -> str:
        return self.title(obj)

    def page_context(self, request: HttpRequest, obj: AssistantVersion) -> dict[str, Any]:
        if (made_of := obj.assistant.transient) is not None:
            told: list[tuple[str, object]] = [
                ("Sent along with calls", made_of.get_kind_display()),
                ("By", made_of.made_by or "-"),
                ("First", moment(made_of.made_at)),
                ("Last asked for", moment(made_of.used_at)),
                ("Calls that ran on it", self.calls_link(obj)),
                *(("Done differently here", clipped(note, 400)) for note in made_of.notes),
            ]
            return {"facts": told, "view": snapshot_view(obj.snapshot), "raw": json_pretty(obj.snapshot)}
        facts = [
            ("Assistant", object_link("assistants_assistant", obj.assistant_id, obj.assistant.name)),
            ("Live", self.live_label(obj) if self.live_label(obj) != "-" else "No, a newer version is"),
            ("Published", moment(obj.published_at)),
            ("By", obj.author or "Nobody: by a command or an import"),
            ("Note", obj.note or "-"),
            ("Calls that ran on it", self.calls_link(obj)),
        ]
        return {"facts": facts, "view": snapshot_view(obj.snapshot), "raw": json_pretty(obj.snapshot)}
