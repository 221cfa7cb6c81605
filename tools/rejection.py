"""Whether a tool's rejection plan, in Vapi's form, refuses a request in this moment of the call. Pure.

A condition that cannot be read counts as not met: a typing error in a plan must not switch a tool off for good.
``plan_problems`` names such conditions.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tools.liquid import render, template_problems

# Patterns are the customer's, words the caller's: together they may take long, so the words are cut.
TEXT_MAX_CHARS = 4_000
_ROLES = {"user": "user", "assistant": "bot"}
_DEEPEST = 20
# JavaScript's way of naming a group.
_NAMED_GROUP = re.compile(r"\(\?<(?![=!])")


def rejects(
    plan: Mapping[str, Any], *, messages: list[Any], variables: Mapping[str, Any], now: datetime
) -> bool:
    """Whether every condition of the plan is met; False for a plan without any. ``messages`` are in Vapi's form."""
    conditions = plan.get("conditions")
    if not isinstance(conditions, list) or not conditions:
        return False
    return all(_met(one, messages, variables, now, depth=0) for one in conditions)


def plan_problems(plan: Mapping[str, Any]) -> list[str]:
    """What is wrong with a plan, as sentences; empty where every condition can be read."""
    conditions = plan.get("conditions", [])
    if not isinstance(conditions, list):
        return ["conditions must be a list."]
    return [problem for one in conditions for problem in _problems(one, depth=0)]


def _met(
    condition: Any, messages: list[Any], variables: Mapping[str, Any], now: datetime, *, depth: int
) -> bool:
    match condition:
        case {"type": "regex", "regex": str(pattern)}:
            return _regex_met(pattern, condition, messages)
        case {"type": "liquid", "liquid": str(template)}:
            rendered = render(template, variables, now=now)
            return not rendered.error and rendered.text.strip() == "true"
        case {"type": "group", "conditions": [_, *_] as conditions} if depth < _DEEPEST:
            met = (_met(one, messages, variables, now, depth=depth + 1) for one in conditions)
            return any(met) if condition.get("operator") == "OR" else all(met)
        case _:
            return False


def _regex_met(pattern: str, condition: dict[str, Any], messages: list[Any]) -> bool:
    compiled = _compiled(pattern)
    if compiled is None:
        return False
    texts = _targets(condition.get("target"), messages)
    found = any(compiled.search(text[:TEXT_MAX_CHARS]) for text in texts)
    return found != bool(condition.get("negate"))


def _targets(target: Any, messages: list[Any]) -> list[str]:
    """The texts that a pattern is held against: without a target the last message, without a position all of the role."""
    target = target if isinstance(target, dict) else {"position": -1}
    roles = {_ROLES[target["role"]]} if target.get("role") in _ROLES else set(_ROLES.values())
    texts = [
        str(message.get("message", ""))
        for message in messages
        if isinstance(message, dict) and message.get("role") in roles
    ]
    position = target.get("position")
    if not isinstance(position, int | float):
        return texts
    index = int(position)
    return [texts[index]] if -len(texts) <= index < len(texts) else []


def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(_NAMED_GROUP.sub("(?P<", pattern))
    except (re.error, RecursionError, OverflowError):
        return None


def _problems(condition: Any, *, depth: int) -> list[str]:
    match condition:
        case {"type": "regex", "regex": str(pattern)}:
            return [] if _compiled(pattern) else [f"“{pattern[:80]}” is not a pattern that can be read."]
        case {"type": "liquid", "liquid": str(template)}:
            return [what for _, what in template_problems(template)]
        case {"type": "group", "operator": "AND" | "OR", "conditions": list(conditions)} if depth < _DEEPEST:
            return [problem for one in conditions for problem in _problems(one, depth=depth + 1)]
        case _:
            return ["A condition is neither a regex, nor liquid, nor a group of such."]
