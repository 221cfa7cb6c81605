"""What follows when calls were written down: they are dialled, and whoever wants to know is told."""

from calls.messages.services import status_changed
from calls.models import Call
from calls.placing.services import Placed
from calls.placing.tasks import have_done, placings_dial


def placed_tell(placed: Placed) -> None:
    """Have calls dialled that were just written down, and tell of them."""
    have_done(placings_dial)
    statuses = Call.objects.filter(pk__in=placed.call_ids).values_list("pk", "status", "created_at")
    for call_id, status, at in statuses:
        status_changed(call_id, status, at)
