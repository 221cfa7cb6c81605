"""The forms of the pages about calls that ran at Vapi."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from assistants.imports.forms import MOST_MIB, FilesField, FilesInput, KeyForm
from assistants.vapi.documents import MAX_BYTES
from calls.models import VapiRecorder


class CallImportForm(KeyForm):
    """Which calls to import: what a key opens at Vapi, or files. Just one of the two."""

    date_from = forms.DateField(
        required=False,
        label="From this day",
        help_text="Empty: from the oldest call that Vapi still has.",
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )
    date_to = forms.DateField(
        required=False,
        label="Until the end of this day",
        help_text="In UTC. Empty: until now.",
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )
    uploads = FilesField(
        required=False,
        label="JSON files",
        widget=FilesInput(attrs={"accept": ".json,.jsonl,.ndjson,application/json", "class": "t-file"}),
    )

    def clean_uploads(self) -> list[Any]:
        files: list[Any] = self.cleaned_data["uploads"]
        if sum(file.size or 0 for file in files) > MAX_BYTES:
            raise ValidationError(
                f"More than {MOST_MIB} MiB in all. Use manage.py import_vapi_calls, which takes any number."
            )
        return files

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        by_key = self.by_key()
        if by_key == bool(cleaned.get("uploads")):
            raise ValidationError(
                "Use only one of the two ways at a time." if by_key else "Enter a key or choose files first."
            )
        if not by_key and (cleaned["assistant_ids"] or cleaned["date_from"] or cleaned["date_to"]):
            raise ValidationError("Days and assistants can only be chosen where a key is used.")
        if cleaned["date_from"] and cleaned["date_to"] and cleaned["date_from"] > cleaned["date_to"]:
            self.add_error("date_to", "This is before the first day.")
        return cleaned

    def wanted(self) -> dict[str, Any]:
        """What ``run_request`` takes. The form must be valid."""
        cleaned = self.cleaned_data
        files = cleaned["uploads"]
        if files:
            names = ", ".join(file.name for file in files)
            return {
                "source": f"Files: {names}",
                "files": [(file.name or "upload", file.read()) for file in files],
            }
        ids = cleaned["assistant_ids"]
        day_to = cleaned["date_to"]
        return {
            "source": f"Vapi's API: {', '.join(ids)}" if ids else "Vapi's API",
            "api_key": cleaned["api_key"],
            "assistant_ids": ids,
            "date_from": _midnight(cleaned["date_from"]),
            "date_to": _midnight(day_to + timedelta(days=1)) if day_to else None,
        }


def _midnight(day: Any) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


class RecorderForm(forms.ModelForm[VapiRecorder]):
    """A recorder. Its secret is written, never read."""

    new_secret = forms.CharField(
        required=False,
        max_length=500,
        label="secret",
        help_text=(
            "What Vapi sends as X-Vapi-Secret or as bearer token. Reports without it are not kept. "
            "Empty: leave it as it is."
        ),
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    clear_secret = forms.BooleanField(
        required=False, label="ask for no secret any more", widget=UnfoldBooleanWidget()
    )

    class Meta:
        model = VapiRecorder
        fields = ("label", "assistant", "forward_url", "timeout_s", "recording")

    def clean_forward_url(self) -> str:
        url = str(self.cleaned_data["forward_url"]).strip()
        if not url:
            return ""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host, parts = None, urlsplit("")
        if parts.scheme not in ("http", "https") or not host:
            raise ValidationError(
                "Write the whole address, beginning with https://, as it is entered at Vapi now."
            )
        own = urlsplit(settings.PUBLIC_ORIGIN)
        if (host, parts.path.startswith("/vapi/events/")) == (own.hostname, True):
            raise ValidationError("This is a recorder's own address: messages would go round in circles.")
        return url

    def save(self, commit: bool = True) -> VapiRecorder:  # noqa: FBT001, FBT002  # Django's signature
        if self.cleaned_data["clear_secret"]:
            self.instance.secret = ""
        elif self.cleaned_data["new_secret"]:
            self.instance.secret = self.cleaned_data["new_secret"]
        saved: VapiRecorder = super().save(commit)
        return saved
