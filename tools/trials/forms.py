"""What a test request is sent with: arguments, and what only a person can give."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from tools.destinations import is_e164
from tools.formparts import JsonEditorField
from tools.models import Tool
from tools.sms import sender_set
from tools.snapshots import ToolSnapshot, tool_snapshot_take
from tools.trials.examples import arguments_example
from tools.trials.reports import host_shown
from tools.trials.running import has_own_server


class TrialForm(forms.Form):
    """What a test request is sent with. The assistant is asked for only where its server is the one."""

    assistant = forms.ChoiceField(
        label="As which assistant",
        help_text="The tool has no URL of its own, so the request goes where this assistant's go.",
        widget=UnfoldAdminSelectWidget(),
    )
    arguments = JsonEditorField(
        required=False,
        label="Arguments",
        help_text="What the model would give, as JSON. Prefilled with an example made from the tool's schema.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 12, "class": "t-code", "spellcheck": "false"}),
    )
    agreed = forms.BooleanField(
        label="Yes, send it. I know that it may book, change or cost something there.",
        error_messages={"required": "Tick this first: the request is a real one."},
        widget=UnfoldBooleanWidget(),
    )
    mark = forms.RegexField(r"^[0-9a-f]{16}$", widget=forms.HiddenInput)
    of = forms.CharField(widget=forms.HiddenInput)
    to = forms.CharField(
        label="To",
        max_length=30,
        error_messages={"required": "Enter the number that is to get the message."},
        help_text="Your own telephone, for example +14155550100. In a call the message goes to the caller.",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )
    sender = forms.CharField(
        label="From",
        max_length=30,
        error_messages={"required": "Enter the number that the message comes from."},
        help_text="One of your numbers at Twilio. In a call it is the number that was called.",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        tool: Any,
        typed: Mapping[str, Any] | None = None,
        chosen: ToolSnapshot | None = None,
    ) -> None:
        """``typed`` is what was sent last: the form for the next request begins with it, but for the tick.

        ``chosen`` is the tool of an MCP server.
        """
        parameters = chosen.parameters if chosen else tool.parameters
        kept = (
            {name: typed[name] for name in ("assistant", "arguments", "to", "sender") if name in typed}
            if typed
            else {}
        )
        initial = {"arguments": arguments_example(parameters), **kept, "of": chosen.name if chosen else ""}
        super().__init__(data, initial={**initial, "mark": uuid.uuid4().hex[:16]})
        self.only_shown = data is not None and "show" in data
        self._choose_assistants(tool)
        if chosen is None:
            del self.fields["of"]
        sms = tool.kind == Tool.Kind.SMS
        if not sms or sender_set(tool_snapshot_take(tool, server_url="", backoff_plan={})):
            del self.fields["sender"]
        if not sms:
            del self.fields["to"]
        if self.only_shown:
            for name in {"agreed", "to", "sender"} & set(self.fields):
                self.fields[name].required = False

    def _choose_assistants(self, tool: Any) -> None:
        users = (
            []
            if has_own_server(tool)
            else tool.assistants.order_by("name").values_list("pk", "name", "server_url")
        )
        if users:
            self.fields["assistant"].choices = [  # type: ignore[attr-defined]  # a ChoiceField's
                (str(pk), f"{name} ({host_shown(url) or 'no server URL of its own'})")
                for pk, name, url in users
            ]
        else:
            del self.fields["assistant"]

    def clean_arguments(self) -> dict[str, Any]:
        arguments = self.cleaned_data["arguments"]
        if arguments is None:
            return {}
        if not isinstance(arguments, dict):
            raise ValidationError(
                'Write a JSON object, such as {"ticket": "44712"}. The model gives nothing else.'
            )
        return arguments

    def clean_to(self) -> str:
        return _number_typed(self.cleaned_data["to"])

    def clean_sender(self) -> str:
        return _number_typed(self.cleaned_data["sender"])


def _number_typed(typed: str) -> str:
    number = re.sub(r"[\s().\-/]", "", typed)
    if number and not is_e164(number):
        raise ValidationError("Write it with + and the country code, for example +14155550100.")
    return number
