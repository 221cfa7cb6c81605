"""What OpenAI's function validator refuses in a tool's parameters. One bad tool makes it refuse the whole session."""

from typing import Any

# Seen at the top level only; deeper down they are allowed.
_REFUSED_AT_TOP = frozenset({"oneOf", "anyOf", "allOf", "enum", "not"})
_MAX_DEPTH = 50


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
    return problems + _object_problems(parameters, where="", depth=0)


def _object_problems(schema: dict[str, Any], *, where: str, depth: int) -> list[str]:
    if depth > _MAX_DEPTH:
        return [f"its parameters are nested more than {_MAX_DEPTH} levels deep."]
    problems = []
    at = f" of {where}" if where else ""
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        problems.append(f'"required"{at} must be a list of names.')
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        return [*problems, f'"properties"{at} must be an object.']
    for name, prop in properties.items():
        path = f"{where}.{name}" if where else name
        if not isinstance(prop, dict):
            problems.append(f"{path} must be an object such as " + '{"type": "string"}.')
        elif prop.get("type") == "array" and "items" not in prop:
            problems.append(f'{path} is an array, so it must say what its "items" are.')
        else:
            problems += _object_problems(prop, where=path, depth=depth + 1)
    items = schema.get("items")
    if isinstance(items, dict):
        problems += _object_problems(items, where=f"{where}[]", depth=depth + 1)
    return problems
