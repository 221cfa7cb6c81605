"""Messages in passing on their way from calls to workers, in Redis: of each call a short list, and the calls that have one.

Nothing here lasts longer than a minute (who was told to speak: a quarter of an hour), and whoever cannot reach Redis drops what they have.
"""

import functools
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import orjson
import redis
from django.conf import settings

from tools.shared_state import key

# Of one call; more than a second of both sides.
MOST_WAITING: Final = 50
_LIVES_S: Final = 60
# Nobody speaks for so long without a pause.
_SPEAKS_S: Final = 15 * 60
# Whoever sends for a call says so again before each message.
LOCK_S: Final = 10
_ALIVE_S: Final = 15.0
_TIMEOUT_S: Final = 2.0
# The final words of an utterance are known to be on their way for as long as anything in passing could be.
_FINAL_S: Final = 300
_LOOK_EVERY_S: Final = 0.02
# To each sender; more of them are asked for then.
_MOST_READY: Final = 10
# A call that has waited for longer has nobody, whoever said that they send: they may have died.
_WAITED_S: Final = 2.0
# Celery's, by which senders are asked for. While no worker takes from it, it is not to grow.
QUEUE: Final = "messages"
MOST_QUEUED: Final = 2000
# In one step: a lock that is over by then may be another's.
_UNLOCK: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
if redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('ZADD', KEYS[3], 'NX', ARGV[2], ARGV[3])
    redis.call('EXPIRE', KEYS[3], ARGV[4])
end
"""


@functools.cache
def _store() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=_TIMEOUT_S + 3.0,
        socket_connect_timeout=_TIMEOUT_S,
    )


def _key(*parts: str) -> str:
    return key("passing", *parts)


# From the calls ---------------------------------------------------------------------------------------------------


def put(found: Iterable[tuple[uuid.UUID, Mapping[str, Any]]]) -> bool:
    """Leave these to be sent; whether somebody has to begin with it. Raises RedisError."""
    by_call: dict[uuid.UUID, list[bytes]] = {}
    for call_id, one in found:
        by_call.setdefault(call_id, []).append(orjson.dumps(one))
    now = time.time()
    with _store().pipeline(transaction=False) as pipe:
        for call_id, texts in by_call.items():
            lane = _key(str(call_id))
            pipe.rpush(lane, *texts)
            pipe.ltrim(lane, -MOST_WAITING, -1)
            pipe.expire(lane, _LIVES_S)
        pipe.zadd(_key("ready"), {str(one): now for one in by_call}, nx=True)
        pipe.expire(_key("ready"), _LIVES_S)
        pipe.zcard(_key("ready"))
        pipe.zcount(_key("ready"), "-inf", now - _WAITED_S)
        pipe.zcount(_key("alive"), now, "+inf")
        pipe.llen(QUEUE)
        *_, ready, left_alone, senders, asked = pipe.execute()
    return bool((left_alone or ready > _MOST_READY * senders) and asked < MOST_QUEUED)


# To the workers ---------------------------------------------------------------------------------------------------


def alive(sender: str, *, yes: bool = True) -> None:
    """Say that this one sends, or no longer does. Raises RedisError."""
    with _store().pipeline(transaction=False) as pipe:
        if yes:
            pipe.zadd(_key("alive"), {sender: time.time() + _ALIVE_S})
        else:
            pipe.zrem(_key("alive"), sender)
        pipe.zremrangebyscore(_key("alive"), "-inf", time.time())
        pipe.execute()


def next_call(*, within_s: float) -> uuid.UUID | None:
    """The call that has waited longest, or None where none comes within that time. Raises RedisError."""
    found = cast("tuple[str, str, float] | None", _store().bzpopmin(_key("ready"), timeout=within_s))
    return uuid.UUID(found[1]) if found else None


def waits() -> int:
    """How many calls wait. Raises RedisError."""
    return _store().zcard(_key("ready"))


def lock(call_id: uuid.UUID, sender: str) -> bool:
    """Whether this one alone sends for the call from here on. Raises RedisError."""
    return bool(_store().set(_key(str(call_id), "lock"), sender, nx=True, ex=LOCK_S))


def taken(call_id: uuid.UUID) -> list[Any]:
    """What waits of a call, which is ours now. Raises RedisError, or ValueError for what no release has written."""
    with _store().pipeline(transaction=True) as pipe:
        pipe.expire(_key(str(call_id), "lock"), LOCK_S)
        pipe.lrange(_key(str(call_id)), 0, -1)
        pipe.delete(_key(str(call_id)))
        texts = pipe.execute()[1]
    return [orjson.loads(text) for text in texts]


def unlock(call_id: uuid.UUID, sender: str) -> None:
    """Let others send for the call, and say so where more has come meanwhile. Raises RedisError."""
    keys = (_key(str(call_id), "lock"), _key(str(call_id)), _key("ready"))
    _store().eval(_UNLOCK, len(keys), *keys, sender, time.time(), str(call_id), _LIVES_S)


# Who was told to speak ----------------------------------------------------------------------------------------------


def speaking(call_id: uuid.UUID) -> dict[str, Any]:
    """Whose beginning to speak was told and not yet their end, by role, each with what was told. Raises RedisError."""
    found = cast("dict[str, str]", _store().hgetall(_key(str(call_id), "speaking")))
    return {role: orjson.loads(text) for role, text in found.items()}


def speaks(call_id: uuid.UUID, role: str, told: Mapping[str, Any] | None) -> None:
    """Note that this was told of somebody who begins to speak; or, with None, that they have stopped. Raises RedisError."""
    place = _key(str(call_id), "speaking")
    with _store().pipeline(transaction=False) as pipe:
        if told is None:
            pipe.hdel(place, role)
        else:
            pipe.hset(place, role, orjson.dumps(told).decode())
            pipe.expire(place, _SPEAKS_S)
        pipe.execute()


# What overtakes what ------------------------------------------------------------------------------------------------


def goes_first(call_id: uuid.UUID, item: str) -> bool:
    """Whether a message may go now; not a partial text of this utterance where its final one is on its way. Raises RedisError."""
    with _store().pipeline(transaction=True) as pipe:
        pipe.expire(_key(str(call_id), "lock"), LOCK_S)
        pipe.set(_key(str(call_id), "now"), item, ex=LOCK_S)
        pipe.sismember(_key(str(call_id), "final"), item)
        is_final = pipe.execute()[2]
    if is_final:
        went(call_id)
    return not is_final


def went(call_id: uuid.UUID) -> None:
    """The message that was on its way has come to its end. Raises RedisError."""
    _store().delete(_key(str(call_id), "now"))


def finish(call_id: uuid.UUID, item: str, *, within_s: float) -> None:
    """Have no partial text of this utterance sent any more; one that is on its way is waited for. Raises RedisError."""
    store, final = _store(), _key(str(call_id), "final")
    with store.pipeline(transaction=True) as pipe:
        pipe.sadd(final, item)
        pipe.expire(final, _FINAL_S)
        pipe.get(_key(str(call_id), "now"))
        going = pipe.execute()[2]
    until = time.monotonic() + within_s
    while going == item and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
        going = store.get(_key(str(call_id), "now"))


# Servers that are to be left alone ----------------------------------------------------------------------------------


def rest(host: str, seconds: float) -> None:
    """Send nothing in passing to this server for so long. Raises RedisError."""
    _store().set(_key("rest", host), "1", px=max(1, round(seconds * 1000)))


def rests(host: str) -> bool:
    """Whether nothing in passing is to go to this server now. Raises RedisError."""
    return bool(_store().exists(_key("rest", host)))
