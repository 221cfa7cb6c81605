"""Reading for a cutover: what a move would write, which numbers there are, what happened to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from calls.clients import TwilioRefusedError
from calls.cutover.changes import FieldChange
from calls.cutover.intention import TO_US, intend, whose_number
from calls.cutover.operations import application_of
from calls.cutover.rest import Twilio, TwilioRest
from calls.cutover.states import WITH_US
from calls.models import CutoverOperation, NumberSnapshot, PhoneNumber

Kind = CutoverOperation.Kind
State = PhoneNumber.State


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move would do to one number: exactly the fields that would go from what to what.

    ``seen`` is the configuration that this was worked out from: given back to `cutover_apply`, it has to be the same
    still. ``obstacles`` forbid the move, ``warnings`` are to be read before it, ``notes`` are worth knowing.
    """

    number: PhoneNumber
    kind: str
    percent: int
    seen: Mapping[str, Any] = field(repr=False)
    changes: tuple[FieldChange, ...] = ()
    obstacles: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    target: NumberSnapshot | None = None
    to_state: str = ""

    @property
    def possible(self) -> bool:
        """Whether nothing stands in the way; gates are another matter."""
        return not self.obstacles

    @property
    def writes(self) -> bool:
        """Whether anything would be changed at Twilio."""
        return bool(self.changes)


def cutover_plan(
    number: PhoneNumber,
    *,
    kind: str,
    percent: int = 100,
    target: NumberSnapshot | None = None,
    fresh: bool = True,
    twilio: Twilio | None = None,
) -> Plan:
    """What would be written. Asks Twilio, unless ``fresh`` is off: then by what it last said.

    Trouble with Twilio is an obstacle, not an exception.
    """
    kind, percent = kind_of(kind, percent)
    config: Mapping[str, Any] = number.config
    application = None
    if why := whose_number(number, back=kind not in TO_US):
        return Plan(number, kind, percent, config, obstacles=(why,), target=target, to_state=number.state)
    if fresh:
        twilio = twilio or TwilioRest()
        try:
            config = twilio.fetch(account_sid=number.account_sid, sid=number.twilio_sid)
            application = application_of(config, twilio, number) if kind in TO_US else None
        except TwilioRefusedError as exc:
            return Plan(
                number, kind, percent, config, obstacles=(str(exc),), target=target, to_state=number.state
            )
    intention = intend(number, kind=kind, config=config, target=target, application=application)
    return Plan(
        number=number,
        kind=kind,
        percent=percent,
        seen=config,
        changes=intention.changes,
        obstacles=intention.obstacles,
        warnings=intention.warnings,
        notes=intention.notes,
        target=target,
        to_state=intention.to_state,
    )


def kind_of(kind: str, percent: int) -> tuple[str, int]:
    """The kind of move and its share: all calls of a canary are a cutover. Raises ValueError for no share."""
    if not 0 <= percent <= 100:
        raise ValueError("The share of a canary is between 0 and 100 percent.")
    if kind == Kind.CANARY and percent < 100:
        return kind, percent
    return (Kind.CUTOVER.value if kind == Kind.CANARY else kind), 100


def with_us() -> Q:
    """The numbers whose calls come to us by our own doing, also where somebody has changed that since."""
    return Q(state__in=WITH_US) | Q(state=State.CHANGED, state_before_change__in=WITH_US)


def numbers_listed(dids: list[str] | None = None) -> QuerySet[PhoneNumber]:
    """Numbers with what a list of them shows, in the order of their digits."""
    numbers = PhoneNumber.objects.select_related("assistant", "squad", "snapshot").order_by("did")
    return numbers.filter(did__in=dids) if dids is not None else numbers


def obstacle(number: PhoneNumber) -> str:
    """Why this number cannot be moved at all, and what to do about it; empty when it can."""
    return whose_number(number)
