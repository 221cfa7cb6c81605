"""What is wrong with a body, in the words of Vapi's own errors. The tables of the import say what may stand where."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from assistants.vapi.assistant_rules import ASSISTANT
from assistants.vapi.hiding import HIDDEN
from assistants.vapi.paths import Path
from assistants.vapi.reverse import has_marks
from assistants.vapi.rules import Rules, Type
from assistants.vapi.shapes import misfit
from assistants.vapi.squad_rules import NUMBER, SQUAD
from assistants.vapi.tool_rules import TOOL

RULES: Final[dict[str, Rules]] = {
    "assistant": ASSISTANT,
    "tool": TOOL,
    "squad": SQUAD,
    "phone-number": NUMBER,
}
# What Vapi sets itself. Vapi refuses them; here a body that was read can be sent back as it is.
READ_ONLY: Final = frozenset(
    {"id", "orgId", "createdAt", "updatedAt", "isServerUrlSecretSet", "latestVersion"}
)
NAME_MAX: Final = 40
_MOST: Final = 50
_BREAK: Final = re.compile(r"[\r\n\0]")
_valid_url: Final = URLValidator(schemes=["http", "https"])
_DUE: Final[dict[Type, str]] = {
    Type.TEXT: "a string",
    Type.NUMBER: "a number conforming to the specified constraints",
    Type.FLAG: "a boolean value",
    Type.SCALAR: "a string, a number or a boolean value",
    Type.OBJECT: "an object",
}
_CONTAINER: Final[dict[type, str]] = {dict: "an object", list: "an array", str: "a string"}


def body_problems(kind: Any, body: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with a body, one sentence for each."""
    raw = dict(body)
    found = [*_leaf_problems(RULES[kind], raw), *_inline_problems(kind, raw), *_name_problems(kind, raw)]
    if kind == "squad":
        found += _member_problems(raw)
    wrong = misfit(kind, raw)
    if wrong and not found:
        path, due, _ = wrong
        found.append(f"{_dotted(path)} must be {_CONTAINER[due]}")
    found += _server_problems(raw)
    if has_marks(raw):
        found.append(
            f"{HIDDEN} stands for a secret that is never given back: send the whole value, or leave it out"
        )
    return list(dict.fromkeys(found))[:_MOST]


def part_problems(kind: Any, part: Any, at: str) -> list[str]:
    """The same of an object that stands in a body, each sentence with its place."""
    if not isinstance(part, dict):
        return [f"{at} must be an object"]
    own = f"{kind}."
    found = body_problems(kind, {name: value for name, value in part.items() if name not in READ_ONLY})
    return [one if HIDDEN in one else f"{at}.{one.removeprefix(own)}" for one in found]


def _leaf_problems(rules: Rules, raw: dict[str, Any], base: Path = ()) -> Iterator[str]:
    for path, value in rules.leaves(raw) if raw else ():
        if value is None:
            continue
        rule = rules.match(path)
        expected = rules.leads_to(path)
        if rule is None and type(value) in expected:
            continue
        if rule is None and expected:
            due = list if expected == {list} else dict
            yield f"{_dotted((*base, *path))} must be {_CONTAINER[due]}"
        elif rule is None:
            yield _unknown((*base, *path))
        elif not rule.accepts(value) and not (value in ({}, []) and type(value) in expected):
            yield f"{_dotted((*base, *path))} must be {_DUE.get(rule.type, rule.type.value)}"


def _inline_problems(kind: str, raw: dict[str, Any]) -> Iterator[str]:
    """The same of the tools that stand inside an assistant."""
    model = raw.get("model")
    tools = model.get("tools") if kind == "assistant" and isinstance(model, dict) else None
    for number, tool in enumerate(tools if isinstance(tools, list) else []):
        if isinstance(tool, dict):
            yield from _leaf_problems(TOOL, tool, ("model", "tools", number))
            if not tool.get("type"):
                yield f"model.tools.{number}.type should not be empty"


def _member_problems(raw: dict[str, Any]) -> Iterator[str]:
    """The assistants that a squad holds, its overrides, and members that are nobody."""
    members = raw.get("members")
    if not isinstance(members, list) or not members:
        yield "members should not be empty" if members in (None, []) else "members must be an array"
        return
    if isinstance(over := raw.get("membersOverrides"), dict):
        yield from part_problems("assistant", over, "membersOverrides")
    for number, member in enumerate(members):
        at = f"members.{number}"
        if not isinstance(member, dict):
            yield f"{at} must be an object"
            continue
        who = [name for name in ("assistantId", "assistant") if member.get(name) is not None]
        if len(who) != 1:
            yield f"{at} needs either assistantId or assistant"
        for name in ("assistant", "assistantOverrides"):
            if isinstance(member.get(name), dict):
                yield from part_problems("assistant", member[name], f"{at}.{name}")


def _name_problems(kind: str, raw: dict[str, Any]) -> Iterator[str]:
    name = raw.get("name")
    if isinstance(name, str) and len(name) > NAME_MAX:
        yield f"{kind}.name must be shorter than or equal to {NAME_MAX} characters"


def _server_problems(raw: dict[str, Any]) -> Iterator[str]:
    """Addresses to which nothing can be sent, and headers that would smuggle in others."""
    server = raw.get("server")
    if not isinstance(server, dict):
        return
    url = server.get("url")
    if isinstance(url, str) and url and not _is_url(url):
        yield "server.url must be a URL address"
    secret = server.get("secret")
    if isinstance(secret, str) and not (secret.isascii() and secret.isprintable()):
        yield "server.secret must be printable ASCII: it is sent in a header"
    headers = server.get("headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if _BREAK.search(name) or (isinstance(value, str) and _BREAK.search(value)):
            yield "server.headers must not contain line breaks"


def _is_url(text: str) -> bool:
    try:
        _valid_url(text)
    except ValidationError:
        return False
    return True


def _unknown(path: Sequence[str | int]) -> str:
    *above, last = path
    prefix = f"{_dotted(above)}." if above else ""
    return f"{prefix}property {last} should not exist"


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in path)
