"""Calls that end because of time: the longest duration, silence, a line without frames."""

from dataclasses import replace

from calls.bridge.commands import Ended, HangUp
from calls.bridge.limits import LINE_DEAD
from calls.tests.bridge.call import GREETING, GREETING_PLAN, WAITING, Call, sound

SHORT = replace(WAITING, max_duration_s=20)


def test_the_longest_call_ends_with_a_goodbye() -> None:
    call = Call(SHORT)
    call.wait(20.1)
    assert call.asked == ["farewell"]
    call.answers("r1", "Goodbye!", ours=True)
    call.wait(1.1)

    assert call.all(HangUp)
    call.stop()
    assert call.ended.reason == "exceeded-max-duration"


def test_an_answer_that_is_being_said_then_is_heard_out_and_followed_by_the_goodbye() -> None:
    call = Call(SHORT)
    call.wait(19)
    call.created("r1")
    call.audio("r1", 3000)
    call.wait(1.1)
    assert call.asked == []

    call.done("r1")

    assert call.asked == ["farewell"]


def test_a_caller_who_speaks_during_the_last_goodbye_is_answered_and_still_hung_up_on() -> None:
    call = Call(SHORT)
    call.wait(20.1)
    call.created("f1", ours=True)
    call.audio("f1", 2000)
    call.wait(0.5)
    call.caller_speaks("u1")
    call.done("f1", "cancelled")
    call.caller_stops("u1")

    call.answers("r1")
    call.wait(1.1)

    assert call.all(HangUp)
    assert call.asked == ["farewell"]


def test_a_noise_during_the_last_goodbye_does_not_keep_the_line() -> None:
    call = Call(SHORT)
    call.wait(20.1)
    call.created("f1", ours=True)
    call.audio("f1", 2000)
    call.wait(0.5)
    call.caller_speaks("u1")
    call.done("f1", "cancelled")
    call.caller_stops("u1")

    call.wait(2.1)

    assert call.all(HangUp)


def test_a_caller_who_speaks_before_the_last_goodbye_has_begun_hears_it_after_the_answer() -> None:
    call = Call(SHORT)
    call.wait(20.1)
    call.caller_speaks("u1")
    call.created("f1", ours=True)
    call.done("f1", "cancelled")
    call.caller_stops("u1")

    call.answers("r1")

    assert call.asked == ["farewell", "farewell"]


def test_a_caller_who_never_stops_talking_cannot_keep_the_line() -> None:
    call = Call(SHORT)
    call.caller_speaks("u1")

    call.wait(51)

    assert call.all(HangUp)


def test_neither_can_a_response_that_is_never_done() -> None:
    call = Call(SHORT)
    call.wait(19)
    call.created("r1")
    for _ in range(4):
        call.audio("r1", 8000)
        call.wait(8)

    assert call.all(HangUp)


def test_the_longest_duration_outlasts_a_goodbye_that_was_too_early() -> None:
    call = Call(SHORT)
    call.caller_says("u1", "That is all.")
    call.wait(18)
    call.created("r1")
    call.audio("r1", 5000)
    fc = call.calls_tool("r1", name="end_call", arguments="{}")
    call.done("r1", calls=(fc,))
    call.wait(2)

    call.caller_says("u2", "One more thing.")
    call.answers("r2")
    call.wait(2)

    call.stop()
    assert call.ended.reason == "exceeded-max-duration"


def test_a_clock_that_stood_still_ends_the_call_once() -> None:
    call = Call(SHORT)

    call.take(call.conversation.tick(now=call.now + 1000))
    call.take(call.conversation.tick(now=call.now + 2000))

    assert len(call.all(HangUp)) == 1
    assert call.all(Ended)


def test_a_silent_caller_is_said_goodbye_to() -> None:
    call = Call()
    call.wait(30.1)
    assert call.asked == ["farewell"]
    call.answers("f1", "Goodbye!", ours=True)
    call.wait(1.1)

    assert call.all(HangUp)
    call.stop()
    assert call.ended.reason == "silence-timed-out"


def test_silence_counts_from_when_the_assistant_was_heard_out() -> None:
    call = Call(GREETING_PLAN)
    call.answers("r1", GREETING, ms=20_000, ours=True)

    call.wait(49)
    assert call.asked == ["greeting"]
    call.wait(1.1)

    assert call.asked == ["greeting", "farewell"]


def test_a_caller_who_speaks_up_after_all_keeps_the_call() -> None:
    call = Call()
    call.wait(30.1)
    call.created("f1", ours=True)
    call.audio("f1", 2000)

    call.caller_says("u1", "I am here!")
    call.done("f1", "cancelled")
    call.answers("r1", "Good.")
    call.wait(20)

    assert not call.all(HangUp)


def test_a_line_without_frames_is_dead() -> None:
    call = Call(frames=False)
    call.wait(20)
    call.speak(sound(20))
    call.wait(29)
    assert not call.all(HangUp)
    call.wait(1.1)

    assert call.problems[-1] == "line_dead"
    assert call.all(HangUp)
    call.stop()
    assert call.ended.reason == LINE_DEAD
