"""Names of channel groups."""

import uuid


def call_group(call_id: uuid.UUID) -> str:
    """The group that whoever holds the call listens to, from whichever process somebody speaks to it."""
    return f"call.{call_id}"
