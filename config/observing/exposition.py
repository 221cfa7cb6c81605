"""/metrics: what Prometheus reads, of web, media and (on a port of their own) workers and beat."""

import functools
import hmac
import ipaddress
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import REGISTRY, CollectorRegistry, exposition

from config.observing.process import OutboxCollector, PoolCollector
from config.observing.shared import SharedCollector

PARTS = ("process", "shared")
# Where a proxy of this host passes somebody's request on, it comes from loopback as well.
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_REFUSED = "Not without the token. Send it as `Authorization: Bearer …`; METRICS_TOKEN says what it is (docs/observability.md)."


@functools.cache
def shared_registry() -> CollectorRegistry:
    """What all processes have in common."""
    registry = CollectorRegistry()
    registry.register(SharedCollector())
    return registry


@functools.cache
def process_registry() -> CollectorRegistry:
    """What this process alone knows."""
    for collector in (PoolCollector(), OutboxCollector()):
        REGISTRY.register(collector)
    return REGISTRY


def metrics_text(part: str, accept: str = "") -> tuple[bytes, str]:
    """The metrics of a part, or of both where none is named, and their content type."""
    encode, content_type = exposition.choose_encoder(accept)
    registries = {"process": process_registry, "shared": shared_registry}
    wanted = [registries[part]()] if part in registries else [one() for one in registries.values()]
    texts = [encode(registry) for registry in wanted]
    end = b"# EOF\n"  # of OpenMetrics; only the last may say it
    return b"".join(text.removesuffix(end) for text in texts) + (
        end if texts[-1].endswith(end) else b""
    ), content_type


def allowed(*, authorization: str, peer: str, headers: Mapping[str, str], open_to_loopback: bool) -> bool:
    """Whether whoever asks may read: with the token where there is one, else from this very machine."""
    token: str = settings.METRICS_TOKEN
    if token:
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
    present = {name.lower() for name in headers}
    return open_to_loopback and _is_loopback(peer) and not present.intersection(FORWARDED)


def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False  # a Unix socket, behind which there is a proxy


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """What Prometheus reads. ``?part=process`` or ``?part=shared`` for one half of it."""
    fine = allowed(
        authorization=request.headers.get("Authorization", ""),
        peer=request.META.get("REMOTE_ADDR", ""),
        headers=request.headers,
        # In a deployment the proxy's requests come from loopback as well, with or without a header that says so.
        open_to_loopback=settings.DEBUG,
    )
    if not fine:
        return HttpResponse(
            _REFUSED, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"}
        )
    body, content_type = metrics_text(request.GET.get("part", ""), request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=content_type)


class _Handler(BaseHTTPRequestHandler):
    """The same for a process that serves nothing else."""

    timeout = 10

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != "/metrics":
            self._answer(404, b"Only /metrics is here.", "text/plain")
            return
        fine = allowed(
            authorization=self.headers.get("Authorization", ""),
            peer=str(self.client_address[0]),
            headers=dict(self.headers.items()),
            open_to_loopback=True,
        )
        if not fine:
            self._answer(401, _REFUSED.encode(), "text/plain")
            return
        part = parse_qs(parts.query).get("part", [""])[0]
        self._answer(200, *metrics_text(part, self.headers.get("Accept", "")))

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a scrape is no news."""


class Listener(ThreadingHTTPServer):
    """Serves /metrics from threads of its own."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)

    def begin(self, *, look_every_s: float = 0.5) -> None:
        """Serve until the process ends, or ``shutdown`` is seen."""
        threading.Thread(target=self.serve_forever, args=(look_every_s,), name="metrics", daemon=True).start()
