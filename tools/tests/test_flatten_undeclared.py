"""Fields that are demanded but described nowhere, or stand outside of `properties`."""

import json
from typing import Any

import pytest

from tools.schemas import flatten, schema_problems
from tools.tests.flattened import field, fields, shown

ANY_VALUE = {
    "type": "string",
    "description": "Any value: text as it is; a list or an object as JSON text.",
}
UNDECLARED = "Required, but described nowhere; shown as a field for any value."


def test_a_required_field_that_is_described_nowhere_is_shown_as_any_value_with_a_note() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "zzz"]}

    assert fields(schema) == {"a": {"type": "string"}, "zzz": ANY_VALUE}
    assert shown(schema)["required"] == ["a", "zzz"]
    assert ("zzz", UNDECLARED) in flatten(schema).notes


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "required": ["zzz"]},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"required": ["zzz"]}]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {"required": ["zzz"]}]},
        {"oneOf": [{"type": "object", "properties": {"a": {"const": n}}, "required": ["a", "zzz"]} for n in "bc"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "dependentRequired": {"a": ["zzz"]}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "if": {"required": ["a"]}, "then": {"required": ["zzz"]}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "allOf": [{"if": {"required": ["a"]}, "then": {"required": ["zzz"]}}]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["zzz"], "additionalProperties": False},
    ],
    ids=["alone", "allOf", "anyOf", "each variant", "dependent", "then", "then in allOf", "closed"],
)  # fmt: skip
def test_an_undeclared_field_is_shown_wherever_it_is_demanded_and_however_deep(
    schema: dict[str, Any],
) -> None:
    assert fields(schema)["zzz"] == ANY_VALUE
    assert field(schema)["properties"]["zzz"] == ANY_VALUE
    assert field({"type": "array", "items": schema})["items"]["properties"]["zzz"] == ANY_VALUE
    assert ("x[].zzz", UNDECLARED) in flatten(
        {"type": "object", "properties": {"x": {"type": "array", "items": schema}}}
    ).notes


def test_a_required_field_that_another_part_describes_stays_as_described() -> None:
    schema = {
        "type": "object",
        "allOf": [{"required": ["zzz"]}, {"properties": {"zzz": {"type": "integer"}}}],
    }

    assert fields(schema) == {"zzz": {"type": "integer"}}
    assert not [note for _, note in flatten(schema).notes if note == UNDECLARED]


def test_a_required_field_among_free_ones_is_what_the_free_ones_are() -> None:
    free = {"type": "object", "required": ["zzz"], "additionalProperties": {"type": "integer"}}
    by_name = {"type": "object", "required": ["x-n"], "patternProperties": {"^x-": {"type": "integer"}}}

    assert fields(free)["zzz"] == {"type": "integer"}
    assert fields(by_name)["x-n"] == {"type": "integer"}


def test_any_number_of_undeclared_fields_does_no_harm() -> None:
    schema = {"type": "object", "required": [f"f{n}" for n in range(5_000)]}

    assert len(json.dumps(shown(schema))) < 1_000


# --- Fields without "properties" around them


def test_fields_without_properties_around_them_are_taken_as_the_fields() -> None:
    schema = {"a": {"type": "string"}, "b": {"$ref": "#/a"}}

    assert fields(schema) == {"a": {"type": "string"}, "b": {"type": "string"}}
    assert dict(flatten(schema).notes)[""].startswith('"properties" is missing')
    assert schema_problems(schema) == []
    assert list(fields({"id": {"type": "string"}, "email": {"description": "Where to write."}})) == [
        "id",
        "email",
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"a": {"type": "string"}, "b": 7},
        {"a": {"type": "string"}, "b": {}},
        {"a": "string"},
        {"title": {"type": "string"}, "a": {"type": "string"}},
        {"type": "object", "a": {"type": "string"}},
        {"required": ["a"], "a": {"type": "string"}},
    ],
    ids=str,
)
def test_fields_that_may_be_meant_but_stand_outside_properties_are_a_problem(schema: dict[str, Any]) -> None:
    assert schema_problems(schema) == ['its fields must stand in "properties": a stands outside.']


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/Args", "Args": {"type": "object", "properties": {"a": {"type": "string"}}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "own": {"type": "string"}},
        {"type": "object", "x-own": {"type": "string"}},
        {"type": "object", "strict": True},
        {"$schema": "x"},
    ],
    ids=str,
)
def test_what_else_stands_at_the_top_is_no_problem(schema: dict[str, Any]) -> None:
    assert schema_problems(schema) == []
