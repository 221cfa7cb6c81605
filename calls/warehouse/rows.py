"""The rows of finished calls as they are sent: what the tables hold now, and nothing else."""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.utils import ProgrammingError
from psycopg import sql

from calls.reporting.building import SCHEMA
from calls.warehouse.tables import CALLS, Table, ViewsAwayError, tables

Row = dict[str, Any]
# What every table has beside the columns of its view.
ROW_ID: Final = "row_id"
REVISION: Final = "revision"
SENT_AT: Final = "sent_at"


@dataclass(frozen=True, slots=True)
class CallRows:
    """All rows of one call, by table, without what tells of the sending."""

    call_id: uuid.UUID
    by_table: Mapping[str, list[Row]] = field(repr=False)

    def digest(self) -> str:
        """A text that differs when anything of the call does."""
        return hashlib.sha256(json.dumps(self.by_table, sort_keys=True).encode()).hexdigest()

    def count(self) -> int:
        """How many rows there are."""
        return sum(len(rows) for rows in self.by_table.values())


def calls_read(call_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, CallRows]:
    """The rows of these calls, of those that exist. Raises ViewsAwayError."""
    wanted = list(call_ids)
    found: dict[uuid.UUID, dict[str, list[Row]]] = {}
    for table in reversed(tables()):  # the calls first: without its own row a call is not there
        for row in _rows(table, wanted) if wanted else ():
            call_id = row["call_id"]
            if table == CALLS:
                found[call_id] = {one.name: [] for one in tables()}
            if call_id in found:
                found[call_id][table.name].append({name: json_value(value) for name, value in row.items()})
    for by_table in found.values():
        for table in tables():
            _numbered(table, by_table[table.name])
    return {call_id: CallRows(call_id, by_table) for call_id, by_table in found.items()}


def _rows(table: Table, call_ids: list[uuid.UUID]) -> list[Row]:
    query = sql.SQL("SELECT * FROM {} WHERE call_id = ANY(%s)").format(sql.Identifier(SCHEMA, table.view))
    with connection.cursor() as cursor:
        try:
            cursor.execute(query, [call_ids])
        except ProgrammingError as exc:
            raise ViewsAwayError(f"The view {SCHEMA}.{table.view} is not there.") from exc
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def _numbered(table: Table, rows: list[Row]) -> None:
    """Give each row its id, and all of them an order, so that the same rows have the same digest."""
    rows.sort(key=lambda row: json.dumps(row, sort_keys=True))
    for n, row in enumerate(rows):
        row[ROW_ID] = str(row[table.key]) if table.key else f"{row['call_id']}/{n}"


def json_value(value: Any) -> Any:
    """A value of a column as JSON that loses nothing: decimals and moments are texts. JSON comes as text already."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case uuid.UUID() | Decimal():
            return str(value)
        case _:
            return value
