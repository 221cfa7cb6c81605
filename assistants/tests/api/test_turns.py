"""Many programs that write at the same moment wait for each other, and keep nobody else from the database meanwhile."""

from typing import Any

import pytest
from django.db import connection

from assistants.api import turns
from assistants.models import Assistant
from assistants.tests.api.test_objects import PROMPT, program
from tools.access.errors import ApiError
from tools.tests.access.program import Program

__all__ = ["program"]


class Busy:
    """A turn that is somebody else's: given when it was waited for, or never."""

    def __init__(self, *, comes: bool) -> None:
        self._comes = comes
        self.connected: list[bool] = []

    def acquire(self, *, blocking: bool = True, timeout: float = -1) -> bool:
        if not blocking:
            return False
        assert 0 < timeout < 60
        self.connected.append(connection.connection is not None)
        return self._comes

    def release(self) -> None:
        assert self._comes


@pytest.mark.django_db(transaction=True)
def test_whoever_waits_for_a_turn_holds_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.ensure_connection()
    busy = Busy(comes=True)
    monkeypatch.setattr(turns, "_turn", busy)

    with turns.turn():
        assert not Assistant.objects.exists()

    assert busy.connected == [False]


@pytest.mark.django_db
def test_whoever_has_a_turn_may_take_it_once_more() -> None:
    with turns.turn(), turns.turn():
        pass


@pytest.mark.django_db
def test_a_turn_that_never_comes_ends_in_words_and_changes_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    body: dict[str, Any] = {"name": "Desk", "model": PROMPT}
    made = program.ask("POST", "/assistant", body, 201)
    monkeypatch.setattr(turns, "_turn", Busy(comes=False))

    for method, path, sent in (
        ("POST", "/assistant", body),
        ("PATCH", f"/assistant/{made['id']}", {"name": "Other"}),
        ("DELETE", f"/assistant/{made['id']}", None),
        ("POST", "/tool", {"type": "function", "function": {"name": "book"}}),
        ("POST", "/squad", {"name": "Shop", "members": [{"assistantId": made["id"]}]}),
        (
            "POST",
            "/phone-number",
            {"provider": "twilio", "number": "+13125550142", "twilioAccountSid": "AC" + "1" * 32, "twilioAuthToken": "a" * 32},
        ),
    ):  # fmt: skip
        told = program.ask(method, path, sent, 503)
        assert "nothing was changed" in told["message"]

    assert [one["name"] for one in program.ask("GET", "/assistant")] == ["Desk"]


def test_whoever_is_sent_away_is_told_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_turn", Busy(comes=False))
    monkeypatch.setattr("assistants.api.turns.connection", type("No", (), {"in_atomic_block": True}))

    with pytest.raises(ApiError) as refused, turns.turn():
        pass

    assert (refused.value.status, refused.value.retry_after_s > 0) == (503, True)
