"""Calls that REST places: what is refused, and calls from one of our numbers to another."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests
from websockets.asyncio.server import Server, ServerConnection, serve

from simulator import clips
from simulator.harness import Simulator
from simulator.old_provider import SENTENCE
from simulator.tests.bridge import ACCOUNT, TOKEN, Bridge

DID, TEST_NUMBER = "+12025550100", "+12025550102"
ORIGIN = "https://voice.example.com"
WISH = "Hi, is my bike ready? The ticket is four eight one."


@pytest.fixture(autouse=True)
def _ours(sim: Simulator, bridge: Bridge) -> None:
    sim.add_origins({ORIGIN: f"http://127.0.0.1:{bridge.port}"})
    sim.numbers.change(DID, voice_url=f"{ORIGIN}/twilio/voice", status_callback=f"{ORIGIN}/twilio/status")


async def create(sim: Simulator, *more: tuple[str, str], **form: str) -> requests.Response:
    url = f"{sim.http_url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
    pairs = [*{"To": DID, "From": TEST_NUMBER, **form}.items(), *more]
    return await asyncio.to_thread(requests.post, url, data=pairs, auth=(ACCOUNT, TOKEN), timeout=60)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"To": ""}, 21201),
        ({"To": "12025550100"}, 21211),
        ({"From": ""}, 21213),
        ({"From": "Alder Street"}, 21212),
        ({"From": "+12025550555"}, 21210),
        ({"Twiml": ""}, 21205),
        ({"Url": "voice.example.com/x"}, 21205),
        ({"StatusCallback": "http://web:8000/"}, 21609),
        ({"StatusCallbackEvent": "ringing,answered"}, 21626),
        ({"Timeout": "0"}, 20001),
        ({"Uri": "https://voice.example.com/"}, 20001),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "=".join(*value.items()),
)
async def test_a_call_that_twilio_would_not_place(sim: Simulator, form: dict[str, str], code: int) -> None:
    answer = await create(sim, **{"Twiml": "<Response/>", **form})

    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_both_legs_hear_what_twilio_says_on_the_other(sim: Simulator, bridge: Bridge) -> None:
    bridge.answer = (200, b"<Response><Say>One moment.</Say><Pause length='2'/></Response>", "text/xml")

    made = await create(
        sim,
        *[("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")],
        Twiml="<Response><Pause length='30'/></Response>",
        StatusCallback=f"{ORIGIN}/twilio/status",
    )
    near, far = await sim.outbound_report(), await sim.inbound_report()

    assert (made.status_code, made.json()["status"]) == (201, "queued")
    assert (near.answered, near.reason) == (True, "the other end hung up")
    assert (far.answered, far.answered_by, far.reason) == (
        True,
        f"{ORIGIN}/twilio/voice",
        "the document ended",
    )
    assert far.call_sid != near.call_sid == made.json()["sid"]
    inbound = next(form for form in bridge.webhooks if form["CallSid"] == far.call_sid)
    assert (inbound["Direction"], inbound["From"], inbound["To"]) == ("inbound", TEST_NUMBER, DID)
    progress = [form["CallStatus"] for form in bridge.webhooks if form["CallSid"] == near.call_sid]
    assert progress == ["initiated", "ringing", "in-progress", "completed"]


async def test_a_line_that_rejects_is_busy(sim: Simulator, bridge: Bridge) -> None:
    bridge.answer = (200, b"<Response><Reject reason='busy'/></Response>", "text/xml")

    await create(sim, Twiml="<Response><Say>Hello there.</Say></Response>")
    near, far = await sim.outbound_report(), await sim.inbound_report()

    assert (near.answered, near.reason, near.spoken_by_twilio) == (False, "not answered: busy", [])
    assert far.reason == "rejected: busy"


async def test_a_call_may_be_canceled_while_it_rings(sim: Simulator, bridge: Bridge) -> None:
    bridge.answer = (200, b"<Response><Pause length='20'/><Say>Hello there.</Say></Response>", "text/xml")
    made = (await create(sim, Twiml="<Response/>")).json()
    url = f"{sim.http_url}{made['uri']}"
    while not bridge.webhooks:  # noqa: ASYNC110 - the far leg rings when it has asked what to do
        await asyncio.sleep(0.02)

    ended = await asyncio.to_thread(
        requests.post, url, data={"Status": "completed"}, auth=(ACCOUNT, TOKEN), timeout=60
    )
    near, far = await sim.outbound_report(), await sim.inbound_report()

    assert ended.status_code == 200
    assert (near.answered, far.answered, far.spoken_by_twilio) == (False, False, [])


class Runner:
    """Plays the caller on a media stream: one line as soon as there is silence, and listens."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.heard = b""

    async def __call__(self, socket: ServerConnection) -> None:
        silent = 0
        spoken = False
        async for text in socket:
            told: dict[str, Any] = json.loads(text)
            if told["event"] == "stop":
                return
            if told["event"] != "media":
                continue
            frame = base64.b64decode(told["media"]["payload"])
            self.heard += frame
            silent = silent + 1 if len(set(frame)) <= 4 else 0
            if silent > 60 and not spoken and len(self.heard) > 16_000:
                spoken = True
                audio = clips.clip_of(self.line, "caller").audio
                payload = base64.b64encode(audio).decode()
                media = {"event": "media", "streamSid": told["streamSid"], "media": {"payload": payload}}
                await socket.send(json.dumps(media))


@pytest.fixture
async def runner(sim: Simulator) -> AsyncIterator[Runner]:
    runner = Runner(WISH)
    async with serve(runner, "127.0.0.1", 0, compression=None) as server:
        assert isinstance(server, Server)
        port = next(iter(server.sockets)).getsockname()[1]
        sim.add_origins({"wss://tester.example.com": f"ws://127.0.0.1:{port}"})
        yield runner


STREAM = "<Response><Connect><Stream url='wss://tester.example.com/run'/></Connect></Response>"


async def test_a_runner_of_scenarios_talks_to_our_number_over_the_line(
    sim: Simulator, bridge: Bridge, runner: Runner
) -> None:
    """Greeting, wish, tool, answer; then the model hangs up, or the test does."""
    sim.switchboard.outbound_scenario = "one_tool"

    made = (await create(sim, Twiml=STREAM)).json()
    async with asyncio.timeout(300):
        while "ready on Tuesday" not in clips.library("assistant").words(runner.heard):  # noqa: ASYNC110 - it listens
            await asyncio.sleep(0.1)
    await asyncio.to_thread(
        requests.post,
        f"{sim.http_url}{made['uri']}",
        data={"Status": "completed"},
        auth=(ACCOUNT, TOKEN),
        timeout=60,
    )
    near, far = await sim.outbound_report(), await sim.inbound_report()

    assert far.heard[0].line == "Alder Street Bike Repair, how can I help?"
    assert bridge.transcripts == [WISH]
    assert [made.name for made in far.tool_calls] == ["get_repair_status"]
    assert len(far.tool_requests) == 1
    assert (far.violations, near.violations, far.realtime_sessions) == ({}, {}, 1)
    assert (
        clips.library("assistant").words(runner.heard).startswith("Alder Street Bike Repair, how can I help?")
    )
    assert (near.reason, far.reason) == ("completed by REST", "caller hung up")


async def test_a_number_on_the_old_provider_is_heard_too(sim: Simulator, runner: Runner) -> None:
    sim.old_provider.save(DID)

    await create(sim, Twiml=STREAM)
    near, far = await sim.outbound_report(), await sim.inbound_report()

    assert far.spoken_by_twilio == [SENTENCE]
    heard = clips.recogniser_of([SENTENCE], "assistant").words(runner.heard)
    assert heard.endswith("old provider.")  # its beginning is lost while the runner's stream opens
    assert near.reason == "the other end hung up"


STRANGER = "+13125550177"


@pytest.mark.parametrize(
    ("to", "status"), [("+13125550001", "busy"), ("+13125550002", "no-answer"), ("+13125550003", "failed")]
)
async def test_nobody_answers_whose_number_says_so(
    sim: Simulator, bridge: Bridge, to: str, status: str
) -> None:
    sim.switchboard.outbound_speed = 20

    await create(
        sim,
        *[("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")],
        To=to,
        Url=f"{ORIGIN}/twilio/voice",
        StatusCallback=f"{ORIGIN}/twilio/status",
        Timeout="5",
    )
    report = await sim.outbound_report()

    assert (report.answered, report.reason) == (False, f"not answered: {status}")
    assert [form["CallStatus"] for form in bridge.webhooks] == ["initiated", "ringing", status]
    assert bridge.webhooks[-1]["SipResponseCode"] == {"busy": "486", "failed": "404"}.get(status, "200")


@pytest.mark.parametrize(
    ("to", "mode", "words"),
    [
        (STRANGER, "Enable", ["human"]),
        ("+13125550004", "Enable", ["machine_start"]),
        ("+13125550004", "DetectMessageEnd", ["machine_end_beep"]),
    ],
)
async def test_twilio_says_who_has_picked_up(
    sim: Simulator, bridge: Bridge, to: str, mode: str, words: list[str]
) -> None:
    sim.switchboard.outbound_speed = 20

    await create(
        sim,
        To=to,
        Twiml="<Response><Pause length='8'/></Response>",
        MachineDetection=mode,
        AsyncAmd="true",
        AsyncAmdStatusCallback=f"{ORIGIN}/twilio/machine",
    )
    await sim.outbound_report()

    assert [form["AnsweredBy"] for form in bridge.webhooks] == words


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"MachineDetection": "Yes"}, 20001),
        ({"AsyncAmd": "True"}, 20001),
        ({"MachineDetectionTimeout": "2"}, 21234),
        ({"MachineDetectionSpeechThreshold": "7000"}, 21262),
    ],
)
async def test_options_for_machines_are_checked(sim: Simulator, form: dict[str, str], code: int) -> None:
    assert (await create(sim, Twiml="<Response/>", **form)).json()["code"] == code
