"""A moment as text, by the letters that LiquidJS understands; its own reading of strftime, in English. Pure."""

import re
from collections.abc import Callable
from datetime import datetime

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DIRECTIVE = re.compile(r"%([-_0^#:]*)(\d*)[EO]?(.)", re.DOTALL)
_WIDEST = 64
# How wide a number is padded, and with what, when the format does not say.
_WIDTHS = dict.fromkeys("deHIklmMSUW", 2) | {"j": 3, "L": 3}
_PADDED_WITH_BLANKS = frozenset("aAbBchekplP")


def _numbers(d: datetime) -> str:
    return f"{d.month}/{d.day}/{d.year}"


def _clock(d: datetime) -> str:
    return f"{d.hour % 12 or 12}:{d.minute:02}:{d.second:02} {'AM' if d.hour < 12 else 'PM'}"


_LETTERS: dict[str, Callable[[datetime], object]] = {
    "a": lambda d: DAYS[d.weekday()][:3],
    "A": lambda d: DAYS[d.weekday()],
    "b": lambda d: MONTHS[d.month - 1][:3],
    "B": lambda d: MONTHS[d.month - 1],
    "c": lambda d: f"{_numbers(d)}, {_clock(d)}",
    "C": lambda d: d.year // 100,
    "d": lambda d: d.day,
    "e": lambda d: d.day,
    "h": lambda d: MONTHS[d.month - 1][:3],
    "H": lambda d: d.hour,
    "I": lambda d: d.hour % 12 or 12,
    "j": lambda d: d.timetuple().tm_yday,
    "k": lambda d: d.hour,
    "l": lambda d: d.hour % 12 or 12,
    "L": lambda d: d.microsecond // 1000,
    "m": lambda d: d.month,
    "M": lambda d: d.minute,
    "n": lambda _: "\n",
    "p": lambda d: "AM" if d.hour < 12 else "PM",
    "P": lambda d: "am" if d.hour < 12 else "pm",
    "q": lambda d: _ordinal(d.day),
    "s": lambda d: round(d.timestamp()),
    "S": lambda d: d.second,
    "t": lambda _: "\t",
    "u": lambda d: d.isoweekday(),
    "U": lambda d: (d.timetuple().tm_yday + 6 - (d.weekday() + 1) % 7) // 7,
    "w": lambda d: d.isoweekday() % 7,
    "W": lambda d: (d.timetuple().tm_yday + 6 - d.weekday()) // 7,
    "x": _numbers,
    "X": _clock,
    "y": lambda d: f"{d.year % 100:02}",
    "Y": lambda d: d.year,
    "Z": lambda d: str(d.tzinfo or "UTC"),
    "%": lambda _: "%",
}


def strftime(moment: datetime, form: str) -> str:
    """The moment in this form. A letter that LiquidJS does not know stays as it stands."""
    return _DIRECTIVE.sub(lambda match: _directive(moment, match), form)


def _directive(moment: datetime, match: re.Match[str]) -> str:
    flags, digits, letter = match.groups()
    width = min(int(digits[:3] or 0), _WIDEST)
    if letter == "z":
        return _offset(moment, colon=":" in flags)
    if letter == "N":
        return f"{moment.microsecond * 1000:09}"[: width or 9].ljust(width, "0")
    value = _LETTERS.get(letter)
    if value is None:
        return match.group()
    text = str(value(moment))
    if "^" in flags:
        text = text.upper()
    elif "#" in flags:
        text = text.swapcase() if text.isupper() else text.upper()
    if "-" in flags:
        return text
    blank = "_" in flags or (letter in _PADDED_WITH_BLANKS and "0" not in flags)
    return text.rjust(width or _WIDTHS.get(letter, 0), " " if blank else "0")


def _offset(moment: datetime, *, colon: bool) -> str:
    offset = moment.utcoffset()
    minutes = round(offset.total_seconds() / 60) if offset is not None else 0
    hours, minutes_left = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{':' if colon else ''}{minutes_left:02}"


def _ordinal(day: int) -> str:
    if day in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
