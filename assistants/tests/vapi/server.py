"""A Vapi that answers from a dictionary, for tests of what is made of its answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.loopback import serving

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"


@dataclass
class Vapi:
    """What stands at Vapi, by kind and id; statuses that the next requests get instead; which paths were asked for."""

    url: str = ""
    objects: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {kind: {} for kind in ("assistant", "tool", "squad", "phone-number")}
    )
    failures: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def put(self, kind: str, raw: dict[str, Any]) -> None:
        """Store an object under its id."""
        self.objects[kind][raw["id"]] = raw


@contextmanager
def vapi_running() -> Iterator[Vapi]:
    """A Vapi with nothing in it, on a port of its own."""
    vapi = Vapi()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            vapi.asked.append(path)
            if vapi.failures:
                status: int = vapi.failures.pop(0)
                self._send(status, {"message": "no", "statusCode": status})
                return
            kind, _, one = path.strip("/").partition("/")
            held = vapi.objects.get(kind, {})
            if not one:
                self._send(200, list(held.values()))
            elif one in held:
                self._send(200, held[one])
            else:
                self._send(404, {"message": "Not found", "statusCode": 404})

        def _send(self, status: int, value: Any) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

    with serving(Handler) as url:
        vapi.url = url
        yield vapi


def load(name: str) -> Any:
    """A recorded export."""
    return json.loads((FIXTURES / name).read_text())
