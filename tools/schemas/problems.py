"""What OpenAI's function validator refuses in a tool's parameters. One bad tool makes it refuse the whole session."""

from collections.abc import Iterator
from typing import Any

from tools.schemas.errors import SchemaError
from tools.schemas.flattening import flatten

# Seen at the top level only; deeper down they are allowed.
_REFUSED_AT_TOP = frozenset({"oneOf", "anyOf", "allOf", "enum", "not"})
_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_MAX_DEPTH = 50


def schema_problems(parameters: object) -> list[str]:
    """Why a tool cannot have these parameters, as written by a person or imported; empty when it can.

    Unions, references and their like are no problem: the model sees the flattened form.
    """
    try:
        flattened = flatten(parameters)  # type: ignore[arg-type]  # it says itself what is none
    except SchemaError as exc:
        return [str(exc)]
    return [*flattened.problems, *parameters_problems(flattened.parameters)]


def parameters_problems(parameters: object) -> list[str]:
    """Why OpenAI would refuse these parameters, as sentences about "its parameters"; empty when it would not."""
    if not isinstance(parameters, dict):
        return ["its parameters are not a JSON object."]
    if not parameters:
        return []
    problems = []
    if parameters.get("type") != "object":
        problems.append('its parameters must have "type": "object" at the top.')
    refused = sorted(_REFUSED_AT_TOP & parameters.keys())
    if refused:
        problems.append(f"its parameters may not use {', '.join(refused)} at the top level.")
    return problems + _node_problems(parameters, where="", depth=0)


def _node_problems(schema: object, *, where: str, depth: int) -> list[str]:
    if depth > _MAX_DEPTH:
        return [f"its parameters are nested more than {_MAX_DEPTH} levels deep."]
    if not isinstance(schema, dict):
        return [f"{where} must be an object such as " + '{"type": "string"}.']
    problems = [*_own_problems(schema, where), *_field_problems(schema, where)]
    for path, part in _parts(schema, where):
        problems += _node_problems(part, where=path, depth=depth + 1)
    return problems


def _own_problems(schema: dict[str, Any], where: str) -> Iterator[str]:
    at = f" of {where}" if where else ""
    types = schema.get("type", [])
    known = [types] if isinstance(types, str) else types
    if not isinstance(known, list) or not all(isinstance(one, str) and one in _TYPES for one in known):
        yield f'"type"{at} must be the name of a type.'
    elif "array" in known and "items" not in schema:
        yield f'{where or "It"} is an array, so it must say what its "items" are.'
    if "$ref" in schema:
        yield f"the $ref{at} would not be followed."
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        why = "is an empty list: no value is possible" if schema["enum"] == [] else "must be a list of values"
        yield f'"enum"{at} {why}.'
    if not isinstance(schema.get("description", ""), str):
        yield f"the description{at} must be a text."


def _field_problems(schema: dict[str, Any], where: str) -> Iterator[str]:
    at = f" of {where}" if where else ""
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield f'"required"{at} must be a list of names.'
    if not isinstance(schema.get("properties", {}), dict):
        yield f'"properties"{at} must be an object.'
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema and not (isinstance(schema[key], list) and schema[key]):
            yield f'"{key}"{at} must be a list with at least one schema.'


def _parts(schema: dict[str, Any], where: str) -> Iterator[tuple[str, object]]:
    properties = schema.get("properties")
    if isinstance(properties, dict):
        yield from ((f"{where}.{name}" if where else name, part) for name, part in properties.items())
    if "items" in schema:
        yield f"{where}[]", schema["items"]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list):
            yield from ((where, part) for part in schema[key])
