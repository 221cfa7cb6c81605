"""Examples of arguments, made from schemas."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools.schemas import arguments_restore
from tools.trials.examples import arguments_example, example

HARD = json.loads((Path(__file__).parent / "fixtures/tool-parameters.json").read_text())


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "example"),
        ({"type": "string", "format": "date"}, "2026-06-11"),
        ({"type": "string", "default": "a", "enum": ["b"]}, "a"),
        ({"type": "string", "enum": ["b", "c"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 2.5}, 3),
        ({"type": "number", "maximum": 0.5}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "null"}, None),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array"}, []),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 1),
        ({"type": "object", "properties": {"city": {"type": "string"}}}, {"city": "example city"}),
        ({}, "example"),
        (True, None),
        ({"type": "object", "properties": 7}, {}),
    ],
)
def test_an_example_is_made_from_plain_words(schema: Any, value: Any) -> None:
    assert example(schema) == value


def test_a_schema_within_itself_ends() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    schema["properties"]["again"] = schema

    assert "again" in example(schema)


@pytest.mark.parametrize("name", sorted(HARD))
def test_the_arguments_for_real_tools_pass_the_check(name: str) -> None:
    assert arguments_restore(arguments_example(HARD[name]), HARD[name])


def test_where_the_model_is_shown_text_for_a_union_a_branch_is_taken() -> None:
    slot = {"type": "object", "properties": {"slot": {"type": "string"}}, "required": ["slot"]}
    parameters = {
        "type": "object",
        "required": ["when"],
        "properties": {"when": {"oneOf": [slot, {"type": "integer"}]}},
    }

    assert arguments_example(parameters) == {"when": {"slot": "example slot"}}


@pytest.mark.parametrize("parameters", [{}, {"type": "object", "properties": {}}, {"$ref": "#/$defs/none"}])
def test_without_arguments_there_is_an_empty_object(parameters: Any) -> None:
    assert arguments_example(parameters) == {}
