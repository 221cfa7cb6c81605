"""Orders from outside that silence a side, or take the call elsewhere."""

from dataclasses import replace

import pytest

from calls.bridge.commands import (
    Apologise,
    Forward,
    HangUp,
    MemberTookOver,
    PrepareMember,
    Speaker,
    ToolDone,
    ToolRefused,
)
from calls.bridge.orders import End, HandOver, Mute
from calls.bridge.plan import Keeps, Place, Plan, Taker, session_payload
from calls.bridge.realtime import SessionUpdated
from calls.tests.bridge.call import WAITING, Call, sound
from calls.tests.bridge.handing import BILLING, SILENT, TWIN, Squad, to_billing, triage
from calls.tests.bridge.ordering import QUEUE, WORDS, closes_floor, give, say

# Muting -------------------------------------------------------------------------------------------------------


def test_an_assistant_that_is_muted_says_nothing_but_what_is_ordered() -> None:
    call = Call()
    call.caller_says("u1", "Hello?")
    call.created("r1")
    call.audio("r1", 3000)
    call.wait(0.5)

    give(call, Mute("o1", Speaker.ASSISTANT, on=True))

    assert call.clears == 1
    call.done("r1", "cancelled")
    call.caller_says("u2", "Is anybody there, please?")
    call.wait(20)
    assert call.asked == []
    assert closes_floor(call) == [False]
    give(call, say(order_id="o2"))
    call.answers("r2", WORDS, ours=True)
    call.wait(3)
    assert call.asked == ["say"]


def test_unmuted_it_answers_what_was_said_meanwhile() -> None:
    call = Call()
    give(call, Mute("o1", Speaker.ASSISTANT, on=True))
    call.caller_says("u1", "Is my bicycle ready for me?")
    call.wait(5)

    give(call, Mute("o2", Speaker.ASSISTANT, on=False))

    assert call.asked == ["answer"]
    assert closes_floor(call) == [False, True]


def test_a_response_that_voice_detection_began_in_the_same_moment_is_stopped() -> None:
    call = Call()
    call.caller_says("u1", "Hello there?")
    give(call, Mute("o1", Speaker.ASSISTANT, on=True))

    call.created("r1")
    call.audio("r1", 500)

    assert [one["response_id"] for one in call.sent("response.cancel")] == ["r1"]
    assert not [one for one in call.to_twilio if "media" in one]
    call.done("r1", "cancelled")
    give(call, Mute("o2", Speaker.ASSISTANT, on=False))
    assert call.asked == ["answer"]


def test_a_muted_call_does_not_end_for_silence_but_for_its_length() -> None:
    call = Call(replace(WAITING, silence_timeout_s=10, max_duration_s=60))
    give(call, Mute("o1", Speaker.ASSISTANT, on=True))

    call.wait(55)
    assert not call.all(HangUp)
    call.wait(6)
    assert call.all(HangUp)


def test_of_a_caller_who_is_muted_the_model_hears_silence_as_long_as_they_speak() -> None:
    call = Call(frames=False)
    loud = sound(20)
    call.speak(loud)
    give(call, Mute("o1", Speaker.CALLER, on=True))
    for _ in range(3):
        call.speak(loud)
    give(call, Mute("o2", Speaker.CALLER, on=False))
    call.speak(loud)

    heard = [one["audio"] for one in call.sent("input_audio_buffer.append")]
    assert [one == loud for one in heard] == [True, False, False, False, True]
    assert len({len(one) for one in heard}) == 1


def test_muting_outlasts_a_handover() -> None:
    call = Squad()
    call.asks()
    call.ready(BILLING)
    call.announces()
    call.session = 1
    call.answers("b0", "Billing here. What is the invoice number?", ours=True)
    give(call, Mute("o1", Speaker.ASSISTANT, on=True))
    call.wait(3)

    assert closes_floor(call)[-1] is False
    call.caller_says("u9", "Where is everybody today?")
    call.wait(5)
    assert call.asked_in(1) == ["greeting"]


# Hanging up, transfers and handoffs ---------------------------------------------------------------------------


def test_the_call_is_hung_up_at_once() -> None:
    call = Call()

    assert give(call, End("o1")) == ""

    assert call.all(HangUp)
    call.stop()
    assert call.ended.reason == "manually-canceled"
    assert give(call, End("o2"))


def test_the_caller_is_connected_after_the_words_that_were_given() -> None:
    call = Call()

    give(call, HandOver("o1", replace(QUEUE, message="I'll connect you.")))

    call.answers("r1", "I'll connect you.", ours=True)
    assert not call.all(Forward)
    call.wait(1.5)
    assert call.all(Forward) == [Forward("o1", "", QUEUE.name)]
    call.take(call.conversation.forwarded())
    call.stop()
    assert call.ended.reason == "assistant-forwarded-call"
    assert not call.all(ToolDone)


def test_a_transfer_that_twilio_refuses_leaves_the_talk_where_it_was() -> None:
    call = Call()
    give(call, HandOver("o1", replace(QUEUE, message="")))
    assert call.all(Forward)

    call.take(call.conversation.forward_failed("transfer_failed", "It did not work. Say so.", now=call.now))

    assert call.told == [("system", "It did not work. Say so.")]
    assert call.asked == ["answer"]
    assert not call.all(ToolRefused)
    assert give(call, say(order_id="o2")) == ""


def test_a_model_that_answers_nothing_is_noticed_though_a_transfer_was_tried_meanwhile() -> None:
    call = Call()
    give(call, HandOver("o1", replace(QUEUE, message="I'll connect you.")))
    call.wait(31)
    assert call.all(Forward)
    call.take(call.conversation.forward_failed("transfer_failed", "It did not work.", now=call.now))

    call.wait(15)

    assert call.all(Apologise)


def test_a_second_transfer_is_refused_while_one_is_under_way() -> None:
    call = Call()
    give(call, HandOver("o1", QUEUE))

    assert give(call, HandOver("o2", QUEUE))


def test_an_order_calls_off_a_handover_that_the_model_had_asked_for() -> None:
    call = Squad()
    call.asks()
    assert call.asked == ["handoff"]

    give(call, HandOver("o1", replace(QUEUE, message="")))
    call.created("w1", ours=True)
    call.done("w1", "cancelled")

    assert call.all(Forward)
    assert not call.took_over()


@pytest.mark.parametrize(("plan", "session"), [(BILLING, 1), (TWIN, 0), (SILENT, 1)])
def test_another_assistant_takes_the_call_over_by_order(plan: Plan, session: int) -> None:
    call = Squad()
    taker = Taker("billing", Keeps.ALL)

    assert give(call, HandOver("o1", Place("Billing", "", taker))) == ""
    assert [one.key for one in call.all(PrepareMember)] == ["billing"]
    call.prepared(plan, call_id="o1")
    if session:
        call.accepts(1, plan)
    else:
        call.hear_in(0, SessionUpdated(session_payload(plan, floor_open=True)))
    call.wait(0.5)

    assert call.all(MemberTookOver) == [MemberTookOver("billing", "o1")]
    assert not call.all(ToolDone)
    assert call.outputs_in(session) == {}, "the model has asked for nothing, and is answered nothing"


def test_a_handover_that_fails_leaves_the_call_and_the_model_knows_nothing_of_it() -> None:
    call = Squad(triage(to_billing()))
    give(call, HandOver("o1", Place("Billing", "", Taker("billing"))))

    call.take(call.conversation.member_refused("o1", "handoff_impossible", "it is away", now=call.now))

    assert call.problems == ["handoff_impossible"]
    assert call.outputs == {}
    assert give(call, say(order_id="o2")) == ""


def test_a_sentence_that_was_ordered_in_the_middle_of_a_handover_is_said_all_the_same() -> None:
    call = Squad()
    call.asks()
    call.prepared()

    give(call, say(guarded=False))

    call.announces()
    assert call.asked == ["handoff", "say"]
    call.answers("r9", WORDS, ours=True)
    call.accepts()
    call.wait(1.1)
    assert call.took_over() == ["billing"]


def test_one_that_the_lost_session_was_asked_for_is_said_by_the_next() -> None:
    call = Squad()
    call.asks()
    call.ready(BILLING)
    give(call, say(guarded=False))
    call.answers("w1", ours=True)
    assert call.asked == ["handoff", "say"]

    call.take(call.conversation.realtime_gone(code="1006", now=call.now))
    call.session = 1
    call.answers("b0", "Billing here. What is the invoice number?", ours=True)

    assert call.asked_in(1) == ["greeting", "say"]
