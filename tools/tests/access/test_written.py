"""Whoever asks later which program did something finds a row."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tools.access import written
from tools.access.keys import key_create
from tools.models import ApiKey, ApiWrite

pytestmark = pytest.mark.django_db

TOOL = {"type": "function", "function": {"name": "look_up"}, "server": {"url": "https://hooks.example.com/x"}}


def ask(text: str, method: str, path: str, body: Any = None) -> Any:
    content = json.dumps(body) if body is not None else ""
    headers = {"Authorization": f"Bearer {text}"}
    return Client().generic(method, path, content, content_type="application/json", headers=headers)


def test_what_a_key_creates_changes_and_deletes_is_written_down() -> None:
    key, text = key_create(name="booking")
    made = ask(text, "POST", "/tool", TOOL).json()["id"]
    ask(text, "PATCH", f"/tool/{made}", {"function": {"name": "look_at"}})
    ask(text, "DELETE", f"/tool/{made}")

    rows = list(ApiWrite.objects.order_by("pk").values_list("method", "route", "about", "status"))
    assert rows == [
        ("POST", "tool", made, 201),
        ("PATCH", "tool/<str:given>", made, 200),
        ("DELETE", "tool/<str:given>", made, 200),
    ]
    assert {one.key for one in ApiWrite.objects.all()} == {key}


def test_what_is_done_is_answered_even_if_it_cannot_be_written_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: Any) -> None:
        raise OperationalError

    text = key_create(name="booking")[1]
    monkeypatch.setattr(ApiWrite.objects, "bulk_create", away)

    answer = ask(text, "POST", "/tool", TOOL)

    assert answer.status_code == 201
    (line,) = [one for one in caplog.records if "could not be written down" in one.message]
    assert (line.levelname, vars(line)["changed"]) == ("ERROR", [answer.json()["id"]])
    assert text.startswith(vars(line)["api_key"])


def test_reading_asking_and_being_refused_is_not() -> None:
    text = key_create(name="report")[1]
    powerless = key_create(name="nothing", scopes=[])[1]
    for one, method, path, body in (
        (text, "GET", "/tool", None),
        (text, "OPTIONS", "/tool", None),
        (text, "POST", "/analytics", {"queries": []}),
        (text, "POST", "/tool", {"type": "nonsense"}),
        (text, "DELETE", "/tool/nothing", None),
        (text, "PUT", "/tool", TOOL),
        (powerless, "POST", "/tool", TOOL),
        ("tandem_nothing", "POST", "/tool", TOOL),
    ):
        ask(one, method, path, body)
    assert not ApiWrite.objects.exists()


def test_the_admin_shows_them_by_key_and_by_id(admin_client: Client) -> None:
    key, text = key_create(name="<b>" + "k" * 70)
    made = ask(text, "POST", "/tool", TOOL).json()["id"]
    key_create(name="other")
    ApiWrite.objects.create(key=ApiKey.objects.get(name="other"), method="DELETE", route="r" * 60, about="x" * 64, status=200, at=timezone.now())  # fmt: skip
    url = reverse("admin:tools_apiwrite_changelist")

    page = admin_client.get(reverse("admin:tools_apikey_change", args=[key.pk])).content.decode()
    assert f"{url}?key__id__exact={key.pk}" in page
    for query, found in (
        (f"?key__id__exact={key.pk}", 1),
        (f"?q={made}", 1),
        ("?q=other", 1),
        ("", 2),
        ("?q=nobody", 0),  # two letters may well stand in the beginning of a key
    ):
        shown = admin_client.get(url + query)
        assert shown.status_code == 200
        assert len(shown.context["cl"].result_list) == found, query
    whole = admin_client.get(url).content.decode()
    assert "<b>k" not in whole
    assert "POST /tool<" in whole
    row = ApiWrite.objects.get(method="POST")
    assert admin_client.get(reverse("admin:tools_apiwrite_change", args=[row.pk])).status_code == 200
    assert admin_client.get(reverse("admin:tools_apiwrite_add")).status_code == 403


def test_rows_are_kept_for_a_good_year(monkeypatch: pytest.MonkeyPatch) -> None:
    key, now = key_create(name="old")[0], timezone.now()
    for days in (0, 399, 401, 900):
        ApiWrite.objects.create(
            key=key, method="POST", route="tool", status=201, at=now - timedelta(days=days)
        )
    monkeypatch.setattr(written, "_AT_ONCE", 1)

    assert [written.writes_expire(now=now) for _ in range(3)] == [1, 1, 0]
    assert ApiWrite.objects.count() == 2
