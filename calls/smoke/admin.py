"""Scenarios, rules of drift and smoke tests in the admin."""

import uuid
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Length
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from calls.models import Call, CallerLine, DriftRules, PublishCheck, Scenario, ScenarioVersion, SmokeRun
from calls.smoke import pages
from calls.smoke.caller_lines import RECORDED
from calls.smoke.drafting import DraftError, script_draft
from calls.smoke.forms import EXAMPLE, CallerLineForm, DriftRulesForm, ScenarioForm
from calls.smoke.report import TONES
from tools.adminkit import HistoryAdmin, ModelAdmin, badge, moment, object_link


@admin.register(Scenario)
class ScenarioAdmin(ModelAdmin[Scenario]):
    """What callers are played to do. Saving another script writes a new version; runs keep theirs."""

    form = ScenarioForm
    list_display = ["name", "assistant", "enabled", "version", "calls_at_vapi"]
    list_filter = ["enabled", "assistant"]
    list_select_related = ["assistant"]
    search_fields = ["name", "assistant__name"]
    autocomplete_fields = ["assistant"]
    fields = ["assistant", "name", "enabled", "script", "references"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Scenario]:
        newest = ScenarioVersion.objects.filter(scenario=OuterRef("pk")).order_by("-number")
        queryset: QuerySet[Scenario] = super().get_queryset(request)
        return queryset.defer(
            "assistant__instructions", "assistant__server_secret", "assistant__server_headers"
        ).annotate(
            newest=Subquery(newest.values("number")[:1]), references_n=Count("references", distinct=True)
        )

    @admin.display(description="version", ordering="newest")
    def version(self, scenario: Any) -> str:
        return f"v{scenario.newest}" if scenario.newest else "-"

    @admin.display(description="calls at Vapi", ordering="references_n")
    def calls_at_vapi(self, scenario: Any) -> SafeString | str:
        return str(scenario.references_n) if scenario.references_n else badge("None: as written", "plain")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What runs have played stays readable; a scenario of no more use is switched off.
        if obj is not None and ScenarioVersion.objects.filter(scenario=obj, pairs__isnull=False).exists():
            return False
        return super().has_delete_permission(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        call = _call_of(request)
        if call is None:
            return {"script": EXAMPLE, **initial}
        initial |= {"assistant": call.assistant_id, "name": f"Call of {call.created_at:%d %b %Y, %H:%M}"}
        if call.stack == Call.Stack.VAPI:
            initial["references"] = [call.pk]
        try:
            initial["script"] = script_draft(call)
        except DraftError as exc:
            messages.warning(request, str(exc))
            initial["script"] = EXAMPLE
        else:
            messages.info(
                request,
                "Drafted from the call. Names and numbers were replaced as far as they were recognised: read it before you save it.",
            )
        return initial

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  # Django's signature
        form = super().get_form(request, obj, change, **kwargs)
        newest = obj.versions.first() if obj is not None else None
        if newest is not None:
            form.base_fields["script"].initial = newest.script
        return form

    def save_model(self, request: HttpRequest, obj: Scenario, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            newest = obj.versions.select_for_update().first()
            script = form.cleaned_data["script"]
            if newest is None or newest.script != script:
                author: Any = request.user
                drafted_from = _call_of(request) if not change else newest.drafted_from if newest else None
                ScenarioVersion.objects.create(
                    scenario=obj,
                    number=newest.number + 1 if newest else 1,
                    script=script,
                    author=author,
                    drafted_from=drafted_from,
                )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["assistant"] if obj is not None else []


@admin.register(CallerLine)
class CallerLineAdmin(ModelAdmin[CallerLine]):
    """Recordings of what callers say in scenarios. Wherever a caller says just these words, the recording is played."""

    form = CallerLineForm
    list_display = ["words_text", "length", "made"]
    list_display_links = ["words_text"]
    search_fields = ["words"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CallerLine]:
        # What a model has spoken is kept in the same table, and is nobody's to edit.
        queryset: QuerySet[CallerLine] = super().get_queryset(request)
        return queryset.filter(voice=RECORDED).defer("mulaw").annotate(bytes_n=Length("mulaw"))

    @admin.display(description="words", ordering="words")
    def words_text(self, line: CallerLine) -> str:
        return str(line)

    @admin.display(description="length", ordering="bytes_n")
    def length(self, line: Any) -> str:
        return f"{line.bytes_n / 8000:.1f} s"

    @admin.display(description="uploaded", ordering="created_at")
    def made(self, line: CallerLine) -> SafeString | str:
        return moment(line.created_at)


def _call_of(request: HttpRequest) -> Call | None:
    """The call that a scenario is drafted from, if one is named and may be read."""
    given = request.GET.get("call", "")
    if not given or not request.user.has_perm("calls.view_call"):
        return None
    try:
        return Call.objects.filter(pk=uuid.UUID(given)).first()
    except ValueError:
        return None


@admin.register(DriftRules)
class DriftRulesAdmin(ModelAdmin[DriftRules]):
    """Which orders are lawful, and whether a draft must pass before it is published."""

    form = DriftRulesForm
    list_display = ["assistant", "orders_text", "publish_gate", "last_calls"]
    list_select_related = ["assistant"]
    autocomplete_fields = ["assistant"]

    @admin.display(description="declared orders")
    def orders_text(self, rules: DriftRules) -> str:
        return "; ".join(line.strip() for line in rules.orders.splitlines() if line.strip()) or "-"


@admin.register(SmokeRun)
class SmokeRunAdmin(HistoryAdmin):
    """Smoke tests: begun on a page of their own, read on theirs."""

    list_display = ["title", "verdict_label", "rate", "assistant", "tested", "line", "progress", "begun"]
    list_display_links = ["title"]
    list_filter = ["outcome", "status", "purpose", "line", "assistant"]
    list_select_related = ["assistant", "assistant_version"]
    search_fields = ["did", "assistant__name"]
    page_template = "admin/smoke/run.html"
    change_list_template = "admin/smoke/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[SmokeRun]:
        queryset: QuerySet[SmokeRun] = super().get_queryset(request)
        return (
            queryset.select_related("assistant", "assistant_version")
            .defer(
                "assistant__instructions",
                "assistant__server_secret",
                "assistant__server_headers",
                "assistant_version__snapshot",
            )
            .annotate(pairs_n=Count("pairs"), judged_n=Count("pairs", filter=pages.JUDGED))
        )

    @admin.display(description="number")
    def title(self, run: SmokeRun) -> str:
        return run.did or run.get_purpose_display()

    @admin.display(description="verdict", ordering="outcome")
    def verdict_label(self, run: SmokeRun) -> SafeString:
        if run.status != SmokeRun.Status.DONE:
            return badge(run.get_status_display(), "info")
        return badge(run.get_outcome_display(), TONES.get(run.outcome, "plain"))

    @admin.display(description="drift")
    def rate(self, run: SmokeRun) -> str:
        rate = run.verdict.get("rate") if isinstance(run.verdict, dict) else None
        return f"{rate * 100:.1f} %" if isinstance(rate, int | float) else "-"

    @admin.display(description="tested")
    def tested(self, run: SmokeRun) -> str:
        return f"v{run.assistant_version.number}" if run.assistant_version else "Draft"

    @admin.display(description="calls")
    def progress(self, run: Any) -> str:
        return f"{run.judged_n} of {run.pairs_n}"

    @admin.display(description="begun", ordering="created_at")
    def begun(self, run: SmokeRun) -> SafeString | str:
        return moment(run.created_at)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        may = {"may_run": pages.may_run(request)}
        return super().changelist_view(request, {**(extra_context or {}), **may})

    def page_title(self, obj: SmokeRun) -> str:
        return f"{obj.get_purpose_display()} of {obj.did or obj.assistant.name}"

    def page_context(self, request: HttpRequest, obj: SmokeRun) -> dict[str, Any]:
        return pages.run_context(request, obj)

    def get_urls(self) -> list[URLPattern]:
        routes: list[tuple[str, Any, str]] = [
            ("start/", pages.start_page, "start"),
            ("check/<uuid:assistant_id>/", require_POST(pages.check_page), "check"),
            ("<uuid:run_id>/state/", require_safe(pages.state_page), "state"),
            ("<uuid:run_id>/cancel/", require_POST(pages.cancel_page), "cancel"),
            ("<uuid:run_id>/resume/", require_POST(pages.resume_page), "resume"),
            ("<uuid:run_id>/rules/", require_POST(pages.rules_page), "rules"),
            ("<uuid:run_id>/export/<slug:form>/", require_safe(pages.export_page), "export"),
            ("pair/<uuid:pair_id>/", require_safe(pages.pair_page), "pair"),
        ]
        own = [
            path(
                route,
                self.admin_site.admin_view(view),
                name=f"calls_smokerun_{name}",
            )
            for route, view, name in routes
        ]
        return [*own, *super().get_urls()]


@admin.register(PublishCheck)
class PublishCheckAdmin(HistoryAdmin):
    """What was known of versions when they were published."""

    list_display = ["version_text", "outcome", "gate", "overridden_by", "at"]
    list_select_related = ["version__assistant"]
    page_template = "admin/smoke/publish_check.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PublishCheck]:
        queryset: QuerySet[PublishCheck] = super().get_queryset(request)
        return queryset.select_related("version__assistant").defer("version__snapshot")

    @admin.display(description="version")
    def version_text(self, check: PublishCheck) -> str:
        return f"{check.version.assistant.name} v{check.version.number}"

    def page_title(self, obj: PublishCheck) -> str:
        return f"Check of {self.version_text(obj)}"

    def page_context(self, request: HttpRequest, obj: PublishCheck) -> dict[str, Any]:
        run = object_link("calls_smokerun", obj.run_id, "Report") if obj.run_id else "None"
        facts = [
            ("Version", object_link("assistants_assistantversion", obj.version_id, self.version_text(obj))),
            ("Gate", obj.get_gate_display()),
            ("Found", obj.sentence or "-"),
            ("Smoke test", run),
            ("Overridden by", obj.overridden_by or "Nobody"),
            ("Reason", format_html('<span class="t-said">{}</span>', obj.reason or "-")),
        ]
        return {"facts": facts}
