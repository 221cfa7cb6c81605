"""The views and their columns as the database's own comments describe them, for the documentation."""

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from django.db import connection

from calls.reporting.building import SCHEMA

BEGIN: Final = (
    "<!-- The views: written by manage.py report_views --docs, from the comments in calls/reporting/sql. -->"
)
END: Final = "<!-- End of the views. -->"
_COLUMNS: Final = """
SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''), a.attname, format_type(a.atttypid, a.atttypmod),
    coalesce(col_description(c.oid, a.attnum), '')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = %s AND c.relkind = 'v' AND c.relname = ANY(%s)
ORDER BY c.relname, a.attnum
"""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a view."""

    name: str
    kind: str
    about: str


@dataclass(frozen=True, slots=True)
class Described:
    """One view with its columns in their order."""

    name: str
    about: str
    columns: tuple[Column, ...]


def described(names: list[str]) -> list[Described]:
    """The views of these names as the database has them."""
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, [SCHEMA, names])
        rows = cursor.fetchall()
    found = []
    for (name, about), columns in groupby(rows, key=lambda row: (row[0], row[1])):
        found.append(Described(name, about, tuple(Column(*row[2:]) for row in columns)))
    return found


def docs_text(views: list[Described]) -> str:
    """The part of docs/reporting.md that tells of every column."""
    parts = [BEGIN]
    for view in views:
        lines = [f"### {view.name}", "", view.about, "", "| column | type | what |", "| --- | --- | --- |"]
        lines += [f"| `{one.name}` | {one.kind} | {one.about} |" for one in view.columns]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, END])


def page_with(page: str, part: str) -> str:
    """The page with this part in the place of its old one. Raises ValueError where it has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page has no lines {BEGIN!r} and {END!r}.")
    return before + part + after
