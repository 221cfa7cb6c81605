"""The role that analysts' tools connect as: it reads our views and nothing else."""

from collections.abc import Sequence
from typing import Final

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from calls.reporting.building import SCHEMA, role_exists, views_grant

CONNECTIONS: Final = 20
# A guess: no question of ours comes near, and a person who waits longer has gone.
SETTINGS: Final = (
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("search_path", SCHEMA),
    ("work_mem", "64MB"),  # a year by day and assistant is sorted in memory
    # A disk without a head, or rows that are in memory: a few thousand calls are looked up, and not found by reading all.
    ("random_page_cost", "1.1"),
    ("jit", "off"),  # it compiles for longer than these queries run
)
_TOO_MUCH: Final = """
SELECT r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls,
    ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
          WHERE m.member = r.oid ORDER BY 1),
    ARRAY(SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%%'
              AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
              AND NOT (n.nspname = %s AND c.relkind = 'v')
              AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') ORDER BY 1 LIMIT 5)
FROM pg_roles r WHERE r.rolname = %s
"""


class RoleError(Exception):
    """The role was not made. The text is for people."""


def role_make(name: str, password: str) -> bool:
    """Make the role, or give the one that is there this password and just these rights; whether it is new.

    Raises RoleError for a role that may do more than read our views, and where we lack the right to make one.
    """
    if not name or not password:
        raise RoleError("Set REPORTING_ROLE and REPORTING_PASSWORD first; .env.example says what they are.")
    if name == connection.settings_dict["USER"]:
        raise RoleError(f"{name} is the role that Tandem itself connects as. Choose another REPORTING_ROLE.")
    with transaction.atomic(), connection.cursor() as cursor:
        is_new = not role_exists(cursor, name)
        if is_new and not _may_make_roles(cursor):
            raise RoleError(
                f"Tandem's own role may not create others. Let an administrator run CREATE ROLE {name} LOGIN, and run "
                "this again as somebody who may alter it."
            )
        who = sql.Identifier(name)
        if is_new:
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(who))
        _refuse_the_mighty(cursor, name)
        # What is sent is the verifier, so that no log of the server ever holds the password.
        secret = connection.connection.pgconn.encrypt_password(
            password.encode(), name.encode(), b"scram-sha-256"
        )
        cursor.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {} CONNECTION LIMIT {}").format(
                who, sql.Literal(secret.decode()), sql.Literal(CONNECTIONS)
            )
        )
        for setting, value in SETTINGS:
            cursor.execute(
                sql.SQL("ALTER ROLE {} SET {} TO {}").format(who, sql.Identifier(setting), sql.Literal(value))
            )
        database = sql.Identifier(connection.settings_dict["NAME"])
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, who))
        cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
        views_grant(cursor, name)
    return is_new


def _may_make_roles(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    row = cursor.fetchone()
    return bool(row and row[0])


def _refuse_the_mighty(cursor: CursorWrapper, name: str) -> None:
    cursor.execute(_TOO_MUCH, [SCHEMA, name])
    mighty, groups, readable = cursor.fetchone()
    why = _why(name, mighty=mighty, groups=groups, readable=readable)
    if why:
        raise RoleError(f"{why} Choose another REPORTING_ROLE, or take that away from it.")


def _why(name: str, *, mighty: bool, groups: Sequence[str], readable: Sequence[str]) -> str:
    if mighty:
        return f"The role {name} is a superuser, or may create roles or databases."
    if groups:
        return f"The role {name} is a member of {', '.join(groups)}."
    if readable:
        return f"The role {name} may reach more than our views: {', '.join(readable)}."
    return ""
