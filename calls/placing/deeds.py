"""What is to be done about a machine that has answered: by a task at once, or by the beat where that was lost."""

import uuid
from datetime import datetime, timedelta
from typing import Final

from calls.models import LIVE, Call, LiveOrder, Placing

# A task tries for half a minute, and puts it off each time; whoever has not done so for this long is gone.
PATIENCE: Final = timedelta(seconds=15)


def machine_order(call: Call) -> str:
    """The id of the order to the call: the same each time, so that the call takes it once."""
    return f"machine_{call.pk.hex}"


def machine_put_off(call: Call, *, now: datetime) -> None:
    """Somebody is at it."""
    Placing.objects.filter(pk=call.pk).update(machine_due_at=now + PATIENCE)


def machine_is_done(call: Call) -> bool:
    """Whether the call has taken the order."""
    order = LiveOrder.objects.filter(order_id=machine_order(call), call=call)
    return order.filter(result=LiveOrder.Result.TAKEN).exists()


def machine_done(call: Call) -> None:
    """Nobody needs to come back to it."""
    Placing.objects.filter(pk=call.pk).update(machine_due_at=None)


def machines_due(*, now: datetime) -> list[uuid.UUID]:
    """The calls that a machine has answered, and about which nobody does anything."""
    due = Placing.objects.filter(machine_due_at__lte=now)
    due.exclude(call__status__in=LIVE).update(machine_due_at=None)
    return list(due.order_by("machine_due_at").values_list("pk", flat=True))
