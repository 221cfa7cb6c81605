"""Calls from Vapi's REST, page by page from the newest to the oldest, with a place to go on from after each page."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from assistants.vapi.client import TooLargeError, VapiClient, VapiError, calls_page
from calls.history.reading import CallRecord, Unreadable, record_read
from calls.history.times import moment

PAGE: Final = 100
MAX_PAGE: Final = 1000
# Vapi does not publish its limits; two requests a second leave room for everybody else who uses the key.
PAUSE_S: Final = 0.5
# How often one place is asked for with fewer calls at once.
MAX_TRIES: Final = 12

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next page begins: which assistant of those asked for, and before which moment (ISO; empty: the newest)."""

    assistant: int = 0
    before: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is stored with a run."""
        return {"assistant": self.assistant, "before": self.before}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Place":
        """What ``to_json`` gave; the beginning for an empty object."""
        return cls(int(value.get("assistant", 0)), str(value.get("before", "")))


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls, and the place behind them; None where nothing follows."""

    read: tuple[CallRecord | Unreadable, ...] = field(repr=False)
    next: Place | None


def pages_fetch(
    client: VapiClient,
    *,
    date_from: datetime | None,
    date_to: datetime | None,
    assistant_ids: Sequence[str],
    place: Place,
    tell: Tell = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Page]:
    """The pages from this place on, newest calls first, one assistant after the other. Raises VapiError.

    Rate limits and failures that pass are waited for. A page ends where it ends, perhaps between calls of the same
    millisecond, so the next one begins with the last moment again: a call may come twice, none is left out.
    """
    wanted = list(assistant_ids) or [""]
    asked, tries = False, 0
    size, seen = PAGE, frozenset[str]()
    here: Place | None = place
    while here is not None and here.assistant < len(wanted):
        if asked:
            sleep(PAUSE_S)
        asked = True
        params = _params(wanted[here.assistant], size, date_from, here.before or _iso(date_to))
        try:
            found = calls_page(client, params, tell=tell)
        except TooLargeError:
            # Long calls with the confidence of every word: fewer of them fit into one answer.
            tries += 1
            if size == 1 or tries > MAX_TRIES:
                raise
            size = max(1, size // 4)
            continue
        ids = frozenset(str(one.get("id")) for one in found)
        if len(found) < size:
            following: Place | None = Place(here.assistant + 1)
            size, seen = PAGE, frozenset()
        elif ids <= seen:
            # A whole page of one millisecond: only a larger one can show what lies behind it.
            if size >= MAX_PAGE:
                raise VapiError(
                    f"GET /call answers the same {MAX_PAGE} calls again and again, so the list cannot be read to its end. "
                    "Import with --from and --to around that time.",
                    permanent=True,
                )
            size = min(MAX_PAGE, size * 10)
            following = here
        else:
            following = Place(here.assistant, _just_after(found[-1]))
            seen, tries = ids, 0
        if following is not None and following.assistant >= len(wanted):
            following = None
        read = tuple(record_read(one, where=f"GET /call, {one.get('id')}") for one in found)
        yield Page(read, following)
        here = following


def _params(assistant_id: str, limit: int, date_from: datetime | None, before: str) -> dict[str, str | int]:
    params: dict[str, str | int] = {"limit": limit}
    if assistant_id:
        params["assistantId"] = assistant_id
    if date_from is not None:
        params["createdAtGe"] = _iso(date_from)
    if before:
        params["createdAtLt"] = before
    return params


def _just_after(call: dict[str, Any]) -> str:
    """A millisecond after a call was made: "less than" this still includes it."""
    made_at = moment(call.get("createdAt"))
    if made_at is None:
        raise VapiError(
            "GET /call: a call does not say when it was made, so the list cannot be read on from there. "
            "Import with --to and a moment before it.",
            permanent=True,
        )
    return _iso(made_at + timedelta(milliseconds=1))


def _iso(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else ""
