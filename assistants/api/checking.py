"""What is wrong with a body, in the words of Vapi's own errors. The tables of the import say what may stand where."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from assistants.squads import MOST_MEMBERS
from assistants.vapi.hiding import HIDDEN
from assistants.vapi.inline import inline_documents, members_in
from assistants.vapi.overrides import APPEND
from assistants.vapi.paths import Path, value_at
from assistants.vapi.reverse import has_marks
from assistants.vapi.rules import Rules, Type
from assistants.vapi.shapes import TOOL_TYPES, misfit
from assistants.vapi.squad_rules import NUMBER, SQUAD
from assistants.vapi.tables.assistant import ASSISTANT
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
# What a destination may hold, and what the like of it is when it stands alone.
_DESTINATION_PARTS: Final = {
    "assistant": "assistant",
    "assistantOverrides": "assistant",
    "squad": "squad",
    "squadOverrides": "assistant",
}
# A call comes to no more of them either.
TOO_MANY_PARTS: Final = (
    f"destinations must not hold or change more than {MOST_MEMBERS} assistants, with those inside each other"
)
_CONTAINER: Final[dict[type, str]] = {dict: "an object", list: "an array", str: "a string"}


def body_problems(kind: Any, body: Mapping[str, Any], *, known: Collection[str] = ()) -> list[str]:
    """Everything that is wrong with a body, one sentence for each. ``known`` types of tools were imported as they are."""
    raw = dict(body)
    if sum(len(members_in(one)) or 1 for one in inline_documents(raw)) > MOST_MEMBERS:
        return [TOO_MANY_PARTS]
    found = [*_leaf_problems(RULES[kind], raw), *_inline_problems(kind, raw), *_name_problems(kind, raw)]
    found += _type_problems(kind, raw, known)
    found += _destination_problems(kind, raw)
    if kind == "squad":
        found += _member_problems(raw)
    wrong = misfit(kind, raw)
    if wrong and not found:
        path, due, _ = wrong
        found.append(f"{_dotted(path)} must be {_CONTAINER[due]}")
    found += _server_problems(raw, "")
    if kind == "tool":
        found += _request_problems(raw, "")
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
    for path, tool in inline_tools(raw) if kind == "assistant" else ():
        yield from _leaf_problems(TOOL, tool, path)
        if not tool.get("type"):
            yield f"{_dotted(path)}.type should not be empty"
        yield from _server_problems(tool, f"{_dotted(path)}.")
        yield from _request_problems(tool, f"{_dotted(path)}.")


def inline_tools(raw: Mapping[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The tools that stand inside an assistant, or inside overrides, each with its place."""
    for path in (("model", "tools"), (APPEND,)):
        listed = value_at(raw, path)
        for number, tool in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(tool, dict):
                yield (*path, number), tool


def _type_problems(kind: str, raw: dict[str, Any], known: Collection[str]) -> Iterator[str]:
    tools = inline_tools(raw) if kind == "assistant" else iter([((), raw)] if kind == "tool" else [])
    for path, tool in tools:
        given = tool.get("type")
        if isinstance(given, str) and given and given not in {*TOOL_TYPES, *known}:
            due = ", ".join(sorted(TOOL_TYPES))
            yield f"{_dotted((*path, 'type'))} must be one of the following values: {due}"


def _member_problems(raw: dict[str, Any]) -> Iterator[str]:
    """The assistants that a squad holds, its overrides, and members that are nobody."""
    members = raw.get("members")
    if not isinstance(members, list) or not members:
        yield "members should not be empty" if members in (None, []) else "members must be an array"
        return
    if len(members) > MOST_MEMBERS:
        yield f"members must contain no more than {MOST_MEMBERS} elements"
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


def _destination_problems(kind: str, raw: dict[str, Any]) -> Iterator[str]:
    """The assistants and squads that stand inside destinations, and what destinations change of those that they name."""
    for at, listed in _destination_lists(kind, raw):
        for number, one in enumerate(listed if isinstance(listed, list) else []):
            for name, part in _DESTINATION_PARTS.items():
                if isinstance(one, dict) and isinstance(one.get(name), dict):
                    yield from part_problems(part, one[name], f"{at}.{number}.{name}")


def _destination_lists(kind: str, raw: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if kind == "tool":
        yield "destinations", raw.get("destinations")
    for path, tool in inline_tools(raw) if kind == "assistant" else ():
        yield f"{_dotted(path)}.destinations", tool.get("destinations")
    members = raw.get("members") if kind == "squad" else None
    for number, member in enumerate(members if isinstance(members, list) else []):
        if isinstance(member, dict):
            yield f"members.{number}.assistantDestinations", member.get("assistantDestinations")


def _name_problems(kind: str, raw: dict[str, Any]) -> Iterator[str]:
    name = raw.get("name")
    if isinstance(name, str) and len(name) > NAME_MAX:
        yield f"{kind}.name must be shorter than or equal to {NAME_MAX} characters"


def _server_problems(raw: Mapping[str, Any], at: str) -> Iterator[str]:
    """Addresses to which nothing can be sent, and headers that would smuggle in others."""
    found = raw.get("server")
    server = found if isinstance(found, dict) else {}
    for name, url in (("server.url", server.get("url")), ("serverUrl", raw.get("serverUrl"))):
        if isinstance(url, str) and url and not _is_url(url):
            yield f"{at}{name} must be a URL address"
    for name, secret in (
        ("server.secret", server.get("secret")),
        ("serverUrlSecret", raw.get("serverUrlSecret")),
    ):
        if isinstance(secret, str) and not (secret.isascii() and secret.isprintable()):
            yield f"{at}{name} must be printable ASCII: it is sent in a header"
    headers = server.get("headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if _BREAK.search(name) or (isinstance(value, str) and _BREAK.search(value)):
            yield f"{at}server.headers must not contain line breaks"


def _request_problems(tool: Mapping[str, Any], at: str) -> Iterator[str]:
    """The same of a tool that asks an address of its own, which may be a template."""
    url, headers = tool.get("url"), value_at(tool, ("headers", "properties"))
    if isinstance(url, str) and url and not url.lower().startswith(("http://", "https://", "{{", "{%")):
        yield f"{at}url must be a URL address"
    for name, header in headers.items() if isinstance(headers, dict) else ():
        value = header.get("value") if isinstance(header, dict) else None
        if _BREAK.search(name) or (isinstance(value, str) and _BREAK.search(value)):
            yield f"{at}headers must not contain line breaks"


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
