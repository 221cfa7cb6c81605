"""The end of an operation: its row, the number and the event, all written at once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from calls.cutover.changes import FieldChange, compared, differences, value_of, voice_config
from calls.cutover.claims import Run, advance
from calls.cutover.history import WATCH, Who, event_write
from calls.cutover.intention import answering, kept_snapshot
from calls.cutover.looking import look_apply
from calls.cutover.states import next_state
from calls.models import CutoverEvent, CutoverOperation, PhoneNumber

Kind = CutoverOperation.Kind
Status = CutoverOperation.Status
State = PhoneNumber.State

GIVE_UP_AFTER: Final = timedelta(hours=6)
ALREADY: Final = "already so"
WAITING: Final = "waiting for Twilio"


def wait(run: Run, error: str) -> bool:
    """Leave the operation open, for the beat to go on with; an old one is given up. Nothing more to do now."""
    if timezone.now() - run.operation.created_at > GIVE_UP_AFTER:
        changed = run.operation.writes > 0
        return close(run, Status.FAILED, error=f"{error} Given up after six hours.", changed=changed)
    advance(run, WAITING, error=error)
    return False


def close(
    run: Run,
    status: Status,
    *,
    step: str = "",
    actual: Mapping[str, Any] | None = None,
    found: tuple[FieldChange, ...] = (),
    error: str = "",
    changed: bool = False,
) -> bool:
    """Close the operation, bring the number up to date, and write the event, all at once. Nothing more to do.

    ``changed``: Twilio has something that nobody here wanted, and it stays until a person has decided.
    """
    now = timezone.now()
    with transaction.atomic():
        number = PhoneNumber.objects.select_for_update(of=("self",)).get(pk=run.number.pk)
        columns: dict[str, Any] = {"status": status, "finished_at": now, "error": error}
        if actual is not None:
            columns["after"] = dict(actual)
        if found:
            columns["differences"] = [change.as_json() for change in found]
        advance(run, step or status.label, **columns)
        if step == ALREADY:
            _number_seen(number, actual, now)
        elif status == Status.DONE:
            assert actual is not None
            PhoneNumber.objects.filter(pk=number.pk).update(**_after_success(run, number, actual, now))
        else:
            PhoneNumber.objects.filter(pk=number.pk).update(
                **_after_failure(run, number, status, changed=changed)
            )
            _number_seen(number, actual, now, changed=changed)
        if step != ALREADY:
            _event(run, status, actual, found, error, now)
    return False


def _number_seen(
    number: PhoneNumber, actual: Mapping[str, Any] | None, now: datetime, *, changed: bool = False
) -> None:
    """Take what was fetched over as a look at the number."""
    number.refresh_from_db()
    if actual is None:
        return
    if changed:
        PhoneNumber.objects.filter(pk=number.pk).update(
            config=dict(actual), config_seen_at=now, answered_by=answering(actual)
        )
        return
    # Whoever gave the order has found the change; they have not made it.
    look_apply(number, actual, at=now, actor=Who(WATCH))


def _after_success(run: Run, number: PhoneNumber, actual: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    operation = run.operation
    columns: dict[str, Any] = {
        "config": dict(actual),
        "config_seen_at": now,
        "answered_by": answering(actual),
        "missing_at": None,
        # It was not written, but with another one no call would come.
        "expected": {**operation.wanted, "voice_receive_mode": value_of(actual, "voice_receive_mode")},
        "state_before_change": "",
        "state": next_state(number.state, operation.kind),
        "canary_percent": operation.percent if run.to_us else 0,
    }
    if not run.to_us:
        return columns | {
            "snapshot": operation.target,
            "cut_over_at": None,
            "fought_at": None,
        }
    if number.cut_over_at is None:
        columns["cut_over_at"] = now
    if operation.actor_label != WATCH:
        columns["fought_at"] = None  # somebody decided anew
    return columns


def _after_failure(run: Run, number: PhoneNumber, status: Status, *, changed: bool) -> dict[str, Any]:
    """What the number is when nothing, or not the right thing, became of it."""
    operation = run.operation
    columns: dict[str, Any] = {}
    # A POST whose answer was lost may be carried out after all: then the snapshot and the share must be there.
    may_come = status == Status.FAILED and operation.writes > 0 and (changed or not run.sure)
    if run.to_us and (kept_snapshot(number) is not None or not may_come):
        columns = {"canary_percent": operation.from_percent, "snapshot": operation.from_snapshot}
    if not run.to_us and status == Status.REFUSED:
        columns = {"canary_percent": operation.from_percent}
    if changed:
        columns |= _as_it_should_be(run, number) | {"state": next_state(number.state, "changed")}
    return columns


def _as_it_should_be(run: Run, number: PhoneNumber) -> dict[str, Any]:
    """What a number is held to that somebody else has changed: what a way back wanted, or what was there before us."""
    operation = run.operation
    if not run.to_us:
        return {"expected": operation.wanted, "state_before_change": State.ROLLED_BACK}
    before = number.state_before_change if number.state == State.CHANGED else number.state
    return {"expected": voice_config(operation.before), "state_before_change": before}


_EVENTS: Final = {
    Status.REFUSED: CutoverEvent.Kind.REFUSED,
    Status.FAILED: CutoverEvent.Kind.FAILED,
    Status.ROLLED_BACK: CutoverEvent.Kind.UNDONE,
}


def _event(
    run: Run,
    status: Status,
    actual: Mapping[str, Any] | None,
    found: tuple[FieldChange, ...],
    error: str,
    now: datetime,
) -> None:
    operation = run.operation
    number = PhoneNumber.objects.get(pk=operation.number_id)
    kind: str = _EVENTS.get(status, CutoverEvent.Kind(operation.kind))
    if status == Status.DONE:
        before = dict(operation.before)
        found = tuple(
            FieldChange(change.field, change.before, change.after)
            for change in differences(before, actual or {})
        )
        if run.to_us and operation.actor_label == WATCH:
            kind = CutoverEvent.Kind.FOUGHT
    elif not found:
        found = tuple(FieldChange(**change) for change in operation.differences)
    event_write(
        number,
        kind,
        actor=Who(operation.actor_label, operation.actor),
        from_state=operation.from_state,
        reason=f"{operation.reason} ({error})" if error and operation.reason else operation.reason or error,
        before=compared(operation.before) if operation.before else {},
        after=compared(actual) if actual else {},
        differences=found,
        overrides=operation.overrides,
        operation=operation,
        at=now,
    )
