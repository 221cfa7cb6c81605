"""How Vapi merges overrides into an assistant."""

from collections.abc import Iterator
from typing import Any, Final

from assistants.vapi.paths import Path

APPEND: Final = "tools:append"


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """The object with the overrides in it: deeply, but lists are replaced whole, and a null sets nothing.

    Lists of tools to append add up.
    """
    result = dict(base)
    for key, value in over.items():
        if value is None:
            continue
        there = result.get(key)
        if isinstance(value, dict):
            result[key] = merged(there if isinstance(there, dict) else {}, value)
        elif key == APPEND and isinstance(value, list) and isinstance(there, list):
            result[key] = [*there, *value]
        else:
            result[key] = value
    return result


def override_paths(over: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """Each place that the overrides set."""
    for key, value in over.items():
        if isinstance(value, dict) and value:
            yield from override_paths(value, (*path, key))
        elif value is not None:
            yield (*path, key)
