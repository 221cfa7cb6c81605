"""Fields that their author wrote down without ``properties`` around them."""

from typing import Any

_KEYWORDS = frozenset({
    "type", "properties", "required", "description", "title", "default", "examples", "example", "enum",
    "const", "format", "pattern", "nullable", "deprecated", "minLength", "maxLength", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "items", "prefixItems", "contains",
    "additionalItems", "unevaluatedItems", "minItems", "maxItems", "uniqueItems", "minContains",
    "maxContains", "additionalProperties", "patternProperties", "propertyNames", "unevaluatedProperties",
    "minProperties", "maxProperties", "dependencies", "dependentRequired", "dependentSchemas", "allOf",
    "anyOf", "oneOf", "not", "if", "then", "else", "discriminator", "definitions", "readOnly", "writeOnly",
    "contentEncoding", "contentMediaType",
})  # fmt: skip
# With one of these, what the parameters are is said already.
_SAID = frozenset(
    {"properties", "patternProperties", "allOf", "anyOf", "oneOf", "items", "prefixItems", "enum", "const"}
)
_NAMED_MAX = 5
_TYPE_NAMES = ("string", "number", "integer", "boolean", "array", "object")


def bare_fields(parameters: dict[str, Any]) -> dict[str, Any] | None:
    """The parameters with ``properties`` around them, if each entry can only be a field; None otherwise."""
    if not parameters or any(_is_keyword(name) for name in parameters):
        return None
    if not all(_is_schema(part) for part in parameters.values()):
        return None
    return {"type": "object", "properties": parameters}


def outside_problem(parameters: dict[str, Any]) -> str:
    """Which fields seem to stand outside ``properties``, as a sentence; nothing when none does."""
    if _SAID & parameters.keys() or any(name.endswith(("$ref", "Ref")) for name in parameters):
        return ""
    if parameters.get("type", "object") != "object":
        return ""
    alone = not any(_is_keyword(name) for name in parameters)
    names = [
        name[:64]
        for name, part in parameters.items()
        if not _is_keyword(name)
        and (_is_schema(part) or (alone and part and (isinstance(part, dict) or part in _TYPE_NAMES)))
    ]
    if not names:
        return ""
    more = [f"{len(names) - _NAMED_MAX} more"] if len(names) > _NAMED_MAX else []
    said = ", ".join([*names[:_NAMED_MAX], *more])
    return (
        f'its fields must stand in "properties": {said} {"stands" if len(names) == 1 else "stand"} outside.'
    )


def _is_keyword(name: str) -> bool:
    return name in _KEYWORDS or name.startswith(("$", "x-"))


def _is_schema(part: object) -> bool:
    return isinstance(part, dict) and any(_is_keyword(name) for name in part)
