"""The journals of processes that are gone: which entries they hold, and what of them is none."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from calls.lasting.journal import lines_of, put_aside

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What a journal holds: task, offset and length of each entry. ``stays``: it holds more, and is to be kept."""

    entries: Sequence[tuple[str, int, int]]
    stays: bool


def looked_through(folder: Path, path: Path, handle: int) -> Found:
    """The entries of a journal. Lines that are none are put aside; where that fails, the journal stays. Raises OSError."""
    entries, broken = _sorted_out(lines_of(handle))
    return Found(entries, stays=bool(broken) and not _put_aside(folder, path, broken))


def _put_aside(folder: Path, path: Path, broken: Sequence[bytes]) -> bool:
    fields = {"journal": path.name, "lines": len(broken)}
    try:
        put_aside(folder, path.stem, broken)
    except OSError:
        logger.exception("broken lines in a journal could not be put aside; it stays", extra=fields)
        return False
    logger.warning("broken lines in a journal were put aside", extra=fields)
    return True


def _sorted_out(lines: Sequence[tuple[int, bytes]]) -> tuple[list[tuple[str, int, int]], list[bytes]]:
    entries, broken = [], []
    for begin, line in lines:
        try:
            stored = orjson.loads(line)
            task, kwargs = stored["task"], stored["kwargs"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            broken.append(line)
            continue
        if isinstance(task, str) and isinstance(kwargs, dict):
            entries.append((task, begin, len(line) + 1))
        else:
            broken.append(line)
    return entries, broken
