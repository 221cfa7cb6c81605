"""What is said while a tool works: before it is asked, and when it is slow."""

from dataclasses import replace

import pytest

from calls.bridge import realtime
from calls.bridge.commands import HangUp, RunTool, ToolRefused, ToolSettled
from calls.bridge.conversation import Conversation
from calls.bridge.toolmessages import Condition, ToolMessage
from calls.tests.bridge.call import BOOK, END_CALL, LIST, Call
from calls.tests.bridge.toolwords import COMPLETE, DELAYED, LATER, START, asked, plan, says


def test_a_start_message_is_said_while_the_tool_works() -> None:
    call = asked(START, done=False)
    assert call.asked == []

    call.done("r1")

    assert len(call.all(RunTool)) == 1
    assert call.asked == ["filler"]
    assert call.sentences == ["One moment, please."]
    request = call.sent("response.create")[0]["response"]
    assert (request["input"], request["tool_choice"]) == ([], "none")


def test_a_model_that_has_announced_it_itself_is_not_made_to_say_it_twice() -> None:
    call = asked(START, preamble_ms=800)

    call.wait(5)

    assert call.asked == []


def test_without_a_message_nothing_is_said() -> None:
    call = asked()
    call.wait(15)

    assert call.asked == []


def test_an_empty_message_is_silence() -> None:
    call = asked(replace(START, text=""), replace(DELAYED, text=""))
    call.wait(10)

    assert call.asked == []
    assert len(call.all(RunTool)) == 1


def test_an_answer_that_is_quicker_makes_the_start_message_untrue() -> None:
    call = asked(START, done=False)

    call.result()
    call.done("r1")

    assert call.asked == ["tool_result"]


def test_an_answer_that_comes_after_the_request_stops_the_message() -> None:
    call = asked(START)
    call.result()

    call.created("r2", ours=True)
    call.done("r2", "cancelled")

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r2"]
    assert call.asked == ["filler", "tool_result"]


def test_an_answer_in_the_middle_of_the_message_is_spoken_of_after_it() -> None:
    call = asked(START)
    call.created("r2", ours=True)
    call.audio("r2", 1000)

    call.result()
    assert call.asked == ["filler"]
    call.done("r2")

    assert call.asked == ["filler", "tool_result"]


def test_parallel_calls_have_one_start_message() -> None:
    call = Call(plan(START))
    call.caller_says("u1", "Book them all.")
    call.created("r1")
    for n in range(5):
        call.calls_tool("r1", f"c{n}", arguments=f'{{"day":"{n}"}}')
    call.done("r1")
    says(call, "r2")
    call.result("c0")
    call.wait(1)

    assert call.sentences == ["One moment, please."]


def test_the_start_message_stands_while_one_of_its_calls_waits() -> None:
    call = Call(plan(START))
    call.created("r1")
    call.calls_tool("r1", "c1")
    call.calls_tool("r1", "c2", arguments='{"day":"Tuesday"}')
    call.result("c1")
    call.done("r1")

    assert call.sentences == ["One moment, please."]


def test_conditions_and_variants_choose_the_message() -> None:
    monday = replace(START, text="Monday, then.", conditions=(Condition("day", "eq", "Monday"),))
    tuesday = replace(START, text="Tuesday, then.", conditions=(Condition("day", "eq", "Tuesday"),))
    call = Call(plan(START, tuesday, monday, replace(monday, text="For Monday, then.")), begun=False)
    call.conversation = Conversation(call.plan, lambda count: count - 1)
    call.start()
    call.accept_session()
    call.created("r1")
    call.calls_tool("r1")
    call.done("r1")

    assert call.sentences == ["For Monday, then."]


def test_without_a_choice_the_first_variant_is_taken() -> None:
    call = asked(START, replace(START, text="Just a second."))

    assert call.sentences == ["One moment, please."]


def test_a_caller_who_speaks_before_the_start_message_does_away_with_it() -> None:
    call = asked(START, done=False)
    call.caller_speaks("u2")
    call.done("r1", "cancelled")
    call.caller_stops("u2")
    call.answers("r2")
    call.wait(3)

    assert call.asked == []


def test_a_start_message_that_the_caller_talks_over_is_not_repeated() -> None:
    call = asked(START)
    call.caller_speaks("u2")
    call.created("r2", ours=True)
    call.done("r2", "cancelled")
    call.caller_stops("u2")
    call.wait(1.9)

    assert call.asked == ["filler"]


def test_a_start_message_for_which_there_is_no_room_is_dropped() -> None:
    call = asked(START)

    call.request_refused("conversation_already_has_active_response")
    call.created("r2")
    call.audio("r2", 500)
    call.done("r2")
    call.wait(1)

    assert call.asked == ["filler"]


@pytest.mark.parametrize("ending", ["failed", "lost"])
def test_a_message_that_fails_is_not_tried_again_and_fails_nothing_else(ending: str) -> None:
    call = asked(START)
    if ending == "failed":
        call.created("r2", ours=True)
        call.done("r2", "failed", code="server_error")
    else:
        call.wait(10)
    call.result()

    assert call.asked == ["filler", "tool_result"]
    assert not call.all(HangUp)


def test_a_call_that_was_made_as_the_caller_interrupted_is_not_announced_after_their_answer() -> None:
    call = Call(plan(START))
    call.caller_says("u1", "Book Monday.")
    call.created("r1")
    call.caller_speaks("u2")
    fc = call.calls_tool("r1")
    call.done("r1", "cancelled", calls=(fc,))
    call.caller_stops("u2")
    call.answers("r2", "Yes?", 500)
    call.wait(3)

    assert len(call.all(RunTool)) == 1
    assert call.asked == []


def test_a_message_that_was_said_in_other_words_is_reported() -> None:
    call = asked(START)
    call.answers("r2", "Hang on!", ours=True)

    assert call.problems == ["filler_changed"]


def test_a_message_that_was_cut_off_was_not_said_in_other_words() -> None:
    call = asked(START)
    call.created("r2", ours=True)
    call.audio("r2", 1000)
    call.wait(0.5)
    call.caller_speaks("u2")
    call.hear(realtime.TextDone("r2", "r2-i", "One mo"))

    assert call.problems == []


# Said first ---------------------------------------------------------------------------------------------------------


BLOCKING = replace(START, blocking=True)


def test_a_blocking_message_is_heard_before_the_tool_is_asked() -> None:
    call = asked(BLOCKING)
    assert not call.all(RunTool)
    call.answers("r2", START.text, 2000, ours=True)

    call.wait(1.9)
    assert not call.all(RunTool)
    call.wait(0.2)

    assert len(call.all(RunTool)) == 1


def test_a_preamble_of_the_models_own_is_heard_first_too() -> None:
    call = asked(BLOCKING, preamble_ms=1000)
    assert not call.all(RunTool)

    call.wait(1.1)

    assert len(call.all(RunTool)) == 1
    assert call.asked == []


def test_a_blocking_message_is_over_when_the_caller_speaks() -> None:
    call = asked(BLOCKING)
    call.created("r2", ours=True)
    call.audio("r2", 3000)
    call.wait(1)

    call.caller_speaks("u2")

    assert len(call.all(RunTool)) == 1


def test_speech_that_does_not_end_does_not_hold_the_tool_for_ever() -> None:
    call = asked(BLOCKING, preamble_ms=90_000)

    call.wait(59.9)
    assert not call.all(RunTool)
    call.wait(0.2)
    assert len(call.all(RunTool)) == 1
    call.wait(23)

    assert call.problems == ["tool_timed_out"]


def test_a_tool_that_was_never_asked_is_written_so_when_the_call_ends() -> None:
    call = asked(BLOCKING)
    call.stop()

    assert call.all(ToolRefused) == [ToolRefused("c1", "book", "caller_gone", "", orphaned=True)]
    assert not call.all(ToolSettled)


# Slow ---------------------------------------------------------------------------------------------------------------


def test_a_slow_tool_is_excused_each_time_once() -> None:
    call = asked(DELAYED, LATER)

    call.wait(3.9)
    assert call.sentences == []
    call.wait(0.2)
    assert call.sentences == [DELAYED.text]
    says(call, "r2")
    call.wait(4)
    assert call.sentences == [DELAYED.text]
    call.wait(0.7)
    assert call.sentences == [DELAYED.text, LATER.text]
    says(call, "r3")
    call.wait(8)

    assert call.sentences == [DELAYED.text, LATER.text]


def test_an_answer_in_time_needs_no_excuse() -> None:
    call = asked(DELAYED)
    call.wait(2)
    call.result()
    call.answers("r2", ours=True)
    call.wait(10)

    assert call.asked == ["tool_result"]


def test_after_anything_that_was_said_there_is_a_pause_before_the_excuse() -> None:
    call = asked(START, replace(DELAYED, after_ms=1000))
    says(call, "r2", 3000)

    call.wait(2.3)
    assert call.sentences == [START.text]
    call.wait(0.3)

    assert call.sentences == [START.text, DELAYED.text]


def test_of_two_slow_tools_one_excuse_is_enough() -> None:
    call = Call(plan(DELAYED))
    call.created("r1")
    call.calls_tool("r1", "c1")
    call.calls_tool("r1", "c2", arguments='{"day":"Tuesday"}')
    call.done("r1")
    call.wait(4.1)
    says(call, "r2")
    call.wait(10)

    assert call.sentences == [DELAYED.text]


def test_an_excuse_waits_while_the_caller_speaks_and_is_answered() -> None:
    call = asked(DELAYED)
    call.wait(3)
    call.caller_speaks("u2")
    call.wait(2)
    assert call.asked == []
    call.caller_stops("u2")
    call.answers("r2", "I am on it.", 1000)
    call.wait(3.3)
    assert call.asked == []
    call.wait(0.3)

    assert call.asked == ["filler"]


def test_an_excuse_after_a_noise_waits_for_the_answer_that_voice_detection_may_ask_for() -> None:
    call = asked(DELAYED)
    call.wait(3.5)
    call.caller_speaks("u2")
    call.wait(0.3)
    call.caller_stops("u2")
    call.wait(1.9)
    assert call.asked == []

    call.wait(0.2)

    assert call.asked == ["filler"]


def test_two_tools_of_which_one_fails_while_the_others_excuse_is_overdue() -> None:
    call = Call(
        plan(replace(DELAYED, after_ms=3000), others=(replace(LIST, timeout_s=1.0),), silence_timeout_s=60)
    )
    call.created("r1")
    call.calls_tool("r1", "c1")
    call.calls_tool("r1", "c2", "list_slots", "{}")
    call.audio("r1", 8000)
    call.wait(10)

    # That one wants no wait of its own: the end of what is being said is the next occasion.
    assert "tool_timed_out" in call.problems
    assert call.sentences == []


# What tools have taught meanwhile -------------------------------------------------------------------------------------


def reworded(call: Call, *messages: ToolMessage) -> None:
    call.conversation.reword([replace(BOOK, messages=messages), LIST, END_CALL])


def test_a_tool_speaks_in_its_newest_words_also_of_what_was_asked_for_before() -> None:
    call = asked(replace(DELAYED, text="Wait, ."), replace(COMPLETE, text="Booked for ."))

    reworded(call, replace(DELAYED, text="Wait, Ann."), replace(COMPLETE, text="Booked for Ann."))
    call.wait(5)
    says(call, "r2")
    call.result()

    assert call.sentences == ["Wait, Ann.", "Booked for Ann."]


def test_a_start_message_that_waits_for_silence_is_said_in_its_newest_words() -> None:
    call = asked(replace(START, text="One moment, ."), done=False)

    reworded(call, replace(START, text="One moment, Ann."))
    call.done("r1")

    assert call.sentences == ["One moment, Ann."]


def test_an_earlier_wording_comes_back_when_only_another_tool_was_reworded() -> None:
    call = asked(START, DELAYED)

    call.conversation.reword([replace(LIST, messages=(COMPLETE,)), replace(END_CALL, name="new")])
    says(call, "r2")
    call.wait(8)

    assert call.sentences == ["One moment, please.", "It takes a while."]
