"""Moving numbers: cut over, canary, back again; and what else people decide about a number."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from assistants.models import Assistant, Squad
from calls.cutover.changes import FieldChange, voice_config
from calls.cutover.claims import LostClaimError, Order, Run, operation_claim, operation_open
from calls.cutover.closing import ALREADY, WAITING, close
from calls.cutover.crowd import AT_ONCE, each
from calls.cutover.gates import Gate, gates_for
from calls.cutover.history import event_write, who
from calls.cutover.intention import TO_US, whose_number
from calls.cutover.looking import seen_move
from calls.cutover.operations import operation_run
from calls.cutover.rest import Twilio, TwilioRest
from calls.cutover.selectors import Plan, kind_of, with_us
from calls.cutover.states import next_state
from calls.models import OPEN, CutoverEvent, CutoverOperation, NumberSnapshot, PhoneNumber

Kind = CutoverOperation.Kind
Status = CutoverOperation.Status
State = PhoneNumber.State
Result = Literal["done", "already", "busy", "refused", "gate", "failed", "undone", "pending"]

_RESULTS: Final[dict[str, Result]] = {
    Status.DONE: "done",
    Status.REFUSED: "refused",
    Status.FAILED: "failed",
    Status.ROLLED_BACK: "undone",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a move.

    ``pending``: Twilio cannot be reached; it is gone on with by itself. ``busy``: another move of this number is under
    way. ``undone``: it did not come out as wanted, and what was there before has been put back.
    """

    number: PhoneNumber
    result: Result
    message: str
    operation: CutoverOperation | None = None
    differences: tuple[FieldChange, ...] = ()
    gates: tuple[Gate, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether the number is now as it was wanted."""
        return self.result in ("done", "already")


def cutover_apply(
    what: Plan | PhoneNumber,
    *,
    reason: str,
    kind: str = "",
    percent: int = 100,
    target: NumberSnapshot | None = None,
    actor: User | None = None,
    actor_label: str = "",
    overrides: Sequence[Mapping[str, str]] = (),
    check_gates: bool = True,
    twilio: Twilio | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Carry out a plan; or, given a number, whatever ``kind`` says, by what was last seen of it.

    Gates are looked at before callers are brought to us, never before they are brought back. Whether the user may do
    this is for the caller of this to know.
    """
    if isinstance(what, Plan):
        number, kind, percent, seen = what.number, what.kind, what.percent, what.seen
        target = what.target
    else:
        number, seen = what, what.config
        kind, percent = kind_of(kind, percent)
    actor_is = who(actor, actor_label)
    if not reason.strip():
        return Outcome(number, "refused", "Say why: the reason stands in the number's history for good.")
    if why := whose_number(number, back=kind not in TO_US):
        return Outcome(number, "refused", why)
    failing: tuple[Gate, ...] = ()
    if kind in TO_US and check_gates:
        try:
            failing = _gates_closed(number, overrides)
        except ValueError as exc:
            return Outcome(number, "refused", str(exc))
    order = Order(kind, actor_is, reason, percent, seen, target, overrides)
    if failing:
        return _gate_outcome(number, order, failing)
    return _carried_out(number, order, twilio or TwilioRest(), pause)


def rollback(
    number: PhoneNumber,
    *,
    reason: str,
    actor: User | None = None,
    actor_label: str = "",
    twilio: Twilio | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Give the number back to whoever had it before. Calls that still reach us go there at once, if that has a URL.

    It is compared with what was last seen here: what somebody else has set since is shown, not overwritten.
    """
    return cutover_apply(
        number,
        kind=Kind.ROLLBACK,
        reason=reason,
        actor=actor,
        actor_label=actor_label,
        twilio=twilio,
        pause=pause,
    )


def rollback_all(
    *,
    reason: str,
    actor: User | None = None,
    actor_label: str = "",
    progress: Callable[[Outcome, int, int], None] | None = None,
    twilio: Twilio | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> list[Outcome]:
    """Give every number back that came to us, several at once. One that does not work does not keep the others."""
    numbers = list(PhoneNumber.objects.filter(with_us()).select_related("assistant", "squad", "snapshot"))

    def back(number: PhoneNumber) -> Outcome:
        return rollback(
            number, reason=reason, actor=actor, actor_label=actor_label, twilio=twilio, pause=pause
        )

    outcomes: list[Outcome] = []
    for _, outcome in each(back, numbers, at_once=AT_ONCE):
        outcomes.append(outcome)
        if progress is not None:
            progress(outcome, len(outcomes), len(numbers))
    return outcomes


def _carried_out(
    number: PhoneNumber, order: Order, twilio: Twilio, pause: Callable[[float], None]
) -> Outcome:
    operation = operation_open(number.pk, order)
    if operation is None:
        # Whoever holds it may be dead: then this finishes their work first.
        operations_recover(number_id=number.pk, twilio=twilio)
        operation = operation_open(number.pk, order)
    if operation is None and order.kind == Kind.ROLLBACK and _gives_way(number, twilio):
        # Nobody has seen what that one left behind.
        operation = operation_open(number.pk, replace(order, seen={}))
    if operation is None:
        return _busy(number)
    try:
        operation_run(operation, twilio=twilio, pause=pause)
    except LostClaimError:
        return _busy(number)
    return outcome_of(operation)


def _gives_way(number: PhoneNumber, twilio: Twilio) -> bool:
    """Whether a move to us that only waits for Twilio was given up, so that a rollback need not wait for it."""
    waiting = CutoverOperation.objects.filter(number=number, status__in=OPEN, kind__in=TO_US).first()
    if waiting is None or waiting.steps[-1]["step"] != WAITING:
        return False
    mine = uuid.uuid4()
    if not CutoverOperation.objects.filter(pk=waiting.pk, claim=waiting.claim, steps=waiting.steps).update(
        claim=mine
    ):
        return False
    waiting.claim = mine
    run = Run(waiting, PhoneNumber.objects.get(pk=number.pk), twilio, sure=False)
    try:
        close(run, Status.FAILED, error="Given up for a rollback, while it waited for Twilio.", changed=True)
    except LostClaimError:
        return False
    return True


def outcome_of(operation: CutoverOperation) -> Outcome:
    """What became of an operation, in words for people."""
    operation = CutoverOperation.objects.select_related("number").get(pk=operation.pk)
    number = PhoneNumber.objects.select_related("assistant", "squad", "snapshot").get(pk=operation.number_id)
    found = tuple(FieldChange(**change) for change in operation.differences)
    if operation.status in OPEN:
        return Outcome(number, "pending", _pending(operation), operation, found)
    result = _RESULTS[operation.status]
    if result == "done" and operation.steps[-1]["step"] == ALREADY:
        return Outcome(number, "already", f"It was “{number.get_state_display()}” already.", operation)
    message = operation.error or f"The number is “{number.get_state_display()}” now."
    if result == "failed":
        message = f"{message} {_held(operation, number)}".strip()
    return Outcome(number, result, message, operation, found)


def _pending(operation: CutoverOperation) -> str:
    again = "It is tried again every minute by itself."
    return f"{operation.error} {again} {_held(operation, operation.number)}".strip()


def _held(operation: CutoverOperation, number: PhoneNumber) -> str:
    """What a rollback that is not written does already."""
    if operation.kind != Kind.ROLLBACK or number.canary_percent != 0:
        return ""
    return "Calls that still reach us go to the old provider meanwhile."


def _busy(number: PhoneNumber) -> Outcome:
    current = CutoverOperation.objects.filter(number=number, status__in=OPEN).first()
    if current is None:
        return Outcome(number, "busy", "Somebody else was quicker. Look at the number again.")
    since = max(0, int((timezone.now() - current.created_at).total_seconds()))
    message = f"“{current.get_kind_display()}” by {current.actor_label} is under way since {since} s. Wait for it, then look again."
    return Outcome(number, "busy", message, current)


def _gates_closed(number: PhoneNumber, overrides: Sequence[Mapping[str, str]]) -> tuple[Gate, ...]:
    """The gates that do not pass and that nobody overrides. Raises ValueError for an override that says nothing."""
    gates = gates_for(number)
    known = {gate.name for gate in gates}
    named = set()
    for one in overrides:
        if one.get("gate") not in known:
            raise ValueError(f"There is no gate “{one.get('gate')}”. There are {', '.join(sorted(known))}.")
        if not str(one.get("reason") or "").strip():
            raise ValueError(f"Say why the gate “{one['gate']}” is overridden.")
        named.add(one["gate"])
    return tuple(gate for gate in gates if not gate.passed and gate.name not in named)


def _gate_outcome(number: PhoneNumber, order: Order, failing: tuple[Gate, ...]) -> Outcome:
    message = " ".join(f"{gate.title}: {gate.why} {gate.what_to_do}".strip() for gate in failing)
    event_write(
        number,
        CutoverEvent.Kind.REFUSED,
        actor=order.actor,
        reason=f"{order.reason} (gates: {', '.join(gate.name for gate in failing)})",
        overrides=order.overrides,
    )
    return Outcome(number, "gate", message, gates=failing)


# --- After a crash --------------------------------------------------------------------------------------------


def operations_recover(*, number_id: Any = None, twilio: Twilio | None = None) -> list[Outcome]:
    """Go on with the operations that nobody works on any more: look at Twilio, decide, write it down."""
    found = CutoverOperation.objects.filter(status__in=OPEN).order_by("created_at")
    if number_id is not None:
        found = found.filter(number_id=number_id)
    outcomes = []
    for one in found:
        operation = operation_claim(one, now=timezone.now())
        if operation is None:
            continue
        try:
            operation_run(operation, twilio=twilio or TwilioRest(), late=True)
        except LostClaimError:
            continue
        outcomes.append(outcome_of(operation))
    return outcomes


# --- What else people decide ----------------------------------------------------------------------------------


def change_accept(
    number: PhoneNumber, *, reason: str, actor: User | None = None, actor_label: str = ""
) -> bool:
    """Take what somebody else has set at Twilio for right, so that it is not told any more. Whether there was anything.

    The number stands where that configuration puts it; there is nothing left to roll back to.
    """
    actor_is = who(actor, actor_label)
    with transaction.atomic():
        held = PhoneNumber.objects.select_for_update(of=("self",)).get(pk=number.pk)
        if (
            held.state != State.CHANGED
            or CutoverOperation.objects.filter(number=held, status__in=OPEN).exists()
        ):
            return False
        to_state = next_state(held.state, seen_move(held.config))
        keeps = held.snapshot if to_state == State.OURS else None
        event_write(
            held,
            CutoverEvent.Kind.ACCEPTED,
            actor=actor_is,
            to_state=to_state,
            reason=reason,
            before=held.expected,
            after=voice_config(held.config),
        )
        PhoneNumber.objects.filter(pk=held.pk).update(
            state=to_state,
            state_before_change="",
            expected={},
            snapshot=keeps,
            cut_over_at=held.cut_over_at if keeps else None,
            canary_percent=100,
        )
    return True


def assign(
    number: PhoneNumber,
    *,
    assistant: Assistant | None,
    squad: Squad | None = None,
    reason: str,
    actor: User | None = None,
    actor_label: str = "",
) -> bool:
    """Have this assistant, or this squad, answer the number from the next call on. Whether that changed anything."""
    actor_is = who(actor, actor_label)
    with transaction.atomic():
        held = PhoneNumber.objects.select_for_update(of=("self",)).get(pk=number.pk)
        if (held.assistant_id, held.squad_id) == (getattr(assistant, "pk", None), getattr(squad, "pk", None)):
            return False
        before = {"assistant": held.assistant.name if held.assistant else "", "squad": str(held.squad or "")}
        PhoneNumber.objects.filter(pk=held.pk).update(
            assistant=assistant, squad=squad, updated_at=timezone.now()
        )
        event_write(
            held,
            CutoverEvent.Kind.ASSIGNED,
            actor=actor_is,
            reason=reason,
            before=before,
            after={
                "assistant": assistant.name if assistant else "",
                **({"squad": squad.name} if squad else {}),
            },
        )
    return True
