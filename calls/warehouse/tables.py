"""What goes to the warehouse: the rows of the reporting views, so that both tell the same with the same words."""

from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.utils import ProgrammingError

from calls.reporting.building import SCHEMA, view_files


class ViewsAwayError(Exception):
    """The views are not there: they step aside while tables are migrated, or were never made."""


class UnknownTypeError(Exception):
    """A column of a view has a type for which the warehouse has none. The text says which."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the warehouse: the view that its rows come from, and the column that tells them apart.

    Without such a column they are numbered within their call: only rows of one revision are ever seen together.
    """

    name: str
    view: str
    key: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column, with its type as PostgreSQL calls it."""

    name: str
    type: str
    about: str


# The calls come last: a revision counts once the row of its call is there.
CALLS: Final = Table("calls", "v_calls", "call_id")
_ALL: Final = (
    Table("turns", "v_turns", "turn_id"),
    Table("tool_calls", "v_tool_calls", "tool_call_id"),
    Table("costs", "v_cost_lines", ""),
    Table("analyses", "v_analyses", "call_id"),
    Table("orders", "v_orders", "order_id"),
    Table("messages_added", "v_messages_added", "order_id"),
    CALLS,
)


def tables() -> tuple[Table, ...]:
    """The tables of this release, that of the calls last."""
    made = {one.name for one in view_files()}
    return tuple(one for one in _ALL if one.view in made)


def columns(table: Table) -> tuple[Column, ...]:
    """The columns of a table, as its view has them. Raises ViewsAwayError."""
    sql = (
        "SELECT attname, format_type(atttypid, NULL), coalesce(col_description(attrelid, attnum), '') "
        "FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql, [f"{SCHEMA}.{table.view}"])
        except ProgrammingError as exc:
            raise ViewsAwayError(f"The view {SCHEMA}.{table.view} is not there.") from exc
        return tuple(Column(*row) for row in cursor.fetchall())
