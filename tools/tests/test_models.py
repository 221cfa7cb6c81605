"""What the tables of tools promise."""

import pytest

from tools.tests.factories import make_tool


@pytest.mark.django_db
def test_parameters_keep_the_order_in_which_they_were_written() -> None:
    properties = {"zip": {"type": "string"}, "age": {"type": "integer"}, "name": {"type": "string"}}
    tool = make_tool(parameters={"type": "object", "properties": properties, "required": ["zip"]})

    tool.refresh_from_db()

    assert list(tool.parameters) == ["type", "properties", "required"]
    assert list(tool.parameters["properties"]) == ["zip", "age", "name"]
