"""A takeover that does not come about: the call stays where it was, or ends once."""

from dataclasses import replace

import pytest

from calls.bridge import realtime
from calls.bridge.commands import Apologise, CloseRealtime, Forward, HangUp, OpenRealtime, ToolRefused
from calls.bridge.limits import HANDOVER_WITHIN_S
from calls.bridge.line import Phase
from calls.bridge.plan import FirstMessageMode, Place, ToolSpec
from calls.tests.bridge.handing import BILLING, HELLO, QUIETLY, Squad, to_billing, triage

# What does not come about ---------------------------------------------------------------------------------------------


def failed(squad: Squad) -> None:
    """The first one keeps the call, and its model is told so, once."""
    assert squad.took_over() == []
    assert "could not be handed over" in squad.outputs["h1"]
    assert [one.reason for one in squad.all(ToolRefused)] == ["handoff_failed"]
    squad.created("r5", ours=True)
    squad.audio("r5", 300)
    squad.done("r5")
    squad.wait(HANDOVER_WITHIN_S * 2)
    assert squad.asked[-1] in ("tool_result", "farewell")
    assert len(squad.all(ToolRefused)) == 1


def test_no_such_member_is_told_to_the_model() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.take(squad.conversation.member_refused("other", "x", "y", now=squad.now))
    assert squad.outputs == {}
    squad.take(
        squad.conversation.member_refused("h1", "never_published", "it was never published", now=squad.now)
    )

    assert "it was never published" in squad.outputs["h1"]
    assert "never_published" in squad.problems
    failed(squad)


def test_a_plan_that_never_comes_is_given_up() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.wait(HANDOVER_WITHIN_S + 0.1)
    squad.prepared()

    assert squad.all(OpenRealtime) == []
    assert "handoff_timed_out" in squad.problems
    failed(squad)


def test_a_session_that_is_not_ready_in_time_is_closed() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared()
    squad.hear_in(1, realtime.SessionCreated())
    squad.wait(HANDOVER_WITHIN_S + 0.1)

    assert squad.all(CloseRealtime) == [CloseRealtime(1)]
    squad.take(squad.conversation.realtime_gone(code="closed_1000", now=squad.now, session=1))
    failed(squad)


def test_a_session_that_is_refused_leaves_the_call_where_it_was() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared()
    squad.take(squad.conversation.realtime_gone(code="http_429", now=squad.now, session=1))

    assert "http_429" in squad.problems
    assert squad.all(CloseRealtime) == []
    failed(squad)


def test_a_session_that_is_lost_while_the_caller_speaks_leaves_the_call_where_it_was() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.caller_speaks("u2")
    squad.ready()
    squad.take(squad.conversation.realtime_gone(code="closed_1006", now=squad.now, session=1))
    squad.caller_stops("u2")
    squad.answers("r5", "I could not reach them.")
    squad.wait(3)

    assert squad.took_over() == []
    assert "could not be handed over" in squad.outputs["h1"]
    assert squad.asked == []  # voice detection has asked for the answer, which sees it all


@pytest.mark.parametrize("how", ["refused", "fatal", "different"])
def test_settings_that_another_session_does_not_take_leave_the_call_where_it_was(how: str) -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared()
    squad.hear_in(1, realtime.SessionCreated(), realtime.SessionCreated(), realtime.Ignored("x"))
    match how:
        case "refused":
            event_id = squad.sent_in(1)[0]["event_id"]
            squad.hear_in(1, realtime.Error("invalid_value", "", event_id))
        case "fatal":
            squad.hear_in(1, realtime.Error("insufficient_quota", "", ""))
        case _:
            squad.hear_in(1, realtime.SessionUpdated({"tools": []}))

    assert squad.all(CloseRealtime) == [CloseRealtime(1)]
    failed(squad)


def test_a_small_error_of_the_other_session_is_reported_and_changes_nothing() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared()
    squad.hear_in(1, realtime.SessionCreated(), realtime.Error("odd", "", "evt_9"), realtime.Committed("u"))
    squad.accepts()

    assert squad.problems == ["odd"]
    assert squad.took_over() == ["billing"]


def test_a_first_session_that_is_lost_is_replaced_by_the_one_that_is_ready() -> None:
    squad = Squad()
    squad.asks()
    squad.ready()
    squad.created("w1", ours=True)
    squad.audio("w1", 2000)
    squad.wait(0.5)
    squad.take(squad.conversation.realtime_gone(code="closed_1006", now=squad.now, session=0))

    assert squad.took_over() == ["billing"]
    assert squad.all(CloseRealtime) == []
    squad.session = 1
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(5)
    assert squad.conversation.phase is Phase.TALKING


def test_what_the_lost_session_was_asked_for_is_waited_for_no_more() -> None:
    squad = Squad()
    squad.asks()
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS))
    assert squad.asked_in(0) == ["handoff"]
    squad.take(squad.conversation.realtime_gone(code="closed_1006", now=squad.now, session=0))
    squad.session = 1
    squad.wait(20)

    assert squad.took_over() == ["billing"]
    assert squad.asked_in(1) == []
    assert squad.problems == ["closed_1006"]


def test_a_first_session_that_is_lost_before_the_other_is_ready_ends_the_call() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared()
    squad.take(squad.conversation.realtime_gone(code="closed_1006", now=squad.now, session=0))

    assert len(squad.all(Apologise)) == 1
    assert squad.all(CloseRealtime) == [CloseRealtime(1)]
    assert squad.took_over() == []


# The end of the call --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["asked", "opening", "ready"])
def test_a_caller_who_hangs_up_meanwhile_ends_the_call_once(stage: str) -> None:
    squad = Squad()
    squad.asks()
    if stage != "asked":
        squad.prepared()
    if stage == "ready":
        squad.accepts()
    squad.stop()
    squad.prepared()
    squad.accepts()

    assert squad.took_over() == []
    assert squad.ended.reason == "customer-ended-call"
    assert squad.all(ToolRefused) == [ToolRefused("h1", "transferCall", "caller_gone", "", orphaned=True)]
    assert squad.all(CloseRealtime) == [*([] if stage == "asked" else [CloseRealtime(1)]), CloseRealtime()]


def test_a_call_that_has_lasted_too_long_is_not_handed_over_any_more() -> None:
    squad = Squad(triage(to_billing(""), max_duration_s=10.0, silence_timeout_s=100.0))
    squad.wait(6)
    squad.asks()
    squad.wait(4)

    assert squad.asked == ["farewell"]
    assert squad.all(ToolRefused)[0].orphaned
    squad.prepared()
    assert squad.all(OpenRealtime) == []


def test_an_order_to_hang_up_outdoes_it() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.take(squad.conversation.hang_up("manually-canceled", now=squad.now))

    assert squad.all(HangUp) == [HangUp()]
    assert squad.all(ToolRefused)[0].orphaned


def test_a_goodbye_gives_way_and_one_that_follows_does_not_count() -> None:
    squad = Squad(QUIETLY)
    squad.caller_says("u1", "It is about my bill.")
    squad.created("r1")
    calls = [
        squad.calls_tool("r1", "e1", "end_call", "{}"),
        squad.calls_tool("r1", "h1", "transferCall", '{"destination":"Billing"}'),
        squad.calls_tool("r1", "e2", "end_call", "{}"),
    ]
    squad.done("r1", calls=tuple(calls))
    squad.ready()

    assert squad.took_over() == ["billing"]
    assert "handed over already" in squad.outputs_in(0)["e2"]
    assert squad.asked == ["greeting"]


def test_a_call_that_is_over_is_not_handed_over() -> None:
    squad = Squad(triage(to_billing(""), Place("+13125550142", "I connect you.")))
    squad.asks("+13125550142")
    squad.asks_at_once(call_id="h2")

    assert squad.preparing == []
    assert "already being transferred" in squad.outputs["h2"]


def test_a_telephone_that_a_server_names_too_late_is_not_dialled() -> None:
    squad = Squad(replace(QUIETLY, tools=(*QUIETLY.tools, ToolSpec("anywhere", "Ask", {}, transfers=True))))
    squad.caller_says("u1", "It is about my bill.")
    squad.created("r1")
    calls = [
        squad.calls_tool("r1", "t1", "anywhere", "{}"),
        squad.calls_tool("r1", "h1", "transferCall", '{"destination":"Billing"}'),
    ]
    squad.done("r1", calls=tuple(calls))
    squad.take(squad.conversation.transfer_to("t1", Place("+13125550142", ""), now=squad.now))
    squad.ready()

    assert squad.took_over() == ["billing"]
    assert squad.all(Forward) == []
    assert "already being transferred" in squad.outputs_in(0)["t1"]


def test_a_phrase_that_ends_calls_does_not_end_one_that_is_handed_over() -> None:
    squad = Squad(triage(to_billing(), end_call_phrases=("bring in",)))
    squad.asks()
    squad.announces()
    squad.ready()

    assert squad.took_over() == ["billing"]
    assert squad.all(HangUp) == []
