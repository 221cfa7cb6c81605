"""The few lines of plain ASGI that the simulator's servers share."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_MAX_BODY: Final = 32 * 1024 * 1024


class Gone(Exception):  # noqa: N818 - the peer left, which is nobody's error
    """The client went away before its request was complete."""


def header(scope: Scope, name: str) -> str | None:
    """The first header of that name, None without one."""
    wanted = name.lower().encode()
    for key, value in scope["headers"]:
        if key.lower() == wanted:
            text: str = value.decode("latin-1")
            return text
    return None


def query(scope: Scope) -> dict[str, str]:
    """The first value of each query parameter."""
    return {key: values[0] for key, values in parse_qs(scope["query_string"].decode("latin-1")).items()}


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request. Raises Gone if the client left, ValueError beyond 32 MiB."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _MAX_BODY:
            raise ValueError("body too long")
        if not message.get("more_body"):
            return b"".join(parts)


async def respond(
    send: Send,
    body: bytes,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Send a complete response."""
    lines = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, value: Any, *, status: int = 200) -> None:
    """Send a value as JSON."""
    await respond(send, orjson.dumps(value), status=status)


def drop(receive: Receive) -> None:
    """Break the connection. ASGI has no word for that; uvicorn's request holds the transport."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is not None:
        transport.close()
