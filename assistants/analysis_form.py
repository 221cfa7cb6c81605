"""The plan of an assistant's analysis as fields of its page: one plain question each, and JSON only where a form is described.

What the fields do not show of a plan stays in it as it is.
"""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanWidget,
)

from assistants.analysis_plan import (
    MIN_MESSAGES,
    RUBRICS,
    Json,
    Kind,
    plan_lifted,
    plan_problems,
    prompted,
)
from tools.formparts import JsonEditorField

FIELDS: Final = (
    "analysis_summary",
    "analysis_summary_prompt",
    "analysis_success",
    "analysis_rubric",
    "analysis_success_prompt",
    "analysis_facts",
    "analysis_facts_schema",
    "analysis_facts_prompt",
    "analysis_more",
    "analysis_least",
)
_PLACES: Final = {
    "summary": ("summaryPlan", Kind.SUMMARY),
    "success": ("successEvaluationPlan", Kind.SUCCESS),
    "facts": ("structuredDataPlan", Kind.DATA),
}
_USUAL: Final = "Empty: the usual question, as Vapi asks it."
_SCHEMA_HELP: Final = (
    'The form of the answer as a JSON schema: {"type": "object", "properties": {"booked": {"type": "boolean", "description": '
    '"Whether an appointment was made"}}, "required": ["booked"]}'
)


def fields_of(plan: Mapping[str, Any]) -> Json:
    """A plan as the page shows it."""
    lifted = plan_lifted(plan)
    parts = {name: _mapping(lifted.get(place)) for name, (place, _) in _PLACES.items()}
    rubric = parts["success"].get("rubric")
    least = lifted.get("minMessagesThreshold")
    return {
        "analysis_summary": parts["summary"].get("enabled") is not False,
        "analysis_success": parts["success"].get("enabled") is not False,
        "analysis_facts": parts["facts"].get("enabled") is True,
        **{f"analysis_{name}_prompt": _prompt(part) for name, part in parts.items()},
        "analysis_rubric": rubric if rubric in RUBRICS else "",
        "analysis_facts_schema": parts["facts"].get("schema"),
        "analysis_more": lifted.get("structuredDataMultiPlan") or [],
        "analysis_least": least if isinstance(least, int) and least >= 0 else MIN_MESSAGES,
    }


def plan_with(plan: Mapping[str, Any], values: Mapping[str, Any]) -> Json:
    """The plan with what was changed on the page; where nothing was, the plan as it stands."""
    before = fields_of(plan)
    changed = {name for name in before if name in values and values[name] != before[name]}
    if not changed:
        return dict(plan)
    new = plan_lifted(plan)
    for name, (place, kind) in _PLACES.items():
        if any(one.startswith(f"analysis_{name}") for one in changed) or (
            kind is Kind.SUCCESS and "analysis_rubric" in changed
        ):
            new[place] = _part_with(_mapping(new.get(place)), name, kind, values, changed)
    if "analysis_more" in changed:
        new.pop("structuredDataMultiPlan", None)
        new |= {"structuredDataMultiPlan": values["analysis_more"]} if values["analysis_more"] else {}
    if "analysis_least" in changed:
        new["minMessagesThreshold"] = values["analysis_least"]
    return new


def _part_with(
    part: Mapping[str, Any], name: str, kind: Kind, values: Mapping[str, Any], changed: set[str]
) -> Json:
    new = {**part, "enabled": values[f"analysis_{name}"]}
    if f"analysis_{name}_prompt" in changed:
        new.pop("messages", None)
        text = values[f"analysis_{name}_prompt"]
        if text:
            others = [one for one in part.get("messages") or [] if not _is_system(one)]
            new["messages"] = (
                [{"role": "system", "content": text}, *others] if others else prompted(text, kind)
            )
    for field, place in (("analysis_rubric", "rubric"), ("analysis_facts_schema", "schema")):
        if field in changed and (kind is Kind.SUCCESS) == (place == "rubric") and kind is not Kind.SUMMARY:
            new.pop(place, None)
            new |= {place: values[field]} if values[field] else {}
    return new


def _prompt(part: Mapping[str, Any]) -> str:
    messages = part.get("messages")
    found = [one["content"] for one in messages if _is_system(one)] if isinstance(messages, list) else []
    return "\n\n".join(found)


def _is_system(message: object) -> bool:
    return (
        isinstance(message, Mapping)
        and message.get("role") == "system"
        and isinstance(message.get("content"), str)
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _box(*, label: str, help_text: str) -> forms.BooleanField:
    return forms.BooleanField(required=False, label=label, help_text=help_text, widget=UnfoldBooleanWidget())


def _text(*, label: str, help_text: str = _USUAL) -> forms.CharField:
    return forms.CharField(
        required=False, label=label, help_text=help_text, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )


def _json(*, label: str, help_text: str) -> JsonEditorField:
    attrs = {"rows": 8, "class": "t-code", "spellcheck": "false"}
    return JsonEditorField(
        required=False, label=label, help_text=help_text, widget=UnfoldAdminTextareaWidget(attrs=attrs)
    )


class AnalysisForm(forms.ModelForm):  # type: ignore[type-arg]  # a plain class at run time
    """The part of an assistant's form that is about analysis."""

    analysis_summary = _box(label="Sum up the call", help_text="In a few sentences.")
    analysis_summary_prompt = _text(label="What the summary should be")
    analysis_success = _box(label="Judge the call", help_text="Whether it went well, measured by the prompt.")
    analysis_rubric = forms.ChoiceField(
        required=False,
        label="Judged as",
        choices=[("", "Passed or failed, or as the question below says"), *RUBRICS.items()],
        widget=UnfoldAdminSelectWidget(),
    )
    analysis_success_prompt = _text(label="What counts as a success")
    analysis_facts = _box(label="Collect facts", help_text="Answers in a form that programs can read.")
    analysis_facts_schema = _json(label="Form of the facts", help_text=_SCHEMA_HELP)
    analysis_facts_prompt = _text(label="How to find the facts")
    analysis_more = _json(
        label="Further facts",
        help_text='More forms, each under a key of its own: [{"key": "address", "plan": {"schema": {"type": "object", …}}}]',
    )
    analysis_least = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=1000,
        label="Only calls with at least so many messages",
        help_text="What either side said in one turn is a message.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plan = self.instance.analysis_plan if isinstance(self.instance.analysis_plan, dict) else {}
        for name, value in fields_of(plan).items():
            self.initial.setdefault(name, value)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not set(FIELDS) <= cleaned.keys():
            return cleaned
        values = {name: cleaned[name] for name in FIELDS}
        values["analysis_more"] = values["analysis_more"] or []
        values["analysis_least"] = (
            MIN_MESSAGES if values["analysis_least"] is None else values["analysis_least"]
        )
        values |= {name: _lines(values[name]) for name in FIELDS if name.endswith("_prompt")}
        if values["analysis_facts"] and not values["analysis_facts_schema"]:
            self.add_error("analysis_facts_schema", "Describe the form of the facts, or do not collect any.")
        before = self.instance.analysis_plan if isinstance(self.instance.analysis_plan, dict) else {}
        plan = plan_with(before, values)
        for problem in plan_problems(plan):
            field = next((field for words, field in _WHERE if problem.startswith(words)), None)
            self.add_error(field, ValidationError(problem.partition(" ")[2] if field else problem))
        self.analysis_plan = plan
        return cleaned

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 # Django's signature
        self.instance.analysis_plan = getattr(self, "analysis_plan", self.instance.analysis_plan)
        return super().save(commit)


_WHERE: Final = (
    ("summaryPlan.messages", "analysis_summary_prompt"),
    ("successEvaluationPlan.messages", "analysis_success_prompt"),
    ("successEvaluationPlan.rubric", "analysis_rubric"),
    ("structuredDataPlan.messages", "analysis_facts_prompt"),
    ("structuredDataPlan.schema", "analysis_facts_schema"),
    ("structuredDataMultiPlan", "analysis_more"),
    ("minMessagesThreshold", "analysis_least"),
)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
