"""Vapi's REST for assistants, tools, squads, phone numbers and calls (`vapi_calls.py`), below `/vapi`.

Lists are bare arrays, newest first, without totals; no path ends in a slash; errors are
`{"message", "error", "statusCode"}`. Its data are the files in `vapi_data/`. PATCH replaces whole top-level keys and
refuses read-only ones, as Vapi does.

Control, below `/simulator/vapi`: `PUT /{path}/{id}` stores an object as it is, `PATCH` edits one as somebody would in
Vapi's dashboard, `DELETE` removes one, `POST /failures` adds what goes wrong next (a list of `VapiFailure`), and
`DELETE` of the root puts everything back. `POST /calls` adds calls that have been: a list of them, or `{"generate": 300, "newest": "2026-11-20T12:00:00Z",
"keep_days": 14, "clear": true}`.
"""

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import orjson

from simulator.asgi import Receive, Scope, Send, drop, header, query, read_body, respond, respond_json
from simulator.vapi_calls import CallHistory
from simulator.vapi_rules import ORG, REASONS, Refused, authenticate, listed, now_text, object_of
from simulator.vapi_storage import STORAGE, stored

JSON = dict[str, Any]

PREFIX: Final = "/vapi"
CONTROL: Final = "/simulator/vapi"
_MAX_NAME: Final = 40
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


class Vapi:
    """The API. `objects` may be changed, `failures` are used up in order, one a request; `requests` records all."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, JSON]] = {}
        self.calls = CallHistory(self.objects)
        self.failures: deque[VapiFailure] = deque()
        self.requests: deque[JSON] = deque(maxlen=1000)
        self.reset()

    def reset(self) -> None:
        """Put all data back as the files have them, and forget failures and requests."""
        self.objects |= {
            kind: {item["id"]: item for item in orjson.loads((_DATA / file).read_bytes())}
            for kind, file in _FILES.items()
        }
        self.calls.reset()
        self.failures.clear()
        self.requests.clear()

    def edit(self, kind: str, object_id: str, changes: JSON) -> JSON:
        """Edit an object as somebody would in Vapi's dashboard: whole top-level keys; null takes one away."""
        edited = {**self.objects[kind][object_id], **changes, "updatedAt": now_text()}
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
        if path.startswith(STORAGE):
            await stored(path, send)
            return
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
        here = f"http://{header(scope, 'host')}{PREFIX}{STORAGE}".encode()
        good = orjson.dumps(answer).replace(b"https://storage.example/", here)
        if status == 302:
            await respond(send, b"", status=302, headers=((b"location", good.strip(b'"')),))
        elif failure.body:
            await _bend(failure.body, good, receive, send)
        else:
            await respond(send, good, status=status)

    def _answer(self, scope: Scope, path: str, body: bytes) -> tuple[int, Any]:
        authenticate(scope)
        method = scope["method"]
        match path.split("/"):
            case ["", "call", *rest]:
                return self.calls.answer(method, rest, query(scope), body)
            case ["", kind] if kind in self.objects:
                if method == "GET":
                    return 200, listed(self.objects[kind].values(), query(scope))
                if method == "POST" and kind == "assistant":
                    return 201, self._create(kind, object_of(body))
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
            return self.edit(kind, object_id, _accepted(object_of(body)))
        if method == "DELETE":
            return self.objects[kind].pop(object_id)
        raise Refused(404, f"Cannot {method} /{kind}/{object_id}")

    def _create(self, kind: str, body: JSON) -> JSON:
        now = now_text()
        made = {"id": str(uuid.uuid4()), "orgId": ORG, "createdAt": now, "updatedAt": now, **_accepted(body)}
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
            case ["calls"] if method == "POST":
                await respond_json(send, self.calls.take_orders(orjson.loads(body)))
            case ["call", call_id]:
                await respond_json(send, self.calls.control(method, call_id, body))
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
    reason = REASONS.get(failure.status, "Simulated")
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
            drop(receive)
        case "drop":
            drop(receive)
        case _:
            raise ValueError(f"unknown body {how!r}")
