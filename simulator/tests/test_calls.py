"""Whole calls through a minimal bridge: the phone, the Realtime API, REST and the tool server together."""

import asyncio
from typing import Any

import pytest
import requests

from simulator import clips
from simulator import scenario as scenarios
from simulator.harness import CallReport, Line, Simulator
from simulator.rest import Failure
from simulator.scenario import Faults, Model
from simulator.tests.bridge import Bridge

SPEED = 3.0  # of the call's clock; wall-clock delays count thrice in its milliseconds


async def call(bridge: Bridge, name: str, *, speed: float = SPEED, **changes: Any) -> CallReport:
    story = scenarios.load(name).but(**changes) if changes else scenarios.load(name)
    return await bridge.sim.place_call(
        story,
        voice_url=bridge.voice_url,
        public_origin=bridge.public_origin,
        status_callback=f"{bridge.public_origin}/twilio/status",
        speed=speed,
    )


def assert_clean(report: CallReport, bridge: Bridge) -> None:
    assert report.violations == {}
    assert report.realtime_errors == []
    assert report.realtime_warnings == []
    assert report.unknown_audio_ms == 0
    assert bridge.bad_signatures == []


async def test_one_tool(bridge: Bridge) -> None:
    report = await call(bridge, "one_tool", speed=2.0)

    assert_clean(report, bridge)
    assert report.answered
    assert report.reason == "completed by REST"
    assert [line.line for line in report.heard] == [
        "Alder Street Bike Repair, how can I help?",
        "Let me check that ticket.",
        "Ticket 481 is waiting for parts and should be ready on Tuesday, November twenty-fourth.",
        "It will cost eighty-six dollars and fifty cents.",
        "Thank you for calling, goodbye.",
    ]
    assert all(line.complete for line in report.heard)
    assert bridge.transcripts == [turn.said for turn in report.turns]
    for turn in report.turns:
        assert turn.until_ms is not None
        assert turn.answer_ms is not None
        answer = next(line for line in report.heard if line.from_ms >= turn.until_ms)
        assert turn.answer_ms == pytest.approx(answer.from_ms - turn.until_ms, abs=40)
        assert turn.answer_ms >= 320
    assert [request["calls"][0]["arguments"] for request in report.tool_requests] == [
        {"ticket": "481", "include_price": True}
    ]
    assert [(made.name, len(made.outputs)) for made in report.tool_calls] == [
        ("get_repair_status", 1),
        ("end_call", 0),
    ]
    assert bridge.stream_events == ["stream-started", "stream-stopped"]
    assert bridge.webhooks[0]["CallStatus"] == "ringing"
    assert bridge.webhooks[-1]["CallStatus"] == "completed"


@pytest.mark.parametrize("name", ["barge_in", "barge_in_while_generating"])
async def test_barge_in(bridge: Bridge, name: str) -> None:
    report = await call(bridge, name)

    assert_clean(report, bridge)
    interrupted = report.heard[2]
    assert interrupted.line.startswith("Ticket 481")
    assert 1400 < interrupted.heard_ms < 2200
    assert interrupted.text == "Ticket 481 is waiting for"
    (truncation,) = report.truncations
    assert truncation.heard_ms == interrupted.heard_ms
    assert abs(truncation.audio_end_ms - interrupted.heard_ms) < 450  # this bridge knows it to a mark only
    assert report.turns[1].barged_in
    assert report.turns[1].stopped_after_ms is not None
    assert report.turns[1].stopped_after_ms < 300
    assert report.turns[1].answer_ms is not None
    statuses = [response["reason"] for response in report.responses]
    assert ("turn_detected" in statuses) == (name == "barge_in_while_generating")


async def test_a_bridge_that_does_not_clear_is_found_out(sim: Simulator) -> None:
    async with Bridge(sim, clears=False) as bridge:
        report = await call(bridge, "barge_in", patience_ms=4000)

    assert report.heard[2].complete
    assert report.turns[1].stopped_after_ms is None or report.turns[1].stopped_after_ms > 2000


async def test_double_barge_in(bridge: Bridge) -> None:
    report = await call(bridge, "double_barge_in")

    assert_clean(report, bridge)
    assert report.reason == "completed by REST"
    assert report.clears == 2
    assert [turn.barged_in for turn in report.turns] == [False, True, False, True, False]


async def test_a_dead_tool_server_is_told_to_the_caller(bridge: Bridge) -> None:
    report = await call(bridge, "tool_server_down")

    assert_clean(report, bridge)
    assert "I could not reach the workshop just now." in report.heard_text()
    assert report.tool_calls[0].outputs == ['{"error": "ConnectionError"}']


async def test_an_unknown_tool_and_a_slow_one(bridge: Bridge) -> None:
    unknown = await call(bridge, "unknown_tool")
    slow = await call(bridge, "slow_tool")

    assert unknown.tool_calls[0].name == "look_into_crystal_ball"
    assert "November" in slow.heard_text()
    assert slow.tool_calls[0].output_at_ms is not None
    assert slow.tool_calls[0].output_at_ms - slow.tool_calls[0].at_ms >= 6000


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        ("hang_up_in_greeting", "Alder Street"),
        ("hang_up_in_answer", "We are open from nine"),
        ("hang_up_in_tool", None),
    ],
)
async def test_hanging_up(bridge: Bridge, name: str, heard: str | None) -> None:
    report = await call(bridge, name)

    assert_clean(report, bridge)
    assert report.reason == "the caller hung up"
    assert bridge.stream_events[-1] == "stream-stopped"
    assert heard is None or report.heard[-1].text == heard


async def test_hanging_up_in_ones_own_word(bridge: Bridge) -> None:
    report = await call(bridge, "hang_up_mid_word")

    (turn,) = report.turns
    assert turn.until_ms is not None
    assert 1300 <= turn.until_ms - turn.from_ms <= 1500
    assert turn.answer_ms is None


async def test_keys(bridge: Bridge) -> None:
    report = await call(bridge, "keypad")

    assert [event for event in report.events if event["event"] == "caller presses keys"]
    assert_clean(report, bridge)


async def test_a_caller_who_gets_no_answer_gives_up(bridge: Bridge) -> None:
    report = await call(bridge, "failed_response", patience_ms=2000)

    assert report.reason == "the caller gave up waiting"
    assert report.responses[0]["status"] == "failed"
    assert report.heard == []


async def test_a_refused_stream_goes_on_with_the_action(bridge: Bridge) -> None:
    bridge.refuse_stream = True
    bridge.after = "<Say>We are sorry.</Say><Hangup/>"

    report = await call(bridge, "greeting")

    assert report.violations == {"31920": 1}
    assert report.spoken_by_twilio == ["We are sorry."]
    assert report.reason == "hung up by TwiML"
    assert bridge.stream_events == ["stream-error"]


async def test_a_lost_realtime_connection_breaks_this_bridge(bridge: Bridge) -> None:
    bridge.after = "<Dial><Number>+12025550111</Number></Dial>"

    report = await call(bridge, "realtime_lost")

    assert set(report.violations) <= {"31921", "31903"}
    assert report.dialled == ["+12025550111"]
    assert report.reason == "the document ended"


@pytest.mark.parametrize("status", [403, 503])
async def test_a_refused_realtime_connection(bridge: Bridge, status: int) -> None:
    report = await call(bridge, "greeting", faults=Faults(refuse_status=status))

    assert bridge.sim.realtime.refused == 1
    assert report.realtime_sessions == 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((500, b"", "text/plain"), "11200"),
        ((302, b"", "text/plain"), "11216"),
        ((200, b"{}", "application/json"), "12300"),
        ((200, b"\n<Response/>", "text/xml"), "12100"),
    ],
)
async def test_bad_webhook_answers(bridge: Bridge, answer: tuple[int, bytes, str], code: str) -> None:
    bridge.answer = answer

    report = await call(bridge, "greeting")

    assert report.violations == {code: 1}
    assert not report.answered


async def test_twiml_beyond_the_machine_ends_the_call(bridge: Bridge) -> None:
    twiml = b"<Response><Redirect>https://elsewhere.example.net/voice</Redirect></Response>"
    bridge.answer = (200, twiml, "text/xml")

    report = await call(bridge, "greeting")

    assert report.reason.startswith("handed over: https://elsewhere.example.net/voice")
    assert report.violations == {}


async def test_a_redirect_by_rest_replaces_the_document(bridge: Bridge) -> None:
    running = asyncio.create_task(call(bridge, "silent_caller", speed=1.0))
    while not (sids := [sid for sid, phone in bridge.sim.switchboard.calls.items() if phone.stream]):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    status, body = await rest(bridge, sids[0], {"Twiml": "<Response><Dial>+12025550111</Dial></Response>"})

    report = await running

    assert (status, body["status"]) == (200, "in-progress")
    assert report.dialled == ["+12025550111"]
    assert bridge.stream_events == ["stream-started", "stream-stopped"]
    assert (await rest(bridge, sids[0], {"Status": "completed"}))[1]["code"] == 21220
    assert (await rest(bridge, sids[0], None))[1]["status"] == "completed"


async def rest(
    bridge: Bridge, sid: str, form: dict[str, str] | None, *, auth: tuple[str, str] | None = None
) -> tuple[int, Any]:
    account = bridge.sim.switchboard.account
    url = f"{bridge.sim.http_url}/2010-04-01/Accounts/{account.sid}/Calls/{sid}.json"

    def ask() -> tuple[int, Any]:
        with requests.request(
            "GET" if form is None else "POST",
            url,
            data=form,
            auth=auth or (account.sid, account.auth_token),
            timeout=60,
        ) as answer:
            return answer.status_code, answer.json()

    return await asyncio.to_thread(ask)


async def test_an_outbound_call(bridge: Bridge) -> None:
    bridge.sim.answer_outbound("greeting", voice_url=bridge.voice_url, public_origin=bridge.public_origin)
    account = bridge.sim.switchboard.account
    form = [
        ("To", "+12025550163"),
        ("From", "+12025550100"),
        ("Url", f"{bridge.public_origin}/twilio/voice"),
        ("StatusCallback", f"{bridge.public_origin}/twilio/status"),
        *[("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")],
    ]
    url = f"{bridge.sim.http_url}/2010-04-01/Accounts/{account.sid}/Calls.json"

    answer = await asyncio.to_thread(
        requests.post, url, data=form, auth=(account.sid, account.auth_token), timeout=60
    )
    report = await bridge.sim.outbound_report()

    assert (answer.status_code, answer.json()["sid"]) == (201, report.call_sid)
    assert report.heard[0].complete
    progress = [form for form in bridge.webhooks if form.get("CallbackSource")]
    assert [form["CallStatus"] for form in progress] == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in progress] == ["0", "1", "2", "3"]
    assert {form["Direction"] for form in bridge.webhooks} == {"outbound-api"}
    assert bridge.bad_signatures == []


async def test_rest_errors(bridge: Bridge) -> None:
    bridge.sim.rest.failures.append(Failure(429, 20429))

    limited = await rest(bridge, "CA1", {"Status": "completed"})
    missing = await rest(bridge, "CA1", {"Status": "completed"})
    stranger = await rest(bridge, "CA1", None, auth=("AC1", "x"))

    assert [(status, body["code"]) for status, body in (limited, missing, stranger)] == [
        (429, 20429),
        (404, 20404),
        (401, 20003),
    ]


async def test_line_switches(bridge: Bridge) -> None:
    odd = await call(bridge, "one_tool", line=Line(frame_bytes=(1, 999, 160)))
    burst = await call(bridge, "hang_up_in_answer", line=Line(burst_ms=233, no_stop=True))
    twice = await call(bridge, "greeting", line=Line(duplicate_webhook=True, reorder_callbacks=True))
    second = await call(bridge, "greeting", line=Line(second_socket=True))

    assert odd.reason == "completed by REST"
    assert burst.heard[-1].line == "We are open from nine to six, Monday to Saturday."
    assert [form["CallStatus"] for form in bridge.webhooks if form["CallSid"] == twice.call_sid] == [
        "ringing",
        "ringing",
        "completed",
    ]
    assert any(event["event"] == "second socket accepted" for event in second.events)


async def test_a_caller_who_vanishes_leaves_an_open_socket(bridge: Bridge) -> None:
    report = await call(bridge, "hang_up_in_greeting", line=Line(no_close=True), speed=20.0)

    assert report.events[-1]["event"] == "server kept the silent socket"  # this bridge has no watchdog
    assert bridge.webhooks[-1]["CallStatus"] == "completed"
    assert "stream-stopped" not in bridge.stream_events


async def test_what_was_heard_can_be_asked_for_by_time(bridge: Bridge) -> None:
    report = await call(bridge, "greeting")

    (line,) = report.heard
    audio = report.audio_between(line.from_ms - 100, line.from_ms + line.heard_ms + 100)

    assert clips.library("assistant").words(audio) == line.line
    assert len(audio) == pytest.approx((line.heard_ms + 200) * 8, abs=16)


async def test_calls_side_by_side_keep_apart(bridge: Bridge) -> None:
    names = ["one_tool", "greeting", "hang_up_in_answer", "one_tool"]

    reports = await asyncio.gather(*(call(bridge, name) for name in names))

    assert [len(report.turns) for report in reports] == [3, 0, 1, 3]
    for report in reports:
        assert report.realtime_sessions == 1
        assert report.violations == {}


async def test_the_model_may_be_slow_and_mishear(bridge: Bridge) -> None:
    model = Model(think_ms=900, transcription_fails=True)

    report = await call(bridge, "one_tool", model=model)

    assert all(turn.answer_ms is not None and turn.answer_ms > 1100 for turn in report.turns)
    assert bridge.transcripts == []
