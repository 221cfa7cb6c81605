"""A phrase of the assistant's that ends the call once it was heard."""

from dataclasses import replace

from calls.bridge import realtime
from calls.bridge.commands import HangUp
from calls.tests.bridge.call import WAITING, Call

PHRASE = replace(WAITING, end_call_phrases=("have a nice day", "goodbye"), end_call_message="Thank you.")


def test_a_phrase_of_the_assistants_ends_the_call_once_it_was_heard() -> None:
    call = Call(PHRASE)
    call.caller_says("u1", "That is all.")
    call.answers("r1", "Then have a NICE day!", 2000)
    call.wait(1.9)
    assert not call.all(HangUp)

    call.wait(0.2)
    call.stop()

    assert call.all(HangUp) == [HangUp()]
    assert call.asked == []  # the phrase was the goodbye
    assert call.ended.reason == "assistant-said-end-call-phrase"


def test_a_caller_who_speaks_into_the_phrase_is_listened_to() -> None:
    call = Call(PHRASE)
    call.answers("r1", "Goodbye.", 2000)
    call.wait(1)
    call.caller_says("u1", "One more thing.")
    call.answers("r2")
    call.wait(5)

    assert not call.all(HangUp)


def test_a_phrase_that_the_caller_cut_off_ends_nothing() -> None:
    call = Call(PHRASE)
    call.created("r1")
    call.audio("r1", 2000)
    call.wait(1)
    call.caller_speaks("u1")
    call.hear(realtime.TextDone("r1", "r1-i", "Goodbye."))
    call.done("r1", "cancelled")
    call.caller_stops("u1")
    call.answers("r2")
    call.wait(5)

    assert not call.all(HangUp)


def test_a_phrase_in_a_first_item_that_was_cut_off_and_came_late_ends_nothing() -> None:
    call = Call(PHRASE)
    call.created("r1")
    call.audio("r1", 2000)
    call.done("r1")
    call.wait(1)
    call.caller_speaks("u1")
    call.hear(realtime.TextDone("r1", "r1-i", "Goodbye."))
    call.caller_stops("u1")
    call.answers("r2")
    call.wait(5)

    assert not call.all(HangUp)


def test_a_phrase_without_words_is_none() -> None:
    call = Call(replace(PHRASE, end_call_phrases=("", " ")))
    call.answers("r1", "Then have a nice day!")
    call.wait(5)

    assert not call.all(HangUp)


def test_the_callers_own_goodbye_is_no_phrase_of_the_assistants() -> None:
    call = Call(PHRASE)
    call.caller_says("u1", "Goodbye.")
    call.answers("r1", "One moment.")
    call.wait(5)

    assert not call.all(HangUp)


def test_a_tool_that_is_at_work_when_the_phrase_falls_is_waited_for() -> None:
    call = Call(PHRASE)
    call.created("r1")
    call.audio("r1", 500)
    call.hear(realtime.TextDone("r1", "r1-i", "Goodbye."), realtime.AudioDone("r1", "r1-i"))
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.wait(3)
    assert not call.all(HangUp)

    call.result()
    call.answers("r2", "It is booked.", 500, ours=True)
    call.wait(1)

    assert call.all(HangUp) == [HangUp()]
