"""Arguments checked against the schema as its author meant it, with words for the model that say what to correct."""

import re
import uuid
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from tools.schemas import words
from tools.schemas.errors import ArgumentsError
from tools.schemas.flattening import Flattened
from tools.schemas.names import property_names
from tools.schemas.shapes import Rule, Shape
from tools.schemas.showing import WRAPPER

VIOLATIONS_MAX = 3
# References followed in one check. Branches that refer to branches can ask for any number.
_STEPS_MAX = 5_000
_PATTERN_TEXT_MAX = 2_000
_CALLED = {
    "string": "text", "number": "a number", "integer": "a whole number", "boolean": "true or false", "array": "a list",
    "object": "an object", "null": "null",
}  # fmt: skip

_COUNTED = {
    "minItems": ("at least", "entry", "entries"), "maxItems": ("at most", "entry", "entries"),
    "minProperties": ("at least", "field", "fields"), "maxProperties": ("at most", "field", "fields"),
}  # fmt: skip
_DEMANDS = {
    "uniqueItems": "may not hold the same entry twice",
    "contains": "lacks an entry that it must have",
    "propertyNames": "has a field whose name is not allowed",
}

_WHOLE = "The arguments"
_OF_SEVERAL = {"takes": "take", "has": "have", "lacks": "lack"}
_LEFT_OUT = ", or leave it out."

_steps: ContextVar[int] = ContextVar("steps")


class _TooManyStepsError(Exception):
    """The check has followed too many references."""


def violations(value: Any, flattened: Flattened) -> list[str]:
    """What is wrong with these arguments (in the author's shape), as sentences; empty when nothing is.

    Each names the place as the model sees it, and none quotes a value that was given.
    """
    if flattened.normal is None:
        return []
    _steps.set(0)
    try:
        errors = sorted(_validator(flattened).iter_errors(value), key=lambda error: len(error.absolute_path))
        said = [sentence for error in errors for sentence in _sentences(error, flattened.shape)]
    except (RecursionError, _TooManyStepsError) as exc:
        raise ArgumentsError("The arguments are nested too deeply to be checked.") from exc
    return list(dict.fromkeys(said))


def text_fits(text: str, rules: tuple[Rule, ...]) -> bool:
    """Whether the text meets one of the rules for texts."""
    return any(_text_fits(text, rule) for rule in rules)


def _text_fits(text: str, rule: Rule) -> bool:
    if rule.values is not None and text not in rule.values:
        return False
    return bool(not rule.hints or _Validator(dict(rule.hints), format_checker=_formats).is_valid(text))


# The validator -----------------------------------------------------------------------------------------------


def _counted_ref(validator: Any, ref: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    steps = _steps.get() + 1
    if steps > _STEPS_MAX:
        raise _TooManyStepsError
    _steps.set(steps)
    yield from Draft202012Validator.VALIDATORS["$ref"](validator, ref, instance, schema)


def _bounded_pattern(  # the signature is the library's
    _validator: Any, pattern: str, instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not re.search(pattern, instance[:_PATTERN_TEXT_MAX]):
        yield ValidationError("pattern")


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"$ref": _counted_ref, "pattern": _bounded_pattern}
)
_formats = FormatChecker(formats=())


@_formats.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or (bool(date.fromisoformat(value)) and value[4:5] == "-" == value[7:8])


@_formats.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


@_formats.checks("time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or isinstance(time.fromisoformat(value), time)


@_formats.checks("email")
def _is_email(value: object) -> bool:
    return not isinstance(value, str) or "@" in value[1:-1]


@_formats.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or bool(uuid.UUID(value))


@lru_cache(maxsize=256)
def _validator(flattened: Flattened) -> Any:
    return _Validator(flattened.normal, format_checker=_formats)


# Sentences ---------------------------------------------------------------------------------------------------


def _sentences(error: ValidationError, root: Shape, *, goes_with: str = "") -> list[str]:
    """What the error means for the model; several for an object of which several fields are wrong."""
    said = _demands(error, root, goes_with)
    if not _is_needless_blank(error, root):
        return said
    return [one if one.endswith(_LEFT_OUT) else one.removesuffix(".") + _LEFT_OUT for one in said]


def _is_needless_blank(error: ValidationError, root: Shape) -> bool:
    """Whether "" or "null" was given as text in the place of a field that may be left out."""
    *way, name = error.absolute_path or [0]
    if not isinstance(error.instance, str) or error.instance.strip().lower() not in ("", "null"):
        return False
    _, shape = _located(root, way)
    record = shape.record if shape else None
    return record is not None and name in record.properties and name not in record.demanded


def _demands(error: ValidationError, root: Shape, goes_with: str) -> list[str]:
    path, shape = _located(root, list(error.absolute_path))
    match error.validator:
        case "anyOf" | "oneOf":
            return _of_branches(error, root, goes_with)
        case "required":
            wanted: Any = error.validator_value
            given = _fields(error)
            inside = [_join(path, _name(shape, name)) for name in wanted if name not in given]
            return [f"{words.listed(inside)} {'is' if len(inside) == 1 else 'are'} missing{goes_with}."]
        case _:
            verb, rest = _demand(error).split(" ", 1)
            verb = verb if path else _OF_SEVERAL.get(verb, verb)
            return [f"{path or _WHOLE} {verb} {rest}{goes_with}."]


def _demand(error: ValidationError) -> str:
    """What the value must be, to be read after its path."""
    keyword, value = str(error.validator), cast("Any", error.validator_value)
    if keyword in _DEMANDS:
        return _DEMANDS[keyword]
    if keyword in _COUNTED:
        bound, one, several = _COUNTED[keyword]
        return f"must have {bound} {words.counted(value, one, several)}"
    rule = Rule(hints=((keyword, value),))
    match keyword:
        case "type":
            types = value if isinstance(value, list) else [value]
            return f"must be {' or '.join(_CALLED[one] for one in types)}"
        case "enum":
            return f"must be {words.values_phrase(tuple(value))}"
        case "format":
            return f"must be {_inside_sentence(words.text_hint(rule))}"
        case "pattern" | "minLength" | "maxLength":
            return f"must be text {_inside_sentence(words.text_hint(rule))}"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf":
            return f"must be {_inside_sentence(words.number_hint(rule))}"
        case "dependentRequired":
            rules = [
                f"with {name} also {words.listed(value[name])}" for name in value if name in _fields(error)
            ]
            return f"must have {'; '.join(rules)}"
        case "additionalProperties" if isinstance(error.schema, Mapping):
            known = list(error.schema.get("properties", {}))
            return f"takes only these fields: {', '.join(known)}" if known else "takes no fields"
        case _:
            return "has a value that is not allowed there"


def _inside_sentence(hint: str) -> str:
    return hint[:1].lower() + hint[1:].rstrip(".")


def _of_branches(error: ValidationError, root: Shape, goes_with: str) -> list[str]:
    """Of several forms the one that was meant, if that is clear, and what it lacks; else all of them."""
    path, shape = _located(root, list(error.absolute_path))
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    if not branches:
        return [f"{path or _WHOLE}: give {_forms(shape, error)}, not several of them{goes_with}."]
    meant = [errors for errors in branches.values() if not any(_is_other_form(one, error) for one in errors)]
    if len(meant) == 1:
        return [
            sentence
            for one in meant[0]
            for sentence in _sentences(one, root, goes_with=_goes_with(one, error) or goes_with)
        ]
    return _undecided(path, shape, error) or [f"{path or _WHOLE}: give {_forms(shape, error)}{goes_with}."]


def _undecided(path: str, shape: Shape | None, error: ValidationError) -> list[str]:
    """What to say when the field that tells the forms apart is missing or has no known value."""
    for group in shape.record.groups if shape and shape.record and isinstance(error.instance, dict) else ():
        told_apart = words.discriminator(group)
        if told_apart is None:
            continue
        name, values = told_apart
        known = tuple(value for own in values for value in own)
        if _fields(error).get(name) not in known:
            missing = "must be" if name in _fields(error) else "is missing; it must be"
            return [f"{_join(path, _name(shape, name))} {missing} {words.values_phrase(known)}."]
    return []


def _is_other_form(inner: ValidationError, outer: ValidationError) -> bool:
    """Whether this error shows that another branch was meant: another type, or another value of a fixed field."""
    depth = len(inner.absolute_path) - len(outer.absolute_path)
    if inner.validator == "type":
        return depth == 0
    if inner.validator == "enum":
        return depth == 1 and isinstance(outer.instance, dict)
    if inner.validator in ("anyOf", "oneOf") and depth == 0 and inner.context:
        return all(_is_other_form(one, outer) for one in inner.context)
    return False


def _goes_with(inner: ValidationError, outer: ValidationError) -> str:
    """Which fixed fields chose the branch that the inner error stands in, to be read after a demand."""
    here = len(inner.absolute_path) == len(outer.absolute_path)
    schema: Any = inner.schema if here else _branch(inner, outer)
    properties = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
    fixed = [
        f"{name} {words.spelled(part['enum'][0])}"
        for name, part in properties.items()
        if isinstance(part, Mapping) and len(part.get("enum", ())) == 1
        if _fields(outer).get(name) == part["enum"][0]
    ]
    return f" (goes with {words.listed(fixed)})" if fixed else ""


def _branch(inner: ValidationError, outer: ValidationError) -> Any:
    branches: Any = outer.validator_value
    return branches[inner.schema_path[0]]


def _forms(shape: Shape | None, error: ValidationError) -> str:
    branches: Any = error.validator_value
    demands: list[Any] = [
        branch.get("required") if isinstance(branch, Mapping) else None for branch in branches
    ]
    if all(demands) and isinstance(error.instance, dict):
        ways = [words.listed([_name(shape, name) for name in names]) for names in demands if names]
        return f"{'exactly one of' if error.validator == 'oneOf' else 'one of'} these: {'; or '.join(ways)}"
    if shape is None or shape.loose:
        return "one of the forms that its description names"
    return _inside_sentence(words.coded_hint(shape).split(". ")[0])


def _fields(error: ValidationError) -> dict[str, Any]:
    return error.instance if isinstance(error.instance, dict) else {}


def _name(shape: Shape | None, name: str) -> str:
    """The field's name as the model sees it."""
    names = property_names(shape.record.properties) if shape and shape.record else {}
    return names.get(name, name)


def _located(root: Shape, steps: list[Any]) -> tuple[str, Shape | None]:
    """The path as the model sees it, and the shape that stands there as far as there is one."""
    path = WRAPPER if root.wrapped else ""
    shape: Shape | None = root
    for step in steps:
        if isinstance(step, int):
            path = f"{path}[{step}]"
            shape = shape.items.item if shape and shape.items else None
            continue
        record = shape.record if shape else None
        known = record is not None and step in record.properties
        path = _join(path, property_names(record.properties)[step] if record and known else step[:64])
        shape = record.properties[step] if record and known else None
    return path, shape


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
