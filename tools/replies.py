"""From a worker's threads to live calls: what the channel layer's own ``send`` does, in one trip to Redis.

That ``send`` takes four trips one after the other, on an event loop that a worker's thread has to wake up and wait for,
and all that while a caller waits.
"""

import functools
import time
from typing import Any, Final

import redis
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from redis.backoff import NoBackoff
from redis.retry import Retry

# The outcome of a tool call is written down only after the first try.
TIMEOUT_S: Final = 2.0
# Messages that are too old go first, as in the layer; the rest is full or has room for one more.
_SEND: Final = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


def message_send(channel: str, message: dict[str, Any]) -> None:
    """Send the message to a channel of the layer. Raises RedisError, and ChannelFull when nobody reads there."""
    layer: Any = get_channel_layer()
    assert layer.require_valid_channel_name(channel)
    # Many calls of one process read from one key, and find theirs by the whole name.
    addressed = {**message, "__asgi_channel__": channel} if "!" in channel else message
    now, expiry_s = time.time(), int(layer.expiry)
    host = layer.hosts[layer.consistent_hash(channel)]
    sent = _client(host["address"]).eval(
        _SEND,
        1,
        layer.prefix + layer.non_local_name(channel),
        int(now) - expiry_s,
        layer.get_capacity(channel),
        now,
        layer.serialize(addressed),
        expiry_s,
    )
    if not sent:
        raise ChannelFull


@functools.cache
def _client(url: str) -> "redis.Redis":
    # Once more at once, for a connection that was cut while nobody used it; all other patience is the caller's.
    retry = Retry(NoBackoff(), 1)
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=retry)
