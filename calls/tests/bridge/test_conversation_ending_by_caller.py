"""Calls that end because the caller hangs up: their last words, and what nobody heard."""

import pytest

from calls.bridge import realtime, twilio
from calls.bridge.commands import Ended, Source, ToRealtime, UtteranceEnded
from calls.tests.bridge.call import GREETING, GREETING_PLAN, Call, sound


def test_a_caller_who_hangs_up_in_the_middle_of_a_word_is_written_down() -> None:
    call = Call()
    call.wait(1)
    call.caller_speaks("u1")
    call.take(call.conversation.receive_twilio(twilio.Stop(), now=call.now))
    assert call.sent("input_audio_buffer.commit")
    assert not call.all(Ended)

    call.hear(realtime.Committed("u1"), realtime.CallerText("u1", "I will call ag"))

    assert call.ended.reason == "customer-ended-call"
    assert call.spoken("u1").text == "I will call ag"


def test_their_last_words_are_found_under_another_id_than_was_announced() -> None:
    call = Call()
    call.wait(1)
    call.caller_speaks("u1")
    call.take(call.conversation.receive_twilio(twilio.Stop(), now=call.now))

    call.hear(realtime.Committed("u9"), realtime.CallerText("u9", "I will call ag"))

    assert [(one.item_id, one.text) for one in call.ended.spoken] == [("u9", "I will call ag")]


def test_last_words_that_do_not_come_are_not_waited_for_long() -> None:
    call = Call()
    call.caller_speaks("u1")
    call.wait(1)

    call.stop()

    assert not call.spoken("u1").transcribed


def test_last_words_that_cannot_be_written_down_are_not_waited_for() -> None:
    call = Call()
    call.caller_speaks("u1")
    call.wait(1)
    call.take(call.conversation.receive_twilio(twilio.Stop(), now=call.now))

    call.hear(realtime.CallerTextFailed("u1", "audio_unintelligible"))

    assert not call.spoken("u1").transcribed


def test_too_little_speech_is_not_committed() -> None:
    call = Call()
    call.speak(sound(80))
    call.caller_speaks("u1")

    call.take(call.conversation.receive_twilio(twilio.Stop(), now=call.now))

    assert not call.sent("input_audio_buffer.commit")
    assert call.all(Ended)


def test_the_model_is_stopped_and_what_was_not_heard_is_not_in_the_transcript() -> None:
    call = Call(GREETING_PLAN)
    call.created("r1", ours=True)
    call.audio("r1", 4000)
    call.hear(realtime.TextDone("r1", "r1-i", GREETING))
    call.wait(1)

    call.stop()

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r1"]
    spoken = call.spoken("r1-i")
    assert (spoken.heard_ms, spoken.interrupted) == (1000, True)
    assert GREETING.startswith(spoken.heard_text)
    assert len(spoken.heard_text) < len(GREETING)


def test_a_model_that_is_lost_while_last_words_are_awaited_ends_the_wait() -> None:
    call = Call()
    call.caller_speaks("u1")
    call.wait(1)
    call.take(call.conversation.twilio_gone(now=call.now))

    call.take(call.conversation.realtime_gone(code="1000", now=call.now))

    assert call.ended.reason == "phone-call-provider-closed-websocket"


def test_nothing_follows_the_end() -> None:
    call = Call()
    call.stop()
    assert call.all(Ended)
    before = len(call.commands)

    call.stop()
    call.take(call.conversation.opened(now=call.now))
    call.take(call.conversation.twilio_gone(now=call.now))
    call.take(call.conversation.realtime_gone(code="1000", now=call.now))
    call.take(call.conversation.hang_up("late", now=call.now))
    call.take(call.conversation.stream_verified(now=call.now))
    call.take(call.conversation.stream_refused(now=call.now))
    call.caller_says("u1", "Hello?")
    call.answers("r1")
    call.result()
    call.error("session_expired")
    call.take(call.conversation.malformed(Source.OPENAI, "late"))
    call.wait(60)

    assert call.commands[before:] == []
    assert call.conversation.next_deadline() is None


def test_a_model_that_was_lost_is_sent_nothing_more() -> None:
    call = Call()
    call.created("r1")
    call.audio("r1", 3000)
    call.take(call.conversation.realtime_gone(code="1006", now=call.now))
    before = len(call.all(ToRealtime))

    call.wait(2)
    call.stop()

    assert len(call.all(ToRealtime)) == before


@pytest.mark.parametrize("generated_for_s", [0.0, 1.1], ids=["generated at once", "heard before it was done"])
def test_an_assistant_that_was_heard_out_is_recorded_as_it_was_said(generated_for_s: float) -> None:
    call = Call(GREETING_PLAN)
    call.created("r1", ours=True)
    call.audio("r1", 1000)
    call.wait(generated_for_s)
    call.hear(realtime.AudioDone("r1", "r1-i"), realtime.TextDone("r1", "r1-i", GREETING))
    call.done("r1")
    call.wait(1.1)

    (written,) = call.all(UtteranceEnded)
    assert (written.spoken.heard_text, written.spoken.interrupted) == (GREETING, False)
