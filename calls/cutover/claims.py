"""The row of an operation: opened before anything is sent, held by one process at a time, and written at every step."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from calls.cutover.changes import compared, voice_config
from calls.cutover.fallback import old_url
from calls.cutover.history import Who
from calls.cutover.intention import TO_US
from calls.cutover.rest import Twilio
from calls.models import OPEN, CutoverOperation, NumberSnapshot, PhoneNumber
from tools.jsontext import text_clean

Kind = CutoverOperation.Kind

# Longer than one step can take with all its repetitions, so that nobody is taken for dead who is only slow.
LEASE: Final = timedelta(seconds=75)


class LostClaimError(Exception):
    """Another process has taken the operation over; whoever gets this must not touch it any more."""


@dataclass(slots=True)
class Run:
    """One process at work on an operation. ``late``: it took over from somebody who died, or comes back after a while."""

    operation: CutoverOperation
    number: PhoneNumber
    twilio: Twilio
    late: bool = False
    pause: Callable[[float], None] = time.sleep
    sure: bool = True  # that the last POST was carried out
    writes: int = 0

    @property
    def to_us(self) -> bool:
        """Whether callers are being brought to us, not back."""
        return self.operation.kind in TO_US

    @property
    def before(self) -> dict[str, str]:
        """The voice fields as they were before anything was sent."""
        return voice_config(self.operation.before)


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants done to a number. ``seen`` is its configuration as they saw it; empty: whatever it is."""

    kind: str
    actor: Who
    reason: str
    percent: int = 100
    seen: Mapping[str, Any] = field(default_factory=dict)
    target: NumberSnapshot | None = None
    overrides: Sequence[Mapping[str, str]] = ()


def operation_open(number_id: Any, order: Order) -> CutoverOperation | None:
    """The intention, written down; None while another one is open on this number.

    A rollback takes hold at once, before Twilio knows of it: calls that still reach us go to the old provider, where
    it has a URL to send them to.
    """
    try:
        with transaction.atomic():
            number = PhoneNumber.objects.select_for_update(of=("self",)).get(pk=number_id)
            operation = CutoverOperation.objects.create(
                number=number,
                kind=order.kind,
                percent=order.percent if order.kind == Kind.CANARY else 100,
                from_state=number.state,
                from_percent=number.canary_percent,
                from_snapshot=number.snapshot,
                seen=compared(order.seen) if order.seen else {},
                target=order.target,
                actor=order.actor.user,
                actor_label=order.actor.label,
                reason=text_clean(order.reason),
                overrides=[dict(one) for one in order.overrides],
                steps=[step_now("planned")],
                beat_at=timezone.now(),
            )
            if order.kind == Kind.ROLLBACK and number.snapshot and old_url(number.snapshot.config)[0]:
                PhoneNumber.objects.filter(pk=number.pk).update(canary_percent=0)
    except IntegrityError:
        return None
    return operation


def operation_claim(operation: CutoverOperation, *, now: datetime) -> CutoverOperation | None:
    """The operation for whoever calls this, taken from somebody who gives no sign of life any more; else None."""
    stale = CutoverOperation.objects.filter(
        pk=operation.pk, claim=operation.claim, status__in=OPEN, beat_at__lt=now - LEASE
    )
    if not stale.update(claim=uuid.uuid4(), beat_at=now):
        return None
    return CutoverOperation.objects.get(pk=operation.pk)


def step_now(name: str) -> dict[str, str]:
    return {"step": name, "at": timezone.now().isoformat()}


def advance(run: Run, step: str, **columns: Any) -> None:
    """Write that the operation has come to a step. Raises LostClaimError when it is somebody else's by now."""
    operation = run.operation
    columns |= {"steps": [*operation.steps, step_now(step)], "beat_at": timezone.now()}
    mine = CutoverOperation.objects.filter(pk=operation.pk, claim=operation.claim, status__in=OPEN)
    if not mine.update(**columns):
        raise LostClaimError
    for name, value in columns.items():
        setattr(operation, name, value)
