"""How Vapi merges overrides into an assistant."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from assistants.vapi.paths import ANY_ITEM, ANY_KEY, ANYTHING, Path, pattern_steps
from assistants.vapi.tables.assistant import ASSISTANT

APPEND: Final = "tools:append"
_SERVER: Final = ("server", "serverUrl", "serverUrlSecret")
_RULES: Final = tuple((pattern_steps(rule.pattern), rule.field) for rule in ASSISTANT.all if rule.field)
# What is set together with a setting of ours that a rule names.
_WITH: Final[dict[str, tuple[str, ...]]] = {
    "instructions": ("history",),
    "model": ("model_reasons",),
    "transcription_model": ("transcription_takes_languages",),
    "plans": ("placing", "idle_messages", "idle_timeout_s", "idle_max_count", "idle_resets"),
}


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


def sets_server(over: Mapping[str, Any]) -> bool:
    """Whether overrides say anything of the server, or of what is sent to it."""
    return any(path[0] in _SERVER for path in override_paths(dict(over)))


def fields_set(over: Mapping[str, Any]) -> frozenset[str]:
    """The settings of ours that the overrides say something of, whatever was there before."""
    named = {name for path in override_paths(dict(over)) for steps, name in _RULES if _meet(steps, path)}
    return frozenset({*named, *(more for name in named for more in _WITH.get(name, ()))})


def _meet(steps: tuple[str, ...], path: Path) -> bool:
    """Whether a pattern stands for the place, for one below it, or for all that holds it."""
    for step, given in zip(steps, path, strict=False):
        if step == ANYTHING:
            return True
        if step != given and not (step == ANY_KEY and given != ANY_ITEM):
            return False
    return True
