"""A Vapi that lists calls as the real one does: newest first, by creation time, with scripted failures."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback import serving


@dataclass
class CallList:
    """The calls that stand at Vapi, what was asked, and what the next answers are instead: a status "cut", or None for the true one."""

    url: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    failures: list[int | str | None] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    largest: int = 10_000  # more calls than this in one answer are "too large", which is a megabyte here


@contextmanager
def call_list_running() -> Iterator[CallList]:
    """An empty list, on a port of its own."""
    state = CallList()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            state.asked.append(query)
            failure = state.failures.pop(0) if state.failures else None
            if parts.path != "/call":
                self._send(404, {"message": "Cannot GET", "statusCode": 404})
            elif isinstance(failure, int):
                self._send(failure, {"message": "no", "statusCode": failure})
            elif failure == "cut":
                self._send(200, _answer(state, query), cut=True)
            else:
                self._send(200, _answer(state, query))

        def _send(self, status: int, value: Any, *, cut: bool = False) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if cut else content)

    with serving(Handler) as url:
        state.url = url
        yield state


def _answer(state: CallList, query: dict[str, str]) -> Any:
    found = [one for one in state.calls if _matches(one, query)]
    found.sort(key=lambda one: _at(one["createdAt"]), reverse=True)
    found = found[: int(query.get("limit", 100))]
    return "x" * 21 * 1024 * 1024 if len(found) > state.largest else found


def _matches(call: dict[str, Any], query: dict[str, str]) -> bool:
    made = _at(call["createdAt"])
    return (
        ("createdAtLt" not in query or made < _at(query["createdAtLt"]))
        and ("createdAtGe" not in query or made >= _at(query["createdAtGe"]))
        and ("assistantId" not in query or call.get("assistantId") == query["assistantId"])
    )


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
