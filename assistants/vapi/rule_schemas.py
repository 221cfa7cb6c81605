"""JSON Schemas made of the tables of rules: what may stand where, and what becomes of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from assistants.vapi.drafts import Verdict
from assistants.vapi.paths import ANY_ITEM, ANY_KEY, ANYTHING, pattern_steps
from assistants.vapi.rules import Rule, Rules, Type

Schema = dict[str, Any]
_TYPES: Final[dict[Type, list[str]]] = {
    Type.TEXT: ["string", "null"],
    Type.NUMBER: ["number", "null"],
    Type.FLAG: ["boolean", "null"],
    Type.SCALAR: ["string", "number", "boolean", "null"],
    Type.OBJECT: ["object", "null"],
}
_WITHOUT_EFFECT: Final = "Accepted and given back, without effect."


@dataclass(slots=True)
class _Node:
    rule: Rule | None = None
    children: "dict[str, _Node]" = field(default_factory=dict)


def rules_schema(
    rules: Rules, *, strict: bool, instead: Mapping[str, Schema] | None = None, required: tuple[str, ...] = ()
) -> Schema:
    """The schema of an object that the rules know.

    ``strict``: what no rule knows is refused, as in bodies; answers may hold what Vapi has added since. ``instead``: what
    stands at these patterns in place of what their rules tell.
    """
    root = _Node()
    for rule in rules.all:
        node = root
        for step in pattern_steps(rule.pattern):
            node = node.children.setdefault(step, _Node())
        node.rule = rule
    schema = _object(root, (), strict=strict, instead=dict(instead or {}))
    if required:
        schema["required"] = list(required)
    return schema


def told(rule: Rule) -> str:
    """What becomes of the setting, as a program's author reads it."""
    return f"{_WITHOUT_EFFECT} {rule.reason}" if rule.verdict is Verdict.DROPPED else rule.reason


def _schema(node: _Node, path: tuple[str, ...], *, strict: bool, instead: dict[str, Schema]) -> Schema:
    given = instead.get(_pattern(path))
    if given is not None:
        return given
    forms = []
    if node.rule is not None:
        forms.append(_leaf(node.rule))
    if ANYTHING in node.children and not set(node.children) - {ANYTHING}:
        whatever = node.children[ANYTHING].rule
        return {"description": told(whatever)} if whatever else {}
    if set(node.children) - {ANY_ITEM}:
        forms.append(_object(node, path, strict=strict, instead=instead))
    if ANY_ITEM in node.children:
        items = _schema(node.children[ANY_ITEM], (*path, ANY_ITEM), strict=strict, instead=instead)
        forms.append({"type": ["array", "null"], "items": items})
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _object(node: _Node, path: tuple[str, ...], *, strict: bool, instead: dict[str, Schema]) -> Schema:
    special = (ANY_ITEM, ANY_KEY, ANYTHING)
    properties = {
        name: _schema(child, (*path, name), strict=strict, instead=instead)
        for name, child in node.children.items()
        if name not in special
    }
    schema: Schema = {"type": ["object", "null"] if path else "object", "properties": properties}
    if ANY_KEY in node.children:
        schema["additionalProperties"] = _schema(
            node.children[ANY_KEY], (*path, ANY_KEY), strict=strict, instead=instead
        )
    elif strict and ANYTHING not in node.children:
        schema["additionalProperties"] = False
    return schema


def _leaf(rule: Rule) -> Schema:
    types = _TYPES.get(rule.type)
    return {**({"type": list(types)} if types else {}), "description": told(rule)}


def _pattern(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(f".{ANY_ITEM}", ANY_ITEM)
