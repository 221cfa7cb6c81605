"""What of a tool's answer becomes a variable of the call, by the tool's extraction plan in Vapi's form. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tools.jsontext import json_clean
from tools.liquid import render

WHOLE_ANSWER = "$"
# Variables travel with every later webhook of the call, so one answer may not fill them without end.
VALUES_MAX_CHARS = 100_000
_ALIAS = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,39}")


def variables_extract(
    plan: Mapping[str, Any], answer: Any, *, variables: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The variables that the answer sets, by name; empty without a plan. What the answer lacks is left as it was.

    Aliases are templates over the call's variables, the values just taken by the schema, and ``$``: the whole answer.
    """
    values = _by_schema(plan.get("schema"), answer)
    aliases = plan.get("aliases")
    for alias in aliases if isinstance(aliases, list) else []:
        key = alias.get("key") if isinstance(alias, dict) else None
        template = alias.get("value") if isinstance(alias, dict) else None
        if isinstance(key, str) and isinstance(template, str) and _ALIAS.fullmatch(key):
            known = {**variables, **values, WHOLE_ANSWER: answer}
            values[key] = render(template, known, now=now).text
    return values if len(json.dumps(values, default=str)) <= VALUES_MAX_CHARS else {}


def names_taught(extraction: Any, settings: Any) -> set[str]:
    """The names that a tool gives values to during a call, by its own plan and those of its destinations."""
    names = _names_extracted(extraction)
    destinations = settings.get("destinations") if isinstance(settings, Mapping) else None
    for destination in destinations if isinstance(destinations, list) else []:
        if isinstance(destination, Mapping):
            names |= _names_extracted(destination.get("variableExtractionPlan"))
    return names


def _names_extracted(plan: Any) -> set[str]:
    if not isinstance(plan, Mapping):
        return set()
    names: set[str] = set()
    schema = plan.get("schema")
    if isinstance(schema, dict):
        properties, title = schema.get("properties"), schema.get("title")
        names |= set(properties) if isinstance(properties, dict) else set()
        names |= {title} if isinstance(title, str) else set()
    aliases = plan.get("aliases")
    for alias in aliases if isinstance(aliases, list) else []:
        if isinstance(alias, dict) and isinstance(alias.get("key"), str):
            names.add(alias["key"])
    return names


def answer_value(text: str) -> Any:
    """What ``$`` stands for where a server's result is a text: the JSON in it, or the text itself."""
    try:
        return json_clean(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _by_schema(schema: Any, answer: Any) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {}
    properties = schema.get("properties")
    if isinstance(properties, dict) and isinstance(answer, dict):
        return {name: answer[name] for name in properties if name in answer}
    title = schema.get("title")
    # An array, or a plain value, has a name only by its title.
    if isinstance(title, str) and title and not isinstance(answer, dict):
        return {title: answer}
    return {}
