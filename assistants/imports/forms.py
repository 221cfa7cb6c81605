"""The forms of the pages about imports from Vapi."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from assistants.vapi.documents import MAX_BYTES

MOST_MIB = MAX_BYTES // 1024 // 1024


class FilesInput(forms.ClearableFileInput):
    """A chooser of several files."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files, each checked as one."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> Any:
        listed = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(one, initial) for one in listed if one]


class KeyForm(forms.Form):
    """What a key opens at Vapi: all of it, or what belongs to some assistants."""

    api_key = forms.CharField(
        required=False,
        max_length=500,
        label="Private API key",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
    )
    own_key = forms.BooleanField(
        required=False,
        label="Use the key of this installation (VAPI_API_KEY)",
        widget=UnfoldBooleanWidget(),
    )
    assistant_ids = forms.CharField(
        required=False,
        max_length=4000,
        label="Only these assistants",
        help_text="Their ids at Vapi, separated by spaces. Empty: all.",
        widget=UnfoldAdminTextInputWidget(attrs={"spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.VAPI_API_KEY:
            del self.fields["own_key"]

    def clean_assistant_ids(self) -> list[str]:
        return str(self.cleaned_data["assistant_ids"]).replace(",", " ").split()

    def by_key(self) -> bool:
        """Whether a key is used, as far as the form was read."""
        return bool(self.cleaned_data.get("api_key") or self.cleaned_data.get("own_key"))


class ImportForm(KeyForm):
    """What to import: files, a paste, or what a key opens at Vapi. Just one of the three."""

    uploads = FilesField(
        required=False,
        label="JSON files",
        widget=FilesInput(attrs={"accept": ".json,application/json", "class": "t-file"}),
    )
    pasted = forms.CharField(
        required=False,
        strip=False,
        label="JSON text",
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 8, "class": "t-code", "spellcheck": "false", "autocomplete": "off"}
        ),
    )
    overwrite = forms.BooleanField(
        required=False,
        label="Take Vapi's values also where somebody has changed something here",
        help_text="Otherwise what was changed here stays, and the report tells where both sides differ.",
        widget=UnfoldBooleanWidget(),
    )

    def clean_uploads(self) -> list[Any]:
        files: list[Any] = self.cleaned_data["uploads"]
        if sum(file.size or 0 for file in files) > MAX_BYTES:
            raise ValidationError(
                f"More than {MOST_MIB} MiB in all. Import in parts: a few assistants at a time."
            )
        return files

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        by_key = self.by_key()
        ways = [bool(cleaned.get("uploads")), bool(cleaned["pasted"].strip()), by_key]
        if sum(ways) != 1:
            raise ValidationError(
                "Choose files, paste text or enter a key first."
                if not any(ways)
                else "Use only one of the three ways at a time."
            )
        if cleaned["assistant_ids"] and not by_key:
            self.add_error("assistant_ids", "Ids can only be chosen where a key is used.")
        return cleaned

    def source(self) -> str:
        """Where it comes from, in words. The form must be valid."""
        files = self.cleaned_data["uploads"]
        if len(files) == 1:
            return f"File {files[0].name}"
        if files:
            return f"{len(files)} files: {', '.join(file.name for file in files)}"
        if self.cleaned_data["pasted"].strip():
            return f"Pasted text of {len(self.cleaned_data['pasted']):,} characters"
        ids = self.cleaned_data["assistant_ids"]
        return f"Vapi's API: {', '.join(ids)}" if ids else "Vapi's API, all assistants"

    def contents(self) -> list[tuple[str, bytes]]:
        """The files or the paste, with their names in messages."""
        pasted = self.cleaned_data["pasted"]
        if pasted.strip():
            return [("the pasted text", pasted.encode("utf-8", "surrogatepass"))]
        return [(file.name or "upload", file.read()) for file in self.cleaned_data["uploads"]]
