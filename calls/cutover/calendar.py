"""When a schedule may move its next number. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_LOOK_AHEAD_DAYS = 370


@dataclass(frozen=True, slots=True)
class Hours:
    """The days and hours in which numbers are moved, on the clock of one time zone; ``weekdays`` begin with Monday, 0."""

    zone: ZoneInfo
    starts_on: date
    weekdays: frozenset[int]
    from_time: time
    until_time: time
    per_day: int = 1
    spacing: timedelta = timedelta(hours=1)

    def is_open(self, at: datetime) -> bool:
        """Whether a number may be moved at that moment."""
        local = at.astimezone(self.zone)
        if local.date() < self.starts_on or local.weekday() not in self.weekdays:
            return False
        return self.from_time <= local.time().replace(tzinfo=None) < self.until_time


def next_due(hours: Hours, *, now: datetime, moved_at: Sequence[datetime]) -> datetime | None:
    """The first moment, from now on, at which the next number may be moved; None when there is none within a year.

    ``moved_at`` is when earlier ones were. A day that was missed is not made up for.
    """
    day = max(now.astimezone(hours.zone).date(), hours.starts_on)
    for ahead in range(_LOOK_AHEAD_DAYS):
        at = _due_on(hours, day + timedelta(days=ahead), now, moved_at)
        if at is not None:
            return at
    return None


def due_days(hours: Hours, *, now: datetime, count: int) -> list[datetime]:
    """When so many numbers would be moved if every one of them goes well."""
    moved: list[datetime] = []
    at = now
    for _ in range(count):
        due = next_due(hours, now=at, moved_at=moved)
        if due is None:
            break
        moved.append(due)
        at = due
    return moved


def _due_on(hours: Hours, day: date, now: datetime, moved_at: Sequence[datetime]) -> datetime | None:
    if day.weekday() not in hours.weekdays:
        return None
    today = [at for at in moved_at if at.astimezone(hours.zone).date() == day]
    if len(today) >= hours.per_day:
        return None
    # In UTC, so that no hour that the clocks skip or repeat confuses the comparison.
    opens = datetime.combine(day, hours.from_time, hours.zone).astimezone(ZoneInfo("UTC"))
    at = max([opens, now, *(done + hours.spacing for done in today)])
    return at if hours.is_open(at) else None
