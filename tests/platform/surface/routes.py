"""Every HTTP route there is, with something in place of its parameters. A new route is here by itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.urls import URLPattern, URLResolver, get_resolver

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
UNKNOWN: Final = "3c9f0e52-7f2b-4a53-8d11-000000000000"
_STAND_INS: Final = {"uuid": UNKNOWN, "int": "1", "str": "nothing", "slug": "nothing", "path": "nothing"}
_PARAMETER: Final = re.compile(r"<(?:(\w+):)?(\w+)>")
# The answer to everything that is nowhere, and what Django makes of expressions.
_PLAIN: Final = re.compile(r"[\w/.\-]*")


@dataclass(frozen=True, slots=True)
class Route:
    """A route as it is written, and a path that leads to it."""

    written: str
    path: str

    def named(self, given: str) -> str:
        """The path with this in place of its first parameter."""
        first = _PARAMETER.sub(lambda _: given, self.written, count=1)
        return "/" + _filled(first)


def routes(beginning: str = "", *, besides: tuple[str, ...] = ()) -> list[Route]:
    """All routes that begin so, without those that begin otherwise."""
    found = [
        Route(written, f"/{_filled(written)}")
        for written in _written(get_resolver().url_patterns)
        if written.startswith(beginning) and not written.startswith(besides or ("\n",))
    ]
    return [one for one in found if _PLAIN.fullmatch(one.path)]


def api_routes() -> list[Route]:
    """The routes of programs: those that end in no slash and belong neither to people nor to Twilio."""
    others = (
        "admin",
        "twilio/",
        "vapi/",
        "capture/",
        "recording/",
        "healthz",
        "readyz",
        "metrics",
        "openapi.json",
        "docs",
    )
    return [one for one in routes(besides=others) if one.written]


def _filled(written: str) -> str:
    return _PARAMETER.sub(lambda found: _STAND_INS[found[1] or "str"], written)


def _written(patterns: list[Any], above: str = "") -> Iterator[str]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from _written(one.url_patterns, above + _text(one))
        elif isinstance(one, URLPattern):
            yield above + _text(one)


def _text(one: Any) -> str:
    return str(one.pattern).removeprefix("^").removesuffix(r"\Z").removesuffix("$")
