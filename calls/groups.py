"""Channel groups of calls, and what is said to them."""

import logging
import uuid

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def call_group(call_id: uuid.UUID) -> str:
    """The group that whoever holds the call listens to, from whichever process somebody speaks to it."""
    return f"call.{call_id}"


def over_tell(call_id: uuid.UUID, reason: str) -> None:
    """Tell the bridge that its call is over, if there is still one: without its socket's end it would talk to nobody."""
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        async_to_sync(layer.group_send)(call_group(call_id), {"type": "call.over", "reason": reason})
    except (RedisError, OSError):
        logger.warning("the bridge could not be told that its call is over", extra={"call_id": str(call_id)})
