"""What a look at Twilio tells of a number: who answers it, and whether it is still as we wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from calls.cutover.changes import FieldChange, differences, voice_config
from calls.cutover.history import Who, event_write
from calls.cutover.intention import answering
from calls.cutover.states import WATCHED, WITH_US, next_state
from calls.models import OPEN, CutoverEvent, CutoverOperation, PhoneNumber

State = PhoneNumber.State
Kind = CutoverEvent.Kind

_SEEN: Final[dict[str, str]] = {"vapi": "seen_on_vapi", "tandem": "seen_ours"}


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a number changed here: ``kind`` of the event, empty when there was nothing to tell."""

    kind: str = ""
    differences: tuple[FieldChange, ...] = ()


def expected_of(number: PhoneNumber) -> Mapping[str, Any]:
    """What the number must be like at Twilio; empty where it may be as it likes."""
    if number.state == State.CHANGED:
        return dict(number.expected)
    if number.state not in WATCHED:
        return {}
    # A number that pointed to us before we ever wrote to it is held to what it was when it was first seen.
    return number.expected or voice_config(number.config)


def unexpected(number: PhoneNumber, config: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields in which this configuration is not as we wrote it."""
    return differences(expected_of(number), config)


def is_news(number: PhoneNumber, config: Mapping[str, Any]) -> bool:
    """Whether a configuration tells anything that is not written here yet. Asks nothing."""
    if number.missing_at is not None or number.answered_by != answering(config):
        return True
    if dict(number.config) != dict(config):
        return True
    return bool(unexpected(number, config)) != (number.state == State.CHANGED)


def look_write(number_id: Any, config: Mapping[str, Any], *, at: datetime, actor: Who) -> Look | None:
    """Write what was seen of a number at that moment.

    None, and nothing is written: somebody is writing to the number just now, or has seen it later than this.
    """
    with transaction.atomic():
        number = PhoneNumber.objects.select_for_update(of=("self",)).get(pk=number_id)
        busy = CutoverOperation.objects.filter(number=number, status__in=OPEN).exists()
        if busy or (number.config_seen_at is not None and number.config_seen_at > at):
            return None
        return look_apply(number, config, at=at, actor=actor)


def look_apply(number: PhoneNumber, config: Mapping[str, Any], *, at: datetime, actor: Who) -> Look:
    """The same for whoever holds the number already."""
    found = unexpected(number, config)
    before = dict(number.config)
    from_state = number.state
    look, columns = _judged(number, config, found)
    if number.missing_at is not None and not look.kind:
        look = Look(Kind.RETURNED)
    answers = answering(config)
    PhoneNumber.objects.filter(pk=number.pk).update(
        config=dict(config), config_seen_at=at, answered_by=answers, missing_at=None, **columns
    )
    number.refresh_from_db()
    if look.kind:
        event_write(
            number,
            look.kind,
            actor=actor,
            from_state=from_state,
            to_state=number.state,
            before=voice_config(before) if before else {},
            after=voice_config(config),
            differences=look.differences,
            at=at,
        )
    return look


def _judged(
    number: PhoneNumber, config: Mapping[str, Any], found: tuple[FieldChange, ...]
) -> tuple[Look, dict[str, Any]]:
    """What happened to the number, and the columns of its state that change with it."""
    if expected_of(number):
        if number.state == State.CHANGED:
            return _still_changed(number, config, found)
        if not found:
            return Look(), {}
        columns: dict[str, Any] = {
            "state": next_state(number.state, "changed"),
            "state_before_change": number.state,
        }
        if not number.expected:
            columns["expected"] = voice_config(number.config)
        return Look(Kind.CHANGED, found), columns
    return _moved_freely(number, config)


def _still_changed(
    number: PhoneNumber, config: Mapping[str, Any], found: tuple[FieldChange, ...]
) -> tuple[Look, dict[str, Any]]:
    if not found:
        columns = {"state": number.state_before_change, "state_before_change": ""}
        return Look(Kind.CHANGED_BACK), columns
    again = voice_config(config) != voice_config(number.config)
    return (Look(Kind.CHANGED, found) if again else Look()), {}


def _moved_freely(number: PhoneNumber, config: Mapping[str, Any]) -> tuple[Look, dict[str, Any]]:
    """A number that we have never moved may be pointed wherever its owner likes; it is only told."""
    state = next_state(number.state, seen_move(config))
    if state == number.state:
        return Look(), {}
    known = number.answered_by != PhoneNumber.AnsweredBy.UNKNOWN
    columns = {"state": state, "state_before_change": ""}
    return (Look(Kind.SEEN) if known else Look()), columns


def seen_move(config: Mapping[str, Any]) -> str:
    """Where a number stands that we hold to nothing, as a move of the table."""
    return _SEEN.get(answering(config), "seen_elsewhere")


def is_with_us(number: PhoneNumber) -> bool:
    """Whether calls come to us by our own doing, or did until somebody changed it."""
    state = number.state_before_change if number.state == State.CHANGED else number.state
    return state in WITH_US
