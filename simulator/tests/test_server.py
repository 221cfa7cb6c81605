import asyncio
import json
import subprocess
import sys
from typing import Any

import requests

from simulator import scenario
from simulator.harness import Simulator
from simulator.tests.bridge import Bridge


async def ask(method: str, url: str, body: Any = None) -> requests.Response:
    return await asyncio.to_thread(requests.request, method, url, json=body, timeout=60)


async def test_stories_and_health(sim: Simulator) -> None:
    stories = (await ask("GET", f"{sim.http_url}/simulator/scenarios")).json()
    health = (await ask("GET", f"{sim.http_url}/healthz")).json()

    assert [story["name"] for story in stories] == scenario.names()
    assert health == {"ok": True, "live_calls": 0}
    assert (await ask("GET", f"{sim.http_url}/nothing")).status_code == 404


async def test_a_call_is_streamed_as_lines(bridge: Bridge) -> None:
    order = {
        "to": "+12025550100",
        "from": "+12025550147",
        "voice_url": bridge.voice_url,
        "public_origin": bridge.public_origin,
        "scenario": "greeting",
        "speed": 3,
    }

    answer = await ask("POST", f"{bridge.sim.http_url}/simulator/calls", order)

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [line["event"] for line in lines][:4] == [
        "call placed",
        "webhook answered",
        "answered",
        "stream opening",
    ]
    last = lines[-1]
    assert last["event"] == "ended"
    assert last["answered"]
    assert last["reason"] == "the caller hung up"
    assert (last["violations"], last["realtime_errors"], last["turns"]) == ({}, [], [])
    assert last["heard"][0]["line"] == "Alder Street Bike Repair, how can I help?"


async def test_a_call_that_fails_is_told_too(sim: Simulator) -> None:
    order = {"to": "+1", "from": "+1", "voice_url": "http://127.0.0.1:9/", "scenario": "greeting"}

    answer = await ask("POST", f"{sim.http_url}/simulator/calls", order)

    last = json.loads(answer.text.splitlines()[-1])
    assert (last["event"], last["answered"], last["violations"]) == ("ended", False, {"11202": 1})


async def test_bad_orders_say_what_is_wrong(sim: Simulator) -> None:
    url = f"{sim.http_url}/simulator/calls"
    good = {"to": "+1", "from": "+1", "voice_url": "http://127.0.0.1:9/"}

    for order, complaint in [
        ({}, "to, from, voice_url must be given"),
        ({**good, "colour": 1}, "unknown keys ['colour']"),
        ({**good, "scenario": "nothing"}, "there is no scenario 'nothing'"),
        ([], "must be a JSON object"),
    ]:
        answer = await ask("POST", url, order)
        assert answer.status_code == 400
        assert complaint in answer.json()["error"]


async def test_faults_can_be_set(sim: Simulator) -> None:
    url = f"{sim.http_url}/simulator/faults"

    assert (await ask("PUT", url, {"refuse_status": 503})).json()["refuse_status"] == 503
    assert sim.realtime.faults is not None
    assert (await ask("PUT", url, {"nonsense": 1})).status_code == 400
    assert (await ask("DELETE", url)).json() is None
    assert sim.realtime.faults is None


def envelope(name: str) -> dict[str, Any]:
    entry = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": {"ticket": "481"}}}
    return {
        "message": {
            "type": "tool-calls",
            "timestamp": 1,
            "toolCalls": [entry],
            "toolCallList": [entry],
            "toolWithToolCallList": [{"type": "function", "toolCall": entry}],
            "call": {"id": "1"},
        }
    }


async def test_the_tool_server_behaves_as_its_path_says(sim: Simulator) -> None:
    async def behave(behaviour: str) -> requests.Response:
        url = f"{sim.tools_url}/{behaviour}{'/' if behaviour else ''}get_repair_status"
        return await asyncio.to_thread(
            requests.post, url, json=envelope("get_repair_status"), timeout=60, allow_redirects=False
        )

    plain = (await behave("")).json()["results"][0]

    assert plain["toolCallId"] == "call_1"
    assert json.loads(plain["result"]) == {
        "status": "waiting_for_parts",
        "ready_on": "2026-11-24",
        "price_usd": 86.5,
    }
    assert (await behave("status-503")).status_code == 503
    assert (await behave("html")).headers["content-type"] == "text/html"
    assert (await behave("empty")).content == b""
    assert (await behave("redirect")).status_code == 307
    assert (await behave("wrong-id")).json()["results"][0]["toolCallId"] != "call_1"
    assert len((await behave("huge")).content) > 5_000_000
    assert (await behave("object")).json()["results"][0]["result"]["price_usd"] == 86.5
    assert "error" in (await behave("string-error")).json()["results"][0]
    assert (await behave("slow-200")).elapsed.total_seconds() >= 0.2
    for broken in ("half-body", "drop"):
        try:
            await behave(broken)
        except requests.RequestException:
            continue
        raise AssertionError(broken)
    requests_seen = (await ask("GET", f"{sim.tools_url}/requests")).json()
    assert len(requests_seen) == 12
    assert (await ask("POST", f"{sim.tools_url}/x", {"message": {}})).status_code == 400


def test_the_command_explains_itself() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "simulator", "--help"], capture_output=True, text=True, check=True
    )
    refused = subprocess.run(
        [sys.executable, "-m", "simulator"], capture_output=True, text=True, env={}, check=False
    )

    assert "example:" in shown.stdout
    assert "TWILIO_ACCOUNT_SID" in refused.stderr
    assert refused.returncode == 2
