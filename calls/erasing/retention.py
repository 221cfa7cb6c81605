"""How long calls are kept: what is older is stripped, a little at a time, so that nobody waits for it."""

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import OperationalError
from django.db.models import Exists, OuterRef, Q, QuerySet

from assistants.models import Assistant
from calls.erasing.stripping import BATCH, calls_strip
from calls.models import AHEAD, LIVE, Call, CallStripped, UnwrittenRecord
from tools.models import ToolCall
from transcripts.models import Transcript

logger = logging.getLogger(__name__)

# In one run of the beat: at a minute for some thousands, a year's backlog is gone in a night.
MOST: Final = 5000
# Whatever was on its way when a call was stripped has come by then.
LATE: Final = timedelta(hours=48)
_FOREVER: Final = 0


def calls_expire(*, now: datetime, most: int = MOST) -> int:
    """How many calls had been kept long enough and are stripped now, at most so many."""
    done = 0
    for due in _due(now):
        while done < most:
            batch = list(due[: min(BATCH, most - done)])
            if not batch or not _strip(batch):
                break
            done += len(batch)
    _unwritten_expire(now)
    return done


def stripped_again(*, now: datetime) -> int:
    """How many rows had come late to calls that were stripped in the last two days, and are cleared now."""
    found = 0
    lately = CallStripped.objects.filter(at__gte=now - LATE)
    for why in CallStripped.Why:
        ids = list(lately.filter(why=why).values_list("call_id", flat=True))
        found += sum(_count(ids[at : at + BATCH], why) for at in range(0, len(ids), BATCH))
    return found


def retention_days_by_assistant() -> dict[uuid.UUID, int]:
    """For how many days each published assistant wants its calls kept; those that say nothing are not in it."""
    rows = Assistant.objects.filter(live_version__isnull=False).values_list(
        "pk", "live_version__snapshot__retention_days"
    )
    return {
        pk: days for pk, days in rows if isinstance(days, int) and not isinstance(days, bool) and days > 0
    }


def _strip(call_ids: list[uuid.UUID]) -> bool:
    try:
        calls_strip(call_ids, why=CallStripped.Why.RETENTION)
    except OperationalError:
        # Somebody is writing one of these rows just now. The next run finds them again.
        logger.warning("calls could not be stripped just now", extra={"calls": len(call_ids)})
        return False
    return True


def _count(call_ids: list[uuid.UUID], why: Any) -> int:
    try:
        return sum(calls_strip(call_ids, why=CallStripped.Why(why)).values())
    except OperationalError:
        return 0


def _due(now: datetime) -> Iterator[QuerySet[Any, uuid.UUID]]:
    """Queries of the ids of calls whose time is over, one for each length of time, the newest first: they are found at once."""
    by_days: defaultdict[int, list[uuid.UUID]] = defaultdict(list)
    for assistant_id, days in retention_days_by_assistant().items():
        by_days[days].append(assistant_id)
    said = [one for listed in by_days.values() for one in listed]
    for days, listed in by_days.items():
        yield _older(now - timedelta(days=days)).filter(assistant_id__in=listed).values_list("pk", flat=True)
    days = settings.RETENTION_DAYS
    if days != _FOREVER:
        others = Q(assistant_id=None) | ~Q(assistant_id__in=said)
        yield _older(now - timedelta(days=days)).filter(others).values_list("pk", flat=True)
        yield from _of_no_call(now - timedelta(days=days))


def _older(than: datetime) -> QuerySet[Call]:
    stripped = CallStripped.objects.filter(call_id=OuterRef("pk"))
    return (
        # A call that was scheduled has begun long after it was made.
        Call.objects.filter(
            ~Exists(stripped), Q(started_at__isnull=True) | Q(started_at__lt=than), created_at__lt=than
        )
        .exclude(status__in=(*AHEAD, *LIVE))
        .order_by("-created_at")
    )


def _of_no_call(than: datetime) -> Iterator[QuerySet[Any, uuid.UUID]]:
    """What was said and sent in calls whose own row never came."""
    for model, column in ((Transcript, "started_at"), (ToolCall, "requested_at")):
        rows: QuerySet[Any] = model._base_manager.filter(**{f"{column}__lt": than})
        yield (
            rows.filter(
                ~Exists(Call.objects.filter(pk=OuterRef("call_id"))),
                ~Exists(CallStripped.objects.filter(call_id=OuterRef("call_id"))),
            )
            .order_by()
            .values_list("call_id", flat=True)
            .distinct()
        )


def _unwritten_expire(now: datetime) -> None:
    """What could not be written and belongs to no call that anybody knows is not kept for longer than the rest."""
    if settings.RETENTION_DAYS != _FOREVER:
        old = UnwrittenRecord.objects.filter(created_at__lt=now - timedelta(days=settings.RETENTION_DAYS))
        old.filter(~Exists(Call.objects.filter(pk=OuterRef("call_id")))).delete()
