"""Dialling somebody out of a call: what becomes of it, who hears what, and what the action is told."""

from typing import Any

import pytest

from simulator.harness import CallReport
from simulator.scenario import Operator
from simulator.tests.bridge import Bridge
from simulator.tests.test_calls import call

DESK = "+12025550111"


async def dial(bridge: Bridge, operator: Operator, attributes: str = "", noun: str = "") -> CallReport:
    """A call whose document dials at once; the action has Twilio say a sentence."""
    dialled = noun or f"<Number>{DESK}</Number>"
    document = f"<Response><Dial action='/twilio/after' {attributes}>{dialled}</Dial></Response>"
    bridge.answer = (200, document.encode(), "text/xml")
    bridge.after = "<Say>Hello there.</Say>"
    return await call(bridge, "greeting", operators={"*": operator}, speed=10.0)


def action(bridge: Bridge) -> dict[str, str]:
    return next(form for form in bridge.webhooks if "DialCallStatus" in form)


async def test_an_operator_who_answers_talks_and_the_action_follows(bridge: Bridge) -> None:
    report = await dial(bridge, Operator(after_ms=500, talks_ms=3000))

    (leg,) = report.legs
    assert (leg.to, leg.status, leg.connected) == (DESK, "completed", True)
    told = action(bridge)
    assert (told["DialCallStatus"], told["DialBridged"]) == ("completed", "true")
    assert told["DialCallDuration"] == "3"
    assert told["DialCallSid"] == leg.child_sid
    assert report.spoken_by_twilio == ["Hello there."]
    assert not bridge.bad_signatures


@pytest.mark.parametrize("outcome", ["busy", "no-answer", "failed"])
async def test_an_operator_who_does_not_answer(bridge: Bridge, outcome: str) -> None:
    report = await dial(bridge, Operator(outcome=outcome))

    assert [leg.status for leg in report.legs] == [outcome]
    assert not report.legs[0].connected
    assert (action(bridge)["DialCallStatus"], action(bridge)["DialBridged"]) == (outcome, "false")
    assert "DialCallDuration" not in action(bridge)


async def test_nobody_rings_longer_than_the_document_allows(bridge: Bridge) -> None:
    report = await dial(bridge, Operator(after_ms=600_000), "timeout='2'")

    assert report.legs[0].status == "no-answer"
    assert report.duration_ms < 600_000


async def test_a_callee_hears_its_own_document_first(bridge: Bridge) -> None:
    number = f"<Number url='/twilio/after' sendDigits='ww7'>{DESK}</Number>"

    report = await dial(bridge, Operator(), noun=number)

    (leg,) = report.legs
    assert (leg.whispered, leg.digits, leg.connected) == (["Hello there."], "ww7", True)
    asked = next(form for form in bridge.webhooks if form.get("Direction") == "outbound-dial")
    assert (asked["CallSid"], asked["ParentCallSid"]) == (leg.child_sid, report.call_sid)
    assert (asked["To"], asked["From"]) == (DESK, report_caller(bridge))


def report_caller(bridge: Bridge) -> str:
    return bridge.webhooks[0]["From"]


async def test_a_callee_s_document_must_not_dial(bridge: Bridge) -> None:
    number = f"<Number url='/twilio/voice'>{DESK}</Number>"

    report = await dial(bridge, Operator(), noun=number)

    assert report.violations == {"13201": 1}


async def test_a_foreign_number_cannot_be_shown(bridge: Bridge) -> None:
    report = await dial(bridge, Operator(), "callerId='+12025550999'")

    assert report.violations == {"13214": 1}
    assert action(bridge)["DialCallStatus"] == "failed"


async def test_a_caller_who_leaves_while_it_rings(bridge: Bridge) -> None:
    report = await dial(bridge, Operator(after_ms=5000, caller_leaves_ms=500))

    told: dict[str, Any] = action(bridge)
    assert (told["DialCallStatus"], told["CallStatus"]) == ("no-answer", "completed")
    assert report.spoken_by_twilio == []
    assert report.reason == "caller hung up"
