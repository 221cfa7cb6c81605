"""Liveness, readiness, and the addresses around them."""

import functools

import pytest
from django.test import Client

from calls.lasting.outbox import State
from config import health
from config.probe import probe

WELL = {"database": "ok", "redis": "ok", "spool": "ok", "outbox": "ok"}


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is not away."""
    monkeypatch.setattr(health, "TIMEOUT_S", 60.0)


def test_healthz_answers_without_asking_anybody(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_names_each_part(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": WELL}


@pytest.mark.django_db
def test_readyz_is_unavailable_when_one_part_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ConnectionError("to user@host")

    monkeypatch.setitem(health.READINESS, "redis", broken)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == WELL | {"redis": "failed"}
    assert "host" not in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("trouble", [{"full": True}, {"on_disk": False}, {"works": False}], ids=str)
def test_readyz_is_unavailable_when_the_next_call_would_not_be_written_down(
    client: Client, monkeypatch: pytest.MonkeyPatch, trouble: dict[str, bool]
) -> None:
    class Outbox:
        def state(self) -> State:
            return State(0, 0, 0, 1, 0.0, 0, **{"full": False, "on_disk": True, "works": True} | trouble)

    @functools.cache
    def of_this_process() -> Outbox:
        return Outbox()

    monkeypatch.setattr(health, "process_outbox", of_this_process)
    assert client.get("/readyz").status_code == 200  # none was ever needed here

    of_this_process()

    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]) == (503, WELL | {"outbox": "failed"})


def test_health_is_only_read(client: Client) -> None:
    assert client.post("/healthz").status_code == 405


def test_people_find_the_admin(client: Client) -> None:
    for path in ("/", "/admin"):
        assert client.get(path)["Location"] == "/admin/"
    assert client.get("/admin/login/").status_code == 200


def test_a_probe_of_nobody_fails() -> None:
    assert not probe("http://127.0.0.1:9/healthz")
