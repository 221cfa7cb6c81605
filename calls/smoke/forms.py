"""The forms of scenarios, of declared orders, and of beginning a smoke test."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from calls.models import E164_PATTERN, Call, CallerLine, DriftRules, PhoneNumber, Scenario, SmokeRun
from calls.smoke.caller_lines import RECORDED, line_key
from calls.smoke.clip_files import MOST_BYTES, ClipFileError, mulaw_of_wav
from calls.smoke.orders import OrdersError, orders_read
from calls.smoke.planning import MOST_RUNS
from calls.smoke.scripts import ScriptError, script_read
from tools.formparts import JsonEditorField

_MOST_REFERENCES = 200

EXAMPLE: dict[str, Any] = {
    "goal": "Wants to know whether the bike is ready.",
    "facts": {"ticket number": "four eight one"},
    "never": ["their e-mail address"],
    "turns": [
        {
            "caller": "Hi, is my bike ready? The ticket is four eight one.",
            "assistant": [
                {"call": "get_repair_status", "arguments": {"ticket": "481"}},
                {"say": "It should be ready on Tuesday."},
            ],
        },
        {"caller": "Great, thank you, goodbye."},
        {"hang_up": True},
    ],
    "mocks": [
        {"tool": "get_repair_status", "arguments": {"ticket": "481"}, "result": {"ready_on": "Tuesday"}}
    ],
}


class ScenarioForm(forms.ModelForm[Scenario]):
    """A scenario with the script of its newest version; another script becomes a new version."""

    script = JsonEditorField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 30, "class": "t-code", "spellcheck": "false"}),
        help_text=(
            "A turn has “caller” (words), “press” (keys), “silence_s” or “hang_up”; “interrupts_after_ms” lets the caller begin so "
            "long after the assistant did. “assistant” is what happens then: {“say”} and {“call”, “arguments”}. “mocks” answer the "
            "tools: “tool” with “result”, “error” or “times_out”, and “arguments” where only those are to be answered; * fits any "
            "characters. “goal”, “facts” and “never” are for a caller who is played by a model."
        ),
    )

    class Meta:
        model = Scenario
        fields = ["assistant", "name", "enabled", "references"]
        labels = {"references": "Calls at Vapi"}
        widgets = {"references": UnfoldAdminSelectMultipleWidget(attrs={"size": "8"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "references" in self.fields:
            self._offer_references()

    def _offer_references(self) -> None:
        """Offer the assistant's newest calls at Vapi, and those that are chosen."""
        field: Any = self.fields["references"]
        calls = Call.objects.filter(stack=Call.Stack.VAPI)
        new = self.instance._state.adding
        assistant_id = self.initial.get("assistant") if new else self.instance.assistant_id
        if assistant_id is not None:
            calls = calls.filter(assistant_id=assistant_id)
        newest = list(calls.order_by("-created_at").values_list("pk", flat=True)[:_MOST_REFERENCES])
        chosen = [] if new else self.instance.references.values_list("pk", flat=True)
        field.queryset = Call.objects.filter(pk__in=[*newest, *chosen]).order_by("-created_at")
        field.label_from_instance = _call_label

    def clean_script(self) -> Any:
        script = self.cleaned_data["script"]
        try:
            script_read(script)
        except ScriptError as exc:
            raise ValidationError(exc.faults) from exc
        return script


def _call_label(call: Call) -> str:
    return f"{call.created_at:%d %b %Y, %H:%M} from {call.caller or 'unknown'}"


class CallerLineForm(forms.ModelForm[CallerLine]):
    """A recording of a caller's words."""

    recording = forms.FileField(
        help_text="A WAV file, 16-bit PCM, up to 60 s: somebody says just these words.",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".wav,audio/wav"}),
    )

    class Meta:
        model = CallerLine
        fields = ["words"]
        widgets = {"words": UnfoldAdminTextareaWidget(attrs={"rows": 3})}

    def clean_words(self) -> str:
        words = " ".join(str(self.cleaned_data["words"]).split())
        if CallerLine.objects.filter(key=line_key(words, RECORDED)).exclude(pk=self.instance.pk).exists():
            raise ValidationError("There is a recording of these words already. Delete it first.")
        return words

    def clean_recording(self) -> bytes:
        try:
            return mulaw_of_wav(self.cleaned_data["recording"].read(MOST_BYTES + 1))
        except ClipFileError as exc:
            raise ValidationError(str(exc)) from exc

    def save(self, commit: bool = True) -> CallerLine:  # noqa: FBT001, FBT002  # Django's signature
        line = self.instance
        line.key = line_key(line.words, RECORDED)
        line.mulaw = self.cleaned_data["recording"]
        return super().save(commit)


class DriftRulesForm(forms.ModelForm[DriftRules]):
    """What counts as drift for an assistant."""

    class Meta:
        model = DriftRules
        fields = ["assistant", "orders", "publish_gate", "last_calls"]
        widgets = {
            "orders": UnfoldAdminTextareaWidget(attrs={"rows": 6, "class": "t-code", "spellcheck": "false"})
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        assistant = cleaned.get("assistant")
        names = set(assistant.tools.values_list("name", flat=True)) if assistant else set()
        names |= (
            set(assistant.tools.exclude(wire_name="").values_list("wire_name", flat=True))
            if assistant
            else set()
        )
        try:
            # An MCP server's own tools are not rows; then any name may be meant.
            mcp = assistant is not None and assistant.tools.filter(kind="mcp").exists()
            orders_read(cleaned.get("orders", ""), known=None if mcp else names)
        except OrdersError as exc:
            raise ValidationError({"orders": str(exc)}) from exc
        return cleaned


class StartForm(forms.Form):
    """What to test, and how much of it."""

    number = forms.ModelChoiceField(queryset=PhoneNumber.objects.none(), widget=UnfoldAdminSelectWidget())
    runs = forms.IntegerField(
        min_value=1,
        max_value=MOST_RUNS,
        initial=50,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text="50 clean calls bound the drift only below 7.1 %. 73 clean calls are the fewest that pass.",
    )
    draft = forms.BooleanField(
        required=False, label="Test the draft instead of the live version", widget=UnfoldBooleanWidget()
    )
    line = forms.ChoiceField(
        label="Line",
        choices=SmokeRun.Line.choices,
        widget=UnfoldAdminSelectWidget(),
    )
    caller = forms.ChoiceField(
        label="The caller says",
        required=False,
        choices=SmokeRun.Caller.choices,
        initial=SmokeRun.Caller.SCRIPT.value,
        widget=UnfoldAdminSelectWidget(),
        help_text="A model improvises from the scenario's goal and facts, and costs about as much as the assistant does.",
    )
    vapi_number = forms.RegexField(
        regex=E164_PATTERN,
        required=False,
        label="Play it to Vapi too, at this number",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "tel", "placeholder": "+14155550100"}),
        error_messages={"invalid": "Write the number like +14155550100."},
        help_text="Only over the telephone: a number that Vapi still answers, or the number itself, if Vapi knows it. Empty: calls of the past are the reference.",
    )
    vapi_tools_are_real = forms.BooleanField(
        required=False,
        label="I know that at Vapi the tools are really called",
        widget=UnfoldBooleanWidget(),
    )
    budget_minutes = forms.IntegerField(
        min_value=1,
        required=False,
        label="Budget (minutes of conversation)",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
    )
    budget_usd = forms.DecimalField(
        min_value=Decimal("0.01"),
        max_digits=8,
        decimal_places=2,
        required=False,
        label="Budget (US dollars)",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )
    usd_per_minute = forms.DecimalField(
        min_value=Decimal(0),
        max_digits=6,
        decimal_places=3,
        initial=0,
        label="Dollars a minute, your estimate",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )

    def __init__(self, *args: Any, numbers: QuerySet[PhoneNumber], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["number"]
        field.queryset = numbers

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("budget_usd") and not cleaned.get("usd_per_minute"):
            raise ValidationError(
                {"usd_per_minute": "A budget in dollars needs an estimate of what a minute costs."}
            )
        return cleaned
