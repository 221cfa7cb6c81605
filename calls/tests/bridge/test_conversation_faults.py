"""What the shell makes the conversation do when something failed here."""

import pytest

from calls.bridge import realtime, twilio
from calls.bridge.commands import Apologise, CloseStream, Ended, HangUp, Source
from calls.bridge.line import Phase
from calls.tests.bridge.call import WAITING, Call


def give_up(call: Call, session: int = 0) -> None:
    call.take(call.conversation.session_given_up(now=call.now, session=session))


def state(call: Call) -> tuple[bool, bool, bool]:
    return call.conversation.ends, call.conversation.stuck, call.conversation.over


def test_a_session_that_is_given_up_counts_as_lost_when_what_is_there_was_heard() -> None:
    call = Call()
    call.answers("r1", ms=2000)
    give_up(call)

    assert call.all(Apologise) == []
    call.wait(2.1)
    assert call.all(Apologise) == [Apologise(WAITING.apology, again=True)]
    assert call.problems == ["session_given_up"]
    give_up(call)
    call.take(call.conversation.realtime_gone(code="closed_1006", now=call.now))
    assert call.problems == ["session_given_up"]


@pytest.mark.parametrize("begun", [True, False])
def test_a_call_that_is_about_to_end_says_so(begun: bool) -> None:
    call = Call(begun=begun)
    assert state(call) == (False, False, False)

    give_up(call)

    assert state(call) == (True, False, False), "there is a deadline"


def test_another_session_than_the_one_that_has_the_call_may_be_given_up() -> None:
    call = Call()
    give_up(call, session=7)

    assert not call.conversation.ends
    assert call.conversation.session == 0
    assert call.problems == []


def test_what_was_decided_before_it_failed_is_kept() -> None:
    call = Call()
    call.conversation._line.problem(Source.TANDEM, "odd", "")

    assert [getattr(one, "code", "") for one in call.conversation.decided()] == ["odd"]
    assert call.conversation.decided() == []


def test_nobody_waits_for_words_of_a_model_that_is_not_heard_any_more() -> None:
    call = Call()
    call.caller_says("u1", "Hello?")
    call.hear(realtime.SpeechStarted("u2", call.call_ms))
    call.conversation.unheard()
    call.take(call.conversation.receive_twilio(twilio.Stop(), now=call.now))

    assert call.conversation.over
    assert call.ended.reason == "customer-ended-call"


@pytest.mark.parametrize(
    ("begun", "reason"),
    [(True, "phone-call-provider-closed-websocket"), (False, "call-start-error-stream-not-verified")],
)
def test_a_call_that_is_cut_short_is_over_and_says_no_words(begun: bool, reason: str) -> None:
    call = Call(begun=begun)
    call.take(call.conversation.cut_short())

    assert call.conversation.phase is Phase.ENDED
    assert call.conversation.next_deadline() is None
    assert (call.ended.reason, call.ended.spoken) == (reason, ())
    assert call.all(CloseStream) == [CloseStream(1011)]
    assert call.all(HangUp) == []


def test_an_end_that_was_decided_is_not_told_twice() -> None:
    call = Call()
    call.caller_says("u1", "Hello?")
    call.conversation._ending.end(call.now, "customer-ended-call")

    (ended,) = [one for one in call.conversation.cut_short() if isinstance(one, Ended)]
    assert (ended.reason, len(ended.spoken)) == ("customer-ended-call", 1)
