"""Connections to the outside, against the simulator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest
from pytest_django import Settings

from calls import clients
from calls.clients import RealtimeRefusedError, TwilioRefusedError
from simulator.harness import Faults, Simulator
from simulator.rest import Failure

ACCOUNT = "AC" + "1" * 32


@pytest.fixture
async def outside(settings: Settings) -> AsyncIterator[Simulator]:
    """The simulator, and our settings pointing at it."""
    async with Simulator(account_sid=ACCOUNT, auth_token="secret") as simulator:
        settings.TWILIO_ACCOUNT_SID = ACCOUNT
        settings.TWILIO_AUTH_TOKEN = "secret"
        settings.TWILIO_API_URL = simulator.http_url
        settings.OPENAI_REALTIME_URL = simulator.realtime_url
        settings.OPENAI_API_KEY = "sk-simulated"
        yield simulator


async def test_the_model_is_asked_for_by_name_and_key(outside: Simulator) -> None:
    socket = await clients.realtime_connect("gpt-realtime-2.1", request_id="c-0")

    heard: asyncio.Queue[bytes] = asyncio.Queue()
    socket.listen(heard.put_nowait, flows=lambda: None)
    first = await heard.get()
    await socket.close()

    assert b'"session.created"' in first
    assert b"gpt-realtime-2.1" in first


@pytest.mark.parametrize(("status", "tries"), [(401, 1), (403, 1), (404, 1), (429, 2), (500, 2), (503, 2)])
async def test_a_refusal_is_named_and_only_a_busy_server_is_asked_again(
    outside: Simulator, status: int, tries: int
) -> None:
    outside.realtime.faults = Faults(refuse_status=status)

    with pytest.raises(RealtimeRefusedError) as refused:
        await clients.realtime_connect("gpt-realtime-2.1", request_id="c-0")

    assert refused.value.code == f"http_{status}"
    assert outside.realtime.refused == tries


async def test_a_server_that_is_not_there_is_named(settings: Settings) -> None:
    settings.OPENAI_REALTIME_URL = "ws://127.0.0.1:9/v1/realtime"

    with pytest.raises(RealtimeRefusedError) as refused:
        await clients.realtime_connect("gpt-realtime-2.1", request_id="c-0")

    assert refused.value.code.startswith("connect_")


def hang_up() -> None:
    """Hang up a call that the simulator does not know. Blocks."""
    clients.hang_up(call_sid="CA1", account_sid=ACCOUNT)


async def test_a_call_that_is_over_already_is_as_good_as_hung_up(outside: Simulator) -> None:
    await asyncio.to_thread(hang_up)

    (request,) = outside.rest.requests
    assert request["path"].endswith(f"/Accounts/{ACCOUNT}/Calls/CA1.json")
    assert request["form"] == {"Status": "completed"}


async def test_an_apology_is_a_document(outside: Simulator) -> None:
    await asyncio.to_thread(
        clients.apologise, call_sid="CA1", account_sid=ACCOUNT, text="Sorry <you>", language="fr"
    )

    twiml = outside.rest.requests[0]["form"]["Twiml"]
    assert '<Say language="fr-FR">Sorry &lt;you&gt;</Say><Hangup />' in twiml


@pytest.mark.parametrize(
    ("failures", "requests", "fails"),
    [
        ([], 1, False),
        ([Failure(429, 20429)], 2, False),
        ([Failure(429, 20429), Failure(429, 20429)], 2, True),
        ([Failure(500, 20500)], 1, True),
        ([Failure(401, 20003)], 1, True),
        ([Failure(400, 21220)], 1, False),
    ],
)
async def test_what_twilio_refuses(
    outside: Simulator,
    failures: list[Failure],
    requests: int,
    fails: bool,
) -> None:
    outside.rest.failures.extend(failures)

    with pytest.raises(TwilioRefusedError, match="Twilio answered") if fails else nullcontext():
        await asyncio.to_thread(hang_up)

    assert len(outside.rest.requests) == requests


async def test_a_twilio_that_does_not_answer_is_given_up(
    outside: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "TWILIO_TIMEOUT_S", 0.2)
    outside.rest.failures.append(Failure(0, after_ms=60_000))

    with pytest.raises(TwilioRefusedError, match="could not be reached"):
        await asyncio.to_thread(hang_up)


def test_a_twilio_that_is_not_there_is_given_up(settings: Settings) -> None:
    settings.TWILIO_API_URL = "http://127.0.0.1:9"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT, "secret"

    with pytest.raises(TwilioRefusedError, match="could not be reached"):
        clients.hang_up(call_sid="CA1", account_sid=ACCOUNT)
