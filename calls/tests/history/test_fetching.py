"""The whole history of the simulated Vapi, read through its REST while that fails in every way it knows."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from assistants.vapi.client import VapiClient
from calls.history.fetching import Place, pages_fetch
from calls.history.reading import CallRecord
from simulator.harness import Simulator, VapiFailure


@pytest.fixture
async def sim(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with Simulator(account_sid="AC0", auth_token="x") as simulator:
        yield simulator


def fetched(url: str, **wanted: Any) -> list[CallRecord]:
    asked = {"date_from": None, "date_to": None, "assistant_ids": (), "place": Place(), **wanted}
    with VapiClient(url=url, key="private-key", sleep=lambda _: None) as client:
        read = [one for page in pages_fetch(client, sleep=lambda _: None, **asked) for one in page.read]
    found = [one for one in read if isinstance(one, CallRecord)]
    assert len(found) == len(read)
    return found


def asked_for(call: dict[str, Any]) -> list[str]:
    """The tools of a call in the order in which its own list names them."""
    messages = call.get("messages") or call.get("artifact", {}).get("messages") or []
    return [one["function"]["name"] for message in messages for one in message.get("toolCalls", [])]


async def test_every_call_is_read_whatever_fails_in_between(sim: Simulator) -> None:
    sim.vapi.failures += [
        VapiFailure(status=429, retry_after="1"),
        VapiFailure(status=503),
        VapiFailure(body="truncated"),
    ]
    held = sim.vapi.calls.held

    found = {one.vapi_id: one for one in await asyncio.to_thread(fetched, sim.vapi_url)}

    assert found.keys() == held.keys()
    assert len(held) == 300
    for vapi_id, record in found.items():
        tools = [step.name for step in record.conversation.steps]
        assert tools == asked_for(held[vapi_id])
        asked = [step.asked_ms for step in record.conversation.steps]
        assert asked == sorted(asked)
    assert any(tools for tools in map(asked_for, held.values()))


async def test_days_and_assistants_narrow_what_comes(sim: Simulator) -> None:
    held = sim.vapi.calls.held
    made = sorted(one["createdAt"] for one in held.values())
    first, last = (datetime.fromisoformat(made[n]).astimezone(UTC) for n in (100, 200))
    assistant = next(one["assistantId"] for one in held.values() if one.get("assistantId"))

    found = await asyncio.to_thread(
        fetched, sim.vapi_url, date_from=first, date_to=last, assistant_ids=(assistant,)
    )

    wanted = {
        one["id"]
        for one in held.values()
        if made[100] <= one["createdAt"] < made[200] and one.get("assistantId") == assistant
    }
    assert wanted
    assert {one.vapi_id for one in found} == wanted
