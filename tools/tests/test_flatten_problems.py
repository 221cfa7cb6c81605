"""What the author of a schema must mend, and what has only a note."""

import re
from typing import Any

import pytest

from tools.schemas import flatten, parameters_problems, schema_problems
from tools.tests.flattened import TOOLS, field, fields, shown


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"properties": []}, '"properties" must be an object.'),
        (
            {"properties": {"a": {"required": "b", "type": "object"}}},
            '"required" of a must be a list of names.',
        ),
        ({"properties": {"a": 7}}, 'a must be an object such as {"type": "string"}.'),
        ({"anyOf": []}, '"anyOf" must be a list with at least one schema.'),
        ({"properties": {"a": {"enum": []}}}, '"enum" of a is an empty list: no value is possible.'),
        ({"properties": {"a": {"enum": "b"}}}, '"enum" of a must be a list of values.'),
        (
            {"properties": {"a": {"type": "integer", "minimum": 5, "maximum": 4}}},
            '"minimum" of a is over its "maximum": no value is possible.',
        ),
        (
            {"properties": {"a": {"type": "number", "exclusiveMinimum": 4, "maximum": 4}}},
            '"exclusiveMinimum" of a is not under its "maximum": no value is possible.',
        ),
        (
            {"properties": {"a": {"type": "string", "minLength": 9, "maxLength": 8}}},
            '"minLength" of a is over its "maxLength": no value is possible.',
        ),
        (
            {"properties": {"a": {"$ref": "#/$defs/gone"}}},
            "the $ref of a leads to nothing in the parameters.",
        ),
        ({"type": 7}, '"type" must be the name of a type.'),
    ],
)
def test_what_its_author_must_mend_is_a_problem(schema: dict[str, Any], problem: str) -> None:
    assert schema_problems({"type": "object", **schema}) == [problem]


@pytest.mark.parametrize(
    ("bounds", "type_"),
    [
        ({"minimum": 4, "maximum": 4}, "integer"),
        ({"exclusiveMinimum": 4, "exclusiveMaximum": 4.5}, "number"),
        ({"minLength": 3, "maxLength": 3}, "string"),
        ({"minItems": 0, "maxItems": 0, "items": {"type": "string"}}, "array"),
    ],
)
def test_bounds_that_leave_a_value_are_no_problem(bounds: dict[str, Any], type_: str) -> None:
    assert schema_problems({"type": "object", "properties": {"a": {"type": type_, **bounds}}}) == []


def test_every_change_has_a_note_with_its_path() -> None:
    notes = dict(flatten(TOOLS["book_appointment"]).notes)

    assert notes["visit.dose"].startswith("May be text, or a number; shown as text")
    assert notes["contact.email"] == "May be null; shown as a field that may be left out."
    assert "visit" in notes
    assert "patient" not in notes


def test_a_variant_that_narrows_a_shared_field_does_not_narrow_it_for_the_others() -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"type": "string"}},
        "anyOf": [
            {"properties": {"x": {"const": "a"}, "n": {"type": "integer"}}, "required": ["n"]},
            {"required": ["x"]},
        ],
    }

    assert fields(schema)["x"]["type"] == "string"
    assert "enum" not in fields(schema)["x"]


def test_a_field_that_nothing_fits_is_not_shown() -> None:
    never = {"allOf": [{"type": "string"}, {"type": "integer"}]}

    assert fields({"type": "object", "properties": {"x": never, "y": False, "z": {"type": "string"}}}) == {
        "z": {"type": "string"}
    }


def test_variants_told_apart_by_a_field_that_nothing_fits_do_no_harm() -> None:
    variants = [
        {"properties": {"kind": {"const": 5}, "n": {"type": "integer"}}, "required": ["kind"]},
        {"properties": {"kind": {"const": 6}}, "required": ["kind"]},
    ]
    schema = {"type": "object", "properties": {"kind": {"const": "b"}}, "anyOf": variants}

    assert parameters_problems(shown(schema)) == []


def test_too_many_values_are_a_problem_that_says_what_becomes_of_them() -> None:
    schema = {"type": "object", "properties": {"sku": {"enum": [f"s{n}" for n in range(20_000)]}}}

    (problem,) = schema_problems(schema)

    assert problem == (
        "its parameters have more than 20,000 parts, 20,000 of them in one enum: the model would be asked for all "
        "arguments as one JSON text. Shorten them."
    )


def test_more_fields_than_a_model_can_be_shown_are_a_problem() -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(5_000)}}

    (problem,) = schema_problems(schema)

    assert problem == (
        "its parameters have more fields than a model can be shown: it would be asked for all arguments as one JSON "
        "text. Shorten them."
    )


@pytest.mark.parametrize(
    "at",
    [
        {"items": {"$ref": "#/$defs/gone"}, "type": "array"},
        {"anyOf": [{"type": "string"}, {"$ref": "other.json"}]},
        {"additionalProperties": {"$ref": "#/$defs/gone"}, "type": "object"},
    ],
)
def test_a_reference_to_nothing_is_a_problem_wherever_it_stands(at: dict[str, Any]) -> None:
    (problem,) = schema_problems({"type": "object", "properties": {"a": at}})

    assert re.fullmatch(r"the \$ref of a\S* leads to nothing in the parameters\.", problem)


def test_one_of_something_is_told_in_the_singular() -> None:
    assert field({"type": "string", "minLength": 1})["description"] == "With at least 1 character."
    assert field({"type": "string", "minLength": 1, "maxLength": 1})["description"] == (
        "With exactly 1 character."
    )
    assert field({"type": "array", "items": {"type": "string"}, "maxItems": 1})["description"] == (
        "At most 1 entry."
    )
