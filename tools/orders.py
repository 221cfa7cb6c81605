"""What the live call asks of a worker: one tool call, complete, so that forwarding it needs no other row."""

import uuid
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, cast

from tools.auth.credentials import ServerAuth
from tools.redaction.keeping import Keeping
from tools.sealing import unseal
from tools.snapshots import ToolSnapshot

ITEM_ID_MAX = 64
TIMEOUT_MAX_S = 300

ServerFrom = Literal["", "tool", "assistant", "number", "organisation"]
_TOOL_FIELDS = frozenset(one.name for one in fields(ToolSnapshot))
_SERVERS = ("", "tool", "assistant", "number", "organisation")


class OrderError(ValueError):
    """An order that no release ever wrote. The text names the field and holds none of its content."""


@dataclass(frozen=True, slots=True)
class ToolOrder:
    """One tool call to be forwarded.

    ``expires_at`` is the moment the model is told that it timed out: from then on it must not be sent.
    ``auth`` is what convinces the server, as Fernet tokens; ``server_from`` says whose server that is. ``context``
    holds ``call``, ``assistant``, ``phoneNumber``, ``customer`` and ``messages`` in Vapi's shapes, optionally
    ``assistantVersion`` and ``variableValues``. ``mocks``, where it is not None, answers in the server's place.
    ``keeping`` says what of it may be written down.
    """

    call_id: uuid.UUID
    call_sid: str
    tool_call_id: str
    tool: ToolSnapshot
    arguments: dict[str, Any] = field(repr=False)
    requested_at: datetime
    expires_at: datetime
    context: dict[str, Any] = field(repr=False)
    server_from: ServerFrom = ""
    auth: ServerAuth = field(default_factory=ServerAuth)
    mocks: list[dict[str, Any]] | None = field(default=None, repr=False)
    keeping: Keeping = field(default_factory=Keeping)

    def to_json(self) -> dict[str, Any]:
        """The order as JSON-ready values: what the task is called with."""
        return {
            **({"mocks": self.mocks} if self.mocks is not None else {}),
            **({} if self.keeping.everything else {"keeping": self.keeping.to_json()}),
            "call_id": str(self.call_id),
            "call_sid": self.call_sid,
            "tool_call_id": self.tool_call_id,
            "tool": asdict(self.tool),
            "arguments": self.arguments,
            "requested_at": self.requested_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "context": self.context,
            "server_from": self.server_from,
            "auth": self.auth.to_json(),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "ToolOrder":
        """The order behind its JSON, sealed or not; keys it does not know are left aside. Raises OrderError."""
        stored = unseal(stored)
        tool = _dict(stored, "tool")
        timeout_s = tool.get("timeout_s")
        if not isinstance(timeout_s, int) or not 1 <= timeout_s <= TIMEOUT_MAX_S:
            raise OrderError(f"timeout_s is not a number of seconds from 1 to {TIMEOUT_MAX_S}")
        server_from = _text(stored, "server_from", missing="")
        if server_from not in _SERVERS:
            raise OrderError("server_from is neither tool, nor assistant, nor number, nor organisation")
        return cls(
            call_id=_uuid(stored, "call_id"),
            call_sid=_text(stored, "call_sid"),
            tool_call_id=_item_id(stored),
            tool=_tool(tool),
            arguments=_dict(stored, "arguments"),
            requested_at=moment_read(stored, "requested_at"),
            expires_at=moment_read(stored, "expires_at"),
            context=_dict(stored, "context"),
            server_from=cast(ServerFrom, server_from),
            auth=_auth(stored),
            mocks=_mocks(stored),
            keeping=Keeping.from_json(stored.get("keeping")),
        )


@dataclass(frozen=True, slots=True)
class ToolRefusal:
    """A tool call that was refused before any sending; of an order only what is known then."""

    call_id: uuid.UUID
    tool_call_id: str
    name: str
    tool_id: str
    arguments: dict[str, Any] = field(repr=False)
    requested_at: datetime | None

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "ToolRefusal":
        """The refusal behind a whole order's JSON, or behind the least of it.

        ``call_id`` and ``tool_call_id`` must be there; ``name`` (or ``tool.name``), ``tool.id``, ``arguments`` and
        ``requested_at`` may. Raises OrderError.
        """
        tool = stored.get("tool")
        tool = tool if isinstance(tool, dict) else {}
        arguments = stored.get("arguments")
        return cls(
            call_id=_uuid(stored, "call_id"),
            tool_call_id=_item_id(stored),
            name=str(stored.get("name") or tool.get("name") or ""),
            tool_id=str(tool.get("id") or ""),
            arguments=arguments if isinstance(arguments, dict) else {},
            requested_at=moment_read(stored, "requested_at") if stored.get("requested_at") else None,
        )


def moment_read(stored: dict[str, Any], key: str) -> datetime:
    """The aware moment at ``key``. Raises OrderError."""
    try:
        moment = datetime.fromisoformat(_text(stored, key))
    except ValueError as exc:
        raise OrderError(f"{key} is not an ISO moment") from exc
    if moment.tzinfo is None:
        raise OrderError(f"{key} has no time zone")
    return moment


def _tool(stored: dict[str, Any]) -> ToolSnapshot:
    for key in ("id", "kind", "name", "description", "server_url"):
        _text(stored, key)
    _dict(stored, "parameters")
    return ToolSnapshot(**{key: value for key, value in stored.items() if key in _TOOL_FIELDS})


def _auth(stored: dict[str, Any]) -> ServerAuth:
    try:
        return ServerAuth.from_json(_dict(stored, "auth") if "auth" in stored else {})
    except TypeError as exc:
        raise OrderError("auth has not the shape of one") from exc


def _mocks(stored: dict[str, Any]) -> list[dict[str, Any]] | None:
    mocks = stored.get("mocks")
    if mocks is not None and not (isinstance(mocks, list) and all(isinstance(one, dict) for one in mocks)):
        raise OrderError("mocks is not a list of objects")
    return mocks


def _text(stored: dict[str, Any], key: str, *, missing: str | None = None) -> str:
    value = stored.get(key, missing)
    if not isinstance(value, str):
        raise OrderError(f"{key} is not a text")
    return value


def _dict(stored: dict[str, Any], key: str) -> dict[str, Any]:
    value = stored.get(key)
    if not isinstance(value, dict):
        raise OrderError(f"{key} is not an object")
    return value


def _uuid(stored: dict[str, Any], key: str) -> uuid.UUID:
    try:
        return uuid.UUID(_text(stored, key))
    except ValueError as exc:
        raise OrderError(f"{key} is not a UUID") from exc


def _item_id(stored: dict[str, Any]) -> str:
    value = _text(stored, "tool_call_id")
    if not 0 < len(value) <= ITEM_ID_MAX:
        raise OrderError(f"tool_call_id is not 1 to {ITEM_ID_MAX} characters long")
    return value
