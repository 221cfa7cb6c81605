"""What Django's URL resolver serves, and what of it is no API for programs with a key."""

from collections.abc import Iterator
from typing import Final

from django.urls import URLPattern, URLResolver, get_resolver

from calls.routing import websocket_urlpatterns
from config.openapi.shapes import shape

# By the beginning of the route, and why it is not described. A test fails for a line that stands for nothing.
ELSEWHERE: Final[dict[str, str]] = {
    "admin": "The pages of the admin, for people.",
    "twilio/": "Twilio's own webhooks, signed by Twilio.",
    "capture/": "Where tool servers' requests are looked at; the address is the secret.",
    "vapi/events/": "Vapi's server messages about assistants that still run there; the address is the secret.",
    "media/caller/": "The caller's side of a smoke test, over Twilio.",
    "media/<uuid:call_id>/bypass": "Twilio's media stream of a call in somebody else's flow, with a token of the one call.",
    "recording/": "Where links to recordings lead. Each is signed, and good for half an hour.",
    "healthz": "Whether the process is alive, for whoever runs it. Needs no key.",
    "readyz": "Whether it takes calls, for whoever runs it. Needs no key.",
    "metrics": "Prometheus, with a token of its own.",
    "openapi.json": "This description.",
    "docs": "The page about it.",
}


def api_paths() -> Iterator[str]:
    """The paths of all HTTP routes of the API, with ``{}`` for each parameter."""
    yield from (shape(route) for route in _routes(get_resolver().url_patterns) if not is_elsewhere(route))


def socket_paths() -> Iterator[str]:
    """The same of its WebSockets."""
    routes = (str(one.pattern) for one in websocket_urlpatterns)
    yield from (shape(route) for route in routes if not is_elsewhere(route))


def is_elsewhere(route: str) -> bool:
    """Whether the route is no part of the API: one of those named above, the empty one, Twilio's media stream, or the answer to all others."""
    return route in ("", "media/<uuid:call_id>", "^(?!admin/|static/)") or any(
        route.startswith(one) for one in ELSEWHERE
    )


def _routes(patterns: list[URLPattern | URLResolver], above: str = "") -> Iterator[str]:
    for one in patterns:
        route = above + str(one.pattern)
        if isinstance(one, URLPattern):
            yield route
        elif not is_elsewhere(route) or not route:
            yield from _routes(one.url_patterns, route)
