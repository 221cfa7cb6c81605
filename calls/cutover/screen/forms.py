"""The forms of the cutover screen."""

from collections import Counter
from collections.abc import Mapping
from datetime import time
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from calls.cutover.gates import TITLES

MOST_CHARACTERS: Final = 1000
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class ReasonForm(forms.Form):
    """Why something is done. It stands in the history for good."""

    reason = forms.CharField(
        label="Reason",
        max_length=MOST_CHARACTERS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="It stands in the history of each number for good.",
        error_messages={"required": "Say why: the reason stands in the history of each number for good."},
    )


class ShareForm(forms.Form):
    """All calls at once, or a share of them."""

    kind = forms.ChoiceField(
        choices=[("cutover", "Cut over: all calls at once"), ("canary", "Canary: a share of the calls")]
    )
    percent = forms.IntegerField(min_value=1, max_value=99, required=False, label="Share in percent")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if (
            cleaned.get("kind") == "canary"
            and cleaned.get("percent") is None
            and "percent" not in self.errors
        ):
            self.add_error("percent", "Enter a share between 1 and 99 percent.")
        return cleaned


class OverridesForm(forms.Form):
    """For each gate that stops something: whether to pass it all the same, and why."""

    def __init__(self, *args: Any, gates: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gates = dict(gates)
        for name, title in self.gates.items():
            self.fields[f"override_{name}"] = forms.BooleanField(required=False, label=f"Override “{title}”")
            self.fields[f"override_{name}_reason"] = forms.CharField(
                required=False,
                max_length=MOST_CHARACTERS,
                label=f"Why “{title}” may be passed over",
                widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
            )

    def rows(self) -> list[tuple[str, Any, Any]]:
        """For the template: the gate's title, its tick box, and the reason."""
        return [
            (title, self[f"override_{name}"], self[f"override_{name}_reason"])
            for name, title in self.gates.items()
        ]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name, title in self.gates.items():
            chosen, why = (
                cleaned.get(f"override_{name}"),
                (cleaned.get(f"override_{name}_reason") or "").strip(),
            )
            if chosen and not why:
                self.add_error(f"override_{name}_reason", f"Say why “{title}” is overridden.")
            if why and not chosen:
                self.add_error(f"override_{name}", "Tick this too, or take the reason away.")
        return cleaned

    def overrides(self) -> list[dict[str, str]]:
        """The gates that are overridden, each with its reason. The form must be valid."""
        return [
            {"gate": name, "reason": self.cleaned_data[f"override_{name}_reason"].strip()}
            for name in self.gates
            if self.cleaned_data.get(f"override_{name}")
        ]


def gates_named(names: Any = None) -> dict[str, str]:
    """Gates by name with their titles, in the order in which they are worth reading."""
    return {name: title for name, title in TITLES.items() if names is None or name in names}


class ScheduleForm(forms.Form):
    """Which numbers, in which order, on which days, in which hours."""

    name = forms.CharField(
        required=False,
        max_length=120,
        label="Name",
        help_text="Empty: it is named after its numbers.",
        widget=UnfoldAdminTextInputWidget(),
    )
    numbers = forms.CharField(
        label="Numbers, in this order",
        help_text="One a line. Move lines to change the order, delete lines to leave numbers out.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8, "class": "t-code", "spellcheck": "false"}),
    )
    kind = forms.ChoiceField(
        choices=[("cutover", "Cut over: all calls at once"), ("canary", "Canary: a share of the calls")],
        label="What is done to each",
        widget=UnfoldAdminSelectWidget(),
    )
    percent = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=99,
        label="Share of a canary, in percent",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
    )
    per_day = forms.IntegerField(
        min_value=1,
        max_value=1000,
        initial=1,
        label="Numbers a day",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
    )
    spacing_minutes = forms.IntegerField(
        min_value=1,
        max_value=1440,
        initial=60,
        label="Minutes between two numbers of one day",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
    )
    starts_on = forms.DateField(
        label="First day", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}), localize=False
    )
    weekdays = forms.MultipleChoiceField(
        choices=[(str(at), name) for at, name in enumerate(DAYS)],
        label="Days of the week",
        widget=forms.CheckboxSelectMultiple(),
        error_messages={"required": "Choose at least one day of the week."},
    )
    from_time = forms.TimeField(
        initial=time(10), label="Not before", widget=UnfoldAdminTextInputWidget(attrs={"type": "time"})
    )
    until_time = forms.TimeField(
        initial=time(16), label="Not at or after", widget=UnfoldAdminTextInputWidget(attrs={"type": "time"})
    )
    zone = forms.CharField(
        max_length=64,
        label="Time zone",
        help_text="For example Europe/Berlin.",
        widget=UnfoldAdminTextInputWidget(
            attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    reason = forms.CharField(
        label="Reason",
        max_length=MOST_CHARACTERS,
        help_text="It stands in the history of each number for good.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )

    def clean_numbers(self) -> list[str]:
        dids = [line.strip() for line in self.cleaned_data["numbers"].splitlines() if line.strip()]
        twice = [did for did, times in Counter(dids).items() if times > 1]
        if twice:
            raise ValidationError(f"Named twice: {', '.join(twice[:5])}.")
        return dids

    def clean_weekdays(self) -> list[int]:
        return sorted(int(day) for day in self.cleaned_data["weekdays"])

    def clean_zone(self) -> str:
        zone: str = self.cleaned_data["zone"].strip()
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise ValidationError(f"There is no time zone “{zone}”. Write it as Europe/Berlin.") from exc
        return zone

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        opens, shuts = cleaned.get("from_time"), cleaned.get("until_time")
        if opens and shuts and opens >= shuts:
            self.add_error("until_time", "The hours must begin before they end, on the same day.")
        if (
            cleaned.get("kind") == "canary"
            and cleaned.get("percent") is None
            and "percent" not in self.errors
        ):
            self.add_error("percent", "Enter a share between 1 and 99 percent.")
        return cleaned


class TableForm(forms.Form):
    """A table of numbers and assistants, as a file or pasted."""

    upload = forms.FileField(
        required=False,
        label="CSV file",
        allow_empty_file=True,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv,text/plain", "class": "t-file"}),
    )
    pasted = forms.CharField(
        required=False,
        strip=False,
        label="Or paste the table",
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 8, "class": "t-code", "spellcheck": "false", "placeholder": "number,assistant"}
        ),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        given = [cleaned.get("upload") is not None, bool((cleaned.get("pasted") or "").strip())]
        if not self.errors and sum(given) != 1:
            raise ValidationError(
                "Choose a file or paste a table, not both."
                if all(given)
                else "Choose a file, or paste a table."
            )
        return cleaned

    def content(self) -> bytes:
        """The table as it was given. The form must be valid."""
        if self.cleaned_data["upload"] is not None:
            read: bytes = self.cleaned_data["upload"].read()
            return read
        return str(self.cleaned_data["pasted"]).encode("utf-8", "surrogatepass")
