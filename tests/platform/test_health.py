"""Liveness, readiness, and the addresses around them."""

import pytest
from django.test import Client

from config import health
from config.probe import probe


def test_healthz_answers_without_asking_anybody(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_names_each_part(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": {"database": "ok", "redis": "ok", "spool": "ok"}}


@pytest.mark.django_db
def test_readyz_is_unavailable_when_one_part_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ConnectionError("to user@host")

    monkeypatch.setitem(health.READINESS, "redis", broken)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "redis": "failed", "spool": "ok"}
    assert "host" not in answer.content.decode()


def test_health_is_only_read(client: Client) -> None:
    assert client.post("/healthz").status_code == 405


def test_people_find_the_admin(client: Client) -> None:
    for path in ("/", "/admin"):
        assert client.get(path)["Location"] == "/admin/"
    assert client.get("/admin/login/").status_code == 200


def test_a_probe_of_nobody_fails() -> None:
    assert not probe("http://127.0.0.1:9/healthz")
