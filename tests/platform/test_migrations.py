"""What `manage.py migrate` may do while processes of the release before are still at work: they insert rows until they are restarted."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.apps import apps
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.core.exceptions import FieldDoesNotExist
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

APPS: Final = ("assistants", "calls", "tools", "transcripts")
# What people edit, and calls do not write, had columns without a default until here.
BY_PEOPLE: Final = frozenset(
    {"assistant", "credential", "phonenumber", "smokepair", "smokerun", "tool", "vapiobject", "voiceclip"}
)
UNTIL: Final = {"assistants": "0018", "calls": "0037", "tools": "0009", "transcripts": "0004"}


def columns_added() -> Iterator["models.Field[Any, Any]"]:
    """The columns that came to tables that were there, as they are now, unless they might be null from the start."""
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        for operation in migration.operations if app in APPS else ():
            if not isinstance(operation, migrations.AddField):
                continue
            earlier = operation.model_name_lower in BY_PEOPLE and name[:4] <= UNTIL[app]
            if earlier or operation.field.null or operation.field.many_to_many:
                continue
            try:
                field = apps.get_model(app, operation.model_name)._meta.get_field(operation.name)
            except (LookupError, FieldDoesNotExist):
                continue  # it is gone again
            assert isinstance(field, models.Field)
            yield field


def test_a_column_that_came_later_has_a_default_in_the_database_or_may_be_null() -> None:
    added = list(columns_added())
    without = [str(field) for field in added if not field.null and field.db_default is NOT_PROVIDED]

    assert "tools.Credential.hosts" in map(str, added)
    assert not without, f"give these a db_default: {', '.join(without)}"


@pytest.mark.django_db
def test_the_database_itself_knows_the_defaults() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND is_nullable = 'NO' AND column_default IS NULL"
        )
        wanting = set(cursor.fetchall())

    assert wanting
    assert not wanting & {(field.model._meta.db_table, field.column) for field in columns_added()}


def done_twice(migration: migrations.Migration) -> Iterator[str]:
    """What of a migration fails where it was done before."""
    gone: set[str] = set()
    for operation in migration.operations:
        match operation:
            case RemoveIndexConcurrently():
                gone.add(operation.name)
            case AddIndexConcurrently() if operation.index.name not in gone:
                yield operation.index.name
            case migrations.RunSQL():
                sql = str(operation.sql)
                gone.update(re.findall(r"DROP INDEX CONCURRENTLY IF EXISTS (\w+)", sql))
                indices = re.findall(r"CREATE INDEX CONCURRENTLY (\w+)", sql)
                yield from (one for one in indices if one not in gone)
                yield from re.findall(r"CREATE (?:FUNCTION|VIEW|TRIGGER|TABLE) (\w+)", sql)
            case _:
                pass


def test_a_migration_that_is_no_single_transaction_may_be_done_again_after_it_failed() -> None:
    of_ours = [one for (app, _), one in MigrationLoader(None).disk_migrations.items() if app in APPS]
    in_steps = [one for one in of_ours if not one.atomic]

    assert len(in_steps) >= 5
    assert {str(one): list(done_twice(one)) for one in in_steps} == {str(one): [] for one in in_steps}
