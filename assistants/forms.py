"""The forms of the assistant's pages."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from assistants.analysis_form import AnalysisForm
from assistants.models import Assistant
from tools.formparts import HeadersForm, JsonEditorField
from tools.tool_shapes import part_problems


def _lines(rows: int) -> UnfoldAdminTextareaWidget:
    return UnfoldAdminTextareaWidget(attrs={"rows": rows})


def _json(rows: int) -> UnfoldAdminTextareaWidget:
    return UnfoldAdminTextareaWidget(attrs={"rows": rows, "class": "t-code", "spellcheck": "false"})


class AssistantForm(AnalysisForm, HeadersForm):
    """The draft of an assistant."""

    class Meta:
        model = Assistant
        exclude = ["server_secret", "server_headers", "tools", "plans", "analysis_plan"]
        field_classes = dict.fromkeys(
            (
                "history",
                "variables",
                "metadata",
                "server_backoff_plan",
                "server_encrypted_paths",
                "monitor_plan",
                "server_messages",
            ),
            JsonEditorField,
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
            "server_encrypted_paths": "Encrypted arguments",
            "recording_enabled": "Record calls",
            "hipaa": "Health information (HIPAA)",
            "retention_days": "Keep records for (days)",
            "monitor_plan": "Listening in and control",
            "server_messages": "Events",
        }
        help_texts = {
            "server_encrypted_paths": (
                'Of tools without a server of their own, by their path: ["ssn", "payment.cardNumber"]. Encrypted with the public '
                "key of the credential; without it nothing is sent."
            ),
            "monitor_plan": (
                'As Vapi has it: {"listenEnabled": false, "controlEnabled": false}. Empty: whoever has the address of a running call '
                "may listen to it and steer it."
            ),
            "server_messages": (
                'What the server URL is told of calls, as Vapi has it: ["status-update", "end-of-call-report"]. Empty: what Vapi sends '
                "by default. []: nothing. Tools are asked in any case."
            ),
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
            "server_encrypted_paths": _json(4),
            "monitor_plan": _json(4),
            "server_messages": _json(3),
            "server_url": UnfoldAdminTextInputWidget(attrs={"inputmode": "url", "spellcheck": "false"}),
            "noise_reduction": UnfoldAdminSelectWidget(),
        }

    redact = forms.MultipleChoiceField(
        choices=Assistant.Redacted,
        required=False,
        label="Never written down",
        help_text="Replaced by a mark such as [card] before anything is stored or shown, also when it is spoken as words.",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
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

    def clean_server_encrypted_paths(self) -> list[str]:
        paths = self.cleaned_data["server_encrypted_paths"] or []
        problems = part_problems("encrypted_paths", paths, kind="")
        if problems:
            raise ValidationError(problems)
        return list(paths)

    def clean_monitor_plan(self) -> dict[str, Any]:
        return self._object("monitor_plan")

    def clean_server_messages(self) -> list[str] | None:
        listed = self.cleaned_data["server_messages"]
        if listed in (None, ""):
            return None
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise ValidationError('Write a list of names: ["status-update", "end-of-call-report"]')
        return listed

    def _object(self, name: str) -> dict[str, Any]:
        value = self.cleaned_data[name] or {}
        if not isinstance(value, dict):
            raise ValidationError('Write a JSON object: {"name": "value"}')
        return value

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
    override = forms.CharField(
        required=False,
        max_length=500,
        label="Publish all the same, because",
        help_text="Your name and this reason are kept with the version.",
        widget=UnfoldAdminTextInputWidget(),
    )
    reviewed = forms.CharField(widget=forms.HiddenInput)
