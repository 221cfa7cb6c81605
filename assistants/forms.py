"""The forms of the assistant's pages."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from assistants.models import Assistant
from tools.forms import SecretForm


def _lines(rows: int) -> UnfoldAdminTextareaWidget:
    return UnfoldAdminTextareaWidget(attrs={"rows": rows})


class AssistantForm(SecretForm):
    """The draft of an assistant."""

    class Meta:
        model = Assistant
        exclude = ["server_secret", "tools"]
        labels = {
            "instructions": "Prompt",
            "first_message_mode": "How the call begins",
            "first_message_interruptible": "First message can be interrupted",
            "end_call_message": "Last message",
            "speed": "Speaking speed",
            "max_output_tokens": "Longest answer (tokens)",
            "transcription_model": "Transcription",
        }
        widgets = {
            "instructions": UnfoldAdminTextareaWidget(attrs={"rows": 26, "class": "t-code"}),
            "first_message": _lines(3),
            "end_call_message": _lines(2),
            "apology": _lines(2),
            "server_url": UnfoldAdminTextInputWidget(attrs={"inputmode": "url", "spellcheck": "false"}),
            "noise_reduction": UnfoldAdminSelectWidget(),
        }

    def clean_language(self) -> str:
        language: str = self.cleaned_data["language"].lower()
        if not (len(language) == 2 and language.isascii() and language.isalpha()):
            raise ValidationError("Use the two letters of the language, for example en, de or es.")
        return language

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        speaks_first = cleaned.get("first_message_mode") == Assistant.FirstMessageMode.SPEAKS_FIRST
        if speaks_first and "first_message" in cleaned and not cleaned["first_message"].strip():
            self.add_error(
                "first_message",
                "Write what the assistant says first, or let it greet in its own words, or wait for the caller.",
            )
        return cleaned


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
