"""Messages to the workers by way of Celery, and the receipts that come back by way of Redis.

A receipt that is lost costs a second delivery, never a word. Beside each outbox's receipts stands the number of its last message: a Redis that has been
emptied, or has fallen back to an older state, knows a lower one or none.
"""

from typing import Any, Final

from celery import current_app
from redis.exceptions import RedisError

from calls.lasting.broker import Receipts
from tools.shared_state import key, store

HEADER: Final = "receipt"
_AT_ONCE: Final = 1000
_KEPT_S: Final = 24 * 3600


class Workers:
    """The broker of an outbox: Celery there, Redis back."""

    def __init__(self) -> None:
        self._marked: dict[str, int] = {}
        self._forgotten: set[str] = set()

    def send(self, task: str, kwargs: dict[str, Any], *, outbox: str, number: int) -> None:
        """Hand a message to the broker, now or never: the outbox does the trying again."""
        current_app.send_task(
            task,
            kwargs=kwargs,
            retry=False,
            argsrepr="(…)",
            kwargsrepr="{…}",
            headers={HEADER: f"{outbox}:{number}"},
        )
        if number > self._marked.get(outbox, 0):
            self._mark(outbox, number)

    def _mark(self, outbox: str, number: int) -> None:
        try:
            # After the message: whoever knows the number knows the message, too.
            known = store().set(_sent_key(outbox), number, ex=_KEPT_S, get=True)
        except RedisError:
            return  # the next one will tell; the message itself is there
        if int(known or 0) < self._marked.get(outbox, 0):
            self._forgotten.add(outbox)  # it was emptied since the last look, and this number would hide it
        self._marked[outbox] = number

    def receipts(self, outbox: str) -> Receipts:
        """Which messages are done, told once, and whether Redis still knows the last one. Raises RedisError."""
        with store().pipeline(transaction=False) as pipe:
            pipe.getex(_sent_key(outbox), ex=_KEPT_S)
            pipe.lpop(_done_key(outbox), _AT_ONCE)
            known, done = pipe.execute()
        remembers = int(known or 0) >= self._marked.get(outbox, 0) and outbox not in self._forgotten
        if not remembers:
            self._forgotten.discard(outbox)
            self._marked.pop(outbox)  # until the next message, which tells a number again
        return Receipts([int(one) for one in done or ()], remembers)


def receipt_give(receipt: str) -> None:
    """Tell an outbox that a message of its is done. Where Redis is away it comes again, which changes nothing."""
    outbox, _, number = receipt.rpartition(":")
    try:
        with store().pipeline(transaction=False) as pipe:
            pipe.rpush(_done_key(outbox), int(number))
            pipe.expire(_done_key(outbox), _KEPT_S)
            pipe.execute()
    except (RedisError, ValueError):
        return


def _sent_key(outbox: str) -> str:
    return key("outbox", outbox, "sent")


def _done_key(outbox: str) -> str:
    return key("outbox", outbox, "done")
