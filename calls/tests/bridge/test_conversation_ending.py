"""How calls end."""

from dataclasses import replace
from typing import Any

import pytest

from calls.bridge import realtime, twilio
from calls.bridge.commands import (
    Apologise,
    CloseRealtime,
    CloseStream,
    Ended,
    HangUp,
    Source,
    ToRealtime,
    Used,
    UtteranceEnded,
)
from calls.bridge.limits import ACTIVE_RESPONSE, LINE_DEAD
from calls.bridge.plan import Plan, ToolSpec
from calls.bridge.toolmessages import Moment, ToolMessage
from calls.tests.bridge.call import END_CALL, GREETING, GREETING_PLAN, WAITING, Call, sound

SHORT = replace(WAITING, max_duration_s=20)
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


# Time ---------------------------------------------------------------------------------------------------------------


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


def test_a_second_reason_to_end_changes_nothing() -> None:
    call = says_goodbye()
    call.created("r2")
    fc = call.calls_tool("r2", "c2", name="end_call", arguments="{}")
    call.done("r2", calls=(fc,))
    call.wait(2.1)

    assert call.asked == []
    assert call.all(HangUp)


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


# The caller hangs up ------------------------------------------------------------------------------------------------


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


# A phrase that ends calls -------------------------------------------------------------------------------------------

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
    sounded: bool,  # noqa: FBT001
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


# Voicemail ----------------------------------------------------------------------------------------------------------

LEFT = "Your bike is ready. Please call us back."


def test_no_message_is_left_when_the_time_of_the_call_is_up() -> None:
    call = Call(replace(WAITING, tools=(LEAVE,), max_duration_s=5.0))
    call.caller_says("u1", "Please leave a message.")
    call.created("r1")
    call.wait(5)
    fc = call.calls_tool("r1", "v1", "voicemail", "{}")
    call.done("r1", calls=(fc,))

    assert call.asked == ["farewell"]
    assert call.sentences == []


LEAVE = ToolSpec("voicemail", "Leave a message", {"type": "object", "properties": {}}, leaves=LEFT)


def reaches_a_machine(*, leaves: str = LEFT, **plan: Any) -> Call:
    """A machine has answered, and the model notices."""
    call = Call(replace(WAITING, tools=(replace(LEAVE, leaves=leaves), END_CALL), **plan))
    call.caller_says("u1", "Please leave a message after the tone.")
    call.created("r1")
    fc = call.calls_tool("r1", name="voicemail", arguments="{}")
    call.done("r1", calls=(fc,))
    return call


def test_a_message_is_left_word_for_word_and_heard_out_before_hanging_up() -> None:
    call = reaches_a_machine(end_call_message="Thank you for calling.")
    call.answers("r2", LEFT, ms=2000, ours=True)
    call.wait(1.9)
    assert not call.all(HangUp)
    call.wait(0.2)
    call.stop()

    assert call.sentences == [LEFT]
    assert call.all(HangUp) == [HangUp()]
    assert call.ended.reason == "voicemail"
    assert call.outputs == {"c1": '{"ok":true}'}


def test_a_message_that_the_machine_talks_over_is_left_once_more() -> None:
    call = reaches_a_machine()
    call.created("r2", ours=True)
    call.audio("r2", 3000)
    call.wait(0.5)
    call.caller_speaks("u2")
    call.wait(1)
    call.caller_stops("u2")
    call.done("r2", "cancelled")
    call.created("r3")
    call.done("r3")
    call.answers("r4", LEFT, ms=1000, ours=True)
    call.wait(1.1)

    assert call.sentences == [LEFT, LEFT]
    assert call.all(HangUp) == [HangUp()]


def test_without_a_message_the_machine_hears_nothing() -> None:
    call = reaches_a_machine(leaves="")

    assert call.asked == []
    assert call.all(HangUp) == [HangUp()]


def test_a_machine_that_never_falls_silent_is_left_alone() -> None:
    call = reaches_a_machine()
    call.caller_speaks("u2")
    call.wait(31)

    assert call.all(HangUp) == [HangUp()]


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
