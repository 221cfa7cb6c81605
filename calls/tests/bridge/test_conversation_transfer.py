"""How a call is handed on to somebody else: announced, ordered once, and gone on with when it fails."""

from dataclasses import replace

import orjson
import pytest

from calls.bridge import realtime, twilio
from calls.bridge.commands import Apologise, Ended, Forward, HangUp, RunTool, ToolDone, ToolRefused
from calls.bridge.limits import FORWARDED_WITHIN_S
from calls.bridge.line import Phase
from calls.bridge.plan import Place, Plan, ToolSpec
from calls.bridge.toolcalls import ToolResult
from calls.bridge.toolmessages import Condition, Moment, ToolMessage
from calls.tests.bridge.call import BOOK, END_CALL, WAITING, Call

NURSE, BILLING = "+13125550142", "+13125550188"
WORDS = "I'll connect you with our nurse."
PLACES = (Place(NURSE, WORDS), Place(BILLING, ""), Place("sip:desk@pbx.example"))
PARAMETERS = {"type": "object", "properties": {"destination": {"type": "string"}}}
TRANSFER = ToolSpec("transfer", "Hand on", PARAMETERS, transfers=True, places=PLACES)
PLAN = replace(WAITING, tools=(BOOK, END_CALL, TRANSFER))
ANYWHERE = replace(PLAN, tools=(BOOK, replace(TRANSFER, places=())))
TO_NURSE = Forward("c1", "transfer", NURSE)


def asks(destination: str = NURSE, *, plan: Plan = PLAN, said_ms: int = 0) -> Call:
    """The model asks for a transfer, with or without words of its own."""
    call = Call(plan)
    call.caller_says("u1", "A nurse, please.")
    call.created("r1")
    if said_ms:
        call.audio("r1", said_ms)
    fc = call.calls_tool("r1", name="transfer", arguments=orjson.dumps({"destination": destination}).decode())
    if said_ms:
        call.hear(realtime.AudioDone("r1", "r1-i"), realtime.TextDone("r1", "r1-i", "One moment."))
    call.done("r1", calls=(fc,))
    return call


def ordered(call: Call) -> list[Forward]:
    return call.all(Forward)


def announced() -> Call:
    """A transfer that was announced and ordered."""
    call = asks()
    call.answers("r2", WORDS, ms=1000, ours=True)
    call.wait(1.1)
    assert ordered(call) == [TO_NURSE]
    return call


def fails(call: Call) -> None:
    call.take(call.conversation.forward_failed("transfer_failed", "It did not work.", now=call.now))


# Announcing -----------------------------------------------------------------------------------------------------------


def test_the_announcement_is_heard_before_the_order() -> None:
    call = asks()
    assert call.sentences == [WORDS]
    call.answers("r2", WORDS, ms=2000, ours=True)
    call.wait(1.9)
    assert ordered(call) == []
    call.wait(0.2)

    assert ordered(call) == [TO_NURSE]
    assert call.all(HangUp) == []
    assert call.outputs == {}  # the model is told when it is known


def test_no_announcement_is_a_stock_sentence() -> None:
    assert asks("sip:desk@pbx.example").sentences == ["Transferring the call now."]


def test_a_model_that_has_announced_it_needs_no_stock_sentence() -> None:
    call = asks("sip:desk@pbx.example", said_ms=1000)
    assert ordered(call) == []
    call.wait(1.1)

    assert call.sentences == []
    assert ordered(call) == [Forward("c1", "transfer", "sip:desk@pbx.example")]


def test_an_empty_announcement_is_silence() -> None:
    call = asks(BILLING)

    assert call.asked == []
    assert ordered(call) == [Forward("c1", "transfer", BILLING)]


@pytest.mark.parametrize(("destination", "said"), [(NURSE, WORDS), (BILLING, "Connecting you to billing.")])
def test_the_tool_s_own_words_come_before_the_destination_s(destination: str, said: str) -> None:
    words = ToolMessage(
        Moment.START, "Connecting you to billing.", (Condition("destination", "eq", BILLING),)
    )

    call = asks(destination, plan=replace(WAITING, tools=(replace(TRANSFER, messages=(words,)),)))

    assert call.sentences == [said]


def test_a_caller_who_speaks_does_not_call_it_off() -> None:
    call = asks()
    call.created("r2", ours=True)
    call.audio("r2", 3000)
    call.wait(0.5)
    call.caller_speaks("u2")
    call.wait(1)
    call.caller_stops("u2")
    call.done("r2", "cancelled")
    call.answers("r3", "You are being connected.", ms=500)
    call.wait(0.6)

    assert ordered(call) == [TO_NURSE]
    assert call.sentences == [WORDS]


def test_a_place_that_a_server_names_after_the_end_is_not_dialled() -> None:
    call = asks(plan=ANYWHERE)
    call.stop()
    call.take(call.conversation.transfer_to("c1", Place(NURSE), now=call.now))

    assert ordered(call) == []


def test_the_same_question_for_a_place_asked_twice_is_answered_twice() -> None:
    call = Call(ANYWHERE)
    call.caller_says("u1", "A nurse, please.")
    call.created("r1")
    calls = [call.calls_tool("r1", call_id, "transfer", "{}") for call_id in ("c1", "c2")]
    call.done("r1", calls=tuple(calls))
    call.take(call.conversation.transfer_to("c1", Place(NURSE, ""), now=call.now))

    assert ordered(call) == [TO_NURSE]
    assert "asked for before" in call.outputs["c2"]


def test_a_goodbye_in_the_same_turn_gives_way() -> None:
    call = Call(PLAN)
    call.caller_says("u1", "A nurse, please.")
    call.created("r1")
    first = call.calls_tool("r1", "c0", "end_call", "{}")
    second = call.calls_tool("r1", "c1", "transfer", orjson.dumps({"destination": BILLING}).decode())
    call.done("r1", calls=(first, second))

    assert ordered(call) == [Forward("c1", "transfer", BILLING)]
    assert call.all(HangUp) == []


def test_another_tool_is_waited_for() -> None:
    call = Call(PLAN)
    call.caller_says("u1", "Book it, and then a nurse.")
    call.created("r1")
    book = call.calls_tool("r1", "c0")
    transfer = call.calls_tool("r1", "c1", "transfer", orjson.dumps({"destination": BILLING}).decode())
    call.done("r1", calls=(book, transfer))
    assert ordered(call) == []
    call.result("c0")
    call.answers("r2", "It is booked.", ms=500, ours=True)
    call.wait(0.6)

    assert ordered(call) == [Forward("c1", "transfer", BILLING)]


# Refusing ---------------------------------------------------------------------------------------------------------------


def test_a_place_that_does_not_exist_is_named_to_the_model() -> None:
    call = asks("+19995550000")

    assert ordered(call) == []
    told = orjson.loads(call.outputs["c1"])
    assert told["error"] == "unknown_destination"
    assert NURSE in told["message"]
    assert call.asked == ["tool_result"]


def test_of_one_place_there_is_no_choice() -> None:
    one = replace(PLAN, tools=(replace(TRANSFER, places=PLACES[1:2]),))
    call = Call(one)
    call.caller_says("u1", "A nurse, please.")
    call.created("r1")
    fc = call.calls_tool("r1", name="transfer", arguments="{}")
    call.done("r1", calls=(fc,))

    assert ordered(call) == [Forward("c1", "transfer", BILLING)]


def test_a_second_transfer_is_refused_while_one_is_under_way() -> None:
    call = Call(PLAN)
    call.caller_says("u1", "A nurse, please.")
    call.created("r1")
    calls = tuple(
        call.calls_tool("r1", f"c{n}", "transfer", orjson.dumps({"destination": place}).decode())
        for n, place in enumerate((NURSE, BILLING))
    )
    call.done("r1", calls=calls)

    assert list(call.outputs) == ["c1"]
    assert orjson.loads(call.outputs["c1"])["error"] == "transfer_refused"


# Ordered ------------------------------------------------------------------------------------------------------------------


def test_the_stream_that_ends_with_it_ends_the_conversation_and_not_the_call() -> None:
    call = announced()
    call.take(call.conversation.forwarded())
    call.stop()

    assert call.ended.reason == "assistant-forwarded-call"
    (done,) = call.all(ToolDone)
    assert (done.call_id, done.name) == ("c1", "transfer")
    assert "transferring" in done.output


def test_an_answer_that_comes_after_the_stream_has_ended_is_written_down() -> None:
    call = announced()
    call.stop()
    call.take(call.conversation.forwarded())
    call.take(call.conversation.forwarded())

    assert call.ended.reason == "assistant-forwarded-call"
    assert [done.call_id for done in call.all(ToolDone)] == ["c1"]


def test_a_caller_who_leaves_before_the_order_was_not_forwarded() -> None:
    call = asks()
    call.stop()

    assert ordered(call) == []
    assert call.ended.reason == "customer-ended-call"
    (refused,) = call.all(ToolRefused)
    assert (refused.call_id, refused.reason, refused.orphaned) == ("c1", "caller_gone", True)


def test_an_order_to_hang_up_comes_first() -> None:
    call = asks()
    call.take(call.conversation.hang_up("manually-canceled", now=call.now))

    assert ordered(call) == []
    assert call.all(HangUp) == [HangUp()]
    assert [one.reason for one in call.all(ToolRefused)] == ["caller_gone"]


def test_nothing_is_ordered_twice_and_nothing_hung_up_while_it_rings() -> None:
    call = announced()
    call.take(call.conversation.hang_up("manually-canceled", now=call.now))
    call.wait(15)

    assert ordered(call) == [TO_NURSE]
    assert call.all(HangUp) == []


def test_a_stream_that_never_ends_is_given_up() -> None:
    call = announced()
    call.wait(30)

    assert call.conversation.phase is Phase.ENDED
    assert call.ended.reason == "assistant-forwarded-call"


# Failing --------------------------------------------------------------------------------------------------------------------


def test_a_refused_order_is_told_to_the_model_and_the_talk_goes_on() -> None:
    call = announced()
    fails(call)

    assert orjson.loads(call.outputs["c1"]) == {"error": "transfer_failed", "message": "It did not work."}
    assert call.asked[-1] == "tool_result"
    call.answers("r3", "I could not reach her.", ms=500, ours=True)
    call.wait(1)
    call.caller_says("u2", "Then book me a slot.")
    call.answers("r4", "Of course.")
    call.wait(2)
    assert call.all(HangUp) == []
    assert call.all(Ended) == []
    assert call.conversation.phase is Phase.TALKING


def test_after_a_refused_order_the_same_may_be_tried_again() -> None:
    call = announced()
    fails(call)
    call.created("r3", ours=True)
    fc = call.calls_tool("r3", "c2", "transfer", orjson.dumps({"destination": BILLING}).decode())
    call.done("r3", calls=(fc,))

    assert ordered(call) == [TO_NURSE, Forward("c2", "transfer", BILLING)]


def test_the_longest_duration_counts_on_through_a_refused_order() -> None:
    call = asks(plan=replace(PLAN, max_duration_s=30, end_call_message="Our time is up."))
    call.answers("r2", WORDS, ms=1000, ours=True)
    call.wait(1.1)
    fails(call)
    call.answers("r3", "I could not reach her.", ms=500, ours=True)
    call.wait(30)

    assert "Our time is up." in call.sentences


def test_silence_after_a_refused_order_ends_the_call_as_ever() -> None:
    call = announced()
    fails(call)
    call.answers("r3", "I could not reach her.", ms=500, ours=True)
    call.wait(45)

    assert call.asked[-1] == "farewell"


def test_a_model_that_is_lost_does_not_keep_the_caller_from_a_person() -> None:
    call = asks()
    call.take(call.conversation.realtime_gone(code="closed_1006", now=call.now))
    call.wait(1)

    assert ordered(call) == [TO_NURSE]
    assert call.all(Apologise) == []


def test_with_neither_a_model_nor_a_person_the_caller_hears_an_apology() -> None:
    call = announced()
    call.take(call.conversation.realtime_gone(code="closed_1006", now=call.now))
    fails(call)
    call.stop()

    assert len(call.all(Apologise)) == 1
    assert call.ended.reason.endswith("openai-llm-failed")
    assert [one.orphaned for one in call.all(ToolRefused)] == [True]


def test_a_refusal_after_the_caller_has_gone_is_only_written_down() -> None:
    call = announced()
    call.stop()
    fails(call)

    assert [(one.call_id, one.orphaned) for one in call.all(ToolRefused)] == [("c1", True)]
    assert call.outputs == {}


def test_a_caller_who_had_gone_when_the_order_was_refused_was_not_forwarded() -> None:
    call = announced()
    call.created("r3")  # what it used is told when it is cancelled, and waited for
    call.take(call.conversation.receive_twilio(twilio.Stop(), now=call.now))
    assert call.conversation.phase is Phase.DRAINING
    fails(call)
    call.wait(5)

    assert call.ended.reason == "customer-ended-call"


def test_an_order_that_was_refused_after_it_was_given_up_forwarded_nobody() -> None:
    call = announced()
    call.created("r3")
    call.wait(FORWARDED_WITHIN_S)
    assert call.conversation.phase is Phase.DRAINING
    fails(call)
    call.wait(5)

    assert call.ended.reason == "phone-call-provider-closed-websocket"


# A place that a server names ------------------------------------------------------------------------------------------------


def test_without_places_a_server_is_asked_and_the_call_goes_where_it_says() -> None:
    call = asks(plan=ANYWHERE)
    (asked,) = call.all(RunTool)
    assert asked.name == "transfer"
    call.take(call.conversation.transfer_to("c1", Place(BILLING, "To billing."), now=call.now))
    call.answers("r2", "To billing.", ms=500, ours=True)
    call.wait(0.6)

    assert call.sentences == ["To billing."]
    assert ordered(call) == [Forward("c1", "transfer", BILLING)]
    assert call.outputs == {}


def test_a_server_that_names_none_is_told_to_the_model() -> None:
    call = asks(plan=ANYWHERE)
    call.take(
        call.conversation.receive_tool_result("c1", ToolResult('{"error":"x"}', Moment.FAILED), now=call.now)
    )

    assert ordered(call) == []
    assert call.outputs == {"c1": '{"error":"x"}'}


def test_a_place_that_comes_too_late_changes_nothing() -> None:
    call = asks(plan=ANYWHERE)
    call.wait(30)
    call.take(call.conversation.transfer_to("c1", Place(BILLING, ""), now=call.now))

    assert ordered(call) == []
    assert orjson.loads(call.outputs["c1"])["error"] == "timeout"
