"""Orders from outside in a bad moment, and what became of each: done, cut short or called off."""

from dataclasses import replace

import pytest

from calls.bridge import realtime
from calls.bridge.commands import (
    Forward,
    HangUp,
    Speaker,
)
from calls.bridge.limits import MOST_ORDERS_OWED
from calls.bridge.orders import End, HandOver, Mute, SayFirstMessage, Tell
from calls.bridge.plan import FirstMessageMode, Keeps, Place, Taker
from calls.bridge.settling import CALLED_OFF, CUT, NOT_CONNECTED
from calls.tests.bridge.call import GREETING_PLAN, Call, sound
from calls.tests.bridge.handing import BILLING, SILENT, Squad
from calls.tests.bridge.ordering import BYE, QUEUE, WORDS, give, say, settled

# In a bad moment ------------------------------------------------------------------------------------------------


def test_an_urgent_one_does_not_do_away_with_one_that_is_about_to_sound() -> None:
    call = Call()
    give(call, say("First.", "o1"))
    call.created("r1", ours=True)

    give(call, say("Second.", "o2", interrupts=True))

    assert not call.sent("response.cancel")
    call.hear(realtime.AudioDone("r1", "r1-i"))
    call.audio("r1", 500)
    call.done("r1")
    call.answers("r2", "Second.", ours=True)
    call.wait(3)
    assert call.sentences == ["First.", "Second."]
    assert settled(call) == {"o1": "", "o2": ""}


@pytest.mark.parametrize("ms", [0, 1500], ids=["about to sound", "sounding"])
def test_muting_the_assistant_does_not_silence_what_is_ordered(ms: int) -> None:
    call = Call()
    give(call, say())
    call.created("r1", ours=True)
    if ms:
        call.audio("r1", ms)

    give(call, Mute("o2", Speaker.ASSISTANT, on=True))

    assert (call.clears, call.sent("response.cancel")) == (0, [])
    call.audio("r1", 500)
    call.done("r1")
    call.wait(3)
    assert settled(call) == {"o1": "", "o2": ""}


def test_muting_lets_nothing_through_that_was_about_to_follow_what_is_ordered() -> None:
    call = Call()
    give(call, say(guarded=False))
    call.answers("r1", WORDS, ms=4000, ours=True)
    call.caller_says("u1", "And what about mine?", seconds=0.2)
    call.wait(1)

    call.created("r2")
    give(call, Mute("o2", Speaker.ASSISTANT, on=True))

    assert [one["response_id"] for one in call.sent("response.cancel")] == ["r2"]


def test_an_answer_that_was_about_to_be_given_follows_an_urgent_sentence() -> None:
    call = Call()
    call.caller_says("u1", "Is my bicycle ready?")
    call.created("r1")

    give(call, say(interrupts=True))

    call.done("r1", "cancelled")
    call.answers("r2", WORDS, ours=True)
    assert call.asked == ["say", "answer"]


def test_a_caller_who_begins_just_before_it_sounds_is_let_finish_and_hears_it_then() -> None:
    call = Call()
    give(call, say(guarded=False))
    call.created("r1", ours=True)

    call.caller_speaks("u1")
    call.done("r1", "cancelled")
    call.wait(1)
    call.caller_stops("u1")
    call.answers("r2", "It is ready.")

    assert call.asked == ["say", "say"]
    call.answers("r3", WORDS, ours=True)
    call.wait(3)
    assert settled(call) == {"o1": ""}


def test_a_model_that_stays_silent_instead_of_saying_it_is_asked_again_and_then_that_is_reported() -> None:
    call = Call()
    give(call, say())
    for n in range(3):
        call.created(f"r{n}", ours=True)
        call.done(f"r{n}")
        call.wait(3)

    assert call.asked == ["say"] * 3
    assert "order_failed" in call.problems
    assert "several times" in settled(call)["o1"]


def test_a_call_that_is_ordered_to_end_before_its_stream_has_proved_itself_ends_when_it_has() -> None:
    call = Call(begun=False)

    assert give(call, End("o1")) == ""
    assert not call.all(HangUp)
    call.start()

    assert call.all(HangUp)
    call.accept_session()
    call.stop()
    assert call.ended.reason == "manually-canceled"
    assert settled(call) == {"o1": ""}


def test_a_first_message_that_the_model_makes_up_itself_is_ordered_beside_an_answer() -> None:
    call = Squad()
    call.asks()
    call.ready(replace(SILENT, first_message_mode=FirstMessageMode.SPEAKS_FIRST_GENERATED))
    call.announces()
    call.session = 1
    call.answers("b0", "Billing.", ours=True)
    call.wait(3)
    call.caller_speaks("u9")
    give(call, Tell("o1", "system", "Be kind."))
    give(call, SayFirstMessage("o2"))

    call.caller_stops("u9")
    call.answers("b1", "Yes?")

    assert "say" in call.asked_in(1)


def test_no_more_is_taken_than_anybody_would_listen_to() -> None:
    call = Call()
    call.caller_speaks("u1")

    refusals = [give(call, say(order_id=f"o{n}")) for n in range(MOST_ORDERS_OWED + 2)]

    assert [bool(one) for one in refusals] == [False] * MOST_ORDERS_OWED + [True] * 2
    assert give(call, Mute("o90", Speaker.CALLER, on=True)) == ""


def test_sides_that_are_muted_before_the_beginning_are_so_from_the_first_moment() -> None:
    call = Call(GREETING_PLAN, begun=False, frames=False)
    call.start()
    give(call, Mute("o1", Speaker.ASSISTANT, on=True))
    give(call, Mute("o2", Speaker.CALLER, on=True))
    loud = sound(20)
    call.speak(loud)

    call.accept_session()

    assert call.asked == []
    assert loud not in [one["audio"] for one in call.sent("input_audio_buffer.append")]
    give(call, Mute("o3", Speaker.ASSISTANT, on=False))
    assert call.asked == ["greeting"]


# What became of it ----------------------------------------------------------------------------------------------


def test_what_is_to_be_said_is_done_when_it_was_heard_to_its_end() -> None:
    call = Call()
    give(call, say())
    call.answers("r1", WORDS, ms=3000, ours=True)

    call.wait(2)
    assert settled(call) == {}
    call.wait(1.5)
    assert settled(call) == {"o1": ""}


def test_it_is_done_though_the_assistant_goes_on_speaking_at_once() -> None:
    call = Call()
    give(call, say())
    give(call, Tell("o2", "system", "Go on."))
    call.answers("r1", WORDS, ms=1000, ours=True)
    call.created("r2", ours=True)
    call.audio("r2", 8000)

    call.wait(2)
    assert settled(call)["o1"] == ""
    call.caller_speaks("u1")
    assert settled(call) == {"o1": "", "o2": ""}


@pytest.mark.parametrize("done", [True, False])
def test_what_the_caller_cut_short_is_told_apart(done: bool) -> None:
    call = Call()
    give(call, say(guarded=False))
    call.created("r1", ours=True)
    call.audio("r1", 3000)
    if done:
        call.done("r1")
    call.wait(1)

    call.caller_speaks("u1")
    call.done("r1", "cancelled")

    assert settled(call) == {"o1": CUT}


@pytest.mark.parametrize("status", ["failed", "incomplete", "cancelled"])
def test_what_the_model_breaks_off_in_the_middle_is_told_apart_too(status: str) -> None:
    call = Call()
    give(call, say())
    call.created("r1", ours=True)
    call.audio("r1", 500)

    call.done("r1", status)
    call.wait(2)

    assert settled(call) == {"o1": CUT}
    assert call.asked == ["say"]


def test_one_that_is_given_up_in_the_middle_holds_up_nothing_that_is_urgent() -> None:
    call = Call()
    give(call, say())
    call.created("r1", ours=True)
    call.audio("r1", 500)
    call.wait(10)
    assert settled(call) == {"o1": CUT}
    call.audio("r1", 500)  # of which nobody hears anything
    call.created("r2")
    call.audio("r2", 3000)

    give(call, say("Stop.", "o2", interrupts=True))

    assert call.clears == 1


def test_one_whose_response_is_followed_by_another_unannounced_is_said_after_that() -> None:
    call, broken = Call(), Call()
    for one in (call, broken):
        give(one, say(guarded=False))
        one.created("r1", ours=True)
    broken.audio("r1", 500)

    for one in (call, broken):
        one.answers("r2", "Yes?")

    assert (call.asked, settled(call)) == (["say", "say"], {})
    assert (broken.asked, settled(broken)) == (["say"], {"o1": CUT})


def test_one_in_the_middle_of_which_a_session_is_lost_is_told_apart_where_another_goes_on() -> None:
    call = Squad()
    call.asks()
    call.ready(BILLING)
    give(call, say(guarded=False))
    call.answers("w1", ours=True)
    call.created("s1", ours=True)
    call.audio("s1", 2000)

    call.take(call.conversation.realtime_gone(code="1006", now=call.now))

    assert call.took_over() == ["billing"]
    assert settled(call) == {"o1": CUT}


def test_messages_and_muting_are_done_at_once() -> None:
    call = Call()

    give(call, Tell("o1", "system", "Be kind."))
    give(call, Mute("o2", Speaker.CALLER, on=True))

    assert settled(call) == {"o1": "", "o2": ""}


def test_last_words_are_done_when_they_were_heard_or_are_left_to_twilio() -> None:
    heard, lost, endless = Call(), Call(), Call()
    for call in (heard, lost, endless):
        give(call, say(BYE, end_after=True))
    heard.answers("r1", BYE, ours=True)
    heard.wait(3)
    lost.take(lost.conversation.realtime_gone(code="1006", now=lost.now))
    endless.caller_speaks("u1")
    endless.wait(40)

    assert [settled(one) for one in (heard, lost, endless)] == [{"o1": ""}, {"o1": ""}, {"o1": CUT}]


def test_what_the_end_comes_before_is_not_done() -> None:
    call = Call()
    call.caller_speaks("u1")
    give(call, say())
    give(call, HandOver("o2", replace(QUEUE, message="One moment.")))

    call.stop()

    assert settled(call) == {}


def test_a_transfer_is_done_when_twilio_has_taken_it() -> None:
    done, refused, called_off = Call(), Call(), Call()
    for call in (done, refused):
        give(call, HandOver("o1", replace(QUEUE, message="")))
    done.take(done.conversation.forwarded())
    refused.take(refused.conversation.forward_failed("transfer_failed", "No.", now=refused.now))
    give(called_off, HandOver("o1", replace(QUEUE, message="One moment.")))
    give(called_off, End("o2"))
    called_off.stop()

    assert settled(done) == {"o1": ""}
    assert settled(refused) == {"o1": NOT_CONNECTED}
    assert settled(called_off) == {"o1": CALLED_OFF, "o2": ""}


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_what_a_transfer_cut_short_that_twilio_refuses_late_is_told(status: str) -> None:
    call = Call()
    give(call, say())
    call.created("r1", ours=True)
    give(call, HandOver("o2", replace(QUEUE, message="One moment.")))
    while not call.all(Forward):  # whatever is being said, it does not hold up the transfer for ever
        call.audio("r1", 500)
        call.wait(5)
    call.done("r1", status)

    call.take(call.conversation.forward_failed("transfer_failed", "No.", now=call.now))

    assert settled(call) == {"o1": CUT, "o2": NOT_CONNECTED}


def test_what_was_not_even_begun_when_a_transfer_left_that_twilio_refuses_is_said_then() -> None:
    call = Call()
    call.caller_speaks("u1")
    give(call, say())
    give(call, HandOver("o2", replace(QUEUE, message="One moment.")))
    call.wait(28)
    call.caller_stops("u1")
    call.created("r0")
    call.done("r0", "cancelled")
    call.created("r1", ours=True)
    call.wait(3)
    assert call.all(Forward)
    call.done("r1", "failed")

    call.take(call.conversation.forward_failed("transfer_failed", "No.", now=call.now))
    call.answers("r2", WORDS, ours=True)
    call.wait(4)

    assert settled(call) == {"o1": "", "o2": NOT_CONNECTED}


def test_what_was_passed_on_as_a_whole_before_a_transfer_that_is_refused_is_done_when_it_was_heard() -> None:
    call = Call()
    give(call, say())
    call.created("r1", ours=True)
    give(call, HandOver("o2", replace(QUEUE, message="One moment.")))
    while not call.all(Forward):
        call.audio("r1", 500)
        call.hear(realtime.AudioDone("r1", "r1-i"), realtime.TextDone("r1", "r1-i", WORDS))
        call.wait(5)
    call.done("r1")

    call.take(call.conversation.forward_failed("transfer_failed", "No.", now=call.now))
    call.wait(4)

    assert settled(call) == {"o1": "", "o2": NOT_CONNECTED}


def test_a_handoff_is_done_when_the_other_assistant_has_the_call() -> None:
    done, failed = Squad(), Squad()
    for call in (done, failed):
        give(call, HandOver("o1", Place("Billing", "", Taker("billing", Keeps.ALL))))
    done.prepared(BILLING, call_id="o1")
    done.accepts(1, BILLING)
    done.wait(0.5)
    failed.take(failed.conversation.member_refused("o1", "handoff_impossible", "it is away", now=failed.now))

    assert settled(done) == {"o1": ""}
    assert "it is away" in settled(failed)["o1"]
