"""The forms of the assistant's pages."""

import json
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from assistants.models import Assistant
from tools.encryption import SecretUnreadableError
from tools.forms import JsonEditorField, SecretForm

HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"


def _lines(rows: int) -> UnfoldAdminTextareaWidget:
    return UnfoldAdminTextareaWidget(attrs={"rows": rows})


def _json(rows: int) -> UnfoldAdminTextareaWidget:
    return UnfoldAdminTextareaWidget(attrs={"rows": rows, "class": "t-code", "spellcheck": "false"})


class WriteOnlyJsonField(JsonEditorField):
    """JSON that is typed anew each time: what is stored is never shown."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class AssistantForm(SecretForm):
    """The draft of an assistant."""

    new_headers = WriteOnlyJsonField(
        required=False,
        label="Server headers",
        widget=UnfoldAdminTextareaWidget(
            attrs={
                "rows": 3,
                "class": "t-code",
                "spellcheck": "false",
                "placeholder": '{"X-Api-Key": "…"}',
                "autocomplete": "off",
            }
        ),
    )
    clear_headers = forms.BooleanField(
        required=False, label="Forget the stored headers", widget=UnfoldBooleanWidget()
    )

    class Meta:
        model = Assistant
        exclude = ["server_secret", "server_headers", "tools", "plans"]
        field_classes = dict.fromkeys(
            ("history", "variables", "metadata", "server_backoff_plan"), JsonEditorField
        )
        labels = {
            "instructions": "Prompt",
            "first_message_mode": "How the call begins",
            "first_message_interruptible": "First message can be interrupted",
            "history": "Messages before the call",
            "end_call_message": "Last message",
            "end_call_phrases": "Phrases that end the call",
            "idle_messages": "Said when the caller is silent",
            "speed": "Speaking speed",
            "max_output_tokens": "Longest answer (tokens)",
            "transcription_model": "Transcription",
            "server_backoff_plan": "Sending again",
        }
        widgets = {
            "instructions": UnfoldAdminTextareaWidget(attrs={"rows": 26, "class": "t-code"}),
            "first_message": _lines(3),
            "end_call_message": _lines(2),
            "end_call_phrases": _lines(3),
            "voicemail_message": _lines(2),
            "idle_messages": _lines(3),
            "keywords": _lines(3),
            "apology": _lines(2),
            "history": _json(5),
            "variables": _json(5),
            "metadata": _json(4),
            "server_backoff_plan": _json(4),
            "server_url": UnfoldAdminTextInputWidget(attrs={"inputmode": "url", "spellcheck": "false"}),
            "noise_reduction": UnfoldAdminSelectWidget(),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "new_headers" in self.fields:
            self.fields["new_headers"].help_text = (
                f"{headers_state(self.instance)} Sent to the server URL above: a JSON object of names and values, "
                "of which only the names are ever shown again. Empty: the stored ones stay."
            )

    def clean_language(self) -> str:
        language: str = self.cleaned_data["language"].lower()
        if not (len(language) == 2 and language.isascii() and language.isalpha()):
            raise ValidationError("Use the two letters of the language, for example en, de or es.")
        return language

    def clean_history(self) -> list[Any]:
        history = self.cleaned_data["history"] or []
        fits = isinstance(history, list) and all(
            isinstance(one, dict) and isinstance(one.get("role"), str) and isinstance(one.get("content"), str)
            for one in history
        )
        if not fits:
            raise ValidationError(
                'Write a list of messages: [{"role": "assistant", "content": "What was said"}]'
            )
        return list(history)

    def clean_variables(self) -> dict[str, Any]:
        return self._object("variables")

    def clean_metadata(self) -> dict[str, Any]:
        return self._object("metadata")

    def clean_server_backoff_plan(self) -> dict[str, Any]:
        return self._object("server_backoff_plan")

    def _object(self, name: str) -> dict[str, Any]:
        value = self.cleaned_data[name] or {}
        if not isinstance(value, dict):
            raise ValidationError('Write a JSON object: {"name": "value"}')
        return value

    def clean_new_headers(self) -> dict[str, str] | None:
        headers = self.cleaned_data["new_headers"]
        if headers in (None, {}):
            return None
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            raise ValidationError('Write a JSON object of texts: {"X-Api-Key": "…"}')
        for name, value in headers.items():
            if not re.fullmatch(HEADER_NAME, name):
                raise ValidationError(f"{name} cannot be the name of a header.")
            if not value.isprintable() or not value.isascii():
                raise ValidationError(f"{name}: a header holds letters, digits and plain signs only.")
        return headers

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        speaks_first = cleaned.get("first_message_mode") == Assistant.FirstMessageMode.SPEAKS_FIRST
        if speaks_first and "first_message" in cleaned and not cleaned["first_message"].strip():
            self.add_error(
                "first_message",
                "Write what the assistant says first, or let it greet in its own words, or wait for the caller.",
            )
        if cleaned.get("new_headers") and cleaned.get("clear_headers"):
            self.add_error("clear_headers", "Either type new headers or forget the stored ones, not both.")
        return cleaned

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 # Django's signature
        if self.cleaned_data.get("new_headers"):
            self.instance.server_headers = json.dumps(self.cleaned_data["new_headers"])
        elif self.cleaned_data.get("clear_headers"):
            self.instance.server_headers = ""
        return super().save(commit)


def has_headers(assistant: Assistant) -> bool:
    """Whether headers are stored, readable or not."""
    try:
        return bool(assistant.server_headers)
    except SecretUnreadableError:
        return True


def headers_state(assistant: Assistant) -> str:
    """The names of the stored headers in a sentence; never their values."""
    try:
        stored = assistant.server_headers
    except SecretUnreadableError:
        return "Headers are stored that no configured key opens. Enter them again."
    if not stored:
        return "None are stored."
    try:
        headers = json.loads(stored)
    except ValueError:
        return "What is stored is no JSON. Enter the headers again."
    return f"Stored: {', '.join(map(str, headers))}." if isinstance(headers, dict) else "Headers are stored."


class PublishForm(forms.Form):
    """Publishing: a note for whoever reads the list of versions later, and which draft was looked at."""

    note = forms.CharField(
        required=False,
        max_length=200,
        label="What changed?",
        help_text="For whoever reads the list of versions later.",
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
    )
    reviewed = forms.CharField(widget=forms.HiddenInput)
