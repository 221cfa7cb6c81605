"""Vapi's REST for assistants, tools, squads and phone numbers, below `/vapi`.

Lists are bare arrays, newest first, without totals; no path ends in a slash; errors are
`{"message", "error", "statusCode"}`. Its data are the files in `vapi_data/`. PATCH replaces whole top-level keys and
refuses read-only ones, as Vapi does.

Control, below `/simulator/vapi`: `PUT /{path}/{id}` stores an object as it is, `PATCH` edits one as somebody would in
Vapi's dashboard, `DELETE` removes one, `POST /failures` adds what goes wrong next (a list of `VapiFailure`), and
`DELETE` of the root puts everything back.
"""

import asyncio
import math
import uuid
from collections import deque
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from simulator.asgi import Receive, Scope, Send, header, query, read_body, respond, respond_json

JSON = dict[str, Any]

PREFIX: Final = "/vapi"
CONTROL: Final = "/simulator/vapi"
PUBLIC_KEY: Final = "simulator-public"  # the one key that is refused for being public
_DATA: Final = Path(__file__).parent / "vapi_data"
_FILES: Final = {
    "assistant": "assistants.json",
    "tool": "tools.json",
    "squad": "squads.json",
    "phone-number": "phone-numbers.json",
}
_NAMES: Final = {
    "assistant": "Assistant",
    "tool": "Tool",
    "squad": "Squad",
    "phone-number": "Phone Number",
}
_READ_ONLY: Final = ("id", "orgId", "createdAt", "updatedAt", "isServerUrlSecretSet", "latestVersion")
_REASONS: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
_ORG: Final = "7c1f0b52-3d0e-4a0b-9f5e-2a6c1f4de901"
_MAX_LIMIT: Final = 1000
_DEFAULT_LIMIT: Final = 100
_MAX_NAME: Final = 40
_COMPARE: Final = {
    "Gt": lambda one, other: one > other,
    "Lt": lambda one, other: one < other,
    "Ge": lambda one, other: one >= other,
    "Le": lambda one, other: one <= other,
}
_PERIODS: Final = {
    f"{moment}{how}": (moment, how) for moment in ("createdAt", "updatedAt") for how in _COMPARE
}


@dataclass(frozen=True, slots=True)
class VapiFailure:
    """What happens to one request: `after_ms` first, then an error `status`, or a good answer bent by `body`.

    `body` is one of html, truncated (a body that ends before its announced length), half (JSON cut in the middle,
    announced as complete), gzip (announced but not done), redirect, drop (no answer at all).
    """

    status: int = 0
    retry_after: str = ""
    after_ms: float = 0.0
    body: str = ""


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """An error to answer with."""

    def __init__(self, status: int, message: str | list[str]) -> None:
        super().__init__(status)
        self.status = status
        self.body: JSON = {"message": message, "error": _REASONS[status], "statusCode": status}
        if status == 401:
            del self.body["error"]


class Vapi:
    """The API. `objects` may be changed, `failures` are used up in order, one a request; `requests` records all."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, JSON]] = {}
        self.failures: deque[VapiFailure] = deque()
        self.requests: deque[JSON] = deque(maxlen=1000)
        self.reset()

    def reset(self) -> None:
        """Put all data back as the files have them, and forget failures and requests."""
        self.objects = {
            kind: {item["id"]: item for item in orjson.loads((_DATA / file).read_bytes())}
            for kind, file in _FILES.items()
        }
        self.failures.clear()
        self.requests.clear()

    def edit(self, kind: str, object_id: str, changes: JSON) -> JSON:
        """Edit an object as somebody would in Vapi's dashboard: whole top-level keys; null takes one away."""
        edited = {**self.objects[kind][object_id], **changes, "updatedAt": _now()}
        version = str(edited.get("latestVersion") or "")
        if version[1:].isdecimal():
            edited["latestVersion"] = f"v{int(version[1:]) + 1}"
        self.objects[kind][object_id] = {key: value for key, value in edited.items() if value is not None}
        return self.objects[kind][object_id]

    # --- What Vapi serves ------------------------------------------------------------------------------------

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below /vapi."""
        body = await read_body(receive)
        path = scope["path"].removeprefix(PREFIX)
        self.requests.append({"method": scope["method"], "path": path, "query": query(scope)})
        failure = self.failures.popleft() if self.failures else VapiFailure()
        await asyncio.sleep(failure.after_ms / 1000)
        if failure.status:
            await _fail(send, failure)
            return
        try:
            status, answer = self._answer(scope, path, body)
        except Refused as refused:
            status, answer = refused.status, refused.body
        if failure.body:
            await _bend(failure.body, orjson.dumps(answer), receive, send)
        else:
            await respond_json(send, answer, status=status)

    def _answer(self, scope: Scope, path: str, body: bytes) -> tuple[int, Any]:
        _authenticate(scope)
        method = scope["method"]
        match path.split("/"):
            case ["", kind] if kind in self.objects:
                if method == "GET":
                    return 200, _listed(self.objects[kind].values(), query(scope))
                if method == "POST" and kind == "assistant":
                    return 201, self._create(kind, _object(body))
            case ["", kind, object_id] if kind in self.objects and object_id:
                return 200, self._one(method, kind, object_id, body)
            case _:
                pass
        raise Refused(404, f"Cannot {method} {path}")

    def _one(self, method: str, kind: str, object_id: str, body: bytes) -> JSON:
        if object_id not in self.objects[kind]:
            name = _NAMES[kind]
            raise Refused(404, f"Couldn't Get {name}. `{kind}Id` {object_id} Does Not Exist.")
        if method == "GET":
            return self.objects[kind][object_id]
        if method == "PATCH" and kind == "assistant":
            return self.edit(kind, object_id, _accepted(_object(body)))
        if method == "DELETE":
            return self.objects[kind].pop(object_id)
        raise Refused(404, f"Cannot {method} /{kind}/{object_id}")

    def _create(self, kind: str, body: JSON) -> JSON:
        now = _now()
        made = {"id": str(uuid.uuid4()), "orgId": _ORG, "createdAt": now, "updatedAt": now, **_accepted(body)}
        self.objects[kind][made["id"]] = made
        return made

    # --- Control ---------------------------------------------------------------------------------------------

    async def control(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below /simulator/vapi. Raises ValueError that says what is wrong with it."""
        body = await read_body(receive)
        method = scope["method"]
        match scope["path"].removeprefix(CONTROL).strip("/").split("/"):
            case [""] if method == "DELETE":
                self.reset()
                await respond_json(send, {kind: len(held) for kind, held in self.objects.items()})
            case ["failures"] if method == "POST":
                self.failures.extend(_failures(orjson.loads(body)))
                await respond_json(send, {"waiting": len(self.failures)})
            case [kind, object_id] if kind in self.objects:
                await respond_json(send, self._control_one(method, kind, object_id, body))
            case _:
                await respond_json(send, {"error": f"nothing at {method} {scope['path']}"}, status=404)

    def _control_one(self, method: str, kind: str, object_id: str, body: bytes) -> JSON:
        if method == "PUT":
            self.objects[kind][object_id] = {**orjson.loads(body), "id": object_id}
            return self.objects[kind][object_id]
        if object_id not in self.objects[kind]:
            raise ValueError(f"there is no {kind} {object_id}")
        if method == "PATCH":
            return self.edit(kind, object_id, orjson.loads(body))
        if method == "DELETE":
            return self.objects[kind].pop(object_id)
        raise ValueError(f"PUT, PATCH or DELETE, not {method}")


def _authenticate(scope: Scope) -> None:
    kind, _, key = (header(scope, "authorization") or "").partition(" ")
    if kind != "Bearer" or not key.strip():
        raise Refused(401, "Unauthorized")
    if key == PUBLIC_KEY or key.startswith("invalid"):
        raise Refused(
            401,
            "Invalid Key. Hot tip, you may be using the private key instead of the public key, or vice versa.",
        )


def _listed(held: Any, asked: dict[str, str]) -> list[JSON]:
    """The newest objects that were asked for. Raises Refused for parameters that Vapi does not know."""
    problems = [
        f"property {name} should not exist" for name in asked if name != "limit" and name not in _PERIODS
    ]
    limit = _limit(asked.get("limit"), problems)
    bounds = [
        (*_PERIODS[name], _moment(text, name, problems)) for name, text in asked.items() if name in _PERIODS
    ]
    if problems:
        raise Refused(400, problems)
    fitting = [
        item
        for item in held
        if all(_COMPARE[how](_moment(item[moment], moment, []), bound) for moment, how, bound in bounds)
    ]
    fitting.sort(key=lambda item: _moment(item["createdAt"], "createdAt", []))
    fitting.reverse()  # after, not by `sort`: of one moment, what was added last is the newest
    return fitting[:limit]


def _limit(text: str | None, problems: list[str]) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        problems.append("limit must be a number conforming to the specified constraints")
        return 0
    if limit > _MAX_LIMIT:
        problems.append(f"limit must not be greater than {_MAX_LIMIT}")
    if limit < 0:
        problems.append("limit must not be less than 0")
    return int(limit)


def _moment(text: str, name: str, problems: list[str]) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        problems.append(f"{name} must be a valid ISO 8601 date string")
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _object(body: bytes) -> JSON:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, str(error)) from error
    if not isinstance(value, dict):
        raise Refused(400, "the body must be an object")
    return value


def _accepted(body: JSON) -> JSON:
    """The body of a POST or PATCH. Raises Refused for what Vapi refuses."""
    problems = [f"property {name} should not exist" for name in _READ_ONLY if name in body]
    if len(str(body.get("name") or "")) > _MAX_NAME:
        problems.append(f"name must be shorter than or equal to {_MAX_NAME} characters")
    if problems:
        raise Refused(400, problems)
    return body


def _failures(asked: Any) -> list[VapiFailure]:
    known = {field.name for field in fields(VapiFailure)}
    if not isinstance(asked, list) or not all(isinstance(entry, dict) for entry in asked):
        raise ValueError("a list of failures is due")
    for entry in asked:
        if unknown := entry.keys() - known:
            raise ValueError(f"unknown keys {sorted(unknown)}; known are {sorted(known)}")
    return [VapiFailure(**entry) for entry in asked]


async def _fail(send: Send, failure: VapiFailure) -> None:
    if failure.body == "html":
        page = b"<!DOCTYPE html><html><body><h1>Simulated trouble</h1></body></html>"
        await respond(send, page, status=failure.status, content_type="text/html")
        return
    reason = _REASONS.get(failure.status, "Simulated")
    body = {"message": reason, "error": reason, "statusCode": failure.status}
    more = ((b"retry-after", failure.retry_after.encode()),) if failure.retry_after else ()
    await respond(send, orjson.dumps(body), status=failure.status, headers=more)


async def _bend(how: str, good: bytes, receive: Receive, send: Send) -> None:
    match how:
        case "html":
            await respond(send, b"<!DOCTYPE html><html><body>Sign in</body></html>", content_type="text/html")
        case "half":
            await respond(send, good[: len(good) // 2])
        case "gzip":
            await respond(send, good, headers=((b"content-encoding", b"gzip"),))
        case "redirect":
            await respond(send, b"", status=307, headers=((b"location", b"/vapi/assistant"),))
        case "truncated":
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(good)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": good[: len(good) // 2], "more_body": True})
            await asyncio.sleep(0.05)  # or what was written is thrown away with the connection
            _drop(receive)
        case "drop":
            _drop(receive)
        case _:
            raise ValueError(f"unknown body {how!r}")


def _drop(receive: Receive) -> None:
    """Break the connection. ASGI has no word for that; uvicorn's request holds the transport."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is not None:
        transport.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
