"""Form parts that more than one admin page uses: secrets that are written and never shown, and JSON by hand."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from tools.auth.credentials import CredentialError, header_value
from tools.encryption import SecretUnreadableError
from tools.jsontext import json_clean, json_read
from tools.models import Credential, Tool, empty_parameters
from tools.schemas import schema_problems
from tools.snapshots import MCP_LIST, settings_typed
from tools.tool_shapes import part_problems


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


def _json(rows: int) -> UnfoldAdminTextareaWidget:
    return UnfoldAdminTextareaWidget(attrs={"rows": rows, "class": "t-code", "spellcheck": "false"})


# Columns in Vapi's JSON, with what stands there when nothing does.
PARTS: Final[Mapping[str, Callable[[], Any]]] = {
    "static_parameters": list,
    "messages": list,
    "variable_extraction": dict,
    "rejection_plan": dict,
    "backoff_plan": dict,
    "settings": dict,
}


class ToolForm(HeadersForm):
    """A tool, with everything refused that would make OpenAI refuse a whole call, or that would pass unheeded.

    A part that was not touched is not judged: what an import brought must not bar a change of something else.
    """

    class Meta:
        model = Tool
        fields = [
            "kind",
            "name",
            "wire_name",
            "description",
            "parameters",
            "static_parameters",
            "server_url",
            "credential",
            "timeout_s",
            "backoff_plan",
            "legacy_form",
            "asynchronous",
            "messages",
            "variable_extraction",
            "rejection_plan",
            "settings",
        ]
        field_classes = dict.fromkeys(("parameters", *PARTS), JsonEditorField)
        labels = {
            "static_parameters": "Values that you send",
            "backoff_plan": "Sending again",
            "messages": "What is said",
            "variable_extraction": "Variables from the answer",
            "rejection_plan": "When it is refused",
            "settings": "Settings of this kind",
        }
        help_texts = {
            "static_parameters": (
                "Sent besides the model's arguments, and instead of those of the same name: "
                '[{"key": "caller", "value": "{{ customer.number }}"}]. Texts may hold Liquid.'
            ),
            "backoff_plan": (
                "Empty: a failed request is not sent again. A plan repeats also what may have been carried out: "
                '{"type": "exponential", "maxRetries": 2, "baseDelaySeconds": 1, "excludedStatusCodes": [400]}. '
                "type is fixed or exponential; at most 10 retries, 10 seconds apart at first."
            ),
            "messages": (
                'A list: [{"type": "request-start", "content": "One moment."}]. type is request-start, '
                "request-response-delayed (with timingMilliseconds, 100 to 120000), request-complete or request-failed; "
                "conditions compare arguments by eq, neq, gt, gte, lt or lte. An empty content means silence."
            ),
            "variable_extraction": (
                "What later texts of the call may name: a schema whose properties are taken from the answer, and aliases: "
                '{"aliases": [{"key": "slot", "value": "{{ $.slots[0].id }}"}]}. $ is the whole answer.'
            ),
            "rejection_plan": (
                "The model is refused the tool while all conditions are met: "
                '{"conditions": [{"type": "regex", "regex": "stop", "target": {"role": "user", "position": -1}}]}. '
                'Besides regex there are liquid, which must give "true", and group, with operator AND or OR.'
            ),
            "settings": (
                "In Vapi's words. HTTP request: url, method, headers and body (schemas whose properties carry a value or "
                "a default). Transfer and hand over: destinations. Text message: metadata.from. MCP: metadata.protocol."
            ),
        }
        widgets = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 4}),
            "parameters": _json(18),
            "static_parameters": _json(4),
            "backoff_plan": _json(4),
            "messages": _json(8),
            "variable_extraction": _json(5),
            "rejection_plan": _json(5),
            "settings": _json(10),
            "server_url": UnfoldAdminTextInputWidget(attrs={"inputmode": "url", "spellcheck": "false"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("parameters", *PARTS):
            if name in self.fields:
                # Django would let the page say what was there before.
                self.fields[name].show_hidden_initial = False
        if "credential" in self.fields:
            # Without the settings, of which one that no key opens would break the page.
            self.fields["credential"].queryset = Credential.objects.only("id", "name")  # type: ignore[attr-defined]
        if isinstance(self.instance.settings, dict):
            self.initial["settings"] = settings_typed(self.instance.settings)

    def clean_parameters(self) -> Any:
        parameters = self.cleaned_data["parameters"]
        if parameters is None:
            return empty_parameters()
        problems = schema_problems(parameters)
        if problems:
            raise ValidationError([_as_sentence(problem) for problem in problems])
        return parameters

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        kind = cleaned.get("kind", "")
        for name, empty in PARTS.items():
            if name not in cleaned:
                continue
            if cleaned[name] in (None, "", [], {}):
                cleaned[name] = empty()
            elif name in self.changed_data or (name == "settings" and "kind" in self.changed_data):
                problems = part_problems(name, cleaned[name], kind=kind)
                if problems:
                    self.add_error(name, [ValidationError(problem) for problem in problems])
        told = self.instance.settings
        if isinstance(cleaned.get("settings"), dict) and isinstance(told, dict) and MCP_LIST in told:
            cleaned["settings"] = {**cleaned["settings"], MCP_LIST: told[MCP_LIST]}
        return cleaned


def _as_sentence(problem: str) -> str:
    """The problem with a capital, unless it begins with the name of an argument."""
    return problem[:1].upper() + problem[1:] if problem.startswith(("its ", "the ")) else problem
