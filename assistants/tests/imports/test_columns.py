"""Columns as JSON has them: many read at once are what each is by itself."""

import pytest

from assistants.imports.columns import column_read, columns_read
from assistants.models import Assistant
from assistants.tests.api.test_objects import imported, program
from tools.models import Tool
from tools.tests.access.program import Program

__all__ = ["program"]


@pytest.mark.django_db
def test_many_columns_read_at_once_are_each_as_it_is_read_alone(program: Program) -> None:
    imported("tools.json")
    imported("assistant-clinic.json")
    rows = [*Assistant.objects.defer("instructions"), *Tool.objects.all()]

    for row in rows:
        names = [field.name for field in row._meta.concrete_fields]
        assert columns_read(row, names) == {name: column_read(row, name) for name in names}
    assert len(rows) > 10
