"""The ``date`` filter: moments read from what a template holds, zones, and their writing as LiquidJS has it."""

import functools
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from liquid import Undefined
from liquid.filter import with_context

from tools.liquid.context import Rendering
from tools.liquid.strftime import strftime
from tools.liquid.values import written

_DEFAULT_DATE = "%A, %B %-e, %Y at %-l:%M %P %z"
_VAPI_NOW = re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d\d [AP]M UTC")
_DATE_FORMS = (
    "%b %d, %Y, %I:%M %p UTC", "%b %d, %Y, %I:%M %p", "%b %d, %Y %I:%M %p", "%b %d, %Y", "%B %d, %Y",
    "%B %d, %Y %H:%M", "%d %b %Y", "%d %B %Y", "%m/%d/%Y", "%a, %d %b %Y %H:%M:%S GMT",
)  # fmt: skip


@with_context
def date(value: object, form: object = None, zone: object = None, *, context: Rendering) -> object:
    moment = _moment(value, context.now)
    if moment is None:
        return value
    where = zone_of(zone)
    if not isinstance(where, tzinfo):
        context.note(
            "this date's time zone does not exist; UTC was used"
        )  # not by name, which may be a value
        where = UTC
    if isinstance(value, str) and _VAPI_NOW.fullmatch(value):
        where = UTC  # as Vapi has it: the variable `now` is a text in UTC, and a zone does not move it
    try:
        moment = moment.astimezone(where)
    except (OverflowError, ValueError):
        return value
    return strftime(moment, _DEFAULT_DATE if form is None or isinstance(form, Undefined) else written(form))


def _moment(value: object, now: datetime) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if value in ("now", "today"):
        return now
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        return _moment_of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        return datetime.fromtimestamp(float(value[:20] if isinstance(value, str) else value), UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _moment_of_text(text: str) -> datetime | None:
    if len(text) > 60:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return next(filter(None, (_read(text, form) for form in _DATE_FORMS)), None)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _read(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


@functools.lru_cache(maxsize=64)
def _named_zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_of(zone: object) -> tzinfo | str:
    """The zone: by name, or by JavaScript's minutes, which count westwards. The text itself if there is no such zone."""
    if zone is None or isinstance(zone, Undefined):
        return UTC
    if isinstance(zone, int | float) and abs(zone) < 1440:
        return timezone(timedelta(minutes=-int(zone)))
    name = written(zone)[:60]
    return (_named_zone(name) if name else None) or name
