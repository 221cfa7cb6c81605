"""Assistants: drafts that ops staff edit, and publish."""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, ForeignKey, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from assistants import catalogue_admin, squad_admin, version_admin  # noqa: F401  # they register their pages
from assistants.analysis_form import FIELDS as ANALYSIS_FIELDS
from assistants.forms import AssistantForm, PublishForm
from assistants.imports import admin as imports_admin  # noqa: F401  # registers its pages
from assistants.imports import objects_admin  # noqa: F401  # registers its pages
from assistants.linting.page import lint_page
from assistants.models import (
    Assistant,
    AssistantTool,
)
from assistants.pages import snapshot_view
from assistants.selectors import findings_counted, open_decisions_n
from assistants.services import assistant_publish, guardrails_add, publish_problems
from assistants.signals import publish_checks
from assistants.snapshots import draft_differs, snapshot_take, tool_links_prefetch
from assistants.voices import admin as voice_admin  # noqa: F401  # registers its pages
from tools.adminkit import (
    SecretAdmin,
    TabularInline,
    badge,
    object_link,
)
from tools.auth.pages import hosts_remind
from tools.formparts import has_headers, headers_state
from tools.models import Tool

NUMBERS_SHOWN = 3


class AssistantToolInline(TabularInline[AssistantTool, Assistant]):
    """The tools that an assistant offers, in the order in which the model reads them."""

    model = AssistantTool
    extra = 0
    fields = ["tool", "position"]
    autocomplete_fields = ["tool"]
    hide_title = True  # it would repeat the tool's name
    verbose_name = "tool"
    verbose_name_plural = "Tools that the assistant may use"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AssistantTool]:
        queryset = super().get_queryset(request).select_related("tool")
        return queryset.defer("tool__server_secret", "tool__parameters", "tool__description")

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "tool":
            kwargs["queryset"] = Tool.objects.only("id", "name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class PublishedFilter(admin.SimpleListFilter):
    """Assistants that callers can reach, and those that were never published."""

    title = "published"
    parameter_name = "published"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Published"), ("no", "Never published")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Assistant]) -> QuerySet[Assistant]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(live_version__isnull=self.value() == "no")


@admin.register(Assistant)
class AssistantAdmin(SecretAdmin):
    """Drafts. Saving one reaches no caller; publishing does."""

    form = AssistantForm
    inlines = [AssistantToolInline]
    change_form_template = "admin/assistants/assistant/change_form.html"
    list_display = ["name", "live_label", "draft_label", "decisions", "numbers", "calls_24h", "enabled"]
    list_filter = ["enabled", PublishedFilter, "model", "voice"]
    search_fields = ["name", "instructions", "phone_numbers__did", "phone_numbers__label"]
    search_help_text = "By name, words of the prompt, or a number that reaches it."
    # Bulk deletion would stop at the first assistant with a history without saying which.
    actions = None
    list_per_page = 50
    warn_unsaved_form = True
    fieldsets = [
        ("Who it is", {"fields": ["name", "enabled"]}),
        (
            "What it says",
            {
                "fields": [
                    "instructions",
                    "first_message_mode",
                    "first_message",
                    "first_message_interruptible",
                    "end_call_message",
                    "end_call_phrases",
                    "voicemail_message",
                    "apology",
                ]
            },
        ),
        (
            "What it knows before the call",
            {
                "description": "Names in double braces, as in {{ customer }}, are filled in from the variables.",
                "fields": ["variables", "history"],
            },
        ),
        (
            "Voice and model",
            {"fields": ["model", "voice", "speed", "reasoning_effort", "max_output_tokens"]},
        ),
        (
            "Listening",
            {
                "description": "When the assistant takes the turn, and how the caller is written down.",
                "fields": [
                    "language",
                    "transcription_model",
                    "keywords",
                    "noise_reduction",
                    "turn_detection",
                    "eagerness",
                    "vad_threshold",
                    "vad_silence_ms",
                    "vad_prefix_ms",
                ],
            },
        ),
        ("Interruptions", {"fields": ["interruptible", "interrupt_words"]}),
        ("Keypad", {"fields": ["keypad_enabled", "keypad_timeout_s", "keypad_delimiters"]}),
        (
            "When the caller is silent",
            {
                "fields": [
                    "idle_messages",
                    "idle_timeout_s",
                    "idle_max_count",
                    "idle_resets",
                    "silence_timeout_s",
                ]
            },
        ),
        ("Limits", {"fields": ["max_duration_s"]}),
        (
            "Webhook",
            {
                "fields": [
                    "server_url",
                    "new_secret",
                    "new_headers",
                    "clear_headers",
                    "credential",
                    "server_encrypted_paths",
                    "server_backoff_plan",
                    "server_messages",
                ]
            },
        ),
        (
            "Analysis after the call",
            {
                "description": "A text model of OpenAI's reads the transcript when a call is over. In the texts {{transcript}}, "
                "{{messages}}, {{systemPrompt}}, {{endedReason}}, {{schema}} and {{rubric}} are filled in.",
                "fields": ["analysis_enabled", *ANALYSIS_FIELDS],
            },
        ),
        (
            "Records and privacy",
            {
                "description": "What is kept of the calls of this assistant, from the version on that you publish. Your tools' "
                "servers get what they need in the call all the same.",
                "fields": ["recording_enabled", "redact", "hipaa", "retention_days", "monitor_plan"],
            },
        ),
        ("Notes", {"fields": ["metadata"]}),
    ]

    # --- The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assistant]:
        recent = Assistant.objects.filter(
            pk=OuterRef("pk"), calls__created_at__gte=timezone.now() - timedelta(hours=24)
        )
        queryset: QuerySet[Assistant] = super().get_queryset(request).defer("server_headers")
        return queryset.select_related("live_version", "model", "transcription_model").annotate(
            open_n=open_decisions_n(of="assistant"),
            recent=Coalesce(
                Subquery(recent.order_by().values("pk").annotate(n=Count("calls")).values("n")),
                0,
                output_field=IntegerField(),
            ),
        )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        # Only the rows of the page, and not those of every other query on this admin.
        prefetched = changelist.result_list.prefetch_related(tool_links_prefetch(), "phone_numbers")
        changelist.result_list = prefetched
        return changelist

    @admin.display(description="callers hear", ordering="live_version__number")
    def live_label(self, assistant: Assistant) -> SafeString | str:
        version = assistant.live_version
        if version is None:
            return badge("Nothing: never published", "warn")
        return object_link("assistants_assistantversion", version.pk, f"Version {version.number}")

    @admin.display(description="draft")
    def draft_label(self, assistant: Assistant) -> SafeString | str:
        if assistant.live_version is None:
            return "-"
        return badge("Differs from live", "info") if draft_differs(assistant) else "As live"

    @admin.display(description="decisions", ordering="open_n")
    def decisions(self, assistant: Any) -> SafeString | str:
        if not assistant.open_n:
            return "-"
        url = reverse("admin:assistants_vapiobject_changelist")
        label = badge(f"{assistant.open_n} waiting", "warn")
        return format_html('<a href="{}?q={}&decisions=open">{}</a>', url, assistant.name, label)

    @admin.display(description="numbers")
    def numbers(self, assistant: Any) -> SafeString | str:
        found = [number.did for number in assistant.phone_numbers.all()]
        more = f" and {len(found) - NUMBERS_SHOWN} more" if len(found) > NUMBERS_SHOWN else ""
        return ", ".join(found[:NUMBERS_SHOWN]) + more if found else badge("None", "warn")

    @admin.display(description="calls, 24 h", ordering="recent")
    def calls_24h(self, assistant: Any) -> SafeString | str:
        if not assistant.recent:
            return "0"
        url = reverse("admin:calls_call_changelist")
        query = f"assistant__id__exact={assistant.pk}&since=day"
        return format_html('<a class="t-link" href="{}?{}">{}</a>', url, query, assistant.recent)

    # --- The draft

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None and not self.has_change_permission(request, obj):
            kept = ["headers_state"]
            # Fields of a form, which only those have who may change something.
            fieldsets = [(title, _with_analysis_plan(options)) for title, options in fieldsets]
        else:
            kept = ["new_headers", *(["clear_headers"] if obj is not None and has_headers(obj) else [])]
        return [(title, _with_header_fields(options, kept)) for title, options in fieldsets]

    def save_model(self, request: HttpRequest, obj: Assistant, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        super().save_model(request, obj, form, change)
        hosts_remind(request, obj)

    @admin.display(description="server headers")
    def headers_state(self, assistant: Assistant) -> str:
        return headers_state(assistant)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Versions and calls point to a published assistant for good; it is switched off instead.
        never_published = obj is None or obj.live_version_id is None
        return never_published and super().has_delete_permission(request, obj)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        extra: dict[str, Any] = {"may_publish": self.has_publish_permission(request)}
        assistant = self.get_object(request, unquote(object_id)) if object_id else None
        if assistant is not None:
            extra |= {"live": assistant.live_version, "differs": draft_differs(assistant)}
            extra |= self._beside(request, assistant)
        return super().changeform_view(request, object_id, form_url, extra | (extra_context or {}))

    def _beside(self, request: HttpRequest, assistant: Assistant) -> dict[str, Any]:
        """What stands around the form: where it came from, other pages, and the check of the prompt."""
        may_change = self.has_change_permission(request, assistant)
        add_url = reverse("admin:assistants_assistant_guardrails", args=[assistant.pk])
        fingerprint = snapshot_take(assistant).fingerprint()
        imported = findings_counted(assistant.vapi_objects.defer("raw", "base", "seen_with"))
        return {
            "imported": imported if request.user.has_perm("assistants.view_vapiobject") else [],
            "links": _links(assistant),
            "lint": lint_page(assistant, add_url=f"{add_url}?draft={fingerprint}" if may_change else ""),
        }

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        messages.info(request, "Saved as a draft. Publish it before the first call.")
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        live = obj.live_version
        hear = f"Callers hear version {live.number} until you publish." if live else "It was never published."
        messages.info(request, f"Saved as a draft. {hear}")
        return super().response_change(request, obj)

    # --- Publishing

    def has_publish_permission(self, request: HttpRequest) -> bool:
        """Whether this person may change what callers hear."""
        return request.user.has_perm("assistants.publish_assistant")

    def get_urls(self) -> list[URLPattern]:
        publish = path(
            "<path:object_id>/publish/",
            self.admin_site.admin_view(self.publish_view),
            name="assistants_assistant_publish",
        )
        guardrails = path(
            "<path:object_id>/guardrails/",
            self.admin_site.admin_view(self.guardrails_view),
            name="assistants_assistant_guardrails",
        )
        return [publish, guardrails, *super().get_urls()]

    def guardrails_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Add the proposed rules to the prompt of the draft that was looked at."""
        assistant: Any = self.get_object(request, unquote(object_id))
        if request.method != "POST" or not self.has_change_permission(request, assistant):
            raise PermissionDenied
        if assistant is None:
            raise Http404("There is no such assistant.")
        try:
            added = guardrails_add(assistant=assistant, reviewed=request.GET.get("draft", ""))
        except ValidationError as exc:
            messages.error(request, " ".join(exc.messages))
        else:
            if added:
                self.log_change(request, assistant, "Added the proposed rules for tools to the prompt.")
                messages.success(
                    request,
                    "The rules stand at the end of the prompt now. Callers hear them once you publish.",
                )
            else:
                messages.info(request, "The prompt has these rules already.")
        return HttpResponseRedirect(reverse("admin:assistants_assistant_change", args=[assistant.pk]))

    def publish_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page that shows what would go live and asks for a note; posted, it publishes."""
        assistant: Any = self.get_object(request, unquote(object_id))
        if not (self.has_view_permission(request, assistant) and self.has_publish_permission(request)):
            raise PermissionDenied
        if assistant is None:
            raise Http404("There is no such assistant.")
        snapshot = snapshot_take(assistant)
        form = PublishForm(request.POST or None, initial={"reviewed": snapshot.fingerprint()})
        refused: list[str] = []
        if request.method == "POST" and form.is_valid():
            try:
                return self._publish(request, assistant, **form.cleaned_data)
            except ValidationError as exc:
                refused = exc.messages
                # What is shown now is the newest draft, so the next attempt may publish it.
                form = PublishForm(
                    initial={"reviewed": snapshot.fingerprint(), "note": form.cleaned_data["note"]}
                )
        problems = publish_problems(snapshot)
        live = assistant.live_version
        view = snapshot_view(snapshot.to_json(), live=live.snapshot if live else None)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": assistant,
            "title": f"Publish {assistant.name}",
            "form": form,
            "refused": [reason for reason in refused if reason not in problems],
            "problems": problems,
            "live": live,
            "view": view,
            "unchanged": live is not None and not view.changed,
            "checks": (checks := publish_checks(assistant, snapshot)),
            "blocked": (blocked := any(check.blocks for check in checks)),
            "may_override": blocked
            and all(request.user.has_perm(check.override_permission) for check in checks if check.blocks),
        }
        return TemplateResponse(request, "admin/assistants/assistant/publish.html", context)

    def _publish(
        self, request: HttpRequest, assistant: Assistant, *, note: str, reviewed: str, override: str
    ) -> HttpResponse:
        author: Any = request.user
        version = assistant_publish(
            assistant=assistant, author=author, note=note, reviewed=reviewed, override=override.strip()
        )
        self.log_change(request, assistant, f"Published version {version.number}.")
        messages.success(
            request, f"Published. New calls of {assistant.name} run on version {version.number}."
        )
        return HttpResponseRedirect(reverse("admin:assistants_assistant_change", args=[assistant.pk]))


def _with_header_fields(options: Any, kept: list[str]) -> dict[str, Any]:
    names = [name for name in options["fields"] if name != "clear_headers"]
    fields = [one for name in names for one in (kept if name == "new_headers" else [name])]
    return {**options, "fields": fields}


def _with_analysis_plan(options: Any) -> dict[str, Any]:
    if "analysis_enabled" not in options["fields"]:
        return {**options}
    return {**options, "fields": ["analysis_enabled", "analysis_plan"]}


# Other pages about one assistant: what they are called, and the name of their URL. Those that are not there are left out.
PAGES = (("Voices by ear", "admin:assistants_voiceclip_page"),)


def _links(assistant: Assistant) -> list[tuple[str, str]]:
    found = []
    for title, name in PAGES:
        try:
            found.append((title, reverse(name, args=[assistant.pk])))
        except NoReverseMatch:
            continue
    return found
