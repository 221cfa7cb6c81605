"""The forms of the pages about calls."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from assistants.models import Assistant, Squad
from calls.models import E164_PATTERN, PhoneNumber

_PUNCTUATION = re.compile(r"[\s().\-/\u00a0\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2066-\u2069]+")


def did_normalise(typed: str) -> str:
    """The number as E.164, from how people write and copy it. Raises ValidationError with advice."""
    number = _PUNCTUATION.sub("", typed)
    if number.startswith("00"):
        number = f"+{number[2:]}"
    if re.fullmatch(E164_PATTERN, number):
        return number
    if number.isascii() and number.isdigit():
        hint = f" Did you mean +1{number}?" if len(number) == 10 else ""
        raise ValidationError(f"Begin with + and the country code.{hint}")
    raise ValidationError(
        "This is no telephone number. Write it as +14155550100, spaces and brackets allowed."
    )


class PhoneNumberForm(forms.ModelForm):  # type: ignore[type-arg]  # a plain class at run time
    """A number, written in any common way."""

    did = forms.CharField(
        max_length=60,
        label="Number (DID)",
        help_text="With the country code, for example +1 (415) 555-0100.",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )

    class Meta:
        model = PhoneNumber
        fields = ["did", "label", "assistant", "squad", "enabled"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.cleaned_data.get("assistant") and self.cleaned_data.get("squad"):
            raise ValidationError(
                "Choose an assistant or a squad, not both: the first member of a squad takes its calls."
            )
        return cleaned

    def clean_squad(self) -> Squad | None:
        squad: Squad | None = self.cleaned_data["squad"]
        if squad is None or "squad" not in self.changed_data:
            return squad
        first = squad.first_assistant
        if first is None:
            raise ValidationError(
                f"{squad.name} has no members, so nobody could take the calls. Add some first."
            )
        if first.live_version_id is None:
            raise ValidationError(
                f"{first.name}, which takes the calls of {squad.name}, was never published, so callers would hear an apology. "
                "Publish it first."
            )
        return squad

    def clean_did(self) -> str:
        return did_normalise(self.cleaned_data["did"])

    def clean_assistant(self) -> Assistant | None:
        assistant: Assistant | None = self.cleaned_data["assistant"]
        if assistant is not None and assistant.live_version_id is None and "assistant" in self.changed_data:
            raise ValidationError(
                f"{assistant.name} was never published, so callers would hear an apology. Publish it first."
            )
        return assistant
