"""The same for many numbers, or a look at all accounts, carried out by a worker while somebody watches it.

A number is carried out by itself: what becomes of one does not keep the others, and each says how it went.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from calls.cutover import crowd
from calls.cutover.history import who
from calls.cutover.rest import Twilio
from calls.cutover.selectors import Plan, kind_of
from calls.cutover.services import Outcome, Result, cutover_apply
from calls.cutover.syncing import Round, numbers_sync
from calls.models import CutoverBatch, CutoverBatchItem, NumberSnapshot, PhoneNumber

Kind = CutoverBatch.Kind
Status = CutoverBatch.Status
ItemStatus = CutoverBatchItem.Status

TELL_EVERY: Final = timedelta(seconds=1)
# Longer than one number takes: Twilio, its gates, and a lost answer.
SILENT: Final = timedelta(minutes=4)
_ITEMS: Final[dict[Result, CutoverBatchItem.Status]] = {
    "done": ItemStatus.DONE,
    "already": ItemStatus.ALREADY,
    "refused": ItemStatus.REFUSED,
    "gate": ItemStatus.REFUSED,
    "busy": ItemStatus.REFUSED,
    "failed": ItemStatus.FAILED,
    "undone": ItemStatus.FAILED,
    "pending": ItemStatus.FAILED,
}


def batch_create(
    *,
    kind: str,
    numbers: Sequence[PhoneNumber] = (),
    seen: Mapping[Any, Mapping[str, Any]] | None = None,
    reason: str = "",
    percent: int = 100,
    overrides: Sequence[Mapping[str, str]] = (),
    target: NumberSnapshot | None = None,
    actor: User | None = None,
    actor_label: str = "",
) -> CutoverBatch:
    """A batch that waits for a worker. ``seen`` is the configuration that the preview showed, by the id of the number.

    ``target`` is the snapshot that is restored, which is one number's.

    Raises ValueError for a share that is none.
    """
    actor_is = who(actor, actor_label)
    kind, percent = kind_of(kind, percent)
    with transaction.atomic():
        batch = CutoverBatch.objects.create(
            kind=kind,
            percent=percent,
            actor=actor_is.user,
            actor_label=actor_is.label,
            reason=reason,
            overrides=[dict(one) for one in overrides],
            total=None if kind == Kind.SYNC else len(numbers),
            progress="Waiting for a worker.",
        )
        CutoverBatchItem.objects.bulk_create(
            CutoverBatchItem(
                batch=batch,
                number=number,
                position=position,
                seen=dict((seen or {}).get(number.pk, number.config)),
                target=target,
            )
            for position, number in enumerate(numbers)
        )
    return batch


def batch_carry_out(batch_id: Any, *, twilio: Twilio | None = None) -> CutoverBatch | None:
    """Carry out a batch that waits, or whose worker has died; None for one that runs or has ended."""
    now = timezone.now()
    if not CutoverBatch.objects.filter(_free(now), pk=batch_id).update(status=Status.RUNNING, beat_at=now):
        return None
    batch = CutoverBatch.objects.select_related("actor").get(pk=batch_id)
    if batch.kind == Kind.SYNC:
        _sync(batch, twilio)
    else:
        _numbers(batch, twilio)
    batch.refresh_from_db()
    return batch


def batches_waiting(*, now: datetime) -> QuerySet[CutoverBatch]:
    """Batches whose worker has died, or whose task was lost."""
    lost = Q(status=Status.WAITING, created_at__lt=now - SILENT)
    return CutoverBatch.objects.filter(lost | Q(status=Status.RUNNING, beat_at__lt=now - SILENT))


def _free(now: datetime) -> Q:
    return Q(status=Status.WAITING) | Q(status=Status.RUNNING, beat_at__lt=now - SILENT)


def _numbers(batch: CutoverBatch, twilio: Twilio | None) -> None:
    waiting = batch.items.filter(status=ItemStatus.WAITING).select_related(
        "number__assistant", "number__squad", "number__snapshot", "target"
    )

    def move(item: CutoverBatchItem) -> Outcome:
        return cutover_apply(
            Plan(item.number, batch.kind, batch.percent, item.seen, target=item.target),
            reason=batch.reason,
            actor=batch.actor,
            actor_label=batch.actor_label,
            overrides=batch.overrides,
            twilio=twilio,
        )

    # Numbers come to us one at a time, and are given back as fast as Twilio takes them.
    for item, outcome in crowd.each(
        move, list(waiting), at_once=crowd.AT_ONCE if batch.kind == Kind.ROLLBACK else 1
    ):
        _settle(batch, item, outcome)
    bad = batch.items.exclude(status__in=[ItemStatus.DONE, ItemStatus.ALREADY]).count()
    total = batch.items.count()
    CutoverBatch.objects.filter(pk=batch.pk).update(
        status=Status.FAILED if bad else Status.DONE,
        progress=f"{total - bad} of {total} done." if bad else "Done.",
        done=total,
        summary=_counts(batch),
        finished_at=timezone.now(),
    )


def _settle(batch: CutoverBatch, item: CutoverBatchItem, outcome: Outcome) -> None:
    CutoverBatchItem.objects.filter(pk=item.pk).update(
        status=_ITEMS[outcome.result], message=outcome.message, operation=outcome.operation
    )
    done = batch.items.exclude(status=ItemStatus.WAITING).count()
    CutoverBatch.objects.filter(pk=batch.pk).update(
        done=done, beat_at=timezone.now(), progress=f"{item.number.did}: {outcome.message}"[:200]
    )


def _counts(batch: CutoverBatch) -> dict[str, int]:
    counts: dict[str, int] = {}
    for status in batch.items.values_list("status", flat=True):
        counts[status] = counts.get(status, 0) + 1
    return counts


def _sync(batch: CutoverBatch, twilio: Twilio | None) -> None:
    found = numbers_sync(progress=_teller(batch.pk), twilio=twilio, actor=who(batch.actor, batch.actor_label))
    CutoverBatch.objects.filter(pk=batch.pk).update(
        status=Status.DONE if found.complete else Status.FAILED,
        progress=_told(found),
        done=found.numbers,
        total=found.numbers,
        summary=asdict(found),
        error=" ".join(f"{one.label}: {one.error}" for one in found.accounts if one.error),
        finished_at=timezone.now(),
    )


def _told(found: Round) -> str:
    parts = [f"{found.numbers} numbers read"]
    named = (("new", found.found), ("gone", found.gone), ("changed behind our back", found.changed))
    parts += [f"{len(dids)} {word}" for word, dids in named if dids]
    return ", ".join(parts) + "."


def _teller(batch_id: Any) -> Callable[[str, int, int | None], None]:
    """Writes how far a look at the accounts is, once a second at most."""
    told_at: list[datetime] = []

    def tell(text: str, done: int, total: int | None) -> None:
        now = timezone.now()
        if told_at and now - told_at[-1] < TELL_EVERY:
            return
        told_at.append(now)
        CutoverBatch.objects.filter(pk=batch_id).update(
            progress=text[:200], done=done, total=total, beat_at=now
        )

    return tell
