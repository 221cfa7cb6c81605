"""The shell: a call whose session is lost is given to another, or ends in an apology."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from calls import breaks, clients
from calls.clients import TwilioRefusedError
from calls.selectors import SmokeCall
from calls.tests.stage import BEGUN, CALL_ID, Stage, playing, stage, until

__all__ = ["stage"]


@pytest.fixture
def lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is written down of a session that was lost."""
    written: list[Any] = []

    def begin(**details: Any) -> breaks.Begun:
        written.append(details)
        return BEGUN

    def order(**details: Any) -> None:
        stage.rest.append(("redirect", details))
        if stage.rest_error is not None:
            raise stage.rest_error

    monkeypatch.setattr(breaks, "session_lost", begin)
    monkeypatch.setattr(clients, "redirect", order)
    return written


async def lose_session(stage: Stage) -> None:
    await stage.talk()
    stage.realtime.lose(1001)
    await until(lambda: stage.rest)


async def test_a_call_whose_session_is_lost_is_given_to_another(
    stage: Stage, settings: Settings, lost: list[Any]
) -> None:
    async with playing(stage, settings):
        await lose_session(stage)
        stage.hang_up()

    ((what, order),) = stage.rest
    assert what == "redirect"
    assert '<Parameter name="token" value="t0ken" />' in order["document"]
    assert lost == [{"call_id": CALL_ID, "history": []}]


@pytest.mark.parametrize("why", ["before", "smoke test", "refused", "database"])
async def test_a_call_that_cannot_be_given_to_another_session_ends_in_an_apology(
    stage: Stage, settings: Settings, lost: list[Any], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def away(**_: Any) -> None:
        raise OperationalError("away")

    def apologise(**details: Any) -> None:
        stage.rest.append(("apologise", details))

    monkeypatch.setattr(clients, "apologise", apologise)
    match why:
        case "before":
            monkeypatch.setattr(breaks, "session_lost", lambda **_: None)
        case "smoke test":
            stage.call = replace(stage.call, smoke=SmokeCall(mocks=[], off_network=False))
        case "refused":
            stage.rest_error = TwilioRefusedError("Twilio answered 400.")
        case _:
            monkeypatch.setattr(breaks, "session_lost", away)
    async with playing(stage, settings):
        await lose_session(stage)
        await until(lambda: stage.rest[-1][0] == "apologise")
        stage.hang_up()

    assert stage.rest[-1][1]["text"] == "We are sorry."
