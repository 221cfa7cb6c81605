"""Pages of other origins get where a public key or a secret address leads, and nowhere else."""

import pytest
from django.test import Client

from tests.platform.surface.routes import api_routes, routes
from tools.access.keys import key_create

pytestmark = pytest.mark.django_db

ORIGIN = "https://shop.example"
OPEN = {
    "call/web": "POST",
    "call/<str:given>/control": "POST",
    "recording/<str:link>": "GET, HEAD",
}
ALLOWED = "Access-Control-Allow-Origin"


def test_only_these_routes_let_pages_of_other_origins_in() -> None:
    browser = Client(headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
    found = {}
    for one in routes(besides=("admin/",)):
        answer = browser.options(one.path)
        if ALLOWED in answer.headers:
            assert (answer.status_code, answer.content) == (204, b"")
            assert answer[ALLOWED] == "*"
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert "Authorization" in answer["Access-Control-Allow-Headers"]
            found[one.written] = answer["Access-Control-Allow-Methods"]
    assert found == OPEN


def test_no_answer_of_the_other_routes_may_be_read_by_another_page() -> None:
    browser = Client(headers={"Origin": ORIGIN, "Authorization": f"Bearer {key_create(name='program')[1]}"})
    for one in api_routes():
        if one.written not in OPEN:
            assert ALLOWED not in browser.get(one.path).headers, one.path


@pytest.mark.parametrize("kind", ["public", "nobody"])
def test_a_page_reads_why_it_is_not_served(kind: str) -> None:
    key = key_create(name="page", kind="public")[1] if kind == "public" else "tandem_nothing"
    page = Client(headers={"Origin": ORIGIN, "Authorization": f"Bearer {key}"})
    answer = page.post("/call/web", "{}", content_type="application/json")
    assert answer[ALLOWED] == "*"
    assert answer.status_code == (400 if kind == "public" else 401)
    assert ("vapi.websocket" in answer.content.decode()) == (kind == "public")


def test_no_session_counts_where_any_page_may_ask(admin_client: Client) -> None:
    for route, method in (
        ("/call/web", "POST"),
        ("/call/3c9f0e52-7f2b-4a53-8d11-000000000000/control", "POST"),
    ):
        assert admin_client.generic(method, route, "{}", content_type="application/json").status_code == 401
