"""Credentials: how customers' servers want to be convinced. Imported ones wait here to be entered."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tools.adminkit import ModelAdmin, badge, moment
from tools.auth.forms import FIELDS, CredentialForm
from tools.auth.pages import hosts_page
from tools.models import Credential

_SHOWN_FOR = {name: f"kind == '{kind}'" for kind, fields in FIELDS.items() for name in fields}


class EnteredFilter(admin.SimpleListFilter):
    """Credentials that have been entered, and those that wait for it."""

    title = "entered"
    parameter_name = "entered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "Not yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Credential]) -> QuerySet[Credential]:
        match self.value():
            case "yes":
                return queryset.exclude(kind="")
            case "no":
                return queryset.filter(kind="")
            case _:
                return queryset


@admin.register(Credential)
class CredentialAdmin(ModelAdmin[Credential]):
    """A change is in force for the next request; nothing has to be published."""

    form = CredentialForm
    # A credential in use cannot be deleted, and bulk deletion would not say which.
    actions = None
    list_display = ["name", "kind_label", "used_by", "goes_to", "changed"]
    list_filter = [EnteredFilter, "kind"]
    search_fields = ["name", "vapi_id"]
    search_help_text = "By name, or by its id at Vapi."
    conditional_fields = _SHOWN_FOR
    fieldsets = [
        ("What it is", {"fields": ["name", "kind", *_SHOWN_FOR]}),
        ("Where it may go", {"fields": ["hosts", "sent_to"]}),
        ("Encrypted arguments", {"fields": ["encryption_key"]}),
    ]
    readonly_fields = ["vapi_id", "sent_to"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        queryset = super().get_queryset(request).defer("settings")
        return queryset.annotate(
            tools_n=Count("tools", distinct=True),
            assistants_n=Count("assistants", distinct=True),
            numbers_n=Count("number_servers", distinct=True),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return [("What it is", {"fields": ["name", "kind", "vapi_id", "hosts", "sent_to"]})]
        what, *others = super().get_fieldsets(request, obj)
        known = "vapi_id" if obj is not None and obj.vapi_id else "known_as"
        return [(what[0], {**what[1], "fields": [*what[1]["fields"], known]}), *others]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.hosts_view)
        return [path("<path:object_id>/hosts/", view, name="tools_credential_hosts"), *super().get_urls()]

    def hosts_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page of who has it sent where."""
        credential: Credential | None = self.get_object(request, unquote(object_id))
        if credential is None:
            messages.warning(request, "There is no such credential (any more).")
            return HttpResponseRedirect(reverse("admin:tools_credential_changelist"))
        return hosts_page(request, credential=credential, site=self.admin_site)

    @admin.display(description="kind", ordering="kind")
    def kind_label(self, credential: Credential) -> SafeString | str:
        return credential.get_kind_display() if credential.kind else badge("Not entered yet", "warn")

    @admin.display(description="used by")
    def used_by(self, credential: Any) -> str:
        counted = (
            (credential.assistants_n, "assistant"),
            (credential.tools_n, "tool"),
            (credential.numbers_n, "number"),
        )
        return ", ".join(f"{n} {word}{'s' if n != 1 else ''}" for n, word in counted if n) or "-"

    @admin.display(description="may go to")
    def goes_to(self, credential: Credential) -> SafeString | str:
        hosts = credential.hosts.splitlines()
        if not hosts:
            return badge("Nowhere yet", "warn")
        return hosts[0] if len(hosts) == 1 else f"{hosts[0]} and {len(hosts) - 1} more"

    @admin.display(description="sent to")
    def sent_to(self, credential: Credential) -> SafeString | str:
        if credential._state.adding:
            return "Nobody uses it yet."
        url = reverse("admin:tools_credential_hosts", args=[credential.pk])
        return format_html(
            '<a class="t-link" href="{}">Who has it sent where, and what is not allowed</a>', url
        )

    @admin.display(description="changed", ordering="updated_at")
    def changed(self, credential: Credential) -> SafeString | str:
        return moment(credential.updated_at)
