"""The OpenAPI document: the parts joined, with what holds for all of them."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from config.openapi.parts import PARTS
from tools.access.bodies import MAX_BYTES, MAX_DEPTH
from tools.access.described import (
    Operation,
    Part,
    Schema,
    Socket,
    Webhook,
    array,
    integer,
    record,
    ref,
    text,
)
from tools.access.keys import SCOPES

Document = dict[str, Any]

VERSION: Final = "1.0"
INTRODUCTION: Final = (
    "The API of Tandem. Programs that were written for Vapi change two things: the base URL, which is the address of this "
    "server, and the key. Paths end in no slash. Lists are bare arrays, the newest first. `DELETE` answers 200 with what was "
    "deleted. `PATCH` replaces whole keys, and null takes one out. Errors are `{message, error, statusCode}`, with one sentence for "
    f"everything that is wrong. Bodies have {MAX_BYTES // 1_000_000} MB and {MAX_DEPTH} levels at most."
)
ERROR: Final = record(
    {
        "message": {
            "anyOf": [text(), array(text())],
            "description": "What is wrong; a list where it may be more than one thing.",
        },
        "error": text("The words of the status."),
        "statusCode": integer(),
    },
    required="message error statusCode",
)
_ERRORS: Final[dict[int, str]] = {
    400: "Something is wrong with the request; `message` says what.",
    401: "No key, or one that opens nothing.",
    403: "The key lacks the scope.",
    404: "There is no such object.",
    410: "It was erased since.",
    422: "The same `Idempotency-Key` was sent with another body.",
    409: "Something else uses it, or somebody changes it at this moment.",
    413: "The body is too large.",
    429: "Too many requests of this key; `Retry-After` says when to come again.",
    503: "Something is in use or away, or other changes take too long. `Retry-After`, where it is told, says when to try again.",
}
# By whether an answer counts.
_NOT_TAKEN: Final = {
    False: "Not taken. Sent again after 408, 425, 429, 500, 502, 503 and 504, and as the server's own plan says, if it is a message "
    "that lasts; nothing is told anew of what passes.",
    True: "No answer. A tool is asked again only where the plan of its server says so.",
}


def document(parts: Iterable[Part] = PARTS, *, server: str = "/") -> Document:
    """All of the API as an OpenAPI 3.1 document. ``server`` is its base URL."""
    parts = tuple(parts)
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Schema] = {"Error": ERROR}
    for part in parts:
        assert not schemas.keys() & part.schemas.keys(), f"two schemas of one name in {part.title}"
        schemas |= part.schemas
        for one in part.operations:
            paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, part)
    for path, operations in paths.items():
        if "{id}" in path:
            operations["parameters"] = [
                {
                    "name": "id",
                    "in": "path",
                    "required": True,
                    "schema": text(minLength=1, pattern=r"^[^/\x00]+$"),
                }
            ]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tandem", "version": VERSION, "description": INTRODUCTION},
        "servers": [{"url": server}],
        "security": [{"key": []}],
        "tags": [{"name": part.title, "description": part.description} for part in parts],
        "paths": paths,
        "webhooks": {one.kind: {"post": _webhook(one, part)} for part in parts for one in part.webhooks},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key from *API keys* in the admin. It does what its scopes say: "
                    + ", ".join(f"`{scope}`" for scope in SCOPES)
                    + ".",
                }
            },
        },
        "x-websockets": [_socket(socket, part) for part in parts for socket in part.sockets],
    }


def statuses(one: Operation) -> dict[int, str]:
    """What an operation may answer beside its success, and when."""
    known = {400, 401, 403, 429, 503, *one.errors}
    if one.body is not None:
        known.add(413)
    if "{" in one.path:
        known.add(404)
    return {status: _ERRORS[status] for status in sorted(known)}


def _operation(one: Operation, part: Part) -> dict[str, Any]:
    done: dict[str, Any] = {"description": HTTPStatus(one.status).phrase}
    if one.answer is not None:
        content: dict[str, Any] = {"schema": one.answer}
        if one.answered is not None:
            content["example"] = one.answered
        done["content"] = {"application/json": content}
    described: dict[str, Any] = {
        "operationId": one.id,
        "tags": [part.title],
        "summary": one.summary,
        **({"description": one.description} if one.description else {}),
        "parameters": [
            {
                "name": each.name,
                "in": place,
                "required": False,
                "description": each.description,
                "schema": each.schema,
            }
            for place, several in (("query", one.query), ("header", one.headers))
            for each in several
        ],
        "responses": {
            str(one.status): done,
            **{
                str(status): {
                    "description": told,
                    "content": {"application/json": {"schema": ref("Error")}},
                    **({"headers": {"Retry-After": {"schema": integer()}}} if status in (429, 503) else {}),
                }
                for status, told in statuses(one).items()
                if status != one.status
            },
        },
    }
    if one.tokened:
        described["security"] = [{"key": []}, {}]
    if one.scope:
        described["x-scope"] = one.scope
    if one.body is not None:
        content = {"schema": one.body, **({"example": dict(one.example)} if one.example is not None else {})}
        described["requestBody"] = {"required": one.body_required, "content": {"application/json": content}}
    return described


def _webhook(one: Webhook, part: Part) -> dict[str, Any]:
    taken: dict[str, Any] = {"description": "Taken. The body is not read."}
    if one.answer is not None:
        content = {"application/json": {"schema": one.answer}}
        taken = {"description": "The answer.", "content": content}
    return {
        "operationId": f"message_{one.kind.replace('-', '_').replace('.', '_')}",
        "tags": [part.title],
        "summary": one.summary,
        "description": one.description,
        # What convinces a server is set up with it, and differs from one to the next.
        "security": [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": one.body}}},
        "responses": {"2XX": taken, "default": {"description": _NOT_TAKEN[one.answer is not None]}},
    }


def _socket(socket: Socket, part: Part) -> dict[str, Any]:
    return {
        "path": socket.path,
        "tags": [part.title],
        "summary": socket.summary,
        "description": socket.description,
        "x-scope": socket.scope,
    }
