"""The form by which staff has somebody called."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from assistants.models import Assistant
from calls.models import PhoneNumber
from calls.placing.guards import why_not_from

_NUL: Final = r"\u0000"
_PLAIN: Final = {"autocomplete": "off", "spellcheck": "false"}


class PlaceForm(forms.Form):
    """Who talks, to whom, from which number, with which values, and when."""

    assistant = forms.ModelChoiceField(
        queryset=Assistant.objects.none(),
        widget=UnfoldAdminSelectWidget(),
        help_text="Published ones that are switched on.",
    )
    phone_number = forms.ModelChoiceField(
        queryset=PhoneNumber.objects.none(),
        widget=UnfoldAdminSelectWidget(),
        label="Number to call from",
        help_text="What the person sees on their telephone.",
    )
    number = forms.CharField(
        max_length=40,
        label="Number to call",
        help_text="With its country code, as +1 415 555 0132.",
        widget=UnfoldAdminTextInputWidget(attrs={**_PLAIN, "inputmode": "tel"}),
    )
    name = forms.CharField(
        max_length=40,
        required=False,
        label="Name of the person",
        help_text="Templates know it as customer.name.",
        widget=UnfoldAdminTextInputWidget(attrs=_PLAIN),
    )
    variables = forms.CharField(
        required=False,
        max_length=20_000,
        label="Values for templates",
        help_text='A JSON object, as {"clinic": "Riverbend"}. Empty: none.',
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, **_PLAIN}),
    )
    earliest_at = forms.CharField(
        required=False,
        max_length=40,
        label="Not before",
        help_text="In UTC, as 2026-11-30 09:00. Empty: as soon as it is its turn.",
        widget=UnfoldAdminTextInputWidget(attrs={**_PLAIN, "placeholder": "2026-11-30 09:00"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        able = Assistant.objects.filter(enabled=True, live_version__isnull=False)
        self.fields["assistant"].queryset = able.only("id", "name").order_by("name")  # type: ignore[attr-defined]  # of a choice
        self.fields["phone_number"].queryset = PhoneNumber.objects.filter(  # type: ignore[attr-defined]
            provider=PhoneNumber.Provider.TWILIO, enabled=True, missing_at__isnull=True
        ).order_by("did")

    def clean_phone_number(self) -> PhoneNumber:
        """A number from which calls are placed."""
        number: PhoneNumber = self.cleaned_data["phone_number"]
        if why := why_not_from(number):
            raise forms.ValidationError(why)
        return number

    def clean_variables(self) -> dict[str, Any]:
        """An object."""
        text = self.cleaned_data["variables"].strip()
        try:
            value = json.loads(text) if text else {}
            # What the database, or a customer's server, could not read.
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError) as exc:
            raise forms.ValidationError("This is no JSON.") from exc
        if _NUL in text:
            raise forms.ValidationError("There is a null character in it, which no database stores.")
        if not isinstance(value, dict):
            raise forms.ValidationError('An object is due, as {"clinic": "Riverbend"}.')
        return value

    def clean_earliest_at(self) -> datetime | None:
        """A moment to come, or none."""
        text = self.cleaned_data["earliest_at"].strip()
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError as exc:
            raise forms.ValidationError("Write it as 2026-11-30 09:00.") from exc
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        if at <= timezone.now():
            raise forms.ValidationError("This moment has passed.")
        return at

    def body(self) -> dict[str, Any]:
        """What a program would send."""
        data = self.cleaned_data
        customer = {"number": data["number"], "numberE164CheckEnabled": False}
        body: dict[str, Any] = {
            "assistantId": str(data["assistant"].pk),
            "phoneNumberId": str(data["phone_number"].pk),
            "customer": customer | ({"name": data["name"]} if data["name"] else {}),
        }
        if data["variables"]:
            body["assistantOverrides"] = {"variableValues": data["variables"]}
        if data["earliest_at"]:
            body["schedulePlan"] = {"earliestAt": data["earliest_at"].isoformat()}
        return body
