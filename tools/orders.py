"""What the live call asks of a worker: one tool call, complete, so that forwarding it needs no other row."""

import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from tools.snapshots import ToolSnapshot

ITEM_ID_MAX = 64
TIMEOUT_MAX_S = 300

SecretFrom = Literal["", "tool", "assistant"]


class OrderError(ValueError):
    """An order that no release ever wrote. The text names the field and holds none of its content."""


@dataclass(frozen=True, slots=True)
class ToolOrder:
    """One tool call to be forwarded.

    ``expires_at`` is the moment the model is told that it timed out: from then on it must not be sent.
    ``server_secret_token`` is the secret as a Fernet token (``tools.encryption.encrypt``), empty when none is
    sent; ``secret_from`` says whose it is. ``context`` holds ``call``, ``assistant``, ``phoneNumber``,
    ``customer`` and ``messages`` in Vapi's shapes, optionally ``assistantVersion`` and ``variableValues``.
    """

    call_id: uuid.UUID
    call_sid: str
    tool_call_id: str
    tool: ToolSnapshot
    arguments: dict[str, Any] = field(repr=False)
    requested_at: datetime
    expires_at: datetime
    context: dict[str, Any] = field(repr=False)
    secret_from: SecretFrom = ""
    server_secret_token: str = field(default="", repr=False)

    def to_json(self) -> dict[str, Any]:
        """The order as JSON-ready values: what the task is called with."""
        return {
            "call_id": str(self.call_id),
            "call_sid": self.call_sid,
            "tool_call_id": self.tool_call_id,
            "tool": asdict(self.tool),
            "arguments": self.arguments,
            "requested_at": self.requested_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "context": self.context,
            "secret_from": self.secret_from,
            "server_secret_token": self.server_secret_token,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "ToolOrder":
        """The order behind its JSON; keys it does not know are left aside. Raises OrderError."""
        tool = _dict(stored, "tool")
        timeout_s = tool.get("timeout_s")
        if not isinstance(timeout_s, int) or not 1 <= timeout_s <= TIMEOUT_MAX_S:
            raise OrderError(f"timeout_s is not a number of seconds from 1 to {TIMEOUT_MAX_S}")
        secret_from = _text(stored, "secret_from", missing="")
        if secret_from not in ("", "tool", "assistant"):
            raise OrderError("secret_from is neither tool nor assistant")
        return cls(
            call_id=_uuid(stored, "call_id"),
            call_sid=_text(stored, "call_sid"),
            tool_call_id=_item_id(stored),
            tool=ToolSnapshot(
                id=_text(tool, "id"),
                kind=_text(tool, "kind"),
                name=_text(tool, "name"),
                description=_text(tool, "description"),
                parameters=_dict(tool, "parameters"),
                server_url=_text(tool, "server_url"),
                timeout_s=timeout_s,
            ),
            arguments=_dict(stored, "arguments"),
            requested_at=moment_read(stored, "requested_at"),
            expires_at=moment_read(stored, "expires_at"),
            context=_dict(stored, "context"),
            secret_from=cast(SecretFrom, secret_from),
            server_secret_token=_text(stored, "server_secret_token", missing=""),
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
