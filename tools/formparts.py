"""Form parts that more than one admin page uses: secrets that are written and never shown, and JSON by hand."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanWidget,
)

from tools.auth.credentials import CredentialError, header_value
from tools.encryption import SecretUnreadableError
from tools.jsontext import json_clean, json_read


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]  # a plain class at run time
    """A form of a model with a ``server_secret``, which it can replace or clear but never reads.

    The model's own field stays out of the form, so a stored secret reaches no page, and one that no configured
    key can open does not stop anybody from editing the rest. Its admin is an ``adminkit.SecretAdmin``.
    """

    new_secret = forms.CharField(
        required=False,
        label="Server secret",
        strip=False,
        max_length=500,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    clear_secret = forms.BooleanField(
        required=False,
        label="Forget the stored secret",
        help_text="Webhooks are sent without a secret then.",
        widget=UnfoldBooleanWidget(),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "new_secret" in self.fields:
            stored = getattr(self.instance, "secret_stored", False)
            text = (
                "A secret is stored. Leave this empty to keep it, or type a new one."
                if stored
                else "None is stored."
            )
            sent_as = self.instance._meta.get_field("server_secret").help_text
            self.fields["new_secret"].help_text = f"{text} {sent_as}"

    def clean_new_secret(self) -> str:
        secret: str = self.cleaned_data["new_secret"]
        # A header cannot hold them, and none is ever meant: they come from careless copying.
        if secret != secret.strip():
            raise ValidationError("The secret begins or ends with a space. Copy it again without.")
        if not secret.isprintable() or not secret.isascii():
            raise ValidationError("A secret is sent in a header: use letters, digits and plain signs only.")
        return secret

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("new_secret") and cleaned.get("clear_secret"):
            self.add_error("clear_secret", "Either type a new secret or forget the stored one, not both.")
        return cleaned

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 # Django's signature
        if self.cleaned_data.get("new_secret"):
            self.instance.server_secret = self.cleaned_data["new_secret"]
        elif self.cleaned_data.get("clear_secret"):
            self.instance.server_secret = ""
        return super().save(commit)


class JsonEditorField(forms.JSONField):
    """JSON typed by hand: shown indented, and an error says where it is."""

    default_error_messages = {"not_json": "%(why)s"}

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str) or value in self.empty_values:
            return super().to_python(value)
        try:
            return json_clean(
                json.loads(value, object_pairs_hook=_without_twins, parse_constant=_no_constant)
            )
        except json.JSONDecodeError as exc:
            why = f"Not valid JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}."
        except RecursionError:
            why = "Not usable: nested too deeply."
        except ValueError as exc:
            why = f"Not usable: {exc}."
        raise ValidationError(self.error_messages["not_json"], code="not_json", params={"why": why})

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return InvalidJSONInput(data)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return super().has_changed(initial, data)
        except RecursionError:
            return True

    def prepare_value(self, value: Any) -> Any:
        prepared = super().prepare_value(value)
        try:
            return json.dumps(json.loads(prepared), indent=2, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError):
            return prepared


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'"{twin}" stands twice in the same object')
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class WriteOnlyJsonField(JsonEditorField):
    """JSON that is typed anew each time: what is stored is never shown."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class HeadersForm(SecretForm):
    """A form of a model that has ``server_headers`` too: replaced or cleared here, and only their names are shown."""

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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "new_headers" in self.fields:
            self.fields["new_headers"].help_text = (
                f"{headers_state(self.instance)} A JSON object of names and values that are sent as they are; only the "
                "names are ever shown again. Empty: the stored ones stay."
            )

    def clean_new_headers(self) -> dict[str, str] | None:
        headers = self.cleaned_data["new_headers"]
        if headers in (None, {}):
            return None
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            raise ValidationError('Write a JSON object of texts: {"X-Api-Key": "…"}')
        for name, value in headers.items():
            try:
                header_value(name, value)
            except CredentialError:
                raise ValidationError(
                    f"{name}: no such header can be sent. Its name must not steer the connection, and its value must "
                    "be one line."
                ) from None
        return headers

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("new_headers") and cleaned.get("clear_headers"):
            self.add_error("clear_headers", "Either type new headers or forget the stored ones, not both.")
        return cleaned

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 # Django's signature
        if self.cleaned_data.get("new_headers"):
            self.instance.server_headers = json.dumps(self.cleaned_data["new_headers"])
        elif self.cleaned_data.get("clear_headers"):
            self.instance.server_headers = ""
        return super().save(commit)


def has_headers(holder: Any) -> bool:
    """Whether headers are stored, readable or not."""
    try:
        return bool(holder.server_headers)
    except SecretUnreadableError:
        return True


def headers_state(holder: Any) -> str:
    """The names of the stored headers in a sentence; never their values."""
    try:
        stored = holder.server_headers
    except SecretUnreadableError:
        return "Headers are stored that no configured key opens. Enter them again."
    if not stored:
        return "None are stored."
    headers = json_read(stored)
    if not isinstance(headers, dict):
        return "What is stored is no JSON object. Enter the headers again."
    return f"Stored: {', '.join(map(str, headers))}."
