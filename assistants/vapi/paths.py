"""Places inside a JSON object, and patterns of such places."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

Path = tuple[str | int, ...]

ANY_ITEM: Final = "[]"
ANY_KEY: Final = "*"
ANYTHING: Final = "**"

_PLAIN = re.compile(r"[\w:$-]+")
_STEP = re.compile(r"\[\]|[^.\[\]]+")


def path_text(path: Sequence[str | int]) -> str:
    """The path as people write it: ``model.messages[0].content``. No two paths give the same text."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text


def pattern_steps(pattern: str) -> tuple[str, ...]:
    """The steps of a pattern: ``hooks[].do[].exact`` is hooks, any item, do, any item, exact."""
    return tuple(_STEP.findall(pattern))


def value_at(value: Any, path: Sequence[str | int]) -> Any:
    """What stands there, None where nothing does."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return None
            value = value[step]
        else:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
    return value
