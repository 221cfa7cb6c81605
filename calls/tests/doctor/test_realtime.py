"""Whether OpenAI opens the sessions that our assistants need, and what each refusal means."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from pytest_django import Settings
from websockets.sync.server import ServerConnection

from assistants.tests.factories import make_assistant
from calls.doctor.checks import realtime
from calls.doctor.report import Verdict
from calls.tests.doctor.servers import sockets, web


@contextmanager
def model(
    settings: Settings, *answers: dict[str, Any], said: list[dict[str, Any]] | None = None
) -> Iterator[None]:
    """A Realtime server that says the first on connecting and one more after each of our events."""

    def behave(socket: ServerConnection) -> None:
        for number, answer in enumerate(answers):
            if number and said is not None:
                said.append(orjson.loads(socket.recv(timeout=60)))
            socket.send(orjson.dumps(answer).decode())
        for _ in socket:
            pass

    with sockets(behave) as origin:
        settings.OPENAI_REALTIME_URL = f"{origin}/v1/realtime"
        yield


CREATED = {"type": "session.created", "session": {}}
SETUP = realtime.Setup("gpt-realtime-2.1")


def error(code: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "invalid_request_error", "code": code}}


def test_a_session_is_opened_set_up_and_nothing_is_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "SLOW_MS", 60_000)  # a busy machine is slow
    said: list[dict[str, Any]] = []
    with model(settings, CREATED, {"type": "session.updated", "session": {}}, said=said):
        shake = realtime.handshake(SETUP)

    assert shake.code == ""
    assert shake.ready_ms is not None
    assert [one["type"] for one in said] == ["session.update"]
    assert realtime.handshakes_told({"m": (SETUP, shake)}).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ((error("invalid_api_key"),), "does not know our key"),
        ((error("invalid_model"),), "is not to be had"),
        ((error("insufficient_quota"),), "no credit"),
        ((CREATED, error("invalid_value")), "refuses the session"),
        (({"type": "error"},), "No session"),
    ],
)
def test_every_refusal_says_whose_business_it_is(
    settings: Settings, answers: tuple[dict[str, Any], ...], word: str
) -> None:
    with model(settings, *answers, said=[]):
        shake = realtime.handshake(SETUP)
        found = realtime.handshakes_told({"m": (SETUP, shake)})

    assert found.verdict is Verdict.FAILED
    assert word in found.found
    assert found.what_to_do


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(settings: Settings) -> None:
    with model(settings):
        shake = realtime.handshake(SETUP, within_s=0.3)

    assert shake.code == "timeout"


@pytest.mark.parametrize("status", [401, 404, 500])
def test_an_upgrade_that_is_refused_is_told_by_its_number(settings: Settings, status: int) -> None:
    with web(lambda *_: (status, "")) as origin:
        settings.OPENAI_REALTIME_URL = origin.replace("http", "ws", 1)
        assert realtime.handshake(SETUP).code == f"http_{status}"


def test_a_slow_session_is_a_warning() -> None:
    found = realtime.handshakes_told({"m": (SETUP, realtime.Handshake(2000, 3500))})

    assert found.verdict is Verdict.WARNING
    assert "3.5 s" in found.found


@pytest.mark.django_db
def test_each_model_in_use_is_tried_with_a_session_of_ours() -> None:
    assert [one.plan for one in realtime.setups_in_use()] == [None]

    make_assistant(published=True, name="Desk")
    make_assistant(published=True, enabled=False)

    (setup,) = realtime.setups_in_use()
    assert (setup.model, setup.whose) == ("gpt-realtime-2.1", "Desk")
    assert setup.plan is not None
