"""What happens at once: handing over, keys, transfers, conditions and tools that cross each other."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from calls.bridge import realtime
from calls.bridge.commands import (
    CheckTool,
    CloseRealtime,
    Forward,
    MemberTookOver,
    PressKeys,
    RunTool,
    Speaker,
    ToolRefused,
    ToolSettled,
)
from calls.bridge.limits import CHECKED_WITHIN_S, LAST_WORDS_WITHIN_S, OVERTIME_S, TAKEOVER_WITHIN_S
from calls.bridge.plan import FirstMessageMode, Place, ToolSpec, takeover_payload
from calls.bridge.toolcalls import GRACE_S
from calls.tests.bridge.call import BOOK, END_CALL, WAITING, Call
from calls.tests.bridge.handing import BILLING, HELLO, INVOICE, TWIN, Squad, to_billing, triage

NURSE = ToolSpec("transferCall", "", {}, transfers=True, places=(Place("+13125550142", ""),))
DTMF = ToolSpec("dtmf", "Press keys", {"type": "object", "properties": {"keys": {}}}, presses=True)
PLAN = replace(WAITING, tools=(replace(BOOK, timeout_s=60.0), END_CALL, NURSE, DTMF), keypad_enabled=True)
QUIET = to_billing("")


# The talk goes on after all -------------------------------------------------------------------------------------------


def with_order(name: str, *tools: realtime.FunctionCall, **arguments: Any) -> Call:
    """A call in which the model has asked for a transfer or for keys, in a response that still runs."""
    call = Call(PLAN)
    call.caller_says("u1", "Please.")
    call.created("r1")
    for one in tools:
        call.hear(one)
    call.calls_tool("r1", "c1", name, orjson.dumps(arguments).decode())
    return call


def refused(call: Call) -> None:
    call.take(call.conversation.forward_failed("keys_not_pressed", "No.", now=call.now))


def test_keys_of_the_caller_are_not_forgotten_when_those_of_the_model_are_not_pressed() -> None:
    call = with_order("dtmf", keys="1")
    call.caller_presses("4")
    call.done("r1")
    assert len(call.all(PressKeys)) == 1

    refused(call)

    assert call.told[-1] == ("user", "The caller pressed these keys: 4")
    assert call.asked == ["tool_result"]
    call.answers("r2", "Sorry.", ours=True)
    call.caller_says("u2", "Hello?")
    call.answers("r3", "Yes?")
    call.wait(2)
    assert call.conversation.next_deadline() is not None


def test_a_tool_that_outlasts_a_transfer_that_fails_is_still_given_up_in_time() -> None:
    book = realtime.FunctionCall("r1", "fc-b", "b1", "book", '{"day":"Monday"}')
    call = with_order("transferCall", book)
    call.done("r1")
    call.wait(OVERTIME_S + 0.1)
    assert len(call.all(Forward)) == 1
    refused(call)

    call.wait(60 + GRACE_S - OVERTIME_S)

    assert orjson.loads(call.outputs["b1"])["error"] == "timeout"


def test_conditions_that_outlast_a_transfer_that_fails_are_still_given_up_in_time() -> None:
    call = Call(replace(PLAN, tools=(replace(BOOK, checked=True), NURSE)))
    call.caller_says("u1", "Please.")
    call.created("r1")
    call.calls_tool("r1", "c1", "transferCall", "{}")
    call.caller_speaks("u2")
    call.done("r1", status="cancelled")
    call.wait(OVERTIME_S - 2)
    call.caller_stops("u2")
    call.hear(realtime.CallerText("u2", "And book Monday."))
    call.created("r2")
    call.calls_tool("r2", "b1")
    call.done("r2")
    assert call.all(Forward) == []
    call.wait(2)
    assert len(call.all(Forward)) == 1
    refused(call)

    call.wait(CHECKED_WITHIN_S)

    assert orjson.loads(call.outputs["b1"])["error"] == "not_checked"


# Handing over, and conditions -----------------------------------------------------------------------------------------


def checked_squad() -> Squad:
    plan = triage(QUIET)
    tools = tuple(replace(tool, checked=tool.name == "transferCall") for tool in plan.tools)
    return Squad(replace(plan, tools=tools))


def test_a_call_is_handed_over_only_where_the_tool_allows_it() -> None:
    squad = checked_squad()
    squad.asks()
    assert [one.call_id for one in squad.all(CheckTool)] == ["h1"]
    assert squad.preparing == []

    squad.take(squad.conversation.tool_checked("h1", '{"error":"rejected"}', now=squad.now))

    assert squad.preparing == []
    assert squad.asked == ["tool_result"]
    squad.answers("r2", "I cannot do that yet.", ours=True)
    squad.wait(2)
    squad.asks(call_id="h2")
    squad.take(squad.conversation.tool_checked("h2", "", now=squad.now))
    assert [one.call_id for one in squad.preparing] == ["h2"]


def test_of_two_that_were_allowed_one_hands_over() -> None:
    squad = checked_squad()
    squad.caller_says("u1", "Billing.")
    squad.created("r1")
    for call_id in ("h1", "h2"):
        squad.calls_tool("r1", call_id, "transferCall", '{"destination":"Billing"}')
    for call_id in ("h2", "h1"):
        squad.take(squad.conversation.tool_checked(call_id, "", now=squad.now))

    assert [one.call_id for one in squad.preparing] == ["h2"]
    assert [(one.call_id, one.reason) for one in squad.all(ToolRefused)] == [("h1", "handoff_refused")]


# Handing over, and what is owed ---------------------------------------------------------------------------------------


def test_a_turn_that_was_to_be_answered_is_answered_by_a_taker_that_waits() -> None:
    waits = replace(BILLING, first_message_mode=FirstMessageMode.WAITS)
    squad = Squad(triage(QUIET, interruptible=False))
    squad.caller_says("u1", "It is about my bill.")
    squad.created("r1", ours=True)
    squad.caller_says("u2", "Number seven.")  # nothing was to be heard yet, so this is a turn
    fc = squad.calls_tool("r1", "h1", "transferCall", '{"destination":"Billing"}')
    squad.done("r1", status="cancelled", calls=(fc,))
    squad.ready(waits)
    squad.wait(0.1)

    assert squad.took_over() == ["billing"]
    assert squad.asked_in(1) == ["answer"]


def test_a_result_is_spoken_of_though_somebody_hums_while_the_call_is_handed_over() -> None:
    squad = Squad(triage(QUIET))
    squad.caller_says("u0", "Book Monday.")
    squad.created("r0")
    book = squad.calls_tool("r0", "b1")
    squad.done("r0", calls=(book,))
    squad.asks()
    squad.result("b1")
    squad.caller_says("u2", "Mm-hm.", seconds=0.3)
    squad.created("r2")
    squad.done("r2", status="cancelled")
    squad.ready()
    squad.wait(0.1)
    squad.session = 1
    squad.answers("g1", HELLO, ours=True)
    squad.wait(2)

    assert squad.asked_in(1) == ["greeting", "tool_result"]


@pytest.mark.parametrize("plan", [BILLING, TWIN], ids=["another session", "the running one"])
def test_the_same_asked_twice_is_sent_once_and_told_once_across_a_handover(plan: Any) -> None:
    squad = Squad(triage(QUIET))
    squad.caller_says("u0", "Book Monday.")
    squad.created("r0")
    for call_id in ("b1", "b2"):
        squad.calls_tool("r0", call_id)
    squad.done("r0")
    squad.asks()
    squad.prepared(plan)
    if plan is TWIN:
        squad.hear(realtime.SessionUpdated(takeover_payload(TWIN, floor_open=False)))
    else:
        squad.accepts(1)
        squad.session = 1
    squad.wait(0.1)
    assert squad.took_over() == ["billing"]

    squad.result("b1", '{"booked":"4711"}')

    assert len(squad.all(RunTool)) == 1
    assert [one.call_id for one in squad.all(ToolSettled)] == ["b1"]
    assert [one.call_id for one in squad.all(ToolRefused)] == ["b2"]
    told = sum("4711" in one["item"].get("output", "") for one in squad.sent("conversation.item.create"))
    said = sum("4711" in text for _, text in squad.told)
    assert (told, said) == ((2, 0) if plan is TWIN else (0, 1))


# Handing over, and words ----------------------------------------------------------------------------------------------


def wordless_squad() -> Squad:
    """A call that was handed over while the caller's last words were not written down yet."""
    squad = Squad(triage(QUIET))
    squad.caller_speaks("u1")
    squad.wait(1)
    squad.caller_stops("u1")
    squad.asks_at_once()
    squad.ready(replace(BILLING, tools=(replace(INVOICE, checked=True),)))
    squad.wait(2.1)
    squad.session = 1
    assert squad.took_over() == ["billing"]
    return squad


def checks_at_once(squad: Squad) -> bool:
    squad.created("r-check", ours=True)
    squad.calls_tool("r-check", "i1", "get_invoice", "{}")
    return [one.call_id for one in squad.all(CheckTool)] == ["i1"]


def test_words_that_never_come_keep_no_tool_of_the_next_one_waiting() -> None:
    squad = wordless_squad()
    squad.wait(LAST_WORDS_WITHIN_S)
    assert squad.all(CloseRealtime) == [CloseRealtime(0)]

    assert checks_at_once(squad)
    squad.stop()
    said = squad.spoken("u1")
    assert (said.speaker, said.text, said.transcribed) == (Speaker.CALLER, "", False)


def test_words_of_a_lost_session_keep_no_tool_of_the_next_one_waiting() -> None:
    squad = Squad(triage(QUIET))
    squad.caller_speaks("u1")
    squad.wait(1)
    squad.caller_stops("u1")
    squad.asks_at_once()
    squad.ready(replace(BILLING, tools=(replace(INVOICE, checked=True),)))
    squad.take(squad.conversation.realtime_gone(code="closed_1006", now=squad.now))
    squad.session = 1
    assert squad.took_over() == ["billing"]

    assert checks_at_once(squad)


# The running session changes hands ------------------------------------------------------------------------------------


def test_settings_are_sent_once_however_often_it_falls_silent() -> None:
    squad = Squad(triage(QUIET))
    squad.asks()
    squad.prepared(TWIN)
    sent = len(squad.sent("session.update"))

    squad.caller_says("u2", "Hm.")
    squad.caller_says("u3", "Hm.")

    assert len(squad.sent("session.update")) == sent
    squad.hear(realtime.SessionUpdated(takeover_payload(TWIN, floor_open=False)))
    assert squad.took_over() == ["billing"]


def test_settings_that_are_taken_too_late_are_not_taken_for_a_handover() -> None:
    """Two of the server's words cross: those about the taker's settings, and those about the old ones put back."""
    squad = Squad(triage(QUIET))
    squad.asks()
    squad.prepared(TWIN)
    squad.wait(TAKEOVER_WITHIN_S + 0.1)
    assert squad.sent("session.update")[-1]["session"]["instructions"] == squad.plan.instructions

    squad.hear(realtime.SessionUpdated(takeover_payload(TWIN, floor_open=False)))
    squad.hear(realtime.SessionUpdated(takeover_payload(squad.plan, floor_open=True)))

    assert squad.took_over() == []
    squad.answers("r2", "I am sorry.", ours=True)
    squad.wait(2)
    squad.caller_says("u2", "Book Monday.")
    squad.created("r3")
    squad.calls_tool("r3", "b1")
    assert [one.call_id for one in squad.all(RunTool)] == ["b1"]


# The whole call -------------------------------------------------------------------------------------------------------


def test_counts_and_words_of_a_call_are_those_of_all_its_sessions() -> None:
    squad = Squad()
    squad.caller_says("u0", "Hello?")
    squad.answers("r0", "Good morning.", ms=3000)
    squad.wait(1)
    squad.caller_speaks("u00")
    squad.caller_stops("u00")
    squad.hear(realtime.CallerText("u00", "Wait."))
    squad.hands_over()
    squad.answers("g1", HELLO, ms=2000, ours=True)
    squad.wait(3)
    squad.caller_says("u9", "Seven.")
    squad.answers("r9", "Thank you.", ms=3000)
    squad.wait(1)
    squad.caller_speaks("u10")
    squad.stop()

    ended = squad.ended
    assert ended.barge_ins == 2
    assert ended.frames_in == squad.conversation._caller.frames_in > 0
    assert ended.first_sound_ms == 1000
    words = [(one.item_id, one.assistant) for one in ended.spoken if one.text]
    assert words == [
        ("u0", ""),
        ("r0-i", "Triage"),
        ("u00", ""),
        ("u-h1", ""),
        ("w1-i", "Triage"),
        ("g1-i", "Billing"),
        ("u9", ""),
        ("r9-i", "Billing"),
    ]
    assert [one.key for one in squad.all(MemberTookOver)] == ["billing"]
