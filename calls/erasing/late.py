"""What comes about a call after it was stripped, from a journal or a broker that was away for however long."""

import uuid
from collections.abc import Collection

from calls.erasing.stripping import calls_strip
from calls.models import CallStripped


def late_strip(call_ids: Collection[uuid.UUID | str]) -> int:
    """How many rows had just been written of calls that were stripped, and are cleared now. Raises OperationalError."""
    stripped = CallStripped.objects.filter(call_id__in=call_ids).values_list("call_id", "why")
    return sum(
        sum(calls_strip([call_id], why=CallStripped.Why(why)).values()) for call_id, why in list(stripped)
    )
