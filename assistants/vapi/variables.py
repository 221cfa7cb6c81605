"""Which {{ names }} of an assistant's texts nothing will give a value to."""

from collections.abc import Iterable, Mapping
from typing import Any

from tools.extraction import names_taught
from tools.liquid import variable_uses
from tools.liquid.names import LATE, ROOTS
from tools.messages import message_texts


def variables_unknown(texts: Iterable[tuple[str, str]], known: Iterable[str]) -> dict[str, list[str]]:
    """The names without a value, each with where it stands. ``texts`` are pairs of where and text.

    A name that the template itself gives a default, or only asks about, needs none.
    """
    have = ROOTS | LATE | set(known)
    found: dict[str, list[str]] = {}
    for where, text in texts:
        for use in variable_uses(text):
            name = use.name.split(".", 1)[0].split("[", 1)[0]
            if not use.guarded and name not in have and where not in found.setdefault(name, []):
                found[name].append(where)
    return found


def tool_variables(fields: Mapping[str, Any]) -> set[str]:
    """The names that a tool fills during a call."""
    return names_taught(fields.get("variable_extraction"), fields.get("settings"))


def tool_texts(fields: Mapping[str, Any]) -> list[str]:
    """The texts of a tool that may hold {{ names }}."""
    texts: list[str] = []
    for message in fields.get("messages") or []:
        texts += message_texts(message)
    for parameter in fields.get("static_parameters") or []:
        value = parameter.get("value") if isinstance(parameter, dict) else None
        texts += [value] if isinstance(value, str) else []
    return texts
