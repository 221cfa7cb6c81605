"""The form that erases a caller."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from calls.erasing.numbers import CallerNumber, NotANumberError, number_read


class EraseForm(forms.Form):
    """Whose calls, and that it is meant."""

    number = forms.CharField(
        max_length=80,
        label="Number of the caller",
        help_text="With its country code, as +1 415 555 0132.",
        widget=UnfoldAdminTextInputWidget(
            attrs={"inputmode": "tel", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    region = forms.RegexField(
        r"^[A-Za-z]{2}$",
        required=False,
        label="Country",
        help_text="Two letters, as US. Only for a number without its country code.",
        error_messages={"invalid": "Two letters, as US or DE."},
        widget=UnfoldAdminTextInputWidget(attrs={"maxlength": 2, "autocomplete": "off"}),
    )
    sure = forms.BooleanField(
        required=False,
        label="Yes, delete it for good",
        widget=UnfoldBooleanWidget(),
    )
    caller: CallerNumber

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "number" in cleaned and "region" in cleaned:
            try:
                self.caller = number_read(cleaned["number"], region=cleaned["region"])
            except NotANumberError as exc:
                raise ValidationError({"number": str(exc)}) from exc
        return cleaned
