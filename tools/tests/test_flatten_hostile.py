"""Schemas that nobody should have written: small in the end, taken by OpenAI, and in bounds on the way."""

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tools.schemas import SchemaError, flatten, parameters_problems, schema_problems
from tools.tests.flattened import HOSTILE, nested


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_schema_becomes_something_small_that_openai_takes(schema: dict[str, Any]) -> None:
    flattened = flatten(schema)

    assert parameters_problems(flattened.parameters) == []
    assert len(json.dumps(flattened.parameters)) < 100_000


@pytest.mark.parametrize(
    "made",
    [partial(nested, 200), partial(nested, 100_000), lambda: {"enum": ["x"] * 30_000}],
    ids=["200", "100,000", "wide"],
)
def test_a_schema_beyond_all_measure_is_one_json_text_and_a_problem(
    made: Callable[[], dict[str, Any]],
) -> None:
    schema = made()
    flattened = flatten(schema)

    assert [part["type"] for part in flattened.parameters["properties"].values()] == ["string"]
    assert len(flattened.problems) == 1
    assert len(schema_problems(schema)) == 1


@pytest.mark.parametrize("schema", [[], "x", 7, None, True])
def test_what_is_no_object_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaError, match="not a JSON object"):
        flatten(schema)


def test_nothing_needs_more_stack_than_a_busy_worker_has_left() -> None:
    schema = nested(48)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(700)
    try:
        assert flatten(schema).parameters["type"] == "object"
    finally:
        sys.setrecursionlimit(limit)
