"""What the page of a call shows of its server messages."""

import uuid
from dataclasses import dataclass

from django.db.models import Count, Q
from django.urls import reverse

from calls.models import ServerMessage

State = ServerMessage.State


@dataclass(frozen=True, slots=True)
class MessagesShown:
    """How the messages of a call stand, in a sentence; ``trouble`` where some were given up, and the list of all of them."""

    sentence: str
    trouble: bool
    url: str


def messages_shown(call_id: uuid.UUID) -> MessagesShown | None:
    """What to show; None for a call that has told nobody anything."""
    counts = ServerMessage.objects.filter(call_id=call_id).aggregate(
        sent=Count("pk", filter=Q(state=State.SENT)),
        waiting=Count("pk", filter=Q(state=State.WAITING)),
        dead=Count("pk", filter=Q(state=State.DEAD)),
        skipped=Count("pk", filter=Q(state=State.SKIPPED)),
    )
    if not any(counts.values()):
        return None
    words = [
        f"{counts['sent']} arrived",
        *([f"{counts['waiting']} wait"] if counts["waiting"] else []),
        *([f"{counts['dead']} were given up"] if counts["dead"] else []),
        *([f"{counts['skipped']} were left out"] if counts["skipped"] else []),
    ]
    url = f"{reverse('admin:calls_servermessage_changelist')}?q={call_id}"
    return MessagesShown(f"{', '.join(words)}.", bool(counts["dead"]), url)
