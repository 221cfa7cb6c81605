"""The form of a tool."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from tools.formparts import HeadersForm, JsonEditorField
from tools.models import Credential, Tool, empty_parameters
from tools.schemas import schema_problems
from tools.snapshots import MCP_LIST, settings_typed
from tools.tool_shapes import part_problems


def _json(rows: int) -> UnfoldAdminTextareaWidget:
    return UnfoldAdminTextareaWidget(attrs={"rows": rows, "class": "t-code", "spellcheck": "false"})


# Columns in Vapi's JSON, with what stands there when nothing does.
PARTS: Final[Mapping[str, Callable[[], Any]]] = {
    "static_parameters": list,
    "encrypted_paths": list,
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
            "encrypted_paths",
            "timeout_s",
            "backoff_plan",
            "legacy_form",
            "asynchronous",
            "duplicates",
            "messages",
            "variable_extraction",
            "rejection_plan",
            "settings",
        ]
        field_classes = dict.fromkeys(("parameters", *PARTS), JsonEditorField)
        labels = {
            "static_parameters": "Values that you send",
            "encrypted_paths": "Encrypted arguments",
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
            "encrypted_paths": (
                'Arguments that only your server may read, by their path: ["ssn", "payment.cardNumber"]. Each is encrypted '
                "with the public key of the credential (RSA-OAEP, SHA-256, Base64), as at Vapi. Without the key nothing is "
                "sent, and the model is told so. What the caller says stays readable in the transcript."
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
            "encrypted_paths": _json(4),
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
        if "duplicates" in self.fields:
            self.fields["duplicates"].required = False  # kinds that have no use for it do not show it
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

    def clean_duplicates(self) -> str:
        return self.cleaned_data["duplicates"] or Tool.Duplicates.ONCE

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
