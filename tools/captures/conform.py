"""A captured webhook of Vapi's beside the one that Tandem renders for the same call: field by field. Pure."""

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tools.envelope import epoch_ms, webhook_body
from tools.models import Tool
from tools.orders import ToolOrder
from tools.schemas.nodes import kind_of
from tools.snapshots import ToolSnapshot

Kind = Literal["missing", "extra", "type", "value"]

_TIMES = frozenset(
    {"timestamp", "time", "endTime", "secondsFromStart", "duration", "createdAt", "updatedAt", "startedAt"}
)
_IDS = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(call|toolu|chatcmpl-tool)[_-][\w-]+|(CA|PN|AC)[0-9a-f]{32}",
    re.IGNORECASE,
)
# What Tandem adds, so that servers written against any of Vapi's pages can read a call; and what it strips.
_ADDED = re.compile(
    r"message\.(toolCalls|toolCallList)\[0\]\.(function\.parameters|name|arguments|parameters)(\..*|\[.*)?"
)
_ADDED_WITH_TOOL = re.compile(
    r"message\.toolWithToolCallList\[0\]\.toolCall\.(function\.parameters|name|arguments|parameters)(\..*|\[.*)?"
)
_ADDED_AROUND = re.compile(
    r"message\.(artifact\.(transcript|variableValues)|toolWithToolCallList\[0\]\.(id|orgId))"
)
# A frozen tool knows nothing of its history at Vapi.
_LEFT_OUT = re.compile(r"message\.toolWithToolCallList\[0\]\.(createdAt|updatedAt|latestVersion)")
_STRIPPED = re.compile(
    r".*\.(twilioAccountSid|twilioAuthToken|twilioApiKey|twilioApiSecret|serverUrlSecret|secret|apiKey|authToken|callToken"
    r"|clientSecret|privateKey|credentials)(\..*|\[.*)?"
)


class NotComparableError(ValueError):
    """The capture is no tool webhook. The text says what it is instead."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not the same. Values are normalised texts; ``on_purpose`` marks what Tandem wants so."""

    path: str
    kind: Kind
    vapi: str = field(default="", repr=False)
    tandem: str = field(default="", repr=False)
    on_purpose: bool = False


def differences(body: Any, tool: ToolSnapshot | None = None) -> list[Difference]:
    """Every field in which Tandem's webhook differs from this captured body.

    A body with several calls is compared once for each, since Tandem sends one webhook for each. ``tool`` is our own
    definition; without it the body's own is used. Raises NotComparableError.
    """
    message = body.get("message") if isinstance(body, dict) else None
    if not isinstance(message, dict):
        raise NotComparableError("It has no message.")
    found: dict[tuple[str, str], Difference] = {}
    for captured, order in _orders(message, tool):
        sent_at = captured.get("timestamp")
        now_ms = int(sent_at) if isinstance(sent_at, int | float) else epoch_ms(order.requested_at)
        ours = webhook_body(order, now_ms=now_ms)
        for one in _compared({"message": captured}, ours, ""):
            found.setdefault((one.path, one.kind), one)
    return list(found.values())


def _orders(message: dict[str, Any], tool: ToolSnapshot | None) -> Iterator[tuple[dict[str, Any], ToolOrder]]:
    """Each call of the captured message, alone in it, and the order that Tandem would have had for it."""
    match message.get("type"):
        case "tool-calls":
            calls = message.get("toolCalls") or message.get("toolCallList") or []
            definitions = message.get("toolWithToolCallList") or []
            for n, call in enumerate(calls):
                definition = definitions[n] if n < len(definitions) else {}
                alone = {
                    **message,
                    **{
                        key: message[key][n : n + 1]
                        for key in ("toolCalls", "toolCallList", "toolWithToolCallList")
                        if isinstance(message.get(key), list)
                    },
                }
                function = _part(call, "function")
                given = _snapshot(definition, function, tool)
                yield alone, _order(message, given, str(call.get("id", "")), _part(function, "arguments"))
        case "function-call":
            call = _part(message, "functionCall")
            given = _snapshot({}, call, tool, legacy=True)
            yield message, _order(message, given, "call_unknown", _part(call, "parameters"))
        case other:
            raise NotComparableError(f"It is a {other!r} message, not a tool webhook.")


def _snapshot(
    definition: Mapping[str, Any],
    function: Mapping[str, Any],
    tool: ToolSnapshot | None,
    *,
    legacy: bool = False,
) -> ToolSnapshot:
    name = str(function.get("name", ""))
    if tool is not None and tool.name_on_the_wire == name:
        return tool
    described, server = _part(definition, "function"), _part(definition, "server")
    strict = described.get("strict")
    return ToolSnapshot(
        id=str(definition.get("id", "")),
        kind=Tool.Kind.FUNCTION,
        name=name,
        description=str(described.get("description", "")),
        parameters=_part(described, "parameters"),
        server_url=str(server.get("url", "")),
        timeout_s=int(server.get("timeoutSeconds", 20)),
        asynchronous=bool(definition.get("async", False)),
        legacy_form=legacy,
        backoff_plan=_part(server, "backoffPlan"),
        static_parameters=_list(definition, "parameters"),
        messages=_list(definition, "messages"),
        variable_extraction=_part(definition, "variableExtractionPlan"),
        rejection_plan=_part(definition, "rejectionPlan"),
        settings={"strict": strict} if isinstance(strict, bool) else {},
    )


def _order(
    message: dict[str, Any], tool: ToolSnapshot, tool_call_id: str, arguments: dict[str, Any]
) -> ToolOrder:
    call, artifact = _part(message, "call"), _part(message, "artifact")
    asked_at = datetime.fromtimestamp(0, UTC)
    return ToolOrder(
        call_id=_uuid(call.get("id")),
        call_sid=str(call.get("phoneCallProviderId", "")),
        tool_call_id=tool_call_id,
        tool=tool,
        arguments=arguments,
        requested_at=asked_at,
        expires_at=asked_at + timedelta(seconds=tool.timeout_s),
        context={
            "call": call,
            "assistant": _part(message, "assistant"),
            "phoneNumber": _part(message, "phoneNumber"),
            "customer": _part(message, "customer"),
            "assistantVersion": message.get("assistantVersion"),
            "messages": _list(artifact, "messages"),
            "variableValues": _part(artifact, "variableValues"),
        },
    )


def _compared(vapi: Any, tandem: Any, path: str, key: str = "") -> Iterator[Difference]:
    if isinstance(vapi, dict) and isinstance(tandem, dict):
        names = [*vapi, *(name for name in tandem if name not in vapi)]
        places: list[tuple[str, Any, str]] = [
            (f"{path}.{name}" if path else name, name, name) for name in names
        ]
        yield from _parts_compared(vapi, tandem, places)
    elif isinstance(vapi, list) and isinstance(tandem, list):
        numbers = range(max(len(vapi), len(tandem)))
        places = [(f"{path}[{n}]", n, key) for n in numbers]
        yield from _parts_compared(dict(enumerate(vapi)), dict(enumerate(tandem)), places)
    elif kind_of(vapi) != kind_of(tandem):
        yield _difference(path, "type", vapi=kind_of(vapi), tandem=kind_of(tandem))
    elif _normal(vapi, key) != _normal(tandem, key):
        yield _difference(path, "value", vapi=_shown(vapi, key), tandem=_shown(tandem, key))


def _parts_compared(
    vapi: Mapping[Any, Any], tandem: Mapping[Any, Any], places: Iterable[tuple[str, Any, str]]
) -> Iterator[Difference]:
    for path, part, key in places:
        if part not in tandem:
            yield _difference(path, "missing", vapi=_shown(vapi[part], key))
        elif part not in vapi:
            yield _difference(path, "extra", tandem=_shown(tandem[part], key))
        else:
            yield from _compared(vapi[part], tandem[part], path, key)


def _difference(path: str, kind: Kind, *, vapi: str = "", tandem: str = "") -> Difference:
    wanted = {"extra": (_ADDED, _ADDED_WITH_TOOL, _ADDED_AROUND), "missing": (_STRIPPED, _LEFT_OUT)}
    on_purpose = any(pattern.fullmatch(path) for pattern in wanted.get(kind, ()))
    return Difference(path, kind, vapi, tandem, on_purpose=on_purpose)


def _normal(value: Any, key: str) -> Any:
    """The value without what differs between any two calls: moments and ids."""
    if key in _TIMES and value is not None:
        return "<time>"
    if isinstance(value, str):
        return _IDS.sub("<id>", value)
    return value


def _shown(value: Any, key: str) -> str:
    normal = _normal(value, key)
    if isinstance(normal, dict | list):
        return f"{kind_of(normal)} of {len(normal)}"
    text = str(normal)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _part(given: Any, key: str) -> dict[str, Any]:
    part = given.get(key) if isinstance(given, Mapping) else None
    return part if isinstance(part, dict) else {}


def _list(given: Mapping[str, Any], key: str) -> list[Any]:
    part = given.get(key)
    return part if isinstance(part, list) else []


def _uuid(text: object) -> uuid.UUID:
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return uuid.UUID(int=0)
