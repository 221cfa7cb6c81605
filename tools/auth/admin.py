"""Credentials: how customers' servers want to be convinced. Imported ones wait here to be entered."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from tools.adminkit import ModelAdmin, badge, moment
from tools.auth.forms import FIELDS, CredentialForm
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
    list_display = ["name", "kind_label", "used_by", "changed"]
    list_filter = [EnteredFilter, "kind"]
    search_fields = ["name", "vapi_id"]
    search_help_text = "By name, or by its id at Vapi."
    conditional_fields = _SHOWN_FOR
    fieldsets = [
        ("What it is", {"fields": ["name", "kind", *_SHOWN_FOR, "vapi_id"]}),
        ("Encrypted arguments", {"fields": ["encryption_key"]}),
    ]
    readonly_fields = ["vapi_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        queryset = super().get_queryset(request).defer("settings")
        return queryset.annotate(
            tools_n=Count("tools", distinct=True),
            assistants_n=Count("assistants", distinct=True),
            numbers_n=Count("number_servers", distinct=True),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return [("What it is", {"fields": ["name", "kind", "vapi_id"]})]
        return super().get_fieldsets(request, obj)

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

    @admin.display(description="changed", ordering="updated_at")
    def changed(self, credential: Credential) -> SafeString | str:
        return moment(credential.updated_at)
