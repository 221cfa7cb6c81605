"""What assistants tell the apps above them, which they may not import."""

from dataclasses import dataclass
from typing import Any

from django.dispatch import Signal

from assistants.models import Assistant, Squad
from assistants.snapshots import Snapshot
from assistants.vapi.drafts import NumberDraft


@dataclass(frozen=True, slots=True)
class ImportedNumber:
    """A phone number of an export, and the assistant or the squad that answers it, if there is one.

    ``credential`` is the key of the one that its server wants.
    """

    draft: NumberDraft
    assistant: Assistant | None
    credential: str | None = None
    squad: Squad | None = None


# Sent inside the transaction of an import with ``numbers``, a tuple of ImportedNumber. A receiver answers what became of
# them: {NumberDraft.key: [Finding, …]}. What it raises undoes the whole import.
phone_numbers_imported = Signal()


@dataclass(frozen=True, slots=True)
class PublishCheck:
    """What another app has to say of a draft that is about to be published.

    ``blocks``: it cannot be, unless somebody who has ``override_permission`` gives a reason. ``links`` lead further, by
    title; ``action`` is a title and the address that a button posts to.
    """

    title: str
    text: str
    tone: str  # good, warn, bad, info, plain
    blocks: bool = False
    override_permission: str = ""
    links: tuple[tuple[str, str], ...] = ()
    action: tuple[str, str] | None = None


# Sent with ``assistant`` and ``snapshot``, the draft; a receiver answers a PublishCheck, or None where it has nothing to say.
publish_asked = Signal()
# Sent inside the transaction that publishes, with ``version``, ``snapshot``, and ``author`` and ``override``, the reason
# for which a check was overruled.
version_published = Signal()


def publish_checks(assistant: Assistant, snapshot: Snapshot) -> list[PublishCheck]:
    """What every app has to say of this draft."""
    answers: Any = publish_asked.send(sender=Assistant, assistant=assistant, snapshot=snapshot)
    return [answer for _, answer in answers if answer is not None]
