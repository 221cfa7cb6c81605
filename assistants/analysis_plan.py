"""What is asked about a finished call: Vapi's `analysisPlan`, read into parts, with Vapi's own defaults. Pure."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator

from tools.liquid import template_mistake

Json = dict[str, Any]


class Kind(StrEnum):
    """The parts, as Vapi names them."""

    SUMMARY = "summary"
    DATA = "structuredData"
    DATA_MULTI = "structuredDataMulti"
    SUCCESS = "successEvaluation"


RUBRICS: Final[dict[str, str]] = {
    "PassFail": "Passed or failed: true or false",
    "NumericScale": "A number from 1 to 10",
    "PercentageScale": "A percentage, 0% to 100%",
    "DescriptiveScale": "Excellent, Good, Fair or Poor",
    "LikertScale": "Strongly Agree to Strongly Disagree",
    "Checklist": "A list of criteria, each met or not",
    "Matrix": "A grid of criteria, each from Excellent to Poor",
    "AutomaticRubric": "Criteria that the model chooses, each with a score",
}
_USUAL_RUBRIC: Final = "PassFail"
MIN_MESSAGES: Final = 2
# Vapi's own default of 5 s is made for a report that somebody waits for. Nobody waits here.
TIMEOUT_S: Final = 30.0
TIMEOUTS: Final = (1, 60)
MOST_PARTS: Final = 20
MOST_CHARACTERS: Final = 20_000
# Of a schema, as JSON, that is remembered: a program may send ones that are as long as a body.
_LONGEST_KNOWN: Final = 20_000
_PLANS: Final = {
    "summaryPlan": Kind.SUMMARY,
    "structuredDataPlan": Kind.DATA,
    "successEvaluationPlan": Kind.SUCCESS,
}
_TRANSCRIPT: Final = "Here is the transcript:\n\n{{transcript}}\n\n. Here is the ended reason of the call:\n\n{{endedReason}}\n\n"
_SYSTEM: Final = {
    Kind.SUMMARY: (
        "You are an expert note-taker. You will be given a transcript of a call. Summarize the call in 2-3 sentences. DO NOT return "
        "anything except the summary."
    ),
    Kind.DATA: (
        "You are an expert data extractor. You will be given a transcript of a call. Extract structured data per the JSON Schema. "
        "DO NOT return anything except the structured data.\n\nJson Schema:\n{{schema}}\n\nOnly respond with the JSON."
    ),
    Kind.SUCCESS: (
        "You are an expert call evaluator. You will be given a transcript of a call and the system prompt of the AI participant. "
        "Determine if the call was successful based on the objectives inferred from the system prompt. DO NOT return anything except "
        "the result.\n\nRubric:\n{{rubric}}\n\nOnly respond with the result."
    ),
}
_PROMPTED: Final = "\n\nHere was the system prompt of the call:\n\n{{systemPrompt}}\n\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One question to the model. ``schema``: the form of the answer; ``rubric``: empty where the messages alone rule."""

    key: str
    kind: Kind
    messages: tuple[Mapping[str, str], ...] = field(repr=False)
    timeout_s: float
    schema: Any = None
    rubric: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is asked about a call with at least so many messages."""

    parts: tuple[Part, ...]
    min_messages: int


def plan_read(raw: object) -> Plan:
    """The plan as Vapi would carry it out; whatever is of no use in it counts as absent."""
    plan = plan_lifted(raw if isinstance(raw, Mapping) else {})
    least = _number(plan.get("minMessagesThreshold"))
    return Plan(tuple(_parts(plan))[:MOST_PARTS], MIN_MESSAGES if least is None or least < 0 else int(least))


def _number(value: object) -> float | None:
    """A number that is one; NaN and the infinite, which some JSON holds, are none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _parts(plan: Mapping[str, Any]) -> Iterator[Part]:
    for name, kind in _PLANS.items():
        settings = plan.get(name)
        settings = settings if isinstance(settings, Mapping) else {}
        enabled = settings.get("enabled")
        # The form for facts is off unless switched on, the other two are on unless switched off.
        if enabled is True or (kind is not Kind.DATA and enabled is not False):
            yield _part(kind.value, kind, settings)
    multi = plan.get("structuredDataMultiPlan")
    for one in multi if isinstance(multi, list) else ():
        inner = one.get("plan") if isinstance(one, Mapping) else None
        if (
            isinstance(inner, Mapping)
            and isinstance(one.get("key"), str)
            and inner.get("enabled") is not False
        ):
            yield _part(f"{Kind.DATA_MULTI.value}.{one['key']}", Kind.DATA_MULTI, inner)


def _part(key: str, kind: Kind, settings: Mapping[str, Any]) -> Part:
    given = _messages(settings.get("messages"))
    rubric = settings.get("rubric") if kind is Kind.SUCCESS else ""
    if kind is Kind.SUCCESS and not _is_rubric(rubric):
        rubric = "" if given else _USUAL_RUBRIC
    seconds = _number(settings.get("timeoutSeconds"))
    schema = settings.get("schema")
    return Part(
        key=key,
        kind=kind,
        messages=given or default_messages(kind),
        timeout_s=TIMEOUT_S if seconds is None else min(max(float(seconds), TIMEOUTS[0]), TIMEOUTS[1]),
        schema=schema if isinstance(schema, Mapping) and kind in (Kind.DATA, Kind.DATA_MULTI) else None,
        rubric=str(rubric or ""),
    )


def default_messages(kind: Kind) -> tuple[Mapping[str, str], ...]:
    """What Vapi asks where the plan has no messages of its own."""
    of = Kind.DATA if kind is Kind.DATA_MULTI else kind
    user = _TRANSCRIPT + (_PROMPTED if of is Kind.SUCCESS else "")
    return ({"role": "system", "content": _SYSTEM[of]}, {"role": "user", "content": user})


def prompted(prompt: str, kind: Kind) -> list[Json]:
    """Messages with a prompt of one's own, and what the model is told of the call as ever."""
    return [{"role": "system", "content": prompt}, dict(default_messages(kind)[1])]


def _messages(raw: object) -> tuple[Mapping[str, str], ...]:
    found = [
        {"role": one["role"], "content": one["content"]}
        for one in (raw if isinstance(raw, list) else ())
        if isinstance(one, Mapping)
        and isinstance(one.get("role"), str)
        and isinstance(one.get("content"), str)
    ]
    return tuple(one for one in found if one["content"].strip())


def plan_lifted(raw: Mapping[str, Any]) -> Json:
    """The plan with the settings of Vapi's first years, which stood beside each other, in their places."""
    plan: Json = {name: value for name, value in raw.items() if value is not None}
    for old, name, kind in (
        ("summary", "summaryPlan", Kind.SUMMARY),
        ("structuredData", "structuredDataPlan", Kind.DATA),
        ("successEvaluation", "successEvaluationPlan", Kind.SUCCESS),
    ):
        prompt, seconds = plan.pop(f"{old}Prompt", None), plan.pop(f"{old}RequestTimeoutSeconds", None)
        extra = {
            new: plan.pop(f"{old}{new.capitalize()}")
            for new in ("schema", "rubric")
            if f"{old}{new.capitalize()}" in plan
        }
        lifted: Json = dict(extra)
        if isinstance(prompt, str):
            lifted["enabled"] = bool(prompt.strip())  # an empty prompt meant: off
            lifted |= {"messages": prompted(prompt, kind)} if prompt.strip() else {}
        elif extra:
            lifted["enabled"] = True
        if seconds is not None:
            lifted["timeoutSeconds"] = seconds
        if lifted:
            newer = plan.get(name)
            plan[name] = {**lifted, **newer} if isinstance(newer, Mapping) else lifted
    return plan


# --- What is wrong with one ----------------------------------------------------------------------------------


def plan_problems(raw: object) -> list[str]:
    """What is wrong with a plan, in sentences that begin with the place; empty where all is well."""
    if not isinstance(raw, Mapping):
        return ['It must be a JSON object: {"summaryPlan": {"enabled": true}}']
    return list(_problems(raw))


def _problems(raw: Mapping[str, Any]) -> Iterator[str]:
    least = raw.get("minMessagesThreshold")
    if least is not None and (not isinstance(least, int | float) or isinstance(least, bool) or least < 0):
        yield "minMessagesThreshold must be a number from 0."
    plan = plan_lifted(raw)
    for name in _PLANS:
        if (settings := plan.get(name)) is not None:
            yield from _part_problems(name, settings)
    multi = plan.get("structuredDataMultiPlan")
    if multi is None:
        return
    if not isinstance(multi, list):
        yield 'structuredDataMultiPlan must be a list: [{"key": "address", "plan": {"schema": {"type": "object"}}}]'
        return
    if len(multi) > MOST_PARTS - len(_PLANS):
        yield f"structuredDataMultiPlan has {len(multi)} entries; at most {MOST_PARTS - len(_PLANS)} are asked."
    keys = [one.get("key") if isinstance(one, Mapping) else None for one in multi]
    for n, one in enumerate(multi):
        place = f"structuredDataMultiPlan[{n}]"
        if not isinstance(one, Mapping) or not isinstance(keys[n], str) or not keys[n]:
            yield f"{place} needs a key: a word under which the answer is kept."
        elif keys.count(keys[n]) > 1:
            yield f"{place}.key stands twice."
        else:
            yield from _part_problems(f"{place}.plan", one.get("plan"))


def _part_problems(place: str, settings: object) -> Iterator[str]:
    if not isinstance(settings, Mapping):
        yield f"{place} must be a JSON object."
        return
    if not isinstance(settings.get("enabled", False), bool):
        yield f"{place}.enabled must be true or false."
    seconds = settings.get("timeoutSeconds", TIMEOUT_S)
    low, high = TIMEOUTS
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not low <= seconds <= high:
        yield f"{place}.timeoutSeconds must be a number from {low} to {high}."
    rubric = settings.get("rubric")
    if rubric is not None and not _is_rubric(rubric):
        yield f"{place}.rubric must be one of {', '.join(RUBRICS)}."
    if (schema := settings.get("schema")) is not None:
        yield from schema_problems(schema, f"{place}.schema")
    yield from _message_problems(settings.get("messages"), f"{place}.messages")


def _is_rubric(value: object) -> bool:
    return isinstance(value, str) and value in RUBRICS


def _message_problems(messages: object, place: str) -> Iterator[str]:
    if messages is None:
        return
    if not isinstance(messages, list) or len(messages) != len(_texts(messages)):
        yield f'{place} must be a list of messages: [{{"role": "system", "content": "What to do"}}]'
        return
    for n, one in enumerate(_texts(messages)):
        if len(one) > MOST_CHARACTERS:
            yield f"{place}[{n}] is longer than {MOST_CHARACTERS} characters."
        elif mistake := template_mistake(one):
            yield f"{place}[{n}], line {mistake[0]}: {mistake[1]}"


def _texts(messages: list[Any]) -> list[str]:
    return [
        one["content"]
        for one in messages
        if isinstance(one, Mapping)
        and one.get("role") in ("system", "user", "assistant", "developer")
        and isinstance(one.get("content"), str)
    ]


def schema_problems(schema: object, place: str) -> Iterator[str]:
    """What is wrong with a JSON schema."""
    if not isinstance(schema, dict):
        yield f'{place} must be a JSON schema: {{"type": "object", "properties": {{"booked": {{"type": "boolean"}}}}}}'
        return
    try:
        text = json.dumps(schema)
        known = len(text) <= _LONGEST_KNOWN
        mistake = _schema_mistake(text) if known else _schema_mistake.__wrapped__(text)
    except RecursionError:
        yield f"{place} is nested too deeply."
        return
    if mistake is not None:
        where, what = mistake
        yield f"{place}{f' at {where}' if where else ''} is no JSON schema: {what}"
        return
    if has_reference(schema):
        yield f"{place} refers to another schema ($ref), which is not followed: write it out."


@lru_cache(maxsize=256)
def _schema_mistake(text: str) -> tuple[str, str] | None:
    """Where a schema is none, and why. Remembered: the same schema comes with call after call."""
    try:
        Draft202012Validator.check_schema(json.loads(text))
    except SchemaError as exc:
        return ".".join(str(step) for step in exc.absolute_path), exc.message[:200]
    return None


def has_reference(schema: object) -> bool:
    """Whether a schema refers to another one, or to a part of itself."""
    if isinstance(schema, dict):
        return isinstance(schema.get("$ref"), str) or any(has_reference(inner) for inner in schema.values())
    return isinstance(schema, list) and any(has_reference(inner) for inner in schema)
