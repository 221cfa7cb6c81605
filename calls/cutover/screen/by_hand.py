"""Who answers a number, changed on the number's own page: who may do that, and what stands in its history of it."""

from typing import Any, Final

from django.http import HttpRequest

from calls.cutover.history import event_write, who
from calls.cutover.screen.rights import ASSIGN, CUT_OVER, allowed
from calls.models import CutoverEvent, PhoneNumber

_ASSIGNING: Final = ("assistant", "squad", "enabled")
_MOVING: Final = ("hand_over_by", "fight_once")


def fields_barred(request: HttpRequest) -> list[str]:
    """The fields of a number that this person may only read."""
    barred = [] if allowed(request, ASSIGN) else list(_ASSIGNING)
    return barred if allowed(request, CUT_OVER) else [*barred, *_MOVING]


def answering_of(number_id: Any) -> dict[str, str]:
    """Who answers a number as it is stored, for its history."""
    number = PhoneNumber.objects.select_related("assistant", "squad").get(pk=number_id)
    return {
        "assistant": number.assistant.name if number.assistant else "",
        "squad": number.squad.name if number.squad else "",
        "enabled": "yes" if number.enabled else "no",
    }


def assigned_note(request: HttpRequest, number: PhoneNumber, before: dict[str, str]) -> None:
    """Add to the number's history that somebody has changed who answers; nothing where it is as before."""
    after = answering_of(number.pk)
    user: Any = request.user
    if after != before:
        event_write(
            number,
            CutoverEvent.Kind.ASSIGNED,
            actor=who(user),
            reason="Changed on the number's own page.",
            before=before,
            after=after,
        )
