"""The role as PostgreSQL sees it: by connecting as it."""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from assistants.tests.factories import make_realtime_model, make_transcription_model, make_voice
from calls.reporting.building import view_files, views_make
from calls.reporting.odd_seeding import odd_calls_seed
from calls.reporting.questions import dashboards
from calls.reporting.role import RoleError, role_make

pytestmark = pytest.mark.django_db(transaction=True)


def execute(statement: str, role: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(role=sql.Identifier(role)))


@pytest.fixture(autouse=True)
def catalogue() -> None:
    """What a migration filled, and other tests may have flushed."""
    make_realtime_model()
    make_transcription_model()
    make_voice()


@pytest.fixture
def role() -> Iterator[str]:
    """A name of this test's own: roles are of the server, which other test runs share."""
    name = f"metabase_{uuid.uuid4().hex[:12]}"
    yield name
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
        exists = cursor.fetchone()
    if exists:
        execute("DROP OWNED BY {role}", name)
        execute("DROP ROLE {role}", name)


def connect(role: str) -> "psycopg.Connection[Any]":
    ours = connection.settings_dict
    return psycopg.connect(
        host=ours["HOST"],
        port=ours["PORT"] or None,
        dbname=ours["NAME"],
        user=role,
        password="reads-only",
        autocommit=True,
    )


def test_it_reads_every_view_and_every_question(role: str) -> None:
    role_make(role, "reads-only")
    odd_calls_seed()

    with connect(role) as reader:
        for one in view_files():
            reader.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(one.name))).fetchall()
        for board in dashboards():
            for question in board.questions:
                reader.execute(question.sql).fetchall()


def test_it_reads_no_table(role: str) -> None:
    role_make(role, "reads-only")
    tables = connection.introspection.table_names()

    with connect(role) as reader:
        assert "auth_user" in tables
        for table in tables:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier("public", table)))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM reporting.v_tool_attempts",
        "UPDATE public.calls_call SET caller = ''",
        "INSERT INTO public.auth_group (name) VALUES ('x')",
        "CREATE TABLE public.mine (n int)",
        "CREATE TABLE reporting.mine (n int)",
        "CREATE VIEW reporting.mine AS SELECT 1",
        "CREATE ROLE another",
        "CREATE SCHEMA another",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY reporting.v_calls TO PROGRAM 'cat'",
        "SELECT passwd FROM pg_shadow",
    ],
)
def test_it_changes_nothing_and_sees_no_secret(role: str, statement: str) -> None:
    role_make(role, "reads-only")

    with connect(role) as reader:
        # Also where the session lifts the default that it only reads.
        reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(
            (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)
        ):
            reader.execute(statement)


def test_it_only_reads_and_not_for_ever(role: str) -> None:
    role_make(role, "reads-only")

    with connect(role) as reader:
        settings = {
            name: reader.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone()
            for name in ("default_transaction_read_only", "statement_timeout", "search_path", "jit")
        }

    assert settings == {
        "default_transaction_read_only": ("on",),
        "statement_timeout": ("1min",),
        "search_path": ("reporting",),
        "jit": ("off",),
    }


def test_a_second_time_only_sets_it_again(role: str) -> None:
    assert role_make(role, "first")
    assert not role_make(role, "second")


def test_its_password_is_kept_as_a_verifier_only(role: str) -> None:
    role_make(role, "reads-only")

    with connection.cursor() as cursor:
        cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role])
        ((kept,),) = cursor.fetchall()
    assert kept.startswith("SCRAM-SHA-256$")
    assert "reads-only" not in kept


def test_views_that_are_made_anew_are_read_at_once(role: str, settings: Any) -> None:
    settings.REPORTING_ROLE = role
    role_make(role, "reads-only")

    views_make()

    with connect(role) as reader:
        assert reader.execute("SELECT count(*) FROM v_calls").fetchone() == (0,)


@pytest.mark.parametrize(
    ("beforehand", "why"),
    [
        ("CREATE ROLE {role} SUPERUSER", "is a superuser"),
        ("CREATE ROLE {role} CREATEDB", "may create roles or databases"),
        ("CREATE ROLE {role} IN ROLE pg_read_all_data", "is a member of pg_read_all_data"),
        (
            "CREATE ROLE {role}; GRANT SELECT ON public.auth_user TO {role}",
            r"may reach more .*public\.auth_user",
        ),
    ],
)
def test_a_role_that_may_do_more_is_refused(role: str, beforehand: str, why: str) -> None:
    execute(beforehand, role)

    with pytest.raises(RoleError, match=why):
        role_make(role, "reads-only")


def test_the_role_of_tandem_itself_is_refused() -> None:
    with pytest.raises(RoleError, match="connects as"):
        role_make(connection.settings_dict["USER"], "reads-only")


def test_the_command_makes_it_and_quotes_no_password(
    role: str, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.REPORTING_ROLE = role

    call_command("reporting_role")
    call_command("reporting_role")

    out = capsys.readouterr().out
    assert f"Created the role {role}" in out
    assert f"Found, and set again, the role {role}" in out
    assert settings.REPORTING_PASSWORD not in out


def test_the_command_asks_for_a_password(settings: Any) -> None:
    settings.REPORTING_PASSWORD = ""

    with pytest.raises(CommandError, match="Set REPORTING_ROLE and REPORTING_PASSWORD first"):
        call_command("reporting_role")
