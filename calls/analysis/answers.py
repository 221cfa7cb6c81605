"""The form in which an answer is asked for, and what is made of it: the schema that OpenAI enforces, and Vapi's spelling. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import Draft202012Validator

from assistants.analysis_plan import Kind, Part, has_reference

Json = dict[str, Any]

GRADES: Final = ("Excellent", "Good", "Fair", "Poor")
LIKERT: Final = ("Strongly Agree", "Agree", "Neutral", "Disagree", "Strongly Disagree")
_ANSWER: Final = "result"
# What OpenAI's strict mode knows; whatever else a schema says is checked here afterwards.
_TAKEN: Final = frozenset(
    {
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "const",
        "description",
        "title",
        "additionalProperties",
        "anyOf",
    }
)
_CHECKED_HERE: Final = frozenset(
    {
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
    }
    | {"minItems", "maxItems", "default", "examples", "$schema", "$id", "$comment"}
)
_DEEPEST: Final = 5  # levels of objects that strict mode takes
_MOST_PROPERTIES: Final = 100
RUBRIC_TEXTS: Final = {
    "NumericScale": "A scale of 1 to 10. 10 is best.",
    "DescriptiveScale": "A scale of Excellent, Good, Fair, Poor.",
    "Checklist": "A checklist of criteria and their status.",
    "Matrix": "A grid that evaluates multiple criteria across different performance levels (Excellent, Good, Fair, Poor).",
    "PercentageScale": "A scale of 0% to 100%.",
    "LikertScale": "A scale of Strongly Agree, Agree, Neutral, Disagree, Strongly Disagree: the call was a success.",
    "AutomaticRubric": "Break the evaluation down into several criteria, each with its own score from 1 to 10.",
    "PassFail": "A simple 'true' if the call passed, 'false' if not.",
}


class AnswerError(Exception):
    """The answer is of no use. The text says why and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement as Vapi spells it, and as a number where it can be one."""

    text: str
    success: bool | None = None
    score_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is asked for. ``strict``: OpenAI enforces the schema; else the model is only told."""

    schema: Json | None = field(repr=False)
    strict: bool


def form_of(part: Part) -> Form | None:
    """The form for a part's answer; None where it is free text."""
    if part.kind is Kind.SUMMARY:
        return None
    if part.kind is Kind.SUCCESS:
        return Form(_wrapped(_RUBRIC_SCHEMAS[part.rubric]), strict=True) if part.rubric else None
    if part.schema is None:
        return Form(None, strict=False)
    strict = _strict(part.schema, 0, [0])
    return Form(_wrapped(strict), strict=True) if strict is not None else Form(None, strict=False)


def _wrapped(schema: Any) -> Json:
    # The root must be an object, and a schema of the customer's may be none.
    return {
        "type": "object",
        "properties": {_ANSWER: schema},
        "required": [_ANSWER],
        "additionalProperties": False,
    }


def _strict(schema: Any, depth: int, count: list[int]) -> Any:
    """The schema as strict mode takes it, with what may be absent as null; None where it cannot be said there."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST or set(schema) - _TAKEN - _CHECKED_HERE:
        return None
    type_ = schema.get("type")
    kept: Json = {
        name: schema[name] for name in ("type", "enum", "const", "description", "title") if name in schema
    }
    if "anyOf" in schema:
        branches = [_strict(one, depth + 1, count) for one in schema["anyOf"]]
        return None if None in branches else {**kept, "anyOf": branches}
    if type_ == "object":
        return _strict_object(schema, kept, depth, count)
    if type_ == "array":
        items = _strict(schema.get("items"), depth + 1, count)
        return None if items is None else {**kept, "items": items}
    return kept if isinstance(type_, str) or "enum" in schema or "const" in schema else None


def _strict_object(schema: Mapping[str, Any], kept: Json, depth: int, count: list[int]) -> Any:
    properties = schema.get("properties")
    if (
        not isinstance(properties, Mapping)
        or not properties
        or schema.get("additionalProperties", False) is not False
    ):
        return None
    count[0] += len(properties)
    required = schema.get("required") or []
    strict = {name: _strict(inner, depth + 1, count) for name, inner in properties.items()}
    if None in strict.values() or count[0] > _MOST_PROPERTIES:
        return None
    shown = {
        name: one if name in required else {"anyOf": [one, {"type": "null"}]} for name, one in strict.items()
    }
    return {**kept, "properties": shown, "required": list(shown), "additionalProperties": False}


# --- What came back ------------------------------------------------------------------------------------------


def data_read(part: Part, form: Form, text: str) -> Any:
    """The facts of an answer, held against the plan's own schema. Raises AnswerError."""
    value = _unwrapped(text) if form.strict else _loaded(text)
    if part.schema is None:
        return value
    if has_reference(part.schema):
        raise AnswerError("The plan's schema refers to another one, which is not followed.")
    value = _without_nulls(value, part.schema)
    try:
        error = best_match(Draft202012Validator(part.schema).iter_errors(value))
    except (SchemaError, RecursionError) as exc:
        raise AnswerError("The plan's schema cannot be used.") from exc
    if error is not None:
        where = ".".join(str(step) for step in error.absolute_path) or "the answer"
        raise AnswerError(f"The model's answer does not fit the schema: {where} fails “{error.validator}”.")
    return value


def verdict_read(part: Part, text: str) -> Verdict:
    """The judgement as Vapi spells it. Raises AnswerError."""
    if not part.rubric:
        plain = " ".join(text.split())
        success = {"true": True, "false": False}.get(plain.lower().rstrip("."))
        return Verdict(plain, success) if plain else _nothing()
    value = _unwrapped(text)
    if next(Draft202012Validator(_RUBRIC_SCHEMAS[part.rubric]).iter_errors(value), None) is not None:
        raise AnswerError(f"The model's answer does not fit the rubric {part.rubric}.")
    return _verdict(part.rubric, value)


def _verdict(rubric: str, value: Any) -> Verdict:
    match rubric:
        case "PassFail":
            return Verdict("true" if value else "false", bool(value))
        case "NumericScale":
            return Verdict(str(value), score_percent=Decimal(value) * 10)
        case "PercentageScale":
            return Verdict(f"{value}%", score_percent=Decimal(value))
        case "DescriptiveScale":
            return Verdict(value, score_percent=_on_scale(value, GRADES))
        case "LikertScale":
            return Verdict(value, score_percent=_on_scale(value, LIKERT))
        case "Checklist":
            scores = [Decimal(100) if one["met"] else Decimal(0) for one in value]
        case "Matrix":
            scores = [_on_scale(one["level"], GRADES) for one in value]
        case _:
            scores = [Decimal(one["score"]) * 10 for one in value]
    average = (sum(scores, Decimal(0)) / len(scores)).quantize(Decimal("0.01")) if scores else None
    return Verdict(json.dumps(value, ensure_ascii=False), score_percent=average)


def _on_scale(word: str, scale: tuple[str, ...]) -> Decimal:
    return (Decimal(100) * (len(scale) - 1 - scale.index(word)) / (len(scale) - 1)).quantize(Decimal("0.01"))


def _nothing() -> Verdict:
    raise AnswerError("The model wrote nothing.")


def _loaded(text: str) -> Any:
    # Without a schema that is enforced, some models put JSON between the marks of a code block.
    bare = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        return json.loads(bare)
    except (ValueError, RecursionError) as exc:
        raise AnswerError("The model's answer is no JSON.") from exc


def _unwrapped(text: str) -> Any:
    value = _loaded(text)
    if not isinstance(value, dict) or _ANSWER not in value:
        raise AnswerError("The model's answer does not have the form that was asked for.")
    return value[_ANSWER]


def _without_nulls(value: Any, schema: Any) -> Any:
    """The value without the nulls that stood for what is absent."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if isinstance(value, dict) and isinstance(properties, Mapping):
        required = schema.get("required") or []
        return {
            name: _without_nulls(inner, properties.get(name))
            for name, inner in value.items()
            if inner is not None or name in required or name not in properties
        }
    items = schema.get("items") if isinstance(schema, Mapping) else None
    return [_without_nulls(one, items) for one in value] if isinstance(value, list) else value


def _listed(properties: Json) -> Json:
    item = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "array", "items": item}


_CRITERION: Final = {"type": "string"}
_RUBRIC_SCHEMAS: Final[dict[str, Json]] = {
    "PassFail": {"type": "boolean"},
    "NumericScale": {"type": "integer", "enum": list(range(1, 11))},
    "PercentageScale": {"type": "integer", "enum": list(range(101))},
    "DescriptiveScale": {"type": "string", "enum": list(GRADES)},
    "LikertScale": {"type": "string", "enum": list(LIKERT)},
    "Checklist": _listed({"criterion": _CRITERION, "met": {"type": "boolean"}}),
    "Matrix": _listed({"criterion": _CRITERION, "level": {"type": "string", "enum": list(GRADES)}}),
    "AutomaticRubric": _listed(
        {"criterion": _CRITERION, "score": {"type": "integer", "enum": list(range(1, 11))}}
    ),
}
