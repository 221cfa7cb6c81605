"""That somebody opens a page with what was said or sent in a call: told to the app above, which keeps the list."""

import uuid
from typing import Any

from django.dispatch import Signal

# Sent with ``call_id``, ``user`` and ``what`` (a word of calls.models.CallOpened.What), before the page is made.
record_opened = Signal()


def opened_tell(*, call_id: uuid.UUID, user: Any, what: str) -> None:
    """Tell that this person opens this record of a call. Raises what the list raises: unlisted, nothing is shown."""
    record_opened.send(sender=None, call_id=call_id, user=user, what=what)
