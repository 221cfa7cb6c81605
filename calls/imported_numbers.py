"""Numbers that an import from Vapi brings: created where they are new, never taken away from whoever answers them."""

import re
from collections.abc import Sequence
from typing import Any

from assistants.models import Assistant
from assistants.signals import ImportedNumber
from assistants.vapi.drafts import ABSENT, Finding, Verdict
from calls.models import E164_PATTERN, PhoneNumber


def numbers_import(*, numbers: Sequence[ImportedNumber], **_: Any) -> dict[str, list[Finding]]:
    """Create the numbers that are not here yet; tell by the key of each draft what became of it.

    A number that is here stays as it is, since changing who answers would reach callers at once.
    """
    wanted = [number for number in numbers if re.fullmatch(E164_PATTERN, number.draft.did)]
    here = {
        number.did: number
        for number in PhoneNumber.objects.select_for_update(of=("self",))
        .select_related("assistant")
        .defer("assistant__instructions", "assistant__server_secret", "assistant__server_headers")
        .filter(did__in=[number.draft.did for number in wanted])
    }
    found: dict[str, list[Finding]] = {}
    for number in wanted:
        known = here.get(number.draft.did)
        if known is None:
            made = PhoneNumber.objects.create(
                did=number.draft.did, label=number.draft.label[:80], assistant=number.assistant
            )
            here[made.did] = made
            found[number.draft.key] = [] if number.assistant else [_nobody(number)]
        elif known.assistant != number.assistant:
            found[number.draft.key] = [_stays(number, known.assistant)]
    return found


def _path(number: ImportedNumber) -> str:
    """Where the export says who answers."""
    raw = number.draft.raw
    return next((key for key in ("assistantId", "squadId", "workflowId") if raw.get(key)), "assistantId")


def _nobody(number: ImportedNumber) -> Finding:
    return Finding(
        path=_path(number),
        verdict=Verdict.DECISION,
        source=number.draft.raw.get(_path(number), ABSENT),
        field="assistant",
        ours="Nobody",
        reason="The number was added, but whoever answers it at Vapi is not here. Choose an assistant under Numbers.",
        code="number_unanswered",
    )


def _stays(number: ImportedNumber, ours: Assistant | None) -> Finding:
    theirs = number.assistant.name if number.assistant else "nobody who is here"
    return Finding(
        path=_path(number),
        verdict=Verdict.DECISION,
        source=number.draft.raw.get(_path(number), ABSENT),
        field="assistant",
        ours=ours.name if ours else "Nobody",
        reason=(
            f"At Vapi the number is answered by {theirs}, here by {ours.name if ours else 'nobody'}, and that stays: "
            "a change would reach callers at once. Change it under Numbers, or settle this to leave it."
        ),
        code="number_assigned_otherwise",
    )
