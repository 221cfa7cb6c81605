"""Vapi's calls: the history as REST tells it, recordings, and calls with the telephony bypassed."""

import asyncio
import gzip
import io
import wave
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import requests

from simulator.harness import Simulator
from simulator.tests.bridge import Bridge
from simulator.tests.test_vapi import CLINIC, ask, control
from simulator.vapi_call_maker import KINDS, make_calls
from simulator.vapi_calls import NEWEST, UNUSED

LINE = "de51c7f8-91a4-4c3f-a6d0-3f2b7c8e5a55"


def names(call: dict[str, Any]) -> list[str]:
    """The tools of a call in the order in which they were called."""
    messages = call.get("artifact", {}).get("messages") or call.get("messages", [])
    return [made["function"]["name"] for message in messages for made in message.get("toolCalls", ())]


def test_made_calls_are_the_same_every_time_and_of_all_kinds() -> None:
    calls = make_calls(300, newest=NEWEST)

    assert calls == make_calls(300, newest=NEWEST)
    kinds = Counter(call["metadata"]["kind"] for call in calls if "metadata" in call)
    assert set(kinds) == set(KINDS) - {"2024"}
    assert len({call["id"] for call in calls}) == 300
    orders = {tuple(names(call)) for call in calls}
    assert ("find_slots", "book_appointment", "endCall") in orders
    assert ("send_confirmation", "find_slots", "book_appointment", "endCall") in orders
    assert () in orders
    assert {call["endedReason"] for call in calls} >= {"customer-ended-call", "silence-timed-out"}


def test_calls_of_some_kinds_are_made_in_turn() -> None:
    calls = make_calls(4, newest=NEWEST, seed=2, kinds=["booked", "swapped"])

    assert [call["metadata"]["kind"] for call in calls] == ["booked", "swapped"] * 2
    assert names(calls[0]) == ["find_slots", "book_appointment", "endCall"] != names(calls[1])


def test_a_made_call_is_coherent() -> None:
    for call in make_calls(200, newest=NEWEST):
        messages = call.get("messages", [])
        times = [message["time"] for message in messages]
        assert times == sorted(times)
        results = [message["toolCallId"] for message in messages if message["role"] == "tool_call_result"]
        made = [each["id"] for message in messages for each in message.get("toolCalls", ())]
        assert set(results) <= set(made)
        if call.get("startedAt"):
            assert call["createdAt"] < call["startedAt"] <= call["endedAt"] < call["updatedAt"]
        if "costBreakdown" in call:
            parts = ("transport", "stt", "llm", "tts", "vapi", "chat")
            assert call["cost"] == round(sum(call["costBreakdown"][part] for part in parts), 4)


async def test_the_history_is_paged_back_by_dates(sim: Simulator) -> None:
    """By `createdAtLt` of the last one; calls of one millisecond are lost there, as at Vapi, and kept with `Le`."""
    seen: dict[str, Any] = {}
    bound = ""
    while page := (await ask(sim, "GET", f"/call?limit=70{bound}")).json():
        fresh = [call for call in page if call["id"] not in seen]
        if not fresh:
            break
        seen |= {call["id"]: call for call in fresh}
        bound = f"&createdAtLe={page[-1]['createdAt']}"

    assert len(seen) == 300
    moments = [call["createdAt"] for call in seen.values()]
    assert moments == sorted(moments, reverse=True)
    assert len(set(moments)) < 300
    assert (await ask(sim, "GET", f"/call/{next(iter(seen))}")).json() == seen[next(iter(seen))]


async def test_the_history_is_filtered_and_unknown_parameters_are_refused(sim: Simulator) -> None:
    everything = (await ask(sim, "GET", "/call?limit=1000")).json()

    of_clinic = (await ask(sim, "GET", f"/call?assistantId={CLINIC}&limit=1000")).json()
    of_line = (await ask(sim, "GET", f"/call?phoneNumberId={LINE}&limit=1000")).json()
    one = (await ask(sim, "GET", f"/call?id={everything[7]['id']}")).json()

    assert of_clinic == [call for call in everything if call["assistantId"] == CLINIC] != everything
    assert of_line == everything
    assert one == [everything[7]]
    assert (await ask(sim, "GET", "/call?page=2")).json()["message"] == ["property page should not exist"]
    assert (await ask(sim, "GET", "/call/none")).status_code == 404
    assert (await ask(sim, "PATCH", f"/call/{one[0]['id']}", {"name": "x"})).json()["name"] == "x"
    assert (await ask(sim, "PATCH", f"/call/{one[0]['id']}", {"status": "x"})).status_code == 400
    assert (await ask(sim, "DELETE", f"/call/{one[0]['id']}")).json()["id"] == one[0]["id"]
    assert len((await ask(sim, "GET", "/call?limit=1000")).json()) == 299


async def test_recordings_and_logs_can_be_had_while_they_are_kept(sim: Simulator) -> None:
    calls = (await ask(sim, "GET", "/call?limit=1000")).json()
    urls = [call["stereoRecordingUrl"] for call in calls if "stereoRecordingUrl" in call]
    wav = next(url for url in urls if url.endswith(".wav") and "expired" not in url)
    mp3 = next(url for url in urls if url.endswith(".mp3"))
    old = next(url for url in urls if "expired" in url)
    log = calls[0]["artifact"]["logUrl"]

    async def get(url: str) -> requests.Response:
        return await asyncio.to_thread(requests.get, url, timeout=60)

    with wave.open(io.BytesIO((await get(wav)).content)) as file:
        assert (file.getnchannels(), file.getnframes() / file.getframerate()) == (2, 1.0)
    assert (await get(mp3)).headers["content-type"] == "audio/mpeg"
    assert (await get(old)).status_code == 403
    assert orjson.loads(gzip.decompress((await get(log)).content)) == {"level": "INFO", "body": "simulated"}
    redirect = await ask(sim, "GET", f"/call/{calls[0]['id']}/mono-recording")
    assert redirect.status_code == 302
    assert redirect.headers["location"] == calls[0]["artifact"]["recording"]["mono"]["combinedUrl"]
    assert (await ask(sim, "GET", f"/call/{calls[0]['id']}/pcap")).status_code == 404


async def test_own_calls_are_seeded(sim: Simulator) -> None:
    now = datetime.now(UTC).isoformat()

    made = (await control(sim, "POST", "/calls", {"clear": True, "generate": 200, "newest": now})).json()
    own = (
        await control(sim, "POST", "/calls", [{"id": "mine", "createdAt": "2020-01-01T00:00:00.000Z"}])
    ).json()
    assert (made, own) == ({"calls": 200}, {"calls": 201})
    assert (await ask(sim, "GET", "/call/mine")).json()["status"] == "ended"
    await control(sim, "POST", "/calls", {"keep_days": 2})

    kept = (await ask(sim, "GET", "/call?limit=1000")).json()
    assert 0 < len(kept) < 200
    assert (await ask(sim, "GET", "/call/mine")).status_code == 404
    for refused in ({"nonsense": 1}, {"generate": 1, "kinds": ["nonsense"]}):
        assert (await control(sim, "POST", "/calls", refused)).status_code == 400
    edited = await control(sim, "PATCH", f"/call/{kept[0]['id']}", {"endedReason": "voicemail"})
    assert edited.json()["endedReason"] == "voicemail"


# Bypass

BYPASS = {
    "phoneCallProviderBypassEnabled": True,
    "assistantId": CLINIC,
    "phoneNumberId": LINE,
    "customer": {"number": "+12025550147"},
}


async def test_a_bypassed_call_is_taken_by_the_document_that_vapi_gives(
    sim: Simulator, bridge: Bridge
) -> None:
    made = (await ask(sim, "POST", "/call", BYPASS)).json()
    bridge.answer = (200, made["phoneCallProviderDetails"]["twiml"].encode(), "text/xml")

    report = await bridge.sim.place_call(
        "greeting", voice_url=bridge.voice_url, public_origin=bridge.public_origin, speed=3
    )

    assert (made["status"], report.heard_text()) == ("queued", "You have reached the old provider.")
    assert report.violations == {"31921": 1}  # the old provider closes the stream
    taken = (await ask(sim, "GET", f"/call/{made['id']}")).json()
    assert (taken["status"], taken["phoneCallProviderId"]) == ("in-progress", report.call_sid)


async def test_a_bypassed_call_that_nobody_connects_has_ended(sim: Simulator, bridge: Bridge) -> None:
    sim.vapi.calls.unused_after_s = 0.0
    made = (await ask(sim, "POST", "/call", BYPASS)).json()

    ended = (await ask(sim, "GET", f"/call/{made['id']}")).json()

    assert (ended["status"], ended["endedReason"]) == ("ended", UNUSED)
    bridge.answer = (200, made["phoneCallProviderDetails"]["twiml"].encode(), "text/xml")
    report = await bridge.sim.place_call("greeting", voice_url=bridge.voice_url, speed=3)
    assert report.heard == []
    assert sim.old_provider.refused == {"transport of an unknown or expired call": 1}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"phoneCallProviderBypassEnabled": False}, "Only calls with"),
        ({"phoneNumberId": None}, "Couldn't Get Phone Number. Need"),
        ({"phoneNumberId": "x"}, "`phoneNumberId` x Does Not Exist"),
        ({"assistantId": "x"}, "`assistantId` x Does Not Exist"),
        ({"customer": {}}, "customer.number must be a string"),
    ],
    ids=["dialled by Vapi", "no number", "a foreign number", "a foreign assistant", "nobody"],
)
async def test_a_call_that_names_nothing_real_is_refused(
    sim: Simulator, changes: dict[str, Any], complaint: str
) -> None:
    answer = await ask(sim, "POST", "/call", {**BYPASS, **changes})

    assert answer.status_code == 400
    assert complaint in str(answer.json()["message"])
