"""Spending limits: seen to with each report of use, told of once, and where it is wanted a call ends with a sentence.

Nobody is cut off: the call is asked to say its sentence, and hangs up once that was heard. Without any limit nothing is
done here, and nothing is read but that.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db.models import F, Q, QuerySet, Sum

from assistants.models import Assistant
from calls import services
from calls.costs.reckoning import cost_day, cost_so_far, is_live
from calls.models import Call, CallCost, CallProblem, SpendingAlert, SpendingLimit

logger = logging.getLogger(__name__)

# A call that was told to say goodbye and goes on was not told: it may have lost the message.
TELL_AGAIN_AFTER = timedelta(seconds=30)
Level = SpendingAlert.Level
Tell = Callable[[Call, str], None]


@dataclass(frozen=True, slots=True)
class Spent:
    """How much of a limit is spent; ``call`` is None for a day's."""

    limit: SpendingLimit
    usd: Decimal
    allowed_usd: Decimal
    day: date
    call: Call | None

    @property
    def level(self) -> SpendingAlert.Level | None:
        """Whether that is worth telling."""
        if self.usd >= self.allowed_usd:
            return Level.SPENT
        near = self.allowed_usd * self.limit.warn_percent / 100
        return Level.NEAR if self.usd >= near else None


def limits_check(call: Call, *, now: datetime, tell: Tell) -> list[SpendingAlert]:
    """Look at every limit that a call counts for, after something was used in it; the alerts that are new.

    ``tell`` has the call say a sentence and end.
    """
    limits = list(_limits_of(call.assistant_id))
    if not limits:
        return []
    spent_usd = cost_so_far(call, now=now) if is_live(call) else _written(call)
    new = []
    for spent in _spent(call, limits, spent_usd):
        alert = _alert(spent, call, now)
        new += [alert] if alert is not None else []
        ends = spent.call is not None and spent.limit.when_call == SpendingLimit.WhenCall.END
        if ends and spent.level is Level.SPENT and is_live(call):
            _say_goodbye(spent, call, now, tell)
    return new


def day_spent(limit: SpendingLimit, day: date) -> Decimal:
    """What the calls of a day have cost that a limit is for."""
    rows = CallCost.objects.filter(day=day)
    if limit.assistant_id is not None:
        rows = rows.filter(assistant=limit.assistant_id)
    found: Decimal | None = rows.aggregate(usd=Sum("total_usd"))["usd"]
    return found or Decimal(0)


def day_limit_spent(assistant: Assistant | None, *, now: datetime) -> SpendingLimit | None:
    """The limit for which no new call is to be answered any more today; None where there is none."""
    day = now.astimezone(UTC).date()
    closing = _limits_of(assistant.pk if assistant else None).exclude(when_day=SpendingLimit.WhenDay.WARN)
    for limit in closing.filter(day_usd__isnull=False):
        if limit.day_usd is not None and day_spent(limit, day) >= limit.day_usd:
            return limit
    return None


def _limits_of(assistant_id: object) -> QuerySet[SpendingLimit]:
    own = Q(assistant__isnull=True) | Q(assistant=assistant_id) if assistant_id else Q(assistant__isnull=True)
    rows = (
        SpendingLimit.objects.filter(own)
        .select_related("assistant")
        .defer("assistant__instructions", "assistant__server_secret")
    )
    return rows.order_by(F("assistant").asc(nulls_last=True))


def _written(call: Call) -> Decimal:
    return CallCost.objects.filter(call=call).values_list("total_usd", flat=True).first() or Decimal(0)


def _spent(call: Call, limits: Iterable[SpendingLimit], usd: Decimal) -> Iterator[Spent]:
    day = cost_day(call)
    # The assistant's own row comes first; the one for all is for those without.
    own = next(iter(limits))
    if own.call_usd is not None:
        yield Spent(own, usd, own.call_usd, day, call)
    for limit in limits:
        if limit.day_usd is not None:
            yield Spent(limit, day_spent(limit, day), limit.day_usd, day, None)


def _alert(spent: Spent, call: Call, now: datetime) -> SpendingAlert | None:
    """The alert of a limit that is nearly or wholly spent, where it is the first of its kind; None otherwise."""
    level = spent.level
    if level is None:
        return None
    alert, made = SpendingAlert.objects.get_or_create(
        limit=spent.limit,
        level=level,
        call=spent.call,
        day=spent.day,
        defaults={"spent_usd": spent.usd, "allowed_usd": spent.allowed_usd, "at": now},
    )
    if not made:
        return None
    what = "call" if spent.call is not None else "day"
    logger.warning(
        "a spending limit is %s",
        "spent" if level is Level.SPENT else "nearly spent",
        extra={"call_id": str(call.id), "limit_id": spent.limit.pk, "of": what},
    )
    services.problem_write(
        call_id=call.id,
        key=f"spending:{spent.limit.pk}:{what}:{level}",
        source=CallProblem.Source.TANDEM,
        code=f"{what}_limit_{level}",
        message=_words(spent, what),
        benign=level is Level.NEAR,
        at=now,
    )
    return alert


def _words(spent: Spent, what: str) -> str:
    whose = f"of {spent.limit.assistant}" if spent.limit.assistant is not None else "of all assistants"
    done = ""
    if spent.call is not None and spent.level is Level.SPENT:
        ends = spent.limit.when_call == SpendingLimit.WhenCall.END
        done = " The call says its closing sentence and ends." if ends else " The call goes on."
    return f"${spent.usd:.4f} of the ${spent.allowed_usd} that a {what} {whose} may cost.{done}"


def _say_goodbye(spent: Spent, call: Call, now: datetime, tell: Tell) -> None:
    """Have the call end, once; again only where it goes on all the same."""
    row = SpendingAlert.objects.filter(limit=spent.limit, level=Level.SPENT, call=call)
    untold = Q(told_at__isnull=True) | Q(told_at__lt=now - TELL_AGAIN_AFTER)
    if row.filter(untold).update(told_at=now):
        tell(call, spent.limit.closing_sentence)
