"""Twilio accounts in the admin. Secrets are written here and never shown."""

from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanWidget

from calls.models import PhoneNumber, TwilioAccount
from tools.adminkit import ModelAdmin, badge, moment

SECRETS: Final[dict[str, str]] = {
    "auth_token": "Auth token",
    "auth_token_secondary": "Secondary auth token",
    "api_key_secret": "API key secret",
}
_HELP: Final[dict[str, str]] = {
    "auth_token": "Its webhooks are signed with it. Also used for requests where no API key is entered.",
    "auth_token_secondary": "While the token is being rotated: Twilio may sign with either.",
    "api_key_secret": "Belongs to the API key SID.",
}


class TwilioAccountForm(forms.ModelForm):  # type: ignore[type-arg]  # a plain class at run time
    """An account. A secret that is left empty stays as it is."""

    class Meta:
        model = TwilioAccount
        fields = ["sid", "label", "enabled", "parent_sid", "api_key_sid"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in SECRETS.items():
            stored = bool(getattr(self.instance, f"{name}_stored", False))
            kept = (
                "One is stored. Leave this empty to keep it, or type a new one."
                if stored
                else "None is stored."
            )
            self.fields[f"new_{name}"] = forms.CharField(
                required=False,
                label=label,
                strip=False,
                max_length=200,
                help_text=f"{_HELP[name]} {kept}",
                widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
            )
            self.fields[f"clear_{name}"] = forms.BooleanField(
                required=False,
                label=f"Forget what is stored as {label}",
                widget=UnfoldBooleanWidget(),
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in SECRETS:
            value = cleaned.get(f"new_{name}") or ""
            if value != value.strip() or not value.isprintable():
                self.add_error(
                    f"new_{name}", ValidationError("It begins or ends with a space, or holds a line break.")
                )
            if value and cleaned.get(f"clear_{name}"):
                self.add_error(f"clear_{name}", "Either forget the old one, or type a new one.")
        key = cleaned.get("api_key_sid") or ""
        if key and not key.startswith("SK"):
            self.add_error("api_key_sid", "An API key SID begins with SK.")
        secret = cleaned.get("new_api_key_secret") or (
            getattr(self.instance, "api_key_secret_stored", False) and not cleaned.get("clear_api_key_secret")
        )
        if key and not secret and "api_key_sid" not in self.errors:
            self.add_error("new_api_key_secret", "An API key needs its secret.")
        return cleaned

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 # Django's signature
        for name in SECRETS:
            if value := self.cleaned_data.get(f"new_{name}"):
                setattr(self.instance, name, value)
            elif self.cleaned_data.get(f"clear_{name}"):
                setattr(self.instance, name, "")
        return super().save(commit)


@admin.register(TwilioAccount)
class TwilioAccountAdmin(ModelAdmin[TwilioAccount]):
    """The accounts that numbers are read from, besides the environment's. Subaccounts come by themselves."""

    form = TwilioAccountForm
    actions = None
    list_display = ["title", "sid", "source", "enabled_label", "token", "numbers", "read"]
    list_display_links = ["title", "sid"]
    list_filter = ["enabled", "source"]
    search_fields = ["sid", "label"]
    search_help_text = "By label or account SID."
    readonly_fields = ["source_text", "synced", "sync_error_text"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TwilioAccount]:
        queryset = super().get_queryset(request)
        stored: QuerySet[TwilioAccount] = queryset.defer(*SECRETS).annotate(
            **{f"{name}_stored": ~Q(**{name: ""}) for name in SECRETS}
        )
        return stored

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*(["sid"] if obj is not None else []), "source_text", "synced", "sync_error_text"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        told = ["source_text", "synced", "sync_error_text"] if obj is not None else []
        account = ("Account", {"fields": ["sid", "label", "enabled", "parent_sid", *told]})
        if obj is not None and not self.has_change_permission(request, obj):
            return [account]
        secrets = [
            field
            for name in SECRETS
            for field in (
                *(["api_key_sid"] if name == "api_key_secret" else []),
                f"new_{name}",
                *([f"clear_{name}"] if getattr(obj, f"{name}_stored", False) else []),
            )
        ]
        return [account, ("Credentials", {"fields": secrets})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  # Django's signature
        # The secrets' fields are made by the form itself; Django would look for them in the model.
        plain = ["label", "enabled", "parent_sid", "api_key_sid"]
        kwargs["fields"] = plain if obj is not None else ["sid", *plain]
        return super().get_form(request, obj, change, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The environment's comes back by itself, and one with numbers would leave them without credentials.
        if isinstance(obj, TwilioAccount) and (
            obj.sid == settings.TWILIO_ACCOUNT_SID or PhoneNumber.objects.filter(account_sid=obj.sid).exists()
        ):
            return False
        return super().has_delete_permission(request, obj)

    @admin.display(description="account", ordering="label")
    def title(self, account: TwilioAccount) -> str:
        return account.label or "Without a label"

    @admin.display(description="in use", ordering="enabled")
    def enabled_label(self, account: TwilioAccount) -> SafeString:
        return badge("Yes", "good") if account.enabled else badge("Switched off", "warn")

    @admin.display(description="credentials")
    def token(self, account: Any) -> str:
        if account.sid == settings.TWILIO_ACCOUNT_SID:
            return "The environment's"
        told = [
            word
            for word, stored in (
                ("auth token", account.auth_token_stored),
                ("API key", bool(account.api_key_sid) and account.api_key_secret_stored),
            )
            if stored
        ]
        return ", ".join(told) or "The environment's"

    @admin.display(description="numbers read", ordering="synced_at")
    def numbers(self, account: TwilioAccount) -> SafeString | str:
        return moment(account.synced_at) if account.synced_at else "Never"

    @admin.display(description="last reading")
    def read(self, account: TwilioAccount) -> SafeString | str:
        return badge("Failed", "bad", title=account.sync_error) if account.sync_error else "-"

    @admin.display(description="came from")
    def source_text(self, account: TwilioAccount) -> str:
        return str(account.get_source_display())

    @admin.display(description="numbers last read")
    def synced(self, account: TwilioAccount) -> SafeString | str:
        return moment(account.synced_at) if account.synced_at else "Never"

    @admin.display(description="why they could not be read")
    def sync_error_text(self, account: TwilioAccount) -> str:
        return account.sync_error or "-"
