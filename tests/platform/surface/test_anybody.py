"""What somebody without a key, a password or Twilio's signature gets: nothing, wherever they knock."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver

from tests.platform.surface.routes import METHODS, Route, api_routes, routes

pytestmark = pytest.mark.django_db

# Who may be let in without anything, and why.
OPEN = {
    "healthz": "whoever runs the process asks whether it is alive",
    "readyz": "a load balancer asks whether it takes calls",
    "": "sends people on to the admin, which asks who they are",
    "admin": "the same",
    "docs": "the same",
}


@pytest.mark.parametrize("route", routes(besides=("admin/",)), ids=lambda one: one.written or "(empty)")
def test_nothing_is_done_for_anybody(route: Route) -> None:
    client = Client()
    for method in METHODS:
        answer = client.generic(method, route.path, "{}", content_type="application/json")
        told = (method, route.path, answer.status_code)
        if route.written in OPEN:
            assert answer.status_code in (200, 302, 405, 503), told
            if answer.status_code == 302:
                assert answer["Location"].startswith("/admin/"), told
        else:
            assert answer.status_code in (401, 403, 404, 405), told
            # Where the address itself is the secret, a wrong one is none.
            secret = route.written.startswith(("vapi/events/", "capture/", "recording/"))
            assert answer.status_code != 404 or secret, told


def test_what_is_open_is_there() -> None:
    assert set(OPEN) <= {one.written for one in routes()}


@pytest.mark.long
def test_every_page_of_the_admin_asks_who_is_there() -> None:
    client = Client()
    pages = [one for one in routes("admin/") if not one.written.startswith(("admin/login", "admin/logout"))]
    assert len(pages) > 100
    for one in pages:
        for method in ("GET", "POST"):
            answer = client.generic(method, one.path)
            told = (method, one.path, answer.status_code)
            assert answer.status_code in (302, 401, 403, 404, 405), told
            if answer.status_code == 302:
                assert answer["Location"].startswith(("/admin/login/", "/admin/")), told


def test_a_session_of_the_admin_opens_nothing_of_the_api(admin_client: Client) -> None:
    for one in api_routes():
        answer = admin_client.get(one.path)
        assert answer.status_code in (401, 405), (one.path, answer.status_code)


def views(patterns: list[Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every route as it is written, and its view."""
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from views(one.url_patterns, above + str(one.pattern))
        else:
            yield above + str(one.pattern), one.callback


def test_whatever_people_do_in_the_admin_needs_a_token_of_its_page() -> None:
    """Browsers send a session along wherever they are led; only what takes no session may do without the token."""
    without = {
        written for written, view in views(get_resolver().url_patterns) if getattr(view, "csrf_exempt", False)
    }
    expected = ("twilio/", "vapi/events/", "capture/", "^(?!admin")
    programs = {one.written for one in api_routes()}
    assert {one for one in without if not one.startswith(expected)} <= programs
    assert not {one for one in without if one.startswith(("admin", "docs"))}
    assert len(without) > 20
