"""One write to one number, as a row that goes from step to step: fetch and compare, write, fetch and compare again.

Each step is written before the next begins, so that whoever finds the row after a crash knows what may have been sent.
What was sent is found out by looking, never by sending once more. Only whoever holds the claim goes on.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from calls.clients import TwilioRefusedError
from calls.cutover import canary
from calls.cutover.changes import APPLICATION, TRUNK, FieldChange, differences, fields_to_send, value_of
from calls.cutover.claims import Run, advance
from calls.cutover.closing import ALREADY, close, wait
from calls.cutover.intention import Intention, answering, intend, whose_number
from calls.cutover.rest import NotThereError, Twilio, may_pass
from calls.models import OPEN, CutoverOperation, NumberSnapshot, PhoneNumber

Status = CutoverOperation.Status

# What was sent may be carried out, or be shown, a moment later.
SETTLING_S: Final = (1.0, 2.0, 4.0)
WRITES_AT_ONCE: Final = 3
WRITES_IN_ALL: Final = 12
NOTHING_WRITTEN: Final = "Nothing was written."
CHANGED_SINCE: Final = "Somebody changed the number at Twilio since it was shown. Nothing was written. Look at the difference, and decide again."
ELSEWHERE: Final = "By the time this was looked at again, somebody else had pointed the number elsewhere. That was left as it is."
NOT_UNDONE: Final = "It did not come out as wanted, and could not be undone yet."


def operation_run(
    operation: CutoverOperation,
    *,
    twilio: Twilio,
    late: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> CutoverOperation:
    """Carry an operation on until it is closed, or until Twilio cannot be reached: then it stays open for later.

    Raises LostClaimError when somebody else has it by now.
    """
    number = PhoneNumber.objects.select_related("assistant", "squad", "snapshot").get(pk=operation.number_id)
    run = Run(operation, number, twilio, late=late, pause=pause)
    if late:
        run.sure = False
        if operation.status == Status.WRITING:
            advance(run, "found after a crash: looking what became of it", status=Status.VERIFYING)
    while operation.status in OPEN:
        if not _STEPS[Status(operation.status)](run):
            break
    return operation


# --- The steps: each says whether there is more to do now -----------------------------------------------------


def _begin(run: Run) -> bool:
    """Look at the number right before writing: nobody may have changed it since it was shown."""
    operation, number = run.operation, run.number
    if run.late and run.to_us:
        return close(
            run, Status.FAILED, error="The process that was to do it ended before anything was sent."
        )
    if why := whose_number(number, back=not run.to_us):
        return close(run, Status.REFUSED, error=why)
    try:
        config = run.twilio.fetch(account_sid=number.account_sid, sid=number.twilio_sid)
        application = application_of(config, run.twilio, number) if run.to_us else None
    except TwilioRefusedError as exc:
        if not run.to_us and may_pass(exc):
            return wait(run, str(exc))
        return close(run, Status.FAILED, error=f"{exc} {NOTHING_WRITTEN}")
    intention = intend(
        number,
        kind=operation.kind,
        config=config,
        target=operation.target,
        application=application,
    )
    if not intention.obstacles and not intention.changes and _stands(run, intention):
        return close(run, Status.DONE, step=ALREADY, actual=config)
    if found := differences(operation.seen, config):
        return close(run, Status.REFUSED, actual=config, found=found, error=CHANGED_SINCE)
    if intention.obstacles:
        return close(run, Status.REFUSED, actual=config, error=" ".join(intention.obstacles))
    _intend_write(run, config, intention, application)
    return True


def _stands(run: Run, intention: Intention) -> bool:
    """Whether the number is already what it is to become, so that a second click has nothing to do."""
    # A rollback has set the share to nothing when it was opened.
    share = run.operation.percent if run.to_us else run.number.canary_percent
    return run.number.state == intention.to_state and run.number.canary_percent == share


def application_of(config: Mapping[str, Any], twilio: Twilio, number: PhoneNumber) -> dict[str, Any] | None:
    """The TwiML application that answers by this configuration; None without one. Raises TwilioRefusedError."""
    sid = value_of(config, APPLICATION)
    if not sid or value_of(config, TRUNK):
        return None
    try:
        return twilio.application(account_sid=number.account_sid, sid=sid)
    except NotThereError:
        return None


def _intend_write(
    run: Run, config: Mapping[str, Any], intention: Intention, application: Mapping[str, Any] | None
) -> None:
    """Write down what the number was and what it is to be, and have calls decided by it, before anything is sent."""
    operation, number = run.operation, run.number
    now = timezone.now()
    with transaction.atomic():
        target = intention.keeps
        if intention.fields:
            taken = NumberSnapshot.objects.create(
                number=number, taken_at=now, config=dict(config), origin=settings.PUBLIC_ORIGIN
            )
            if application is not None:
                canary.route_keep(taken, application, now=now)
            if target is None and answering(config) != "tandem":
                target = taken
        columns: dict[str, Any] = {
            "config": dict(config),
            "config_seen_at": now,
            "answered_by": answering(config),
        }
        if run.to_us:
            # The first call may come before Twilio has answered us.
            columns |= {"snapshot": target, "canary_percent": operation.percent}
        PhoneNumber.objects.filter(pk=number.pk).update(**columns)
        advance(
            run,
            "fetched and compared",
            status=Status.WRITING,
            before=dict(config),
            wanted=intention.wanted,
            target=target,
        )
    number.refresh_from_db()


def _write(run: Run) -> bool:
    """Send the one POST. Its own answer is not believed: what became of it is looked up."""
    operation, number = run.operation, run.number
    actual = operation.after or operation.before
    fields = fields_to_send(operation.wanted, actual)
    if fields:
        advance(run, "sending", writes=operation.writes + 1)
        run.writes += 1
        try:
            run.twilio.write(account_sid=number.account_sid, sid=number.twilio_sid, fields=fields)
            run.sure = True
        except TwilioRefusedError as exc:
            if not exc.unsure:
                return _not_taken(run, exc)
            run.sure = False
    advance(run, "sent" if run.sure else "sent, the answer was lost", status=Status.VERIFYING)
    return True


def _not_taken(run: Run, exc: TwilioRefusedError) -> bool:
    """Twilio refused the POST, so that the number is as it was."""
    if not run.to_us and may_pass(exc):
        return wait(run, str(exc))
    return close(run, Status.FAILED, error=f"{exc} {NOTHING_WRITTEN}")


def _verify(run: Run) -> bool:
    """Fetch again and compare field by field."""
    operation, number = run.operation, run.number
    try:
        actual = _settled(run)
    except TwilioRefusedError as exc:
        return wait(run, f"{exc} Whether it was written is not known yet.")
    found = differences(operation.wanted, actual)
    if not found:
        return close(run, Status.DONE, step="compared", actual=actual)
    untouched = not differences(run.before, actual)
    if not run.to_us:
        return _verify_way_back(run, actual, found, untouched=untouched)
    if untouched and not run.sure:
        return close(
            run,
            Status.FAILED,
            actual=actual,
            found=found,
            error=f"Twilio did not carry it out. {NOTHING_WRITTEN}",
        )
    if run.late and not _answers_alike(operation.wanted, actual):
        return close(run, Status.FAILED, actual=actual, found=found, error=ELSEWHERE, changed=True)
    advance(
        run,
        "is not as wanted",
        status=Status.UNDOING,
        after=dict(actual),
        differences=[change.as_json() for change in found],
    )
    number.refresh_from_db()
    return True


def _settled(run: Run) -> dict[str, Any]:
    """The number as it is; where it is still as before, after giving Twilio a moment."""
    number, operation = run.number, run.operation
    actual = run.twilio.fetch(account_sid=number.account_sid, sid=number.twilio_sid)
    for pause_s in () if run.late else SETTLING_S:
        if differences(run.before, actual) or not differences(operation.wanted, actual):
            break
        run.pause(pause_s)
        actual = run.twilio.fetch(account_sid=number.account_sid, sid=number.twilio_sid)
    return actual


def _verify_way_back(
    run: Run, actual: Mapping[str, Any], found: tuple[FieldChange, ...], *, untouched: bool
) -> bool:
    """A way back is not given up because of one lost answer; but nothing that somebody else set is overwritten late."""
    operation = run.operation
    if run.late and not untouched:
        return close(run, Status.FAILED, actual=actual, found=found, error=ELSEWHERE, changed=True)
    if operation.writes >= WRITES_IN_ALL:
        error = f"It was written {operation.writes} times, and Twilio still has something else. Set it by hand at Twilio."
        return close(run, Status.FAILED, actual=actual, found=found, error=error, changed=True)
    if run.writes >= WRITES_AT_ONCE:
        return wait(run, "Twilio has not taken it yet.")
    advance(run, "is not as wanted, once more", status=Status.WRITING, after=dict(actual))
    run.late = False
    return True


def _undo(run: Run) -> bool:
    """Put back what was there before, and compare that too."""
    operation, number = run.operation, run.number
    try:
        actual = run.twilio.fetch(account_sid=number.account_sid, sid=number.twilio_sid)
    except TwilioRefusedError as exc:
        return wait(run, f"{NOT_UNDONE} {exc}")
    fields = fields_to_send(run.before, actual)
    if not fields:
        return close(run, Status.ROLLED_BACK, actual=actual, error=_why_undone(operation))
    if run.late and not _answers_alike(operation.wanted, actual):
        return close(run, Status.FAILED, actual=actual, error=ELSEWHERE, changed=True)
    if operation.writes >= WRITES_IN_ALL:
        return close(run, Status.FAILED, actual=actual, error=f"{NOT_UNDONE} Set it by hand.", changed=True)
    if run.writes > WRITES_AT_ONCE:
        return wait(run, NOT_UNDONE)
    advance(run, "undoing", writes=operation.writes + 1)
    run.writes += 1
    try:
        run.twilio.write(account_sid=number.account_sid, sid=number.twilio_sid, fields=fields)
    except TwilioRefusedError as exc:
        if not may_pass(exc):
            error = f"{NOT_UNDONE} {exc} Set it by hand."
            return close(run, Status.FAILED, actual=actual, error=error, changed=True)
        if not exc.unsure:
            return wait(run, f"{NOT_UNDONE} {exc}")
    return True  # the next look tells


def _why_undone(operation: CutoverOperation) -> str:
    fields = ", ".join(change["field"] for change in operation.differences)
    return f"After the write Twilio had something else in {fields}. What was there before was put back."


def _answers_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the same party answers by both configurations."""
    return all(value_of(one, name) == value_of(other, name) for name in (TRUNK, APPLICATION, "voice_url"))


_STEPS: Final[Mapping[Status, Callable[[Run], bool]]] = {
    Status.PLANNED: _begin,
    Status.WRITING: _write,
    Status.VERIFYING: _verify,
    Status.UNDOING: _undo,
}
