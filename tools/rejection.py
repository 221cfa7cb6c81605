"""Whether a tool's rejection plan, in Vapi's form, refuses a request in this moment of the call. Pure but for a time limit.

A condition that cannot be read, or takes too long, counts as not met: a typing error in a plan must not switch a tool
off for good. ``plan_problems`` names such conditions, and ``Rejection.faults`` those that took too long.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tools.liquid import render, template_problems
from tools.liquid.bag import template_bag
from tools.patterns import PatternError, TooSlowError, pattern_found, pattern_problem

# Patterns are the customer's, words the caller's: together they could take for ever.
PATTERNS_WITHIN_S = 0.25
_ROLES = {"user": "user", "assistant": "bot"}
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Rejection:
    """Whether a request is refused, and which conditions could not be looked at: sentences without any of the words."""

    refused: bool = False
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class _Moment:
    """What the conditions are held against, and what went wrong meanwhile."""

    messages: list[Any]
    variables: Mapping[str, Any]
    now: datetime
    until: float
    faults: list[str] = field(default_factory=list)


def has_conditions(plan: Mapping[str, Any]) -> bool:
    """Whether a plan can refuse anything."""
    conditions = plan.get("conditions")
    return isinstance(conditions, list) and bool(conditions)


def request_rejected(plan: Mapping[str, Any], context: Mapping[str, Any], *, now: datetime) -> Rejection:
    """Whether the plan refuses a request in a call with this ``context``, which is that of a ToolOrder."""
    if not has_conditions(plan):
        return Rejection()
    messages = context.get("messages")
    return rejects(
        plan,
        messages=messages if isinstance(messages, list) else [],
        variables=template_bag(context, now=now),
        now=now,
    )


def rejects(
    plan: Mapping[str, Any], *, messages: list[Any], variables: Mapping[str, Any], now: datetime
) -> Rejection:
    """Whether every condition of the plan is met; not for a plan without any. ``messages`` are in Vapi's form."""
    if not has_conditions(plan):
        return Rejection()
    conditions = plan["conditions"]
    moment = _Moment(messages, variables, now, time.monotonic() + PATTERNS_WITHIN_S)
    refused = all(_met(one, moment, depth=0) for one in conditions)
    return Rejection(refused, tuple(moment.faults))


def plan_problems(plan: Mapping[str, Any]) -> list[str]:
    """What is wrong with a plan, as sentences; empty where every condition can be read."""
    conditions = plan.get("conditions", [])
    if not isinstance(conditions, list):
        return ["conditions must be a list."]
    return [problem for one in conditions for problem in _problems(one, depth=0)]


def _met(condition: Any, moment: _Moment, *, depth: int) -> bool:
    match condition:
        case {"type": "regex", "regex": str(pattern)}:
            return _regex_met(pattern, condition, moment)
        case {"type": "liquid", "liquid": str(template)}:
            rendered = render(template, moment.variables, now=moment.now)
            return not rendered.error and rendered.text.strip() == "true"
        case {"type": "group", "conditions": [_, *_] as conditions} if depth < _DEEPEST:
            met = (_met(one, moment, depth=depth + 1) for one in conditions)
            return any(met) if condition.get("operator") == "OR" else all(met)
        case _:
            return False


def _regex_met(pattern: str, condition: dict[str, Any], moment: _Moment) -> bool:
    texts = _targets(condition.get("target"), moment.messages)
    try:
        found = pattern_found(pattern, texts, until=moment.until)
    except PatternError:
        return False
    except TooSlowError:
        moment.faults.append(
            f"The pattern {pattern[:80]} took longer than {PATTERNS_WITHIN_S:g} s and was passed over."
        )
        return False
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


def _problems(condition: Any, *, depth: int) -> list[str]:
    match condition:
        case {"type": "regex", "regex": str(pattern)}:
            why = pattern_problem(pattern)
            return [f"“{pattern[:80]}” cannot be used: {why}."] if why else []
        case {"type": "liquid", "liquid": str(template)}:
            return [what for _, what in template_problems(template)]
        case {"type": "group", "operator": "AND" | "OR", "conditions": list(conditions)} if depth < _DEEPEST:
            return [problem for one in conditions for problem in _problems(one, depth=depth + 1)]
        case _:
            return ["A condition is neither a regex, nor liquid, nor a group of such."]
