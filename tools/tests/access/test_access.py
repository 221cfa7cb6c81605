"""Who is let in, and what everybody else is told."""

import json
import logging
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tools.access.keys import INVALID_KEY, key_create, key_hash
from tools.models import ApiKey

pytestmark = pytest.mark.django_db


def ask(text: str, *, method: str = "GET", path: str = "/tool", **options: Any) -> Any:
    return Client().generic(method, path, headers={"Authorization": text}, **options)


def bearer(**key: Any) -> str:
    return f"Bearer {key_create(name='program', **key)[1]}"


@pytest.mark.parametrize("text", ["", "Bearer", "Bearer  ", "Basic YTpi", "tandem_x"])
def test_without_a_key_nobody_is_let_in(text: str) -> None:
    response = ask(text)

    assert response.status_code == 401
    assert response.json() == {"message": "Unauthorized", "error": "Unauthorized", "statusCode": 401}


def test_a_session_opens_nothing(admin_client: Client) -> None:
    assert admin_client.get("/tool").status_code == 401


@pytest.mark.parametrize("text", ["Bearer wrong", "Bearer " + "x" * 10_000, "Bearer \u00e9", "Bearer a b"])
def test_a_wrong_key_opens_nothing(text: str) -> None:
    response = ask(text)

    assert (response.status_code, response.json()["message"]) == (401, INVALID_KEY)


def test_public_revoked_and_expired_keys_open_nothing() -> None:
    public = bearer(kind=ApiKey.Kind.PUBLIC)
    expired = bearer(expires_at=timezone.now() - timedelta(seconds=1))
    key, text = key_create(name="revoked")
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())

    for one in (public, expired, f"Bearer {text}"):
        assert ask(one).status_code == 401
        assert ask(one).json()["message"] == INVALID_KEY


def test_a_key_does_only_what_its_scopes_say() -> None:
    text = bearer(scopes=["tool:read"])

    assert ask(text).status_code == 200
    assert ask(text, path="/assistant").status_code == 403
    refused = ask(text, method="POST")
    assert "tool:write" in refused.json()["message"]


def test_a_key_is_stored_as_a_digest_alone() -> None:
    key, text = key_create(name="program")

    assert key.key_hash == key_hash(text)
    assert text.startswith(key.prefix)
    assert len(text) > len(key.prefix) + 30
    stored = ApiKey.objects.values().get()
    assert text not in str(stored)


def test_too_many_requests_are_refused_for_this_key_alone(redis_client: Any, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    text = bearer()

    # At most one change of the minute falls between them.
    statuses = [ask(text).status_code for _ in range(5)]
    refused = ask(text)

    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    assert ask(bearer()).status_code == 200
    if refused.status_code == 429:
        assert refused.json()["error"] == "Too Many Requests"
        assert 1 <= int(refused["Retry-After"]) <= 60


def test_each_request_is_logged_with_its_key_and_counted_once_a_minute(
    redis_client: Any, caplog: Any
) -> None:
    text = bearer()

    with caplog.at_level(logging.INFO, logger="tools.access.views"):
        for _ in range(3):
            ask(text)

    record: Any = next(one for one in caplog.records if one.name == "tools.access.views")
    key = ApiKey.objects.get()
    assert (record.api_key, record.method, record.route, record.status) == (key.prefix, "GET", "tool", 200)
    assert text.removeprefix("Bearer ") not in caplog.text
    assert key.requests_n == 1
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    ask(text)
    assert ApiKey.objects.get().requests_n == 4


def test_other_methods_and_slashes_are_refused_without_a_redirect() -> None:
    text = bearer()

    assert ask(text, method="PUT").status_code == 405
    assert ask(text, method="PUT")["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert ask(text, method="OPTIONS").status_code == 204
    assert ask(text, method="HEAD").status_code == 200
    assert ask(text, method="POST", path="/tool/").status_code == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"x" * 2_000_001, 413),
        (b'{"a":' * 200 + b"1" + b"}" * 200, 400),
        (b"[" * 100_000, 400),
        (b"[]", 400),
        (b"{nope", 400),
        (b'{"a": "\\ud800"}', 400),
        (b'{"a": ["\\u0000"]}', 400),
        (b'{"\\u0000": 1}', 400),
        (b"\xff", 400),
    ],
    ids=["large", "deep", "endless", "array", "broken", "surrogate", "null", "null in a name", "bytes"],
)
def test_bodies_that_are_none_are_refused(content: bytes, status: int) -> None:
    response = ask(bearer(), method="POST", data=content, content_type="application/json")

    assert response.status_code == status
    assert response.json()["statusCode"] == status


def test_the_admin_makes_a_key_shows_it_once_and_revokes_it(admin_client: Client) -> None:
    form = {
        "name": "Booking",
        "kind": "private",
        "scopes": ["tool:read"],
        "expires_at_0": "",
        "expires_at_1": "",
    }
    page = admin_client.post(reverse("admin:tools_apikey_add"), form, follow=True).content.decode()
    text = page.split("<code>")[1].split("</code>")[0]
    key = ApiKey.objects.get()

    assert ask(f"Bearer {text}").status_code == 200
    listed = admin_client.get(reverse("admin:tools_apikey_changelist")).content.decode()
    assert key.prefix in listed
    assert text not in listed
    assert text not in admin_client.get(reverse("admin:tools_apikey_change", args=[key.pk])).content.decode()
    chosen = {"action": "revoke", "_selected_action": [key.pk]}
    asked = admin_client.post(reverse("admin:tools_apikey_changelist"), chosen)
    admin_client.post(asked.headers["Location"], {"keys": str(key.pk)})
    assert ask(f"Bearer {text}").status_code == 401


def test_the_command_makes_a_key_for_scripts() -> None:
    out = StringIO()

    call_command(
        "create_api_key", "booking", "--scopes", "tool:read", "--expires", "30", "--json", stdout=out
    )

    made = json.loads(out.getvalue())
    assert made["scopes"] == ["tool:read"]
    assert ask(f"Bearer {made['key']}").status_code == 200
    with pytest.raises(CommandError, match="no scope tool:eat"):
        call_command("create_api_key", "booking", "--scopes", "tool:eat")
