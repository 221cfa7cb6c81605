"""What a move would make of a number, and what stands in its way: the same for the preview and for the move itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from calls.cutover import canary, fallback
from calls.cutover.changes import (
    STATUS_PATH,
    FieldChange,
    answered_by,
    differences,
    fields_to_send,
    value_of,
    voice_config,
    wanted_fields,
    why_not_restorable,
)
from calls.cutover.states import WITH_US, IllegalMoveError, next_state
from calls.models import CutoverOperation, NumberSnapshot, PhoneNumber

Kind = CutoverOperation.Kind
State = PhoneNumber.State

# Kinds that bring callers to us; the others bring them back.
TO_US: Final = (Kind.CUTOVER, Kind.CANARY)
NOT_AT_TWILIO: Final[dict[str, str]] = {
    PhoneNumber.Provider.VAPI: (
        "Vapi bought this number itself, and it cannot be pointed elsewhere. Have it ported to your Twilio account, or replace it, "
        "and then read the numbers again."
    ),
    PhoneNumber.Provider.OTHER: (
        "This number is not at Twilio. Forward it to a number there, or have it ported, and then read the numbers again."
    ),
}
NOT_READ: Final = "The number was never found at Twilio. Read the numbers first; if it stays so, it is in an account that Tandem does not know."
GONE: Final = "Its account does not have this number any more. If it moved to another account, enter that under Twilio accounts and read the numbers again."
OTHER_NUMBER: Final = "What Twilio has under this number's id is {at_twilio}. Somebody has changed the digits here: put them right, and read the numbers again."
REGION: Final = "Twilio keeps settings per region. Tandem writes those of US1; a number that is routed to IE1 or AU1 has others, which stay as they are."


@dataclass(frozen=True, slots=True)
class Intention:
    """The voice fields as they are to be, and the POST that makes them so.

    ``obstacles`` forbid the move, ``warnings`` are to be read first, ``notes`` are worth knowing. ``target`` is the
    configuration that a rollback will go back to; None: the one that the number has now.
    """

    wanted: dict[str, str]
    fields: dict[str, str]
    changes: tuple[FieldChange, ...]
    obstacles: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    keeps: NumberSnapshot | None = None
    to_state: str = ""


def vapi_origins() -> tuple[str, ...]:
    """Besides vapi.ai itself: where the settings say that Vapi is."""
    return (settings.VAPI_API_URL,)


def answering(config: Mapping[str, Any]) -> str:
    """Who answers by this configuration, for `PhoneNumber.answered_by`."""
    return answered_by(config, origin=settings.PUBLIC_ORIGIN, vapi_origins=vapi_origins())


def intend(
    number: PhoneNumber,
    *,
    kind: str,
    config: Mapping[str, Any],
    target: NumberSnapshot | None = None,
    application: Mapping[str, Any] | None = None,
) -> Intention:
    """What ``kind`` would write to a number that is configured like this.

    ``target`` is for restoring a snapshot; ``application`` is the TwiML application that this
    configuration names.
    """
    obstacles = [*_state_forbids(number, kind), *_number_forbids(number, kind, config)]
    if kind in TO_US:
        intention = _to_us(number, kind=kind, config=config, application=application)
    else:
        intention = _back(config=config, target=target if kind == Kind.RESTORE else number.snapshot)
    return Intention(
        wanted=intention.wanted,
        fields=intention.fields,
        changes=intention.changes,
        obstacles=(*obstacles, *intention.obstacles),
        warnings=intention.warnings,
        notes=intention.notes,
        keeps=intention.keeps,
        to_state=_to_state(number, kind),
    )


def _to_us(
    number: PhoneNumber, *, kind: str, config: Mapping[str, Any], application: Mapping[str, Any] | None
) -> Intention:
    keeps = kept_snapshot(number)
    old = keeps.config if keeps else config
    route = canary.route_of(keeps) if keeps else canary.route_from(config, application)
    way = (route.url, route.method) if route else None
    fallback_url, fallback_method = fallback.fallback_for(old, route=way)
    wanted = wanted_fields(
        voice_url=fallback.voice_url(settings.PUBLIC_ORIGIN, has_way_back=bool(fallback_url)),
        status_url=settings.PUBLIC_ORIGIN + STATUS_PATH,
        fallback_url=fallback_url,
        fallback_method=fallback_method,
    )
    obstacles = _nobody_answers(number)
    if not keeps and (why := why_not_restorable(config)):
        obstacles.append(why)
    if kind == Kind.CANARY and (why := _not_shared(keeps, config, application)):
        obstacles.append(why)
    return Intention(
        wanted=wanted,
        fields=fields_to_send(wanted, config),
        changes=differences_to(wanted, config),
        obstacles=tuple(obstacles),
        warnings=tuple(_warnings(config, fallback_url)),
        notes=tuple(_notes(config)),
        keeps=keeps,
    )


def _not_shared(
    keeps: NumberSnapshot | None, config: Mapping[str, Any], application: Mapping[str, Any] | None
) -> str:
    """Why the number cannot be a canary; empty when it can."""
    if keeps is None:
        return canary.obstacle(config, application)
    return "" if canary.route_of(keeps) else canary.obstacle(keeps.config)


def _back(*, config: Mapping[str, Any], target: NumberSnapshot | None) -> Intention:
    if target is None:
        why = (
            "There is no snapshot to go back to: the number pointed to us already when Tandem first saw it. "
            "Set it at Twilio, or in the old provider's console."
        )
        return Intention({}, {}, (), obstacles=(why,))
    if answering(target.config) == "tandem":
        return Intention({}, {}, (), obstacles=("This snapshot points to us. To come to us, cut over.",))
    wanted = voice_config(target.config)
    return Intention(
        wanted=wanted,
        fields=fields_to_send(wanted, config),
        changes=differences_to(wanted, config),
        notes=tuple(_notes(config)),
        keeps=target,
    )


def differences_to(wanted: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Every voice field that would change, from what it is to what it is to be."""
    return tuple(
        FieldChange(change.field, change.after, change.before) for change in differences(wanted, config)
    )


def kept_snapshot(number: PhoneNumber) -> NumberSnapshot | None:
    """The snapshot that a rollback goes back to already, while the number is on its way with us."""
    came_from = number.state_before_change if number.state == State.CHANGED else number.state
    return number.snapshot if came_from in WITH_US else None


def _to_state(number: PhoneNumber, kind: str) -> str:
    try:
        return next_state(number.state, kind)
    except IllegalMoveError:
        return number.state


def _state_forbids(number: PhoneNumber, kind: str) -> list[str]:
    try:
        next_state(number.state, kind)
    except IllegalMoveError as exc:
        return [str(exc)]
    return []


def whose_number(number: PhoneNumber, *, back: bool = False) -> str:
    """Why this number cannot be moved at all, and what to do about it; empty when it can.

    That it was not found the last time keeps nobody from taking it ``back``: Twilio will tell.
    """
    if number.provider != PhoneNumber.Provider.TWILIO:
        return NOT_AT_TWILIO.get(number.provider, NOT_AT_TWILIO[PhoneNumber.Provider.OTHER])
    if not number.twilio_sid:
        return NOT_READ
    return GONE if number.missing_at and not back else ""


def _number_forbids(number: PhoneNumber, kind: str, config: Mapping[str, Any]) -> list[str]:
    back = kind not in TO_US
    if why := whose_number(number, back=back):
        return [why]
    at_twilio = value_of(config, "phone_number")
    if at_twilio and at_twilio != number.did:
        return [OTHER_NUMBER.format(at_twilio=at_twilio)]
    if back:
        return []  # whatever it is that Twilio says of it: the way back is not barred by us
    found = []
    capabilities = config.get("capabilities")
    if isinstance(capabilities, dict) and capabilities.get("voice") is False:
        found.append("Twilio says that this number cannot take calls (capability voice).")
    status = value_of(config, "status")
    if status not in ("", "in-use"):
        found.append(
            f"Twilio says that this number is “{status}”, not “in-use”. Settle that at Twilio first."
        )
    if value_of(config, "voice_receive_mode") == "fax":
        found.append(
            "The number receives faxes (voice_receive_mode is fax), so that no call would come to us. Set it to voice at Twilio first."
        )
    return found


def _nobody_answers(number: PhoneNumber) -> list[str]:
    if not number.enabled:
        return [
            "The number is switched off here, so that callers would hear an apology. Switch it on under Numbers."
        ]
    assistant = number.answering
    if assistant is None:
        return ["The number has no assistant, so that callers would hear an apology. Assign one first."]
    if not assistant.enabled:
        return [f"Its assistant {assistant.name} is switched off. Switch it on, or assign another."]
    if assistant.live_version_id is None:
        return [f"Its assistant {assistant.name} was never published. Publish it first."]
    return []


def _warnings(config: Mapping[str, Any], fallback_url: str) -> list[str]:
    found = []
    answers = answering(config)
    if answers == "trunk":
        found.append("A SIP trunk answers now. It is taken off the number, and a rollback puts it back.")
    elif answers == "application":
        found.append(
            "A TwiML application answers now. It is taken off the number, and a rollback puts it back."
        )
    elif answers == "url":
        found.append(
            "Neither Vapi nor Tandem answers now, but another web address. See that it may be replaced."
        )
    elif answers == "nobody":
        found.append("Nobody answers this number now, and that is what a rollback would go back to.")
    if not fallback_url and answers != "tandem":
        found.append(
            "There is no fallback URL: while Tandem is down, callers will hear an error of Twilio's instead of the old provider."
        )
    return found


def _notes(config: Mapping[str, Any]) -> list[str]:
    found = [REGION]
    if config.get("emergency_address_sid"):
        found.append("The emergency address of the number is not touched.")
    if config.get("sms_url") or config.get("sms_application_sid"):
        found.append("Text messages stay with whoever gets them now.")
    return found
