"""Vapi's API in trouble: what passes is waited for, what stays is told, both in bounds."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from assistants.tests.vapi.reading import CLINIC, RESTAURANT, Reading, ids_of
from assistants.vapi import rest
from assistants.vapi.client import Progress, VapiClient, VapiError
from simulator.harness import Simulator, VapiFailure

SLOW_MS = 600_000.0  # longer than any test is patient


async def test_a_limited_rate_is_waited_for_and_told(sim: Simulator) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    for retry_after in ("3", "", "", at, "soon", "9999"):
        sim.vapi.failures.append(VapiFailure(status=429, retry_after=retry_after))
    reading = Reading(sim)

    export = await reading.fetch()

    assert len(export.assistants) == 2
    # The moment is given in whole seconds, and some have passed until it is read.
    until_then = reading.slept.pop(3)
    assert 20 < until_then <= 90
    assert reading.slept == [3, 2, 4, 16, 120]
    assert reading.told[1] == Progress(0, None, "Vapi limits the rate; trying again in 3 s")


async def test_a_rate_that_stays_limited_is_given_up_after_a_quarter_of_an_hour(sim: Simulator) -> None:
    sim.vapi.failures.extend([VapiFailure(status=429, retry_after="60")] * 20)
    reading = Reading(sim)

    error = await reading.refusal()

    assert sum(reading.slept) == 900
    assert (error.permanent, error.http_status) == (False, 429)
    assert str(error) == (
        "GET /assistant: Vapi limits the rate, still after waiting 15 minutes. Try again later."
    )


@pytest.mark.parametrize(
    "failure",
    [
        VapiFailure(status=500),
        VapiFailure(status=503, body="html"),
        VapiFailure(body="half"),
        VapiFailure(body="truncated"),
        VapiFailure(body="drop"),
        VapiFailure(after_ms=SLOW_MS),
    ],
    ids=["500", "html and 503", "half", "truncated", "dropped", "slow"],
)
async def test_trouble_that_passes_is_outlived(
    sim: Simulator, failure: VapiFailure, monkeypatch: pytest.MonkeyPatch
) -> None:
    if failure.after_ms:
        monkeypatch.setattr(rest, "READ_TIMEOUT_S", 0.15)
    sim.vapi.failures.extend([failure] * 2)
    reading = Reading(sim)

    class Slept(list[float]):
        def append(self, seconds: float) -> None:
            super().append(seconds)
            if len(self) == 2:
                monkeypatch.setattr(rest, "READ_TIMEOUT_S", 60.0)  # the trouble is over, and we are patient

    reading.slept = Slept()

    export = await reading.fetch(RESTAURANT)

    assert ids_of(export.assistants) == [RESTAURANT]
    assert reading.slept == [1, 2]
    assert [progress.text for progress in reading.told if "trying again" in progress.text] == [
        text for text in (told.text for told in reading.told) if text.endswith(("in 1 s", "in 2 s"))
    ]


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (VapiFailure(status=500), "answered 500, 4 times. Check VAPI_API_URL"),
        (VapiFailure(body="half"), "the file ends in the middle"),
        (VapiFailure(body="truncated"), "ended in the middle, 4 times"),
        (VapiFailure(body="drop"), "no connection to 127.0.0.1"),
        (VapiFailure(after_ms=SLOW_MS), "did not answer in time, 4 times"),
    ],
    ids=["500", "half", "truncated", "dropped", "slow"],
)
async def test_trouble_that_stays_is_given_up_in_bounds(
    sim: Simulator, failure: VapiFailure, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if failure.after_ms:
        monkeypatch.setattr(rest, "READ_TIMEOUT_S", 0.1)
    sim.vapi.failures.extend([failure] * 9)
    reading = Reading(sim)

    error = await reading.refusal()

    assert str(error).startswith("GET /assistant: ")
    assert why in str(error)
    assert str(error).endswith("Try again later.")
    assert not error.permanent
    assert reading.slept == [1, 2, 4]
    async with asyncio.timeout(60):
        while len(sim.vapi.requests) < 4:  # noqa: ASYNC110 - given up before it was read, the last one is read now
            await asyncio.sleep(0.01)
    assert len(sim.vapi.requests) == 4


async def test_an_answer_that_drips_is_given_up(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "ANSWER_TIMEOUT_S", -1.0)

    assert "took too long, 4 times" in str(await Reading(sim).refusal())


async def test_no_connection_names_the_address(sim: Simulator) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        reading = Reading(sim, url=url)

        error = await reading.refusal()

    assert f"no connection to {url.removeprefix('http://')}, 4 times. Check VAPI_API_URL ({url})" in str(
        error
    )
    assert not error.permanent
    assert len(reading.slept) == 3


# --- Trouble that stays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["simulator-public", "invalid"])
async def test_a_wrong_key_is_told_once_and_where_to_find_the_right_one(sim: Simulator, key: str) -> None:
    error = await Reading(sim, key=key).refusal()

    assert str(error).startswith("Vapi does not accept the key (401).")
    assert "private key of the organisation, not the public one" in str(error)
    assert key not in str(error)
    assert (error.permanent, error.http_status) == (True, 401)
    assert len(sim.vapi.requests) == 1


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (VapiFailure(status=403), "GET /assistant: the key may not read this (403). Use a private key"),
        (VapiFailure(status=400), "GET /assistant: Vapi refused (400): Bad Request."),
        (VapiFailure(status=418), "GET /assistant: Vapi refused (418): Simulated."),
        (VapiFailure(body="html"), "GET /assistant: 127.0.0.1"),
        (VapiFailure(status=404, body="html"), "GET /assistant: 127.0.0.1"),
        (VapiFailure(body="gzip"), "GET /assistant: the answer cannot be decoded."),
        (VapiFailure(body="redirect"), "GET /assistant: 127.0.0.1"),
    ],
    ids=["403", "400", "418", "html", "html and 404", "gzip", "redirect"],
)
async def test_what_waiting_does_not_help_is_told_at_once(
    sim: Simulator, failure: VapiFailure, message: str
) -> None:
    sim.vapi.failures.append(failure)
    reading = Reading(sim)

    error = await reading.refusal()

    assert str(error).startswith(message)
    assert error.permanent
    assert reading.slept == []
    assert len(sim.vapi.requests) == 1
    if failure.body in {"html", "redirect"}:
        assert f"Check VAPI_API_URL ({sim.vapi_url})" in str(error)


@pytest.mark.parametrize("ids", [[], [CLINIC]], ids=["all", "by id"])
async def test_a_wrong_path_is_no_missing_assistant(sim: Simulator, ids: list[str]) -> None:
    error = await Reading(sim, url=f"{sim.vapi_url}/v1").refusal(*ids)

    assert "there is no such path at 127.0.0.1" in str(error)
    assert f"Check VAPI_API_URL ({sim.vapi_url}/v1)" in str(error)


async def test_a_server_without_a_valid_certificate_is_not_talked_to(sim: Simulator) -> None:
    error = await Reading(sim, url=sim.vapi_url.replace("http:", "https:")).refusal()

    assert "the certificate of 127.0.0.1" in str(error)
    assert sim.vapi.requests == type(sim.vapi.requests)()


async def test_more_than_the_limit_is_not_read(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "MAX_BYTES", 5_000)

    error = await Reading(sim).refusal()

    assert str(error).startswith("The answer to GET /assistant is larger than 20 MiB")
    assert error.permanent


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "VAPI_API_KEY is not set."),
        (" \n", "VAPI_API_KEY is not set."),
        ("two words", "VAPI_API_KEY holds a blank"),
        ("line\nbreak", "VAPI_API_KEY holds a blank"),
        ("schlüssel", "VAPI_API_KEY holds a blank"),
    ],
)
def test_a_key_that_cannot_be_one_is_not_sent(key: str, message: str) -> None:
    with pytest.raises(VapiError) as caught:
        VapiClient(url="https://api.vapi.ai", key=key)

    assert str(caught.value).startswith(message)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "VAPI_API_URL is not an address"),
        ("api.vapi.ai", "VAPI_API_URL is not an address"),
        ("ftp://api.vapi.ai", "VAPI_API_URL is not an address"),
        ("https://", "VAPI_API_URL is not an address"),
        ("https://me:secret@api.vapi.ai", "VAPI_API_URL is not an address"),
        ("https://api.vapi.ai?x=1", "VAPI_API_URL is not an address"),
        ("https://[api", "VAPI_API_URL is not an address"),
        ("https://api.vapi.ai:port", "VAPI_API_URL is not an address"),
        ("http://api.vapi.ai", "VAPI_API_URL begins with http:, so the key could be read"),
    ],
)
def test_an_address_that_cannot_be_right_is_told(url: str, message: str) -> None:
    with pytest.raises(VapiError) as caught:
        VapiClient(url=url, key="k")

    assert str(caught.value).startswith(message)
