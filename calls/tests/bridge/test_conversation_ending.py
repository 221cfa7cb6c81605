"""How calls end: with a goodbye, by order, or because the model is lost."""

from dataclasses import replace

import pytest

from calls.bridge import realtime
from calls.bridge.commands import Apologise, CloseRealtime, CloseStream, Ended, HangUp, Used, UtteranceEnded
from calls.bridge.limits import ACTIVE_RESPONSE
from calls.bridge.plan import Plan
from calls.bridge.toolmessages import Moment, ToolMessage
from calls.tests.bridge.call import END_CALL, WAITING, Call, sound

SENTENCE = replace(WAITING, end_call_message="Thank you for calling.")


def says_goodbye(plan: Plan = WAITING, ms: int = 2000) -> Call:
    """The model says goodbye and hangs up in one response."""
    call = Call(plan)
    call.caller_says("u1", "That is all.")
    call.created("r1")
    call.audio("r1", ms)
    fc = call.calls_tool("r1", name="end_call", arguments="{}")
    call.hear(realtime.AudioDone("r1", "r1-i"), realtime.TextDone("r1", "r1-i", "Goodbye!"))
    call.done("r1", calls=(fc,))
    return call


def hangs_up_without_a_word(plan: Plan = WAITING) -> Call:
    call = Call(plan)
    call.caller_says("u1", "That is all.")
    call.created("r1")
    fc = call.calls_tool("r1", name="end_call", arguments="{}")
    call.done("r1", calls=(fc,))
    return call


# Goodbye ------------------------------------------------------------------------------------------------------------


def test_a_spoken_goodbye_is_heard_out_and_not_said_twice() -> None:
    call = says_goodbye()
    call.wait(1.9)
    assert not call.all(HangUp)
    call.wait(0.2)

    assert call.all(HangUp) == [HangUp()]
    assert call.asked == []
    assert call.played_bytes == 2000 * 8


def test_the_call_is_over_when_twilio_says_so() -> None:
    call = says_goodbye()
    call.hear(realtime.CallerText("u1", "That is all."))
    call.wait(2.1)

    call.stop()

    assert call.ended.reason == "assistant-ended-call"
    assert call.commands[-3:-1] == [CloseRealtime(), CloseStream(1000)]


def test_without_a_spoken_goodbye_one_is_asked_for_and_heard_out() -> None:
    call = hangs_up_without_a_word()
    assert call.asked == ["farewell"]

    call.answers("r2", "Goodbye!", ms=1500, ours=True)
    call.wait(1.4)
    assert not call.all(HangUp)
    call.wait(0.2)

    assert call.all(HangUp)
    assert call.asked == ["farewell"]


def test_the_ordered_last_sentence_is_said_even_after_a_goodbye() -> None:
    call = says_goodbye(SENTENCE)

    assert call.asked == ["farewell"]
    assert "Thank you for calling." in call.sent("response.create")[0]["response"]["instructions"]


def test_a_lost_last_mark_does_not_keep_the_line() -> None:
    call = says_goodbye()
    call.queue.clear()

    call.wait(5.1)

    assert call.all(HangUp)


def test_a_farewell_that_fails_is_asked_for_again_and_then_done_without() -> None:
    call = hangs_up_without_a_word()
    for n in range(3):
        call.created(f"f{n}", ours=True)
        call.done(f"f{n}", "failed", code="server_error")
        call.wait(2.1)

    assert call.asked == ["farewell"] * 3
    assert call.all(HangUp)
    assert not call.all(Apologise)
    call.stop()
    assert call.ended.reason == "assistant-ended-call"


def test_a_farewell_that_loses_the_race_is_said_after_the_winner() -> None:
    call = hangs_up_without_a_word()
    call.request_refused(ACTIVE_RESPONSE)

    call.answers("r2")

    assert call.asked == ["farewell", "farewell"]


def test_a_farewell_of_which_nothing_is_heard_is_enough() -> None:
    call = hangs_up_without_a_word()
    call.created("f1", ours=True)

    call.done("f1", silent=True)

    assert call.all(HangUp)


def test_a_caller_who_speaks_during_the_goodbye_keeps_the_call() -> None:
    call = says_goodbye()
    call.wait(1)

    call.caller_says("u2", "One more thing.")
    call.answers("r2", "Yes?")
    call.wait(20)

    assert not call.all(HangUp)
    assert call.truncated == {"r1-i": 1000}


def test_and_a_later_goodbye_ends_it_properly() -> None:
    call = hangs_up_without_a_word()
    call.created("f1", ours=True)
    call.audio("f1", 2000)
    call.caller_speaks("u2")
    call.done("f1", "cancelled")
    call.wait(1)
    call.caller_stops("u2")
    call.created("r2")
    fc = call.calls_tool("r2", "c2", name="end_call", arguments="{}")

    call.done("r2", calls=(fc,))

    assert call.asked == ["farewell", "farewell"]


def test_a_caller_who_speaks_before_the_farewell_has_begun_does_not_hear_it() -> None:
    call = hangs_up_without_a_word()
    call.caller_speaks("u2")
    call.created("f1", ours=True)
    call.done("f1", "cancelled")
    call.caller_stops("u2")
    call.answers("r2", "Yes?")
    call.wait(5)

    assert call.asked == ["farewell"]
    assert not call.all(HangUp)


def test_hanging_up_in_an_answer_that_the_caller_interrupted_does_not_hang_up() -> None:
    call = Call()
    call.created("r1")
    call.audio("r1", 2000)
    call.caller_speaks("u1")
    fc = call.calls_tool("r1", name="end_call", arguments="{}")
    call.done("r1", "cancelled", calls=(fc,))
    call.caller_stops("u1")
    call.answers("r2")
    call.wait(20)

    assert not call.all(HangUp)
    assert "not_ended" in call.outputs["c1"]


def test_a_tool_that_was_asked_for_with_the_goodbye_is_spoken_of_before_it() -> None:
    call = Call()
    call.caller_says("u1", "Book Monday, and that is all.")
    call.created("r1")
    book = call.calls_tool("r1", "c1")
    end = call.calls_tool("r1", "c2", name="end_call", arguments="{}")
    call.done("r1", calls=(book, end))
    call.wait(2)
    assert call.asked == []

    call.result()
    call.answers("r2", "It is booked.", ours=True)

    assert call.asked == ["tool_result", "farewell"]


def test_a_second_reason_to_end_changes_nothing() -> None:
    call = says_goodbye()
    call.created("r2")
    fc = call.calls_tool("r2", "c2", name="end_call", arguments="{}")
    call.done("r2", calls=(fc,))
    call.wait(2.1)

    assert call.asked == []
    assert call.all(HangUp)


# The goodbye of the tool that hangs up ------------------------------------------------------------------------------


SEE_YOU = replace(END_CALL, messages=(ToolMessage(Moment.START, "See you on Monday."),))


@pytest.mark.parametrize(
    ("sounded", "message", "sentences"),
    [
        (False, "", ["See you on Monday."]),
        (False, "Thank you.", ["See you on Monday."]),
        (True, "", []),
        (True, "Thank you.", ["Thank you."]),
    ],
)
def test_a_tool_that_hangs_up_may_bring_its_own_goodbye(
    sounded: bool,
    message: str,
    sentences: list[str],
) -> None:
    call = Call(replace(WAITING, tools=(SEE_YOU,), end_call_message=message))
    call.created("r1")
    if sounded:
        call.audio("r1", 500)
    fc = call.calls_tool("r1", name="end_call", arguments="{}")
    call.done("r1", calls=(fc,))

    assert call.sentences == sentences


# By order -----------------------------------------------------------------------------------------------------------


def test_an_order_from_outside_ends_the_call_at_once() -> None:
    call = Call()
    call.created("r1")
    call.audio("r1", 2000)

    call.take(call.conversation.hang_up("manually-canceled", now=call.now))
    call.take(call.conversation.hang_up("again", now=call.now))
    call.stop()

    assert call.all(HangUp) == [HangUp()]
    assert call.ended.reason == "manually-canceled"


def test_an_order_that_twilio_does_not_carry_out_ends_the_call_all_the_same() -> None:
    call = Call()
    call.take(call.conversation.hang_up("manually-canceled", now=call.now))

    call.wait(8)

    assert call.ended.reason == "manually-canceled"


def test_nothing_is_said_or_started_once_hanging_up_was_ordered() -> None:
    call = Call()
    call.created("r1")
    call.take(call.conversation.hang_up("manually-canceled", now=call.now))
    before = len(call.commands)

    call.audio("r1", 500)
    call.hear(realtime.AudioDone("r1", "r1-i"))
    call.calls_tool("r1")
    call.done("r1")
    call.caller_speaks("u1")
    call.caller_stops("u1")
    call.created("r2")
    call.error(ACTIVE_RESPONSE)
    call.speak(sound(20))
    call.take(call.conversation.realtime_gone(code="1000", now=call.now))

    assert [type(c) for c in call.commands[before:] if type(c) not in (UtteranceEnded, Used)] == [
        type(call.commands[-1])
    ]
    assert not call.all(Ended)


def test_a_model_that_is_lost_during_the_goodbye_lets_it_be_heard_out() -> None:
    call = says_goodbye()

    call.take(call.conversation.realtime_gone(code="1000", now=call.now))
    call.wait(1.9)
    assert not call.all(HangUp)
    call.wait(0.2)

    assert call.all(HangUp)
    assert not call.all(Apologise)


# A session that is lost, for which there may be another ---------------------------------------------------------------


def test_only_a_session_that_is_lost_in_the_middle_of_the_talk_may_be_followed_by_another() -> None:
    lost, never, failing = Call(), Call(begun=False), Call()
    never.start()

    for call in (lost, never):
        call.take(call.conversation.realtime_gone(code="closed_1006", now=call.now))
    failing.error("insufficient_quota")
    failing.take(failing.conversation.realtime_gone(code="closed_4000", now=failing.now))

    assert [one.again for one in lost.all(Apologise)] == [True]
    assert [one.again for one in never.all(Apologise)] == [False]
    assert [one.again for one in failing.all(Apologise)] == [False]


def test_a_call_that_was_about_to_end_anyhow_is_not_followed_by_another_session() -> None:
    call = Call()
    call.created("r1")
    call.audio("r1", 2000)
    call.calls_tool("r1", name="end_call", arguments="{}")
    call.done("r1")

    call.take(call.conversation.realtime_gone(code="closed_1006", now=call.now))
    call.wait(3)

    assert call.all(Apologise) == []
    assert len(call.all(HangUp)) == 1
