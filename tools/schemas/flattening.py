"""A tool's parameters as the model sees them, made from parameters as a person or a program wrote them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from tools.schemas.building import shape_built
from tools.schemas.errors import SchemaError
from tools.schemas.nodes import AS_ONE_TEXT, size_problem
from tools.schemas.normal import normalise
from tools.schemas.shapes import Record, Shape
from tools.schemas.showing import Shown, parameters_shown

_NOTES_MAX = 200


@dataclass(frozen=True, slots=True, eq=False)
class Flattened:
    """What was made of a tool's parameters. It is shared: change nothing in it.

    ``parameters`` is the JSON Schema that the model sees. ``notes`` say what was changed, as (path, sentence).
    ``names`` holds the author's name of each renamed field, by the path that the model sees. ``problems`` are
    mistakes that the author must mend, as sentences about "its parameters". ``shape`` and ``normal`` are for the
    way back; ``normal`` is None where the arguments cannot be checked.
    """

    parameters: dict[str, Any]
    notes: tuple[tuple[str, str], ...]
    names: Mapping[str, str]
    problems: tuple[str, ...]
    shape: Shape
    normal: dict[str, Any] | None


def flatten(parameters: dict[str, Any]) -> Flattened:
    """The parameters with one plain type for each field, keeping in words what that cannot say.

    The same parameters give the same result, byte for byte. Parameters beyond all measure become one field for JSON
    text, and ``problems`` say so. Raises SchemaError for what is no JSON object.
    """
    if not isinstance(parameters, dict):
        raise SchemaError("its parameters are not a JSON object.")
    problem = size_problem(parameters)
    return _too_large(problem) if problem else _flattened(json.dumps(parameters))


@lru_cache(maxsize=512)
def _flattened(text: str) -> Flattened:
    normal = normalise(json.loads(text))
    shape, notes = shape_built(normal)
    said, problems = [*normal.notes, *notes], normal.problems
    if shape is None:
        problems = (
            *problems,
            f"its parameters have more fields than a model can be shown: it {AS_ONE_TEXT}",
        )
        shape = Shape(record=Record(opaque=True))
        said.append(
            ("", "It has more parts than a model can be shown; the arguments are given as one JSON text.")
        )
    shown = Shown()
    parameters = parameters_shown(shape, shown)
    all_notes = tuple(dict.fromkeys([*said, *shown.notes]))[:_NOTES_MAX]
    names = MappingProxyType(shown.names)
    return Flattened(parameters, all_notes, names, problems, shape, normal.schema)


def _too_large(problem: str) -> Flattened:
    shape = Shape(record=Record(opaque=True))
    parameters = parameters_shown(shape, Shown())
    note = ("", "It is too large to be read; the arguments are given as one JSON text and not checked.")
    return Flattened(parameters, (note,), MappingProxyType({}), (problem,), shape, None)
