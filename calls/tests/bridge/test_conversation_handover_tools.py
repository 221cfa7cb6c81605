"""Tools of a call that another assistant takes over."""

from dataclasses import replace

from calls.bridge import realtime
from calls.bridge.commands import RunTool, ToolRefused, ToolSettled
from calls.bridge.plan import FirstMessageMode, Plan, session_payload
from calls.bridge.toolmessages import Moment, ToolMessage
from calls.tests.bridge.handing import BILLING, HELLO, QUIETLY, TWIN, Squad, to_billing, triage


def with_tool(plan: Plan = QUIETLY) -> Squad:
    """A webhook is at work when the call is to be handed over."""
    squad = Squad(plan)
    squad.caller_says("u1", "Book Monday, and it is about my bill.")
    squad.created("r1")
    calls = [
        squad.calls_tool("r1", "c1"),
        squad.calls_tool("r1", "h1", "transferCall", '{"destination":"Billing"}'),
    ]
    squad.done("r1", calls=tuple(calls))
    return squad


def test_an_answer_that_comes_after_is_told_to_the_one_who_has_the_call() -> None:
    squad = with_tool()
    squad.ready()
    assert squad.took_over() == ["billing"]
    squad.session = 1
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(1)
    squad.result()

    assert "c1" not in squad.outputs_in(1)
    told = [text for role, text in squad.read_in(1) if role == "system"]
    assert told == ['book was asked before you took the call over. Its answer: {"booked":true}']
    assert squad.asked_in(1) == ["greeting", "tool_result"]
    assert squad.all(ToolSettled) == [ToolSettled("c1", '{"booked":true}', orphaned=False)]


def test_an_answer_that_comes_before_is_read_and_spoken_of_by_the_next_one() -> None:
    squad = with_tool()
    squad.result()
    assert squad.asked == []
    squad.ready()

    squad.session = 1
    assert ("output", '{"booked":true}') in squad.read_in(1)
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(1)
    assert squad.asked_in(1) == ["greeting", "tool_result"]


def test_an_answer_in_a_session_that_was_taken_over_is_an_ordinary_one() -> None:
    squad = with_tool()
    squad.prepared(TWIN)
    squad.hear(realtime.SessionUpdated(session_payload(TWIN, floor_open=False)))
    assert squad.took_over() == ["billing"]
    squad.result()

    assert squad.outputs == {"h1": "Success.", "c1": '{"booked":true}'}


def test_a_tool_that_waits_for_a_silence_is_sent_when_the_next_one_takes_over() -> None:
    start = ToolMessage(Moment.START, "One moment.", blocking=True)
    plan = triage(to_billing(""))
    book = replace(plan.tools[0], messages=(start, ToolMessage(Moment.DELAYED, "Still at it.", after_ms=500)))
    squad = with_tool(replace(plan, tools=(book, *plan.tools[1:])))
    assert squad.all(RunTool) == []
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS))
    squad.session = 1

    assert [one.call_id for one in squad.all(RunTool)] == ["c1"]
    assert "One moment." not in squad.sentences
    squad.wait(4)
    assert squad.sentences == ["Still at it."]


def test_tools_are_those_of_whoever_has_the_call() -> None:
    squad = Squad()
    squad.hands_over(replace(BILLING, first_message_interruptible=True))
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(1)
    squad.caller_says("u2", "Book Monday.")
    squad.created("r3")
    calls = [squad.calls_tool("r3", "c7", "book"), squad.calls_tool("r3", "c8", "get_invoice", "{}")]
    squad.done("r3", calls=tuple(calls))

    assert "There is no tool named book" in squad.outputs_in(1)["c7"]
    assert [one.name for one in squad.all(RunTool)] == ["get_invoice"]


def test_a_tool_that_waits_for_its_own_conditions_is_not_used_any_more() -> None:
    plan = triage(to_billing(""))
    squad = with_tool(replace(plan, tools=(replace(plan.tools[0], checked=True), *plan.tools[1:])))
    squad.ready()
    squad.take(squad.conversation.tool_checked("c1", "", now=squad.now))

    assert squad.took_over() == ["billing"]
    assert squad.all(RunTool) == []
    assert [(one.call_id, one.reason) for one in squad.all(ToolRefused)] == [("c1", "handed_over")]


def test_the_same_words_may_be_said_anew_after_a_change_of_the_tools_words() -> None:
    squad = with_tool()
    squad.ready()
    squad.conversation.reword(BILLING.tools)
    squad.session = 1
    squad.result()

    assert [one.call_id for one in squad.all(ToolSettled)] == ["c1"]
