"""Which {{ names }} of an assistant's texts nothing will give a value to."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tools.liquid import variable_uses

# Vapi's own, which calls here have too.
BUILT_IN: Final = frozenset(
    {
        "now", "currentDateTime", "date", "time", "month", "day", "year", "customer", "phoneNumber", "call", "assistant",
        "transport", "transcript", "messages", "prompt", "structuredOutputs",
    }
)  # fmt: skip


def variables_unknown(texts: Iterable[tuple[str, str]], known: Iterable[str]) -> dict[str, list[str]]:
    """The names without a value, each with where it stands. ``texts`` are pairs of where and text.

    A name that the template itself gives a default, or only asks about, needs none.
    """
    have = BUILT_IN | set(known)
    found: dict[str, list[str]] = {}
    for where, text in texts:
        for use in variable_uses(text):
            name = use.name.split(".", 1)[0].split("[", 1)[0]
            if not use.guarded and name not in have and where not in found.setdefault(name, []):
                found[name].append(where)
    return found


def variables_extracted(plan: Any) -> set[str]:
    """The names that a plan of Vapi's takes from an answer or a handoff."""
    if not isinstance(plan, dict):
        return set()
    names: set[str] = set()
    schema = plan.get("schema")
    if isinstance(schema, dict):
        properties = schema.get("properties")
        names |= set(properties) if isinstance(properties, dict) else set()
        title = schema.get("title")
        names |= {title} if isinstance(title, str) else set()
    aliases = plan.get("aliases")
    for alias in aliases if isinstance(aliases, list) else []:
        if isinstance(alias, dict) and isinstance(alias.get("key"), str):
            names.add(alias["key"])
    return names


def tool_variables(fields: Mapping[str, Any]) -> set[str]:
    """The names that a tool fills during a call."""
    names = variables_extracted(fields.get("variable_extraction"))
    settings = fields.get("settings") or {}
    destinations = settings.get("destinations")
    for destination in destinations if isinstance(destinations, list) else []:
        if isinstance(destination, dict):
            names |= variables_extracted(destination.get("variableExtractionPlan"))
    return names


def tool_texts(fields: Mapping[str, Any]) -> list[str]:
    """The texts of a tool that may hold {{ names }}."""
    texts = []
    for message in fields.get("messages") or []:
        content = message.get("content") if isinstance(message, dict) else None
        texts += [content] if isinstance(content, str) else []
    for parameter in fields.get("static_parameters") or []:
        value = parameter.get("value") if isinstance(parameter, dict) else None
        texts += [value] if isinstance(value, str) else []
    return texts
