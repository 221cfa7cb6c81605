"""Who begins and stops speaking, told at once to those who want to know."""

from calls.bridge import realtime
from calls.bridge.commands import Ended, Forward, PartialText, Speaker, Speaking
from calls.bridge.orders import HandOver
from calls.tests.bridge.call import WAITING, Call
from calls.tests.bridge.handing import BILLING, Squad
from calls.tests.bridge.ordering import QUEUE, give

CALLER, OURS = Speaker.CALLER, Speaker.ASSISTANT


def call(*, speech: bool = True, words: bool = False) -> Call:
    made = Call(WAITING)
    made.conversation.tell_at_once(speech=speech, words=words)
    return made


def spoken(made: Call) -> list[tuple[Speaker, bool]]:
    return [(one.who, one.on) for one in made.all(Speaking)]


def test_nobody_is_told_who_does_not_want_to_know() -> None:
    made = call(speech=False)

    made.caller_says("c1", "Is it ready?")
    made.answers("r1")
    made.wait(3)

    assert spoken(made) == []
    assert made.all(PartialText) == []


def test_a_turn_of_the_caller_is_told_when_it_begins_and_when_it_ends() -> None:
    made = call()

    made.caller_speaks("c1")
    assert spoken(made) == [(CALLER, True)]
    made.wait(1)
    made.caller_stops("c1")

    assert spoken(made) == [(CALLER, True), (CALLER, False)]


def test_the_assistant_has_stopped_when_its_last_sound_was_heard_and_not_when_it_was_made() -> None:
    made = call()
    made.caller_says("c1", "Is it ready?")

    made.answers("r1", ms=1000)
    assert spoken(made)[2:] == [(OURS, True)]
    made.wait(0.5)
    assert spoken(made)[2:] == [(OURS, True)]
    made.wait(3)

    assert spoken(made)[2:] == [(OURS, True), (OURS, False)]


def test_whoever_is_talked_over_stops_behind_the_callers_beginning() -> None:
    made = call()
    made.caller_says("c1", "Is it ready?")
    made.answers("r1", ms=5000)
    made.wait(1)

    made.caller_speaks("c2")

    assert spoken(made)[2:] == [(OURS, True), (CALLER, True), (OURS, False)]


def test_a_caller_whose_session_is_lost_has_stopped_and_begins_again_in_the_next_one() -> None:
    made = Squad()
    made.conversation.tell_at_once(speech=True, words=False)
    made.asks()
    made.ready(BILLING)
    made.caller_speaks("c1")

    made.take(made.conversation.realtime_gone(code="1006", now=made.now))
    made.session = 1
    made.caller_speaks("c2")
    made.caller_stops("c2")

    assert made.took_over() == ["billing"]
    assert [on for who, on in spoken(made) if who is CALLER][-4:] == [True, False, True, False]


def test_a_caller_who_speaks_while_a_transfer_is_refused_has_stopped() -> None:
    made = call()
    made.caller_speaks("c1")
    give(made, HandOver("o1", QUEUE))
    while not made.all(Forward):
        made.wait(5)
    made.caller_stops("c1")  # which nobody listens to then

    made.take(made.conversation.forward_failed("transfer_failed", "No.", now=made.now))

    assert [on for who, on in spoken(made) if who is CALLER] == [True, False]


def test_after_the_end_nobody_begins_to_speak() -> None:
    made = call()
    made.stop()

    made.caller_speaks("c2")

    assert made.all(Ended)
    assert spoken(made) == []


def test_words_are_told_as_they_come_in_to_a_server_that_wants_them() -> None:
    made = call(words=True)
    made.caller_speaks("c1")
    made.hear(realtime.CallerTextDelta("c1", "Is it "), realtime.CallerTextDelta("c1", "ready?"))

    assert [one.text for one in made.all(PartialText)] == ["Is it ", "Is it ready?"]
