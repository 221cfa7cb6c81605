"""What follows when calls were written down: they are dialled, and whoever wants to know is told."""

from calls.messages.services import statuses_changed
from calls.models import AHEAD, Call
from calls.placing.services import Placed
from calls.placing.tasks import have_done, placings_dial


def placed_tell(placed: Placed) -> None:
    """Have calls dialled that were just written down, and tell of them. Whoever dials one sees to it that it was told of before."""
    have_done(placings_dial)
    calls = Call.objects.filter(pk__in=placed.call_ids, status__in=AHEAD)
    told = calls.values_list("pk", "status", "created_at")
    statuses_changed({call_id: (status, at) for call_id, status, at in told})
