"""The Model Context Protocol's messages, as far as calling tools needs them. Pure.

Two eras are spoken: revision 2026-07-28, in which every request says by itself what it needs ("modern"), and the
revisions before it, which begin with ``initialize`` ("legacy"). Nothing is offered to a server beyond calling its
tools: no sampling, no elicitation, no roots.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from tools.jsontext import json_clean, json_text

MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
LEGACY_KNOWN: Final = frozenset(
    {LEGACY, "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"}
)  # fmt: skip
OLD_SSE: Final = "2024-11-05"

INPUT_REQUIRED: Final = "input_required"
_META: Final = "io.modelcontextprotocol"
_CLIENT: Final = {"name": "Tandem", "version": "1.0.0"}

# Errors that only a modern server gives: HeaderMismatch, MissingRequiredClientCapability, UnsupportedProtocolVersion.
UNSUPPORTED_VERSION: Final = -32022
_MODERN_ERRORS: Final = frozenset({-32020, -32021, UNSUPPORTED_VERSION})
METHOD_NOT_FOUND: Final = -32601
# JSON-RPC's and the protocol's words for a request that was turned down before anything was done.
_TURNED_DOWN: Final = _MODERN_ERRORS | {-32700, -32600, METHOD_NOT_FOUND, -32602}

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLAIN_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_SESSION_ID: Final = re.compile(r"[\x21-\x7e]{1,1024}")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")

# A guess at what a voice model can still use; longer ones are cut, for they travel with every turn.
DESCRIPTION_MAX: Final = 2_000
NAME_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class RpcError:
    """A JSON-RPC error. ``turned_down`` says that the request was refused before anything was done."""

    code: int
    message: str
    data: Any = field(default=None, repr=False)

    @property
    def turned_down(self) -> bool:
        """Whether nothing was done for certain, by the meaning of the code."""
        return self.code in _TURNED_DOWN

    @property
    def is_modern(self) -> bool:
        """Whether only a server of the modern era gives such an error."""
        return self.code in _MODERN_ERRORS


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to one request: a result, or an error."""

    id: Any
    result: dict[str, Any] = field(default_factory=dict, repr=False)
    error: RpcError | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream. ``kind`` is ``message`` where the server names none."""

    kind: str
    data: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """One tool of a server, as the server describes it."""

    name: str
    description: str
    schema: dict[str, Any] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The tool in the protocol's words."""
        return {"name": self.name, "description": self.description, "inputSchema": self.schema}


def request(method: str, params: Mapping[str, Any], *, request_id: str, modern: bool) -> dict[str, Any]:
    """A JSON-RPC request; in the modern era it carries who asks and what it can do."""
    meta = {
        f"{_META}/protocolVersion": MODERN,
        f"{_META}/clientInfo": _CLIENT,
        f"{_META}/clientCapabilities": {},
    }
    given = {**params, "_meta": meta} if modern else dict(params)
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": given}


def initialize(request_id: str, *, version: str = LEGACY) -> dict[str, Any]:
    """The request that opens a legacy session."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": _CLIENT}
    return request("initialize", params, request_id=request_id, modern=False)


def initialized() -> dict[str, Any]:
    """The notification that ends the opening of a legacy session."""
    return {"jsonrpc": "2.0", "method": "notifications/initialized"}


def legacy_headers(version: str, session_id: str) -> dict[str, bytes]:
    """What every request of an opened session carries."""
    headers = {"MCP-Protocol-Version": version.encode()}
    if session_id:
        headers["Mcp-Session-Id"] = session_id.encode()
    return headers


def modern_headers(method: str, *, name: str = "") -> dict[str, bytes]:
    """What a modern request repeats of its body for those who route it."""
    headers = {"MCP-Protocol-Version": MODERN.encode(), "Mcp-Method": method.encode()}
    if name:
        headers["Mcp-Name"] = header_text(name)
    return headers


def header_text(value: object) -> bytes:
    """A value as a header carries it: as it is where that is plain, else in the protocol's Base64 form."""
    match value:
        case bool():
            text = "true" if value else "false"
        case _:
            text = str(value)
    if _PLAIN_VALUE.fullmatch(text) and not (text.startswith("=?base64?") and text.endswith("?=")):
        return text.encode()
    return b"=?base64?" + base64.b64encode(text.encode()) + b"?="


def param_headers(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, bytes]:
    """The arguments that the tool's schema wants repeated in headers (``x-mcp-header``); none for null or missing ones."""
    found: dict[str, bytes] = {}
    for path, name, _ in _marked(schema):
        value: Any = arguments
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, str | int):
            found[f"Mcp-Param-{name}"] = header_text(value)
    return found


def param_headers_problem(schema: Mapping[str, Any]) -> str:
    """Why the schema's ``x-mcp-header`` marks break the protocol's rules, as a clause; empty where they do not.

    A tool with such marks must be left out: what its headers would say could be told from its body.
    """
    marked = list(_marked(schema))
    names = [name.lower() for _, name, _ in marked if isinstance(name, str)]
    if _marks_count(schema) != len(marked):
        return "it marks something else than a plain field for a header"
    if any(not isinstance(name, str) or not _TOKEN.fullmatch(name) for _, name, _ in marked):
        return "it wants a header of a name that no header can have"
    if len(set(names)) < len(names):
        return "it wants two values in one header"
    if any(kind not in ("string", "integer", "boolean") for _, _, kind in marked):
        return "it marks something else than a text, an integer or a truth value for a header"
    return ""


def _marked(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Path, header name and type of each marked field that is reached by ``properties`` alone."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    for name, part in (properties if isinstance(properties, Mapping) else {}).items():
        if isinstance(part, Mapping):
            if "x-mcp-header" in part:
                yield (*path, name), part["x-mcp-header"], part.get("type")
            yield from _marked(part, (*path, name))


def _marks_count(schema: Any) -> int:
    """How many marks there are anywhere. A field may be called so itself, which is no mark."""
    if isinstance(schema, list):
        return sum(_marks_count(part) for part in schema)
    if not isinstance(schema, Mapping):
        return 0
    found = int("x-mcp-header" in schema)
    for key, part in schema.items():
        if key == "properties" and isinstance(part, Mapping):
            found += sum(_marks_count(field) for field in part.values())
        elif key not in ("x-mcp-header", "default", "const", "enum", "examples"):
            found += _marks_count(part)
    return found


class EventReader:
    """Reads an event stream as its bytes come in, whatever its line ends are and wherever it is cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._kind = ""
        self._data: list[str] = []
        self.last_id = ""
        self.retry_ms: int | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are complete now."""
        buffer = self._rest + chunk
        if not self._begun:
            if b"\xef\xbb\xbf".startswith(buffer[:3]) and len(buffer) < 3:
                self._rest = buffer
                return []
            buffer = buffer.removeprefix(b"\xef\xbb\xbf")
            self._begun = True
        # A CR at the end may be the first half of a CRLF.
        held = b"\r" if buffer.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(buffer.removesuffix(held) if held else buffer)
        self._rest = rest + held
        return [event for line in lines if (event := self._line(line.decode(errors="replace")))]

    def end(self) -> list[Event]:
        """The event that the end of the stream has left without its blank line, if it has one."""
        return self.feed(b"\n\n")

    def _line(self, line: str) -> Event | None:
        if not line:
            event = Event(self._kind or "message", "\n".join(self._data)) if self._data else None
            self._kind, self._data = "", []
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._kind = value
            case "id" if "\0" not in value:
                self.last_id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_ms = int(value[:9])
            case _:
                pass  # a comment, or what nobody knows
        return None


def is_event_stream(content_type: str) -> bool:
    """Whether an answer of this type is a stream of events."""
    return content_type.partition(";")[0].strip().lower() == "text/event-stream"


def messages_read(body: bytes, content_type: str) -> list[dict[str, Any]]:
    """The JSON-RPC messages of an answer, JSON or a stream; empty where there are none. Never raises."""
    if not is_event_stream(content_type):
        return message_read(body.decode(errors="replace"))
    reader = EventReader()
    events = [*reader.feed(body), *reader.end()]
    return [message for event in events for message in event_messages(event)]


def event_messages(event: Event) -> list[dict[str, Any]]:
    """The JSON-RPC messages of one event."""
    return message_read(event.data) if event.kind == "message" else []


def message_read(text: str) -> list[dict[str, Any]]:
    """The messages of a JSON text: one, or a batch as revision 2025-03-26 allows it."""
    try:
        value = json_clean(json.loads(text.removeprefix("\ufeff")))
    except (ValueError, RecursionError):
        return []
    given = value if isinstance(value, list) else [value]
    return [one for one in given if isinstance(one, dict) and one.get("jsonrpc") == "2.0"]


def reply_find(messages: list[dict[str, Any]], request_id: str) -> Reply | None:
    """The response to the request of this id, or None."""
    for one in messages:
        if "method" not in one and one.get("id") == request_id and is_reply(one):
            return _reply(one)
    return None


def error_find(messages: list[dict[str, Any]], request_id: str) -> RpcError | None:
    """The error about this request, or about one whose id the server could not read; None where there is none."""
    for one in messages:
        if one.get("id") in (request_id, None) and isinstance(one.get("error"), dict):
            return _reply(one).error
    return None


def is_reply(message: Mapping[str, Any]) -> bool:
    """Whether the message is a response."""
    return isinstance(message.get("result"), dict) or isinstance(message.get("error"), dict)


def _reply(message: dict[str, Any]) -> Reply:
    error = message.get("error")
    if not isinstance(error, dict):
        return Reply(message.get("id"), result=message["result"])
    code = error.get("code")
    return Reply(
        message.get("id"),
        error=RpcError(
            code if isinstance(code, int) else 0, str(error.get("message") or ""), error.get("data")
        ),
    )


def session_id_read(value: str) -> str:
    """The session's id as the server gave it, or an empty text for one that no header may carry."""
    return value if _SESSION_ID.fullmatch(value) else ""


def tools_page(result: Mapping[str, Any]) -> tuple[list[Any], str]:
    """The tools of one page of a list as they came, and the cursor of the next, empty at the end."""
    tools, cursor = result.get("tools"), result.get("nextCursor")
    return tools if isinstance(tools, list) else [], cursor if isinstance(cursor, str) else ""


def tool_read(given: Any) -> Listed | str:
    """One tool of a list, or why it cannot be offered, in a clause."""
    if not isinstance(given, dict):
        return "it is no object"
    name, schema = given.get("name"), given.get("inputSchema")
    if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX:
        return "it has no name that can be used"
    if not isinstance(schema, dict):
        return "its inputSchema is no object"
    problem = param_headers_problem(schema)
    if problem:
        return problem
    said = [text for text in (given.get("description"), given.get("title")) if isinstance(text, str)]
    description = next((text.strip() for text in said if text.strip()), "")
    return Listed(name, description[:DESCRIPTION_MAX], schema)


def is_result_text(value: object) -> TypeGuard[str]:
    """Whether a part's field holds words."""
    return isinstance(value, str) and bool(value.strip())


def content_text(result: Mapping[str, Any]) -> str:
    """The result of a tool as one text for the model; what is no text is named, since nobody on a telephone sees it."""
    content = result.get("content")
    parts = [
        text
        for part in (content if isinstance(content, list) else [])
        if isinstance(part, dict) and (text := _part_text(part))
    ]
    structured = result.get("structuredContent")
    if structured is not None and not any(_says(text, structured) for text in parts):
        parts.append(json_text(structured))
    return "\n".join(parts)


def content_value(result: Mapping[str, Any]) -> Any:
    """The result as a value, for variables: what is structured, else its text."""
    structured = result.get("structuredContent")
    return structured if structured is not None else content_text(result)


def _says(text: str, structured: Any) -> bool:
    """Whether the text is the same value; servers give both, for clients that know only texts."""
    try:
        return bool(json_clean(json.loads(text)) == structured)
    except (ValueError, RecursionError):
        return False


def _part_text(part: dict[str, Any]) -> str:
    kind = part.get("type")
    match kind:
        case "text":
            return part["text"].strip() if is_result_text(part.get("text")) else ""
        case "image" | "audio":
            return (
                f"[{_article(kind)} that cannot be given over the telephone: {_named(part.get('mimeType'))}]"
            )
        case "resource_link":
            return f"[a link to {_named(part.get('name'))}: {_named(part.get('uri'))}]"
        case "resource" if isinstance(part.get("resource"), dict):
            resource = part["resource"]
            if is_result_text(resource.get("text")):
                return str(resource["text"]).strip()
            return f"[a file that cannot be given over the telephone: {_named(resource.get('uri'))}]"
        case _:
            return f"[something that cannot be given over the telephone: {_named(kind)}]"


def _article(kind: str) -> str:
    return "an image" if kind == "image" else "a sound"


def _named(value: object) -> str:
    return value.strip()[:300] if is_result_text(value) else "without a name"
