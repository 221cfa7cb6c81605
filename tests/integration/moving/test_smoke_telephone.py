"""Smoke tests over telephone lines that the simulator plays: both ends, Twilio between them, and Vapi at another number."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections

from calls.models import CallerLine, SmokeLeg, SmokePair, SmokeRun
from calls.smoke.caller_lines import RECORDED, line_key
from calls.smoke.planning import Wish, run_create
from calls.smoke.playing import run_play
from calls.smoke.runs import run_cancel
from calls.smoke.scripts import script_read
from calls.smoke.stories import story
from calls.smoke.telephone_calls import TwilioTelephone
from calls.smoke.telephone_line import TelephoneLine
from calls.tests.smoke.factories import make_scenario
from simulator import scenario as scenarios
from simulator.clips import clip_of
from tests.integration.outside import ACCOUNT_SID, AUTH_TOKEN, MEDIA_ORIGIN, PUBLIC_ORIGIN, TESTER
from tests.integration.rows import Desk, make_desk, written
from tests.integration.stack import Stack, eventually
from tests.integration.stories import ASKS, THANKS

pytestmark = pytest.mark.long
AT_VAPI = "+12025550180"
ASKED = {"call": "get_repair_status", "arguments": {"ticket": "481"}}
SCRIPT: dict[str, Any] = {
    "turns": [
        {"caller": ASKS, "assistant": [ASKED, {"say": "It should be ready on Tuesday."}]},
        {"caller": THANKS, "assistant": [{"call": "end_call"}]},
    ],
    "mocks": [{"tool": "get_repair_status", "result": {"ready_on": "Tuesday"}}],
}


@pytest.fixture(autouse=True)
def _settings(alone: Stack, settings: Any) -> Iterator[None]:
    simulator = alone.outside.simulator
    settings.SECRET_KEY = "only-for-integration-tests"  # what the processes sign with
    settings.SMOKE_TEST_NUMBERS = [TESTER]
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT_SID, AUTH_TOKEN
    settings.TWILIO_API_URL = alone.outside.http_url
    settings.VAPI_API_URL, settings.VAPI_API_KEY = simulator.vapi_url, "simulated"
    simulator.add_origins(
        {
            PUBLIC_ORIGIN: f"http://127.0.0.1:{alone.ports.web}",
            MEDIA_ORIGIN: f"ws://127.0.0.1:{alone.ports.media}",
        }
    )
    simulator.switchboard.outbound_scenario = scenarios.parse(story(script_read(SCRIPT), name="Smoke"))
    yield
    simulator.switchboard.outbound_scenario = "answered"
    simulator.vapi.calls.reset()


def line() -> TelephoneLine:
    return TelephoneLine(public_origin=PUBLIC_ORIGIN, telephone=TwilioTelephone(ACCOUNT_SID))


def desk_for(stack: Stack, *, answered: bool = True) -> Desk:
    """An assistant whose number is one of the simulated Twilio's, a scenario, and the recorded words of its caller."""
    desk = make_desk(stack)
    make_scenario(desk.assistant, script=SCRIPT)
    for words in (ASKS, THANKS):
        CallerLine.objects.get_or_create(
            key=line_key(words, RECORDED), defaults={"words": words, "mulaw": clip_of(words, "caller").audio}
        )
    numbers = stack.outside.simulator.numbers
    if TESTER not in numbers:
        numbers.add(TESTER)
    voice_url = f"{PUBLIC_ORIGIN}/twilio/voice" if answered else ""
    numbers.add(desk.did, voice_url=voice_url, status_callback=f"{PUBLIC_ORIGIN}/twilio/status")
    return desk


def planned(desk: Desk, **wish: Any) -> SmokeRun:
    return run_create(
        Wish(
            assistant=desk.assistant,
            number=desk.number,
            runs=1,
            line=SmokeRun.Line.TELEPHONE,
            budget_minutes=10,
            **wish,
        )
    )


def test_a_scenario_is_played_over_the_telephone_to_both_stacks(alone: Stack) -> None:
    desk = desk_for(alone)
    simulator = alone.outside.simulator
    simulator.numbers.add(AT_VAPI)
    simulator.old_provider.save(AT_VAPI)
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    theirs = simulator.vapi.calls.add(
        createdAt=now,
        startedAt=now,
        endedAt=now,
        endedReason="customer-ended-call",
        customer={"number": TESTER},
        cost=0.12,
        messages=[
            {"role": "bot", "message": "Hello.", "time": time.time() * 1000, "secondsFromStart": 0.5},
            {
                "role": "tool_calls",
                "message": "",
                "time": time.time() * 1000 + 2000,
                "secondsFromStart": 2,
                "toolCalls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_repair_status", "arguments": '{"ticket": "481"}'},
                    }
                ],
            },
            {
                "role": "tool_calls",
                "message": "",
                "time": time.time() * 1000 + 9000,
                "secondsFromStart": 9,
                "toolCalls": [
                    {"id": "call_2", "type": "function", "function": {"name": "endCall", "arguments": "{}"}}
                ],
            },
        ],
    )
    asked_before, before = len(simulator.tools.requests), dict(simulator.rest.complaints.violations)
    run = planned(desk, vapi_number=AT_VAPI, vapi_tools_are_real=True)

    assert not run_play(run.pk, line=line())

    pair = SmokePair.objects.select_related("call", "reference__vapi_call").get(run=run)
    assert pair.outcome == "same", (pair.why, pair.causes, pair.steps, pair.expected)
    assert pair.call is not None
    assert pair.reference is not None
    assert (pair.call.smoke_test, pair.call.caller, pair.call.did) == (True, TESTER, desk.did)
    assert written(pair.call.call_sid).said("caller") == [ASKS, THANKS]
    assert (pair.reference.vapi_call.vapi_id, pair.reference.smoke_test) == (theirs["id"], True)
    assert float(pair.reference_usd or 0) == 0.12
    assert [(leg.stack, leg.status, leg.from_number, leg.to_number) for leg in pair.legs.all()] == [
        ("direct", "over", TESTER, desk.did),
        ("vapi", "over", TESTER, AT_VAPI),
    ]
    assert len(simulator.old_provider.calls) >= 1
    # Our end's tools were answered by the scenario: the customer's server heard nothing.
    assert len(simulator.tools.requests) == asked_before
    assert simulator.rest.complaints.violations == before


def test_a_cancelled_run_hangs_its_calls_up_and_goes_on_later(alone: Stack) -> None:
    desk = desk_for(alone)
    run = planned(desk)
    playing = threading.Thread(target=_play, args=(run,), name="player")
    playing.start()
    legs = SmokeLeg.objects.filter(pair__run=run, status="talking", token_used_at__isnull=False)
    eventually(legs.exists, "the caller is connected")
    leg = legs.get()

    assert run_cancel(run.pk, why="Cancelled by Alice.")
    playing.join(30)

    phone = alone.outside.simulator.switchboard.calls[leg.call_sid]
    eventually(lambda: phone.ended, "the call was hung up")
    pair = SmokePair.objects.get(run=run)
    leg.refresh_from_db()
    assert (pair.status, pair.attempts, pair.outcome) == ("waiting", 0, "")
    assert (leg.status, leg.holds_line) == ("failed", False)


def test_a_number_that_does_not_answer_breaks_the_pair_and_is_no_drift(alone: Stack) -> None:
    desk = desk_for(alone, answered=False)
    run = planned(desk)

    assert not run_play(run.pk, line=line())

    pair = SmokePair.objects.get(run=run)
    run.refresh_from_db()
    assert (pair.outcome, pair.attempts, pair.call) == ("errored", 2, None)
    assert "could not be placed" in pair.why
    assert (run.status, run.outcome) == ("done", "errored")


def _play(run: SmokeRun) -> None:
    try:
        run_play(run.pk, line=line())
    finally:
        connections.close_all()
