"""Where calls are kept for analysts: the interface, and our own database behind it.

The tables in our own PostgreSQL are the default, and are there already: nothing is sent. Any other warehouse gets copies.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from calls.reporting.building import SCHEMA, view_files, views_current, views_make
from calls.warehouse.rows import CallRows


class WarehouseError(Exception):
    """The warehouse cannot be used as it is. The text says why and what to do; it never quotes a row."""


class AwayError(WarehouseError):
    """It could not be reached, or takes nothing at all now: to be tried again later, whatever is to be sent."""


class StreamedLatelyError(WarehouseError):
    """The rows cannot be deleted yet, because they came in a short while ago."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A call with the revision under which it is sent."""

    revision: int
    rows: CallRows = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one call: taken; refused and why; or neither, because it came with one that was refused."""

    refused: str = ""
    held_up: bool = False

    @property
    def taken(self) -> bool:
        """Whether all of it has arrived."""
        return not self.refused and not self.held_up


class Writer(Protocol):
    """A warehouse."""

    @property
    def place(self) -> str:
        """Where it is, in words for people."""

    @property
    def receives(self) -> bool:
        """Whether calls have to be sent to it."""

    def check(self) -> list[str]:
        """What is wrong with it, in sentences; empty where calls can be sent. Raises WarehouseError if it cannot be asked."""

    def create(self) -> list[str]:
        """Create what is missing and add new columns; what was done, in sentences. Raises WarehouseError."""

    def write(self, calls: Sequence[Outgoing]) -> dict[uuid.UUID, Result]:
        """Send these calls; what became of each. The same call may come again under a greater revision. Raises AwayError."""

    def hide(self, calls: Sequence[tuple[uuid.UUID, int]]) -> None:
        """Take these calls, each with a new revision, out of sight at once. Raises AwayError."""

    def delete(self, call_ids: Sequence[uuid.UUID]) -> None:
        """Delete all that was sent of these calls. Raises StreamedLatelyError, AwayError."""


@dataclass(frozen=True, slots=True)
class PostgresWriter:
    """Our own database. Its views are the warehouse, so that a call is in it the moment it is written."""

    place: str = f"the schema {SCHEMA} of our own PostgreSQL"
    receives: bool = False

    def check(self) -> list[str]:
        return (
            []
            if views_current()
            else ["The views are not those of this release: run manage.py warehouse create."]
        )

    def create(self) -> list[str]:
        if views_current():
            return []
        views_make()
        return [f"Made {len(view_files())} views in the schema {SCHEMA}."]

    def write(self, calls: Sequence[Outgoing]) -> dict[uuid.UUID, Result]:
        return {one.rows.call_id: Result() for one in calls}

    def hide(self, calls: Sequence[tuple[uuid.UUID, int]]) -> None:
        """Nothing: what was deleted in the tables is gone from the views."""

    def delete(self, call_ids: Sequence[uuid.UUID]) -> None:
        """Nothing: what was deleted in the tables is gone from the views."""
