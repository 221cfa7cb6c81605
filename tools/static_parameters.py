"""Static parameters: what a tool's owner sends besides the model's arguments, and instead of them. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tools.liquid import render

_DEEPEST = 40


def arguments_complete(
    arguments: Mapping[str, Any],
    static: Iterable[Any],
    *,
    variables: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """The model's arguments with the static ones over them; of a list in Vapi's form, entries without a key are left out."""
    complete = dict(arguments)
    for entry in static:
        key = entry.get("key") if isinstance(entry, dict) else None
        if isinstance(key, str) and key:
            complete[key] = rendered(entry.get("value"), variables=variables, now=now)
    return complete


def rendered(value: Any, *, variables: Mapping[str, Any], now: datetime, depth: int = 0) -> Any:
    """The JSON value with every text in it read as a template; other values keep their type."""
    if depth > _DEEPEST:
        return value
    match value:
        case str():
            return render(value, variables, now=now).text
        case dict():
            return {
                key: rendered(item, variables=variables, now=now, depth=depth + 1)
                for key, item in value.items()
            }
        case list():
            return [rendered(item, variables=variables, now=now, depth=depth + 1) for item in value]
        case _:
            return value
