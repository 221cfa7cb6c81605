"""Which part of a file a browser asks for: seeking in audio works by it, and Safari plays nothing without it."""

import re

_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)", re.ASCII | re.IGNORECASE)


class UnsatisfiableRangeError(ValueError):
    """The part that was asked for lies behind the end."""


def byte_range(header: str, size: int) -> range | None:
    """The positions that a Range header means; None for what is to be answered with the whole (RFC 9110, 14.2).

    Several parts at once are allowed to be answered so, and no player asks for them. Raises UnsatisfiableRangeError.
    """
    found = _ONE_RANGE.fullmatch(header.strip())
    if found is None or len(header) > 100:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        if int(last) == 0 or size == 0:
            raise UnsatisfiableRangeError
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise UnsatisfiableRangeError
    return range(int(first), min(int(last) + 1, size) if last else size)
