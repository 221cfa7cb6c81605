"""What the database itself refuses."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from assistants.models import Assistant, AssistantTool, AssistantVersion
from assistants.tests.factories import make_assistant, make_version
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("speed", "0.20"),
        ("speed", "1.51"),
        ("vad_threshold", "1.01"),
        ("vad_threshold", "-0.01"),
        ("max_output_tokens", 0),
        ("max_output_tokens", 4097),
        ("max_duration_s", 9),
        ("max_duration_s", 3501),
    ],
)
def test_a_setting_out_of_range_is_refused(column: str, value: Any) -> None:
    assistant = make_assistant()

    with pytest.raises(IntegrityError), transaction.atomic():
        Assistant.objects.filter(pk=assistant.pk).update(**{column: value})


def test_two_assistants_cannot_have_one_name() -> None:
    make_assistant(name="Front desk")

    with pytest.raises(IntegrityError), transaction.atomic():
        make_assistant(name="Front desk")


def test_an_assistant_offers_a_tool_once() -> None:
    tool = make_tool()
    assistant = make_assistant(tools=[tool])

    with pytest.raises(IntegrityError), transaction.atomic():
        AssistantTool.objects.create(assistant=assistant, tool=tool, position=1)


@pytest.mark.parametrize(
    "change",
    [{"note": "other"}, {"number": 7}, {"snapshot": {}}, {"author": None}],
    ids=["note", "number", "snapshot", "author"],
)
def test_a_published_version_cannot_be_changed(change: dict[str, Any]) -> None:
    version = make_version()

    with pytest.raises(DatabaseError, match="cannot be changed"), transaction.atomic():
        AssistantVersion.objects.filter(pk=version.pk).update(**change)


def test_a_published_version_cannot_be_changed_by_plain_sql_either() -> None:
    version = make_version()

    with (
        pytest.raises(DatabaseError, match="cannot be changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE assistants_assistantversion SET note = 'x' WHERE id = %s", [version.pk])


def test_two_versions_of_an_assistant_cannot_have_one_number() -> None:
    version = make_version()

    with pytest.raises(IntegrityError), transaction.atomic():
        AssistantVersion.objects.create(assistant=version.assistant, number=version.number, snapshot={})
