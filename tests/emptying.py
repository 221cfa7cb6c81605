"""Empties the test database after a test that commits: of what was written, and not of all that could be.

Django truncates a hundred tables instead, and writes down some four hundred permissions again.
"""

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models.signals import post_migrate

KEPT = {"django_content_type", "auth_permission"}  # what every migrated database holds


def empty_quickly() -> None:
    """From now on in this process; nothing where we may not pass triggers, which is a superuser's right."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if not cursor.fetchone()[0]:
            return
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    connection.ops.sql_flush = sql_of_filled  # type: ignore[method-assign]


def sql_of_filled(style: Any, tables: Iterable[str], **_: Any) -> list[str]:
    """Statements that empty those tables in which there is something, whatever refers to them or guards them."""
    names = [connection.ops.quote_name(table) for table in tables if table not in KEPT]
    looks = (f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)  # noqa: S608 - Django's names
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        filled = [name for (name,) in cursor.fetchall()]
    deletions = (f"DELETE FROM {name}" for name in filled)  # noqa: S608 - Django's names
    return ["SET LOCAL session_replication_role = replica", *deletions]
