"""What assistants tell the apps above them, which they may not import."""

from dataclasses import dataclass

from django.dispatch import Signal

from assistants.models import Assistant
from assistants.vapi.drafts import NumberDraft


@dataclass(frozen=True, slots=True)
class ImportedNumber:
    """A phone number of an export, and the assistant that answers it (a squad's: its first member), if there is one."""

    draft: NumberDraft
    assistant: Assistant | None


# Sent inside the transaction of an import with ``numbers``, a tuple of ImportedNumber. A receiver answers what became of
# them: {NumberDraft.key: [Finding, …]}. What it raises undoes the whole import.
phone_numbers_imported = Signal()
