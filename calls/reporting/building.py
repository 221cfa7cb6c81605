"""The views of the schema `reporting`, made of the files in sql/: dropped and created together, whenever a file has changed.

PostgreSQL refuses to change a column that a view uses. So no migration knows of the views: they step aside before
tables are migrated and are made again afterwards (`calls.reporting.following`).
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

SCHEMA: Final = "reporting"
SQL_FOLDER: Final = Path(__file__).resolve().parent / "sql"
# Any number: whoever makes the views holds it, so that two do not make them at once.
_LOCK: Final = 7_305_519_041
# Longer than a query of the role may take, so that waiting for one ends well.
_LOCK_TIMEOUT: Final = "90s"
_USES: Final = re.compile(r"\breporting\.(v_\w+)")
_MARK: Final = re.compile(r"\[([0-9a-f]{16}) ([\w ]*)\]$")


@dataclass(frozen=True, slots=True)
class ViewFile:
    """One view as its file has it: `CREATE VIEW`, and a comment on it and on each column."""

    name: str
    text: str


@cache
def view_files() -> tuple[ViewFile, ...]:
    """All views, those that others are made of first."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(SQL_FOLDER.glob("v_*.sql"))}
    uses = {name: set(_USES.findall(text)) - {name} for name, text in texts.items()}
    return tuple(ViewFile(name, texts[name]) for name in TopologicalSorter(uses).static_order())


@cache
def fingerprint() -> str:
    """A short text that differs when any file does."""
    joined = "\0".join(f"{one.name}\0{one.text}" for one in view_files())
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def views_current() -> bool:
    """Whether the database has just these views."""
    with connection.cursor() as cursor:
        made, _ = _mark(cursor)
        return made == fingerprint() and _existing(cursor) >= {one.name for one in view_files()}


def views_make() -> None:
    """Drop our views and create them from the files, all or nothing. Views that others have made there stay.

    Raises django.db.InternalError or another DatabaseError, with the old views unharmed.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        _hold(cursor)
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        _drop(cursor)
        for one in view_files():
            cursor.execute(one.text)
        names = " ".join(one.name for one in view_files())
        _mark_put(cursor, f"[{fingerprint()} {names}]")
        if role_exists(cursor, settings.REPORTING_ROLE):
            views_grant(cursor, settings.REPORTING_ROLE)


def views_drop() -> None:
    """Drop our views; the schema stays, and so do the role's rights to it."""
    with transaction.atomic(), connection.cursor() as cursor:
        _hold(cursor)
        _drop(cursor)


def views_grant(cursor: CursorWrapper, role: str) -> None:
    """Let a role read our views."""
    who = sql.Identifier(role)
    cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(SCHEMA), who))
    existing = _existing(cursor)
    for one in view_files():
        if one.name in existing:
            view = sql.Identifier(SCHEMA, one.name)
            cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(view, who))


def role_exists(cursor: CursorWrapper, role: str) -> bool:
    """Whether the server has a role of this name."""
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    return cursor.fetchone() is not None


def _hold(cursor: CursorWrapper) -> None:
    cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _drop(cursor: CursorWrapper) -> None:
    """Drop what an earlier release or this one has made."""
    _, made_names = _mark(cursor)
    ours = {*made_names, *(one.name for one in view_files())} & _existing(cursor)
    if ours:
        views = sql.SQL(", ").join(sql.Identifier(SCHEMA, name) for name in sorted(ours))
        # Without CASCADE: a view that somebody built on ours is not ours to drop.
        cursor.execute(sql.SQL("DROP VIEW {}").format(views))


def _existing(cursor: CursorWrapper) -> set[str]:
    cursor.execute("SELECT viewname FROM pg_views WHERE schemaname = %s", [SCHEMA])
    return {name for (name,) in cursor.fetchall()}


def _mark(cursor: CursorWrapper) -> tuple[str, Collection[str]]:
    """The fingerprint and the names of what was made last, as the schema's comment tells."""
    cursor.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s", [SCHEMA]
    )
    row = cursor.fetchone()
    found = _MARK.search(row[0] or "") if row else None
    return (found.group(1), found.group(2).split()) if found else ("", ())


def _mark_put(cursor: CursorWrapper, mark: str) -> None:
    words = f"Tandem's views for analysts, made by manage.py migrate and report_views. {mark}"
    cursor.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(SCHEMA), sql.Literal(words)))
