"""Whether the parts of a tool that are JSON in Vapi's words have the shape they need: what is wrong, and where. Pure.

Each sentence begins with the path inside the part. Words that Vapi may add one day are let be; only where a misspelt
word would pass for a missing one is it named.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from tools.apirequest import METHODS
from tools.backoff import DELAY_MAX_S, RETRIES_MAX
from tools.encrypted_arguments import path_problem
from tools.liquid import template_problems
from tools.models import Tool
from tools.rejection import plan_problems

MESSAGE_TYPES = ("request-start", "request-response-delayed", "request-complete", "request-failed")
OPERATORS = ("eq", "neq", "gt", "gte", "lt", "lte")
CONTENT_MAX_CHARS = 1000
TIMING_MS = (100, 120_000)
_ALIAS = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,39}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DEEPEST = 20
_BACKOFF_WORDS = frozenset({"type", "maxRetries", "baseDelaySeconds", "excludedStatusCodes"})

Found = Iterator[str]


def part_problems(name: str, value: Any, *, kind: str) -> list[str]:
    """What is wrong with this column of a tool of this kind, in sentences; empty where all is well or nothing is asked."""
    if value in ({}, [], None):
        return []
    if name == "settings":
        return list(_settings(value, kind))
    check = _CHECKS.get(name)
    return list(check(value)) if check else []


def tool_problems(tool: Tool) -> list[tuple[str, str]]:
    """What is wrong with the stored parts of a tool: the column's name, and a sentence."""
    return [
        (name, problem)
        for name in (*_CHECKS, "settings")
        for problem in part_problems(name, getattr(tool, name), kind=tool.kind)
    ]


# Messages -------------------------------------------------------------------------------------------------------------


def _messages(value: Any) -> Found:
    if not isinstance(value, list):
        yield 'It must be a list of messages: [{"type": "request-start", "content": "One moment."}]'
        return
    for n, message in enumerate(value):
        yield from _message(message, f"[{n}]")


def _message(message: Any, path: str) -> Found:
    if not isinstance(message, dict):
        yield f"{path} must be an object with a type and a content."
        return
    yield from _one_of(message.get("type"), MESSAGE_TYPES, f"{path}.type")
    if "role" in message:
        yield from _one_of(message["role"], ("assistant", "system"), f"{path}.role")
    for word in ("blocking", "endCallAfterSpokenEnabled"):
        yield from _optional(message, word, bool, "true or false", path)
    yield from _content(message, path)
    if "timingMilliseconds" in message:
        yield from _timing(message, path)
    conditions = message.get("conditions") or []
    if not isinstance(conditions, list):
        yield f"{path}.conditions must be a list."
        return
    for n, condition in enumerate(conditions):
        yield from _condition(condition, f"{path}.conditions[{n}]")


def _content(message: dict[str, Any], path: str) -> Found:
    yield from _optional(message, "content", str, "text", path)
    content = message.get("content")
    if isinstance(content, str):
        if len(content) > CONTENT_MAX_CHARS:
            yield f"{path}.content has {len(content)} characters; at most {CONTENT_MAX_CHARS:,} are allowed."
        yield from _liquid(content, f"{path}.content")
    contents = message.get("contents") or []
    if not isinstance(contents, list):
        yield f"{path}.contents must be a list."
        return
    for n, one in enumerate(contents):
        text = one.get("text") if isinstance(one, dict) else None
        if not isinstance(text, str):
            yield f'{path}.contents[{n}] must be an object such as {{"text": "Moment.", "language": "de"}}.'
            continue
        yield from _liquid(text, f"{path}.contents[{n}].text")


def _timing(message: dict[str, Any], path: str) -> Found:
    least, most = TIMING_MS
    timing = message["timingMilliseconds"]
    if not _is_number(timing) or not least <= timing <= most:
        yield f"{path}.timingMilliseconds must be a number of milliseconds from {least} to {most}."
    elif message.get("type") in MESSAGE_TYPES and message["type"] != "request-response-delayed":
        yield f"{path}.timingMilliseconds belongs only to a message of type request-response-delayed."


def _condition(condition: Any, path: str) -> Found:
    if not isinstance(condition, dict):
        yield f'{path} must be an object such as {{"param": "city", "operator": "eq", "value": "Rome"}}.'
        return
    if not isinstance(condition.get("param"), str) or not condition["param"]:
        yield f"{path}.param must be the name of an argument."
    yield from _one_of(condition.get("operator"), OPERATORS, f"{path}.operator")
    if not isinstance(condition.get("value"), str | int | float):
        yield f"{path}.value must be a text."


# Sending again --------------------------------------------------------------------------------------------------------


def _backoff(value: Any) -> Found:
    if not isinstance(value, dict):
        yield 'It must be an object: {"type": "fixed", "maxRetries": 2, "baseDelaySeconds": 1}'
        return
    for word in value.keys() - _BACKOFF_WORDS:
        yield f"{word} is not known here; allowed are {', '.join(sorted(_BACKOFF_WORDS))}."
    if "type" in value:
        given = value["type"]
        # Vapi's own document declares it an object, and some exports have it so.
        given = given.get("type") if isinstance(given, dict) else given
        yield from _one_of(given, ("fixed", "exponential"), "type")
    retries = value.get("maxRetries")
    if retries is None:
        yield "maxRetries is missing, so nothing would ever be sent again."
    elif not _is_number(retries) or retries != int(retries) or not 0 <= retries <= RETRIES_MAX:
        yield f"maxRetries must be a whole number from 0 to {RETRIES_MAX}."
    delay = value.get("baseDelaySeconds", 1)
    if not _is_number(delay) or not 0 <= delay <= DELAY_MAX_S:
        yield f"baseDelaySeconds must be a number from 0 to {DELAY_MAX_S:g}."
    codes = value.get("excludedStatusCodes") or []
    if not isinstance(codes, list) or not all(_is_status(code) for code in codes):
        yield "excludedStatusCodes must be a list of HTTP status codes, such as [400, 404]."


# Values, rules, variables ---------------------------------------------------------------------------------------------


def _static(value: Any) -> Found:
    if not isinstance(value, list):
        yield 'It must be a list: [{"key": "branch", "value": "north"}]'
        return
    keys = []
    for n, entry in enumerate(value):
        key = entry.get("key") if isinstance(entry, dict) else None
        if not isinstance(key, str) or not key or "value" not in entry:
            yield f'[{n}] must be an object with a key and a value: {{"key": "branch", "value": "north"}}'
            continue
        if key in keys:
            yield f"[{n}].key: {key} stands there twice, and only the last counts."
        keys.append(key)
        yield from _liquid_within(entry["value"], f"[{n}].value")


def _extraction(value: Any) -> Found:
    if not isinstance(value, dict):
        yield 'It must be an object: {"aliases": [{"key": "slot", "value": "{{ $.slots[0].id }}"}]}'
        return
    schema, aliases = value.get("schema", {}), value.get("aliases", [])
    if "schema" not in value and "aliases" not in value:
        yield "It has neither a schema nor aliases, so it sets no variable."
    if not isinstance(schema, dict):
        yield "schema must be a JSON Schema, an object."
    if not isinstance(aliases, list):
        yield "aliases must be a list."
        return
    for n, alias in enumerate(aliases):
        key = alias.get("key") if isinstance(alias, dict) else None
        if not isinstance(key, str) or not _ALIAS.fullmatch(key):
            yield f"aliases[{n}].key must be a name: a letter, then letters, digits and _, at most 40 in all."
            continue
        if not isinstance(alias.get("value"), str):
            yield f"aliases[{n}].value must be a text, such as {{{{ $.slots[0].id }}}}."
            continue
        yield from _liquid(alias["value"], f"aliases[{n}].value")


def _paths(value: Any) -> Found:
    if not isinstance(value, list):
        yield 'It must be a list of paths: ["ssn", "payment.cardNumber"]'
        return
    yield from (problem for one in value if (problem := path_problem(one)))


def _rejection(value: Any) -> Found:
    if not isinstance(value, dict):
        yield 'It must be an object: {"conditions": [{"type": "liquid", "liquid": "{{ … }}"}]}'
        return
    if not isinstance(value.get("conditions"), list):
        yield "conditions must be a list; without any the tool is never refused."
        return
    yield from _rules(value["conditions"], "conditions", 0)


def _rules(conditions: list[Any], path: str, depth: int) -> Found:
    for n, one in enumerate(conditions):
        here = f"{path}[{n}]"
        match one:
            case {"type": "regex", "regex": str()}:
                yield from (f"{here}.regex: {problem}" for problem in plan_problems({"conditions": [one]}))
                yield from _target(one, here)
            case {"type": "liquid", "liquid": str(template)}:
                yield from _liquid(template, f"{here}.liquid")
            case {"type": "group", "conditions": list(inner)} if depth < _DEEPEST:
                yield from _one_of(one.get("operator"), ("AND", "OR"), f"{here}.operator")
                yield from _rules(inner, f"{here}.conditions", depth + 1)
            case _:
                yield (
                    f"{here} must be a regex (type and regex), liquid (type and liquid), or a group (type, operator and "
                    "conditions)."
                )


def _target(condition: dict[str, Any], path: str) -> Found:
    yield from _optional(condition, "negate", bool, "true or false", path)
    target = condition.get("target") or {}
    if not isinstance(target, dict):
        yield f'{path}.target must be an object such as {{"role": "user", "position": -1}}.'
        return
    if "role" in target:
        yield from _one_of(target["role"], ("user", "assistant"), f"{path}.target.role")
    if "position" in target and not _is_number(target["position"]):
        yield f"{path}.target.position must be a number: 0 is the first message, -1 the last."


# What only one kind has -----------------------------------------------------------------------------------------------


def _settings(value: Any, kind: str) -> Found:
    if not isinstance(value, dict):
        yield 'It must be an object, such as {"method": "GET", "url": "https://…"}.'
        return
    match kind:
        case Tool.Kind.API_REQUEST:
            yield from _api_request(value)
        case Tool.Kind.TRANSFER:
            yield from _destinations(value, _TRANSFER_KEYS)
        case Tool.Kind.HANDOFF:
            yield from _destinations(value, _HANDOFF_KEYS)
        case Tool.Kind.SMS | Tool.Kind.MCP:
            yield from _metadata(value, kind)
        case Tool.Kind.FUNCTION:
            yield from _optional(value, "strict", bool, "true or false", "")
        case _:
            return


def _api_request(value: dict[str, Any]) -> Found:
    if "method" in value and str(value["method"]).upper() not in METHODS:
        yield f"method must be one of {', '.join(sorted(METHODS))}."
    url = value.get("url", "")
    if not isinstance(url, str):
        yield "url must be a text."
    elif url:
        if not url.startswith(("http://", "https://", "{")):
            yield "url must begin with https:// or http://."
        yield from _liquid(url, "url")
    for word in ("body", "headers"):
        schema = value.get(word) or {}
        properties = schema.get("properties", {}) if isinstance(schema, dict) else None
        if not isinstance(properties, dict):
            yield f'{word} must be a JSON Schema: {{"type": "object", "properties": {{…}}}}'
            continue
        for name, given in properties.items():
            if word == "headers" and not _HEADER.fullmatch(name):
                yield f"headers.properties: {name} cannot be the name of a header."
            yield from _liquid_within(given, f"{word}.properties.{name}")


_TRANSFER_KEYS = {"number": ("number",), "sip": ("sipUri",), "assistant": ("assistantName",)}
_HANDOFF_KEYS = {
    "assistant": ("assistantName", "assistantId", "assistant"),
    "squad": ("squadId", "squad"),
    "dynamic": (),
}


def _destinations(value: dict[str, Any], keys: Mapping[str, Collection[str]]) -> Found:
    destinations = value.get("destinations") or []
    if not isinstance(destinations, list):
        yield "destinations must be a list."
        return
    for n, one in enumerate(destinations):
        path = f"destinations[{n}]"
        if not isinstance(one, dict):
            yield f"{path} must be an object with a type."
            continue
        wrong = list(_one_of(one.get("type"), tuple(keys), f"{path}.type"))
        yield from wrong
        needed = () if wrong else keys[one["type"]]
        if needed and not any(one.get(key) for key in needed):
            yield f"{path} needs {' or '.join(needed)}."
        yield from _liquid_within(one.get("message"), f"{path}.message")
        plan = one.get("transferPlan") or {}
        if not isinstance(plan, dict):
            yield f"{path}.transferPlan must be an object with a mode."


def _metadata(value: dict[str, Any], kind: str) -> Found:
    metadata = value.get("metadata") or {}
    if not isinstance(metadata, dict):
        yield "metadata must be an object."
    elif kind == Tool.Kind.SMS:
        yield from _optional(metadata, "from", str, "a phone number, as text", "metadata")
    elif "protocol" in metadata:
        yield from _one_of(metadata["protocol"], ("shttp", "sse"), "metadata.protocol")


# Parts of parts -------------------------------------------------------------------------------------------------------


def _one_of(value: Any, allowed: tuple[str, ...], path: str) -> Found:
    if value is None:
        yield f"{path} is missing; it must be one of {', '.join(allowed)}."
    elif value not in allowed:
        yield f"{path} must be one of {', '.join(allowed)}, not {str(value)[:60]}."


def _optional(holder: dict[str, Any], word: str, kind: type, words: str, path: str) -> Found:
    if word in holder and not isinstance(holder[word], kind):
        yield f"{path}.{word}".lstrip(".") + f" must be {words}."


def _liquid(template: str, path: str) -> Found:
    for line, what in template_problems(template):
        where = f"{path}, line {line}" if "\n" in template else path
        yield f"{where}: {what}"


def _liquid_within(value: Any, path: str, depth: int = 0) -> Found:
    """The mistakes in the templates of any JSON value."""
    if depth > _DEEPEST:
        return
    match value:
        case str():
            yield from _liquid(value, path)
        case dict():
            for key, item in value.items():
                yield from _liquid_within(item, f"{path}.{key}", depth + 1)
        case list():
            for n, item in enumerate(value):
                yield from _liquid_within(item, f"{path}[{n}]", depth + 1)
        case _:
            return


def _is_number(value: Any) -> bool:
    # JSON has no other numbers, but Python's reader of it lets them through.
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _is_status(value: Any) -> bool:
    digits = isinstance(value, str) and value.isascii() and value.isdigit()
    return (_is_number(value) or digits) and 100 <= int(value) <= 599


_CHECKS: Final[Mapping[str, Callable[[Any], Found]]] = {
    "messages": _messages,
    "backoff_plan": _backoff,
    "static_parameters": _static,
    "encrypted_paths": _paths,
    "variable_extraction": _extraction,
    "rejection_plan": _rejection,
}
