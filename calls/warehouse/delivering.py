"""Sending what is due to the warehouse, batch by batch."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from calls.warehouse import outbox
from calls.warehouse.outbox import Claimed, Task
from calls.warehouse.rows import calls_read
from calls.warehouse.tables import UnknownTypeError, ViewsAwayError
from calls.warehouse.writers import AwayError, Outgoing, StreamedLatelyError, WarehouseError, Writer

logger = logging.getLogger(__name__)

BATCH: Final = 20  # calls: some thousand rows at the most
AWAY_PAUSE: Final = timedelta(minutes=1)


@dataclass(slots=True)
class Delivered:
    """What became of what was due."""

    sent: int = 0
    unchanged: int = 0
    waiting: int = 0
    refused: int = 0
    erased: int = 0
    away: str = ""

    @property
    def handled(self) -> int:
        """How many were looked at."""
        return self.sent + self.unchanged + self.waiting + self.refused + self.erased


def deliver(
    writer: Writer, *, until: datetime, batch: int = BATCH, clock: Callable[[], datetime] = timezone.now
) -> Delivered:
    """Send all that is due, until then or until the warehouse is away."""
    done = Delivered()
    while clock() < until and not done.away:
        claimed = outbox.claim(most=batch, now=clock())
        if not claimed:
            break
        try:
            _erase(writer, [one for one in claimed if one.task == Task.ERASE], done, clock)
            _write(writer, [one for one in claimed if one.task == Task.WRITE], done, clock)
        except (WarehouseError, ViewsAwayError, UnknownTypeError) as exc:
            done.away = str(exc)
            for one in claimed:
                outbox.away(one, why=done.away, pause=AWAY_PAUSE, now=clock())
    if done.away:
        logger.warning("the warehouse is away", extra={"why": done.away})
    return done


def _write(
    writer: Writer, claimed: Sequence[Claimed], done: Delivered, clock: Callable[[], datetime]
) -> None:
    if not claimed:
        return
    ids = [one.call_id for one in claimed]
    known, complete = outbox.known(ids), outbox.complete(ids, now=clock())
    rows = calls_read(complete)
    sending: list[tuple[Claimed, str, Outgoing]] = []
    for one in claimed:
        if one.call_id not in known:
            outbox.gone(one, now=clock())
            done.waiting += 1
        elif one.call_id not in rows:
            outbox.not_yet(one, now=clock())
            done.waiting += 1
        elif (digest := rows[one.call_id].digest()) == one.sent_digest:
            outbox.sent(one, digest=digest, rows_n=0, now=clock())
            done.unchanged += 1
        else:
            sending.append((one, digest, Outgoing(one.revision, rows[one.call_id])))
    results = writer.write([outgoing for _, _, outgoing in sending]) if sending else {}
    for one, digest, outgoing in sending:
        result = results[one.call_id]
        if result.taken:
            outbox.sent(one, digest=digest, rows_n=outgoing.rows.count(), now=clock())
            done.sent += 1
        elif result.refused:
            outbox.refused(one, why=result.refused, now=clock())
            done.refused += 1
            logger.warning(
                "the warehouse refuses a call", extra={"call_id": str(one.call_id), "why": result.refused}
            )
        else:
            outbox.at_once(one, now=clock())
            done.waiting += 1


def _erase(
    writer: Writer, claimed: Sequence[Claimed], done: Delivered, clock: Callable[[], datetime]
) -> None:
    """First out of sight, then deleted, as soon as the warehouse lets us."""
    if not claimed:
        return
    unseen = [one for one in claimed if one.hidden_at is None]
    if unseen:
        writer.hide([(one.call_id, one.revision) for one in unseen])
        for one in unseen:
            outbox.hidden(one, now=clock())
    try:
        writer.delete([one.call_id for one in claimed])
    except StreamedLatelyError as exc:
        for one in claimed:
            outbox.away(one, why=str(exc), pause=outbox.DELETABLE_AGAIN, now=clock())
            done.waiting += 1
        return
    for one in claimed:
        outbox.deleted(one, now=clock())
        done.erased += 1


__all__ = ["AwayError", "Delivered", "deliver"]
