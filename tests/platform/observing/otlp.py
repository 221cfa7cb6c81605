"""A receiver of OTLP over HTTP that reads what it is sent as the specification has it, and shares no code with us."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.loopback import serving


@dataclass(frozen=True, slots=True)
class Received:
    """One span, as it came."""

    name: str
    trace: str
    id: str
    parent: str
    service: str
    began_ns: int
    ended_ns: int
    failed: str
    attributes: dict[str, Any]


@dataclass(slots=True)
class Receiver:
    """A running receiver: where it is, and what it was sent."""

    url: str = ""
    spans: list[Received] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    status: int = 200

    def one(self, name: str) -> Received:
        """The only span of this name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.headers.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
            if receiver.status == 200:
                receiver.raw.append(body)
                _read(body, receiver)
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(Handler) as url:
        receiver.url = url
        yield receiver


def _read(body: bytes, receiver: Receiver) -> None:
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        resource = _values(resource_spans.resource.attributes)
        receiver.resources.append(resource)
        for scope in resource_spans.scope_spans:
            receiver.spans.extend(
                Received(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    str(resource.get("service.name")),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.message if span.status.code == 2 else "",
                    _values(span.attributes),
                )
                for span in scope.spans
            )


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
