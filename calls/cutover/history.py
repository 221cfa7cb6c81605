"""The one place where events of a number are written: who, when, why, before, after."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from calls.cutover.changes import FieldChange
from calls.models import CutoverEvent, CutoverOperation, PhoneNumber
from tools.jsontext import text_clean

WATCH = "watch"
COMMAND_LINE = "command line"
SCHEDULE = "schedule"
SYNC = "sync"
RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Who:
    """Who did something: a user by name, or a part of Tandem."""

    label: str
    user: User | None = None


def who(user: User | None, label: str = "") -> Who:
    """The user under their own name; without one the label, which must say what acted instead."""
    if user is not None:
        return Who(user.get_username()[:150], user)
    if not label:
        raise ValueError("Somebody must have done it: give a user, or a label.")
    return Who(label[:150])


def event_write(
    number: PhoneNumber,
    kind: str,
    *,
    actor: Who,
    from_state: str = "",
    to_state: str = "",
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    differences: Iterable[FieldChange] = (),
    overrides: Sequence[Mapping[str, str]] = (),
    operation: CutoverOperation | None = None,
    at: datetime | None = None,
) -> CutoverEvent:
    """Add one event. States that are not given are the number's own."""
    return CutoverEvent.objects.create(
        number=number,
        kind=kind,
        from_state=from_state or number.state,
        to_state=to_state or number.state,
        actor=actor.user,
        actor_label=actor.label,
        reason=text_clean(reason),
        before=dict(before or {}),
        after=dict(after or {}),
        differences=[change.as_json() for change in differences],
        overrides=[dict(one) for one in overrides],
        operation=operation,
        at=at or timezone.now(),
    )
