"""Sentences and messages ordered from outside: said word for word, once, in every state of a call."""

import pytest

from calls.bridge import realtime
from calls.bridge.commands import (
    Apologise,
    HangUp,
    Noted,
    PartialText,
    Speaker,
)
from calls.bridge.limits import MOST_ORDERS_HELD, MOST_ORDERS_OWED
from calls.bridge.orders import End, HandOver, Mute, Order, SayFirstMessage, Tell
from calls.bridge.plan import Plan
from calls.bridge.settling import CUT
from calls.tests.bridge.call import GREETING, GREETING_PLAN, PROTECTED, SENTENCE_PLAN, Call
from calls.tests.bridge.handing import Squad
from calls.tests.bridge.ordering import BYE, QUEUE, WORDS, closes_floor, give, say, settled

# Saying something ---------------------------------------------------------------------------------------------


def test_a_sentence_is_said_word_for_word_by_a_model_that_sees_nothing_else() -> None:
    call = Call()

    assert give(call, say()) == ""

    request = call.sent("response.create")[-1]["response"]
    assert call.sentences == [WORDS]
    assert request["input"] == []
    assert request["tool_choice"] == "none"
    call.answers("r1", WORDS, ours=True)
    call.wait(1.2)
    call.stop()
    assert [one.heard_text for one in call.ended.spoken] == [WORDS]
    assert "say_changed" not in call.problems


def test_it_waits_until_the_assistant_has_said_what_it_is_saying() -> None:
    call = Call()
    call.caller_says("u1", "Hello?")
    call.created("r1")
    call.audio("r1", 2000)

    give(call, say())

    assert call.asked == []
    assert call.clears == 0
    call.done("r1")
    assert call.asked == ["say"]


def test_or_it_cuts_that_short_and_the_model_knows_how_much_was_heard() -> None:
    call = Call()
    call.caller_says("u1", "Hello?")
    call.created("r1")
    call.audio("r1", 3000)
    call.wait(1)

    give(call, say(interrupts=True))

    assert call.clears == 1
    assert 800 <= call.truncated["r1-i"] <= 1000
    assert [one["response_id"] for one in call.sent("response.cancel")] == ["r1"]
    assert call.asked == [], "one response at a time"
    call.done("r1", "cancelled")
    assert call.asked == ["say"]


def test_two_of_them_are_both_said_in_their_order_and_the_second_does_not_cut_the_first() -> None:
    call = Call()

    give(call, say("First.", "o1", interrupts=True))
    give(call, say("First.", "o2", interrupts=True))
    give(call, say("Third.", "o3", interrupts=True))

    for n in range(3):
        call.answers(f"r{n}", "Third." if n == 2 else "First.", ours=True)
    assert call.sentences == ["First.", "First.", "Third."]
    assert call.clears == 0


def test_the_callers_voice_does_not_cut_it_short_unless_it_may() -> None:
    call = Call()

    give(call, say())
    call.created("r1", ours=True)
    call.audio("r1", 3000)
    call.wait(0.5)
    call.caller_says("u1", "But I want to know when my bicycle is ready.")

    assert call.clears == 0
    assert closes_floor(call) == [False]
    call.done("r1")
    call.wait(3)
    assert closes_floor(call) == [False, True]
    assert call.asked == ["say", "answer"], "what was said under it is answered"


def test_one_that_may_be_cut_short_is() -> None:
    call = Call()

    give(call, say(guarded=False))
    call.created("r1", ours=True)
    call.audio("r1", 3000)
    call.wait(0.5)
    call.caller_speaks("u1")

    assert call.clears == 1
    assert closes_floor(call) == []


def test_it_waits_for_the_caller_to_finish_and_for_the_answer_they_get() -> None:
    call = Call()
    call.caller_speaks("u1")

    give(call, say())

    assert call.asked == []
    call.wait(1)
    call.caller_stops("u1")
    call.answers("r1", "It is ready.")
    assert call.asked == ["say"]


def test_an_urgent_one_comes_before_the_answer_which_is_given_afterwards() -> None:
    call = Call()
    call.caller_speaks("u1")
    give(call, say(interrupts=True))
    call.wait(1)
    call.caller_stops("u1")

    call.created("r1")

    assert [one["response_id"] for one in call.sent("response.cancel")] == ["r1"]
    call.done("r1", "cancelled")
    call.answers("r2", WORDS, ours=True)
    assert call.asked == ["say", "answer"]


def test_voice_detection_may_be_quicker_and_then_it_is_said_after_that() -> None:
    call = Call()
    give(call, say())
    call.request_refused("conversation_already_has_active_response")
    call.answers("r1", "Yes?")

    assert call.asked == ["say", "say"]
    call.answers("r2", WORDS, ours=True)
    call.wait(2)
    assert call.asked == ["say", "say"]


def test_it_is_said_while_a_tool_runs_and_the_answer_of_that_follows() -> None:
    call = Call()
    call.caller_says("u1", "Book it.")
    call.created("r1")
    asked = call.calls_tool("r1")
    call.done("r1", calls=(asked,))

    give(call, say())

    assert call.asked == ["say"]
    call.created("r2", ours=True)
    call.result()
    call.audio("r2", 500)
    call.done("r2")
    assert call.asked == ["say", "tool_result"]


def test_what_the_model_will_not_say_is_reported_and_the_call_goes_on() -> None:
    call = Call()
    give(call, say())
    for _ in range(3):
        call.request_refused("invalid_value")
        call.wait(3)

    assert "order_failed" in call.problems
    assert call.asked == ["say"] * 3
    assert not call.all(Apologise)
    assert closes_floor(call) == [False, True]


@pytest.mark.parametrize("plan", [GREETING_PLAN, PROTECTED], ids=["open", "protected"])
def test_before_the_first_message_is_over_it_waits_or_takes_its_place(plan: Plan) -> None:
    waiting, cutting = Call(plan), Call(plan)
    for call in (waiting, cutting):
        call.created("r0", ours=True)
        call.audio("r0", 2000)
        call.wait(0.4)

    give(waiting, say())
    give(cutting, say(interrupts=True))

    assert (waiting.clears, cutting.clears) == (0, 1)
    waiting.done("r0")
    cutting.done("r0", "cancelled")
    assert waiting.asked == cutting.asked == ["greeting", "say"]
    for call in (waiting, cutting):
        call.answers("r1", WORDS, ours=True)
        call.wait(4)
        assert closes_floor(call)[-1], "the caller has the floor in the end"


def test_what_is_ordered_before_the_conversation_begins_is_done_when_it_does() -> None:
    call = Call(begun=False)
    call.start()

    assert give(call, say()) == ""

    assert call.asked == []
    call.accept_session()
    assert call.asked == ["say"]


def test_no_more_than_a_few_wait_for_the_beginning() -> None:
    call = Call(begun=False)

    refusals = [give(call, say(order_id=f"o{n}")) for n in range(MOST_ORDERS_HELD + 2)]

    assert [bool(one) for one in refusals] == [False] * MOST_ORDERS_HELD + [True] * 2
    assert give(call, End("o99")) == "", "but it can always be ended"


def test_however_much_was_held_all_of_it_is_said() -> None:
    call = Call(begun=False)
    call.start()
    for n in range(MOST_ORDERS_OWED + 3):
        assert give(call, say(f"Sentence {n}.", f"o{n}")) == ""

    call.accept_session()
    for n in range(MOST_ORDERS_OWED + 3):
        call.answers(f"r{n}", f"Sentence {n}.", ms=100, ours=True)

    assert call.sentences == [f"Sentence {n}." for n in range(MOST_ORDERS_OWED + 3)]


def test_what_was_not_said_before_the_end_is_reported() -> None:
    call = Call()
    call.caller_speaks("u1")
    give(call, say())

    call.stop()

    assert "order_not_said" in call.problems


def test_the_first_message_can_be_ordered_again() -> None:
    call = Call(GREETING_PLAN)
    call.answers("r0", GREETING, ours=True)
    call.wait(2)

    give(call, SayFirstMessage("o1"))

    assert call.sentences == [GREETING, GREETING]


# Saying something, and hanging up -------------------------------------------------------------------------------


def test_the_call_ends_when_the_last_words_were_heard_and_not_before() -> None:
    call = Call(SENTENCE_PLAN)
    call.answers("r0", GREETING, ours=True)
    call.wait(2)

    give(call, say(BYE, end_after=True, reason="exceeded-budget"))

    call.answers("r1", BYE, ms=4000, ours=True)
    call.wait(3.5)
    assert not call.all(HangUp)
    call.wait(1)
    assert call.all(HangUp)
    call.stop()
    assert call.ended.reason == "exceeded-budget"
    assert call.sentences == [GREETING, BYE], "no goodbye of the plan's on top of it"


def test_a_caller_who_speaks_does_not_call_it_off() -> None:
    call = Call()
    give(call, say(BYE, end_after=True, guarded=False))
    call.created("r1", ours=True)
    call.audio("r1", 4000)
    call.wait(1)
    call.caller_speaks("u1")
    assert call.clears == 1
    call.done("r1", "cancelled")
    assert not call.all(HangUp), "nobody is hung up on in the middle of a word"
    call.wait(1)
    call.caller_stops("u1")
    call.created("r2")
    call.done("r2", "cancelled")

    call.wait(1)

    assert call.all(HangUp)
    call.stop()
    assert call.ended.reason == "assistant-ended-call-after-message-spoken"
    assert settled(call) == {"o1": CUT}, "but they have not heard all of it"


def test_a_caller_who_never_stops_talking_cannot_keep_the_call() -> None:
    call = Call()
    call.caller_speaks("u1")

    give(call, say(BYE, end_after=True))
    call.wait(40)

    assert call.all(HangUp)


def test_a_running_tool_keeps_nobody_waiting_for_the_last_words() -> None:
    call = Call()
    call.created("r1")
    asked = call.calls_tool("r1")
    call.done("r1", calls=(asked,))

    give(call, say(BYE, end_after=True))

    assert call.asked == ["farewell"]
    call.answers("r2", BYE, ours=True)
    call.result()
    call.wait(2)
    assert call.all(HangUp)
    assert call.asked == ["farewell"], "nobody waits for the tool's answer any more"


def test_last_words_take_the_place_of_a_goodbye_that_the_assistant_had_begun() -> None:
    call = Call()
    call.created("r1")
    asked = call.calls_tool("r1", name="end_call", arguments="{}")
    call.done("r1", calls=(asked,))
    call.created("r2", ours=True)
    call.audio("r2", 1000)

    give(call, say(BYE, end_after=True))

    call.done("r2")
    assert call.sentences == [BYE]
    call.answers("r3", BYE, ours=True)
    call.wait(3)
    assert call.all(HangUp)


def test_where_the_model_cannot_say_them_twilio_does() -> None:
    call = Call()
    give(call, say(BYE, end_after=True))
    call.take(call.conversation.realtime_gone(code="1006", now=call.now))

    assert [one.text for one in call.all(Apologise)] == [BYE]


def test_nothing_but_hanging_up_can_be_ordered_after_that() -> None:
    call = Call()
    give(call, say(BYE, end_after=True))

    others: list[Order] = [
        say(order_id="o2"),
        Tell("o3", "system", "x"),
        Mute("o4", Speaker.CALLER, on=True),
        HandOver("o5", QUEUE),
    ]

    assert all(give(call, one) for one in others)
    assert give(call, End("o6")) == ""
    assert call.all(HangUp)
    assert give(call, say(order_id="o7"))


# Messages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_a_message_is_put_into_the_conversation_and_answered_if_that_is_wanted(role: str) -> None:
    call = Call()

    give(call, Tell("o1", role, "The bicycle is ready.", respond=False))
    assert call.asked == []
    give(call, Tell("o2", role, "The bicycle is ready."))

    assert call.told == [(role, "The bicycle is ready.")] * 2
    assert call.asked == ["answer"]
    assert call.all(Noted) == [Noted(role, "The bicycle is ready.")] * 2


def test_it_is_answered_after_what_is_being_said() -> None:
    call = Call()
    call.caller_says("u1", "Hello?")
    call.created("r1")

    give(call, Tell("o1", "system", "The bicycle is ready."))

    assert call.asked == []
    call.done("r1")
    assert call.asked == ["answer"]


@pytest.mark.parametrize("role", ["system", "user"])
def test_an_assistant_that_takes_the_call_over_reads_it_too(role: str) -> None:
    call = Squad()
    give(call, Tell("o1", role, "The caller is a regular.", respond=False))

    call.hands_over()

    assert (role, "The caller is a regular.") in call.read_in(1)


# Reading along -------------------------------------------------------------------------------------------------


def test_partial_texts_are_told_while_somebody_reads_along_and_only_then() -> None:
    call = Call()
    call.hear(realtime.CallerTextDelta("u0", "Hi"))
    assert call.all(PartialText) == []
    call.conversation.tells_partials = True

    call.hear(realtime.CallerTextDelta("u1", "Is my"), realtime.CallerTextDelta("u1", " bicycle"))
    call.created("r1")
    call.hear(realtime.TextDelta("r1", "i1", "It"), realtime.TextDelta("r1", "i1", " is"))
    call.audio("r1", 1000, "i1")
    call.hear(realtime.TextDone("r1", "i1", "It is ready."))

    assert [(one.item_id, one.text, one.whole) for one in call.all(PartialText)] == [
        ("u1", "Is my", False),
        ("u1", "Is my bicycle", False),
        ("i1", "It", False),
        ("i1", "It is", False),
        ("i1", "It is ready.", True),
    ]
