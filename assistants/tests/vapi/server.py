"""A Vapi that answers from a dictionary, for tests of what is made of its answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

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

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name in the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    vapi.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield vapi
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def load(name: str) -> Any:
    """A recorded export."""
    return json.loads((FIXTURES / name).read_text())
