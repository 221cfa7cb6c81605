"""Keys of the API: made here, shown once, and revoked."""

import re
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tools.access.keys import SCOPES, is_open, key_renew
from tools.adminkit import (
    BoundedPaginator,
    ModelAdmin,
    ReadOnlyAdmin,
    SinceFilter,
    badge,
    clipped,
    moment,
    object_link,
    unbroken,
)
from tools.models import ApiKey, ApiWrite

_PARAMETER: Final = re.compile(r"<[^>]*>")


class ApiKeyForm(forms.ModelForm[ApiKey]):
    """What the key may do, as boxes to tick."""

    scopes = forms.MultipleChoiceField(
        choices=list(SCOPES.items()),
        initial=list(SCOPES),
        widget=forms.CheckboxSelectMultiple,
        label="May",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "kind", "scopes", "expires_at")

    def clean_expires_at(self) -> Any:
        """A moment to come, or none."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and "expires_at" in self.changed_data and expires_at <= timezone.now():
            raise forms.ValidationError("This moment has passed: the key would open nothing.")
        return expires_at


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin[ApiKey]):
    """A key is shown once, when it is made. Deleting is not offered: a revoked key still tells who called."""

    form = ApiKeyForm
    actions = ["revoke"]
    list_display = ["called", "begins", "whose", "state", "may", "requests", "last_used"]
    list_filter = ["kind"]
    search_fields = ["name", "prefix"]
    search_help_text = "By name, or by how the key begins."
    fieldsets = [(None, {"fields": ["name", "kind", "scopes", "expires_at"]})]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.fieldsets
        more = ("How it goes", {"fields": ["begins", "state", "requests", "last_used", "changes"]})
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": ["name", "kind", "may", "expires_at"]}), more]
        return [(None, {"fields": ["name", "scopes", "expires_at"]}), more]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["begins", "state", "requests", "last_used", "changes", "may"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        text = "" if change else key_renew(obj)
        super().save_model(request, obj, form, change)
        if text:
            told = "Copy this key now. It is shown only this once: <code>{}</code>"
            messages.warning(request, format_html(told, text))

    @admin.action(description="Revoke the chosen keys for good", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse:
        # Calls that they have ordered are asked about there.
        chosen = ",".join(str(pk) for pk in queryset.values_list("pk", flat=True))
        return HttpResponseRedirect(f"{reverse('admin:calls_placing_revoke_keys')}?keys={chosen}")

    @admin.display(description="name", ordering="name")
    def called(self, key: ApiKey) -> str:
        return clipped(key.name, 30)

    @admin.display(description="kind", ordering="kind")
    def whose(self, key: ApiKey) -> str:
        return key.get_kind_display().partition(",")[0]

    @admin.display(description="begins with", ordering="prefix")
    def begins(self, key: ApiKey) -> SafeString:
        return format_html("<code>{}…</code>", key.prefix)

    @admin.display(description="state")
    def state(self, key: ApiKey) -> SafeString:
        if key.revoked_at is not None:
            return badge("Revoked", "bad")
        return badge("In use", "good") if is_open(key) else badge("Expired", "warn")

    @admin.display(description="may")
    def may(self, key: ApiKey) -> str:
        known = [scope for scope in SCOPES if scope in key.scopes]
        return (
            "Everything"
            if len(known) == len(SCOPES)
            else ", ".join(SCOPES[one] for one in known) or "Nothing"
        )

    @admin.display(description="requests", ordering="requests_n")
    def requests(self, key: ApiKey) -> str:
        return f"{key.requests_n:,}"

    @admin.display(description="last used", ordering="last_used_at")
    def last_used(self, key: ApiKey) -> SafeString | str:
        return moment(key.last_used_at) if key.last_used_at else "Never"

    @admin.display(description="changes")
    def changes(self, key: ApiKey) -> SafeString:
        url = reverse("admin:tools_apiwrite_changelist")
        told = '<a class="t-link" href="{}?key__id__exact={}">What it has created, changed and deleted</a>'
        return format_html(told, url, key.pk)


class WrittenFilter(SinceFilter):
    """By when it was done."""

    column = "at"


@admin.register(ApiWrite)
class ApiWriteAdmin(ReadOnlyAdmin):
    """What programs have created, changed and deleted."""

    list_display = ["when", "what", "about", "status", "by"]
    list_select_related = ["key"]
    list_filter = [WrittenFilter, "method"]
    search_fields = ["=about", "key__name", "key__prefix"]
    search_help_text = "By the id of what was changed, or by the name or beginning of a key."
    sortable_by = ()
    paginator = BoundedPaginator
    actions = None

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # A key's page links to its own; as a filter it would list every key.
        return lookup == "key__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="when")
    def when(self, written: ApiWrite) -> SafeString | str:
        return moment(written.at)

    @admin.display(description="what")
    def what(self, written: ApiWrite) -> SafeString:
        return unbroken(f"{written.method} /{_PARAMETER.sub('{id}', written.route)}")

    @admin.display(description="key")
    def by(self, written: ApiWrite) -> SafeString:
        return object_link("tools_apikey", written.key_id, clipped(str(written.key), 50))
