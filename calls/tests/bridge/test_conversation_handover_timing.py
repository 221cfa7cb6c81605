"""When another assistant takes a call over: after what is being said, and with the caller's last words."""

from dataclasses import replace

import pytest

from calls.bridge import realtime, twilio
from calls.bridge.commands import CloseRealtime, HangUp
from calls.bridge.limits import LAST_WORDS_WITHIN_S, WORDS_KNOWN_WITHIN_S
from calls.bridge.line import Phase
from calls.bridge.plan import FirstMessageMode, Keeps
from calls.tests.bridge.call import sound
from calls.tests.bridge.handing import BILLING, HELLO, QUIETLY, SILENT, WORDS, Squad, to_billing, triage

# When -----------------------------------------------------------------------------------------------------------------


def test_what_is_being_said_is_heard_to_its_end_before() -> None:
    squad = Squad(QUIETLY)
    squad.asks(said_ms=2000)
    squad.ready()
    squad.wait(1.5)
    assert squad.took_over() == []

    squad.wait(0.7)
    assert squad.took_over() == ["billing"]


@pytest.mark.parametrize(
    ("message", "said_ms", "sentences"),
    [(None, 0, ["Transferring the call now."]), (None, 500, []), ("", 0, []), (WORDS, 500, [WORDS])],
    ids=["stock", "the model's own", "silent", "its own besides"],
)
def test_it_is_announced_once(message: str | None, said_ms: int, sentences: list[str]) -> None:
    squad = Squad(triage(to_billing(message)))
    squad.asks(said_ms=said_ms)
    squad.wait(0.7)

    assert squad.sentences == sentences


def test_a_caller_who_interrupts_the_announcement_is_listened_to_first_and_answered_by_the_next_one() -> None:
    squad = Squad()
    squad.asks()
    squad.ready()
    squad.created("w1", ours=True)
    squad.audio("w1", 3000)
    squad.wait(0.5)
    squad.caller_speaks("u2")
    squad.done("w1", "cancelled", reason="turn_detected")
    squad.wait(1)
    assert squad.took_over() == []
    assert squad.clears == 1
    squad.caller_stops("u2")
    squad.hear(realtime.CallerText("u2", "It is invoice four one two."))

    assert squad.took_over() == ["billing"]
    assert ("user", "It is invoice four one two.") in squad.read_in(1)
    squad.session = 1
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.accept_floor()
    squad.wait(1)
    assert squad.asked_in(1) == ["greeting", "answer"]
    assert squad.asked_in(0) == ["handoff"]


def test_voice_detection_s_answer_by_the_one_who_leaves_is_never_heard() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.caller_says("u2", "Are you there?")
    squad.created("r9")
    squad.audio("r9", 500)

    assert {
        "type": "response.cancel",
        "event_id": squad.sent("response.cancel")[0]["event_id"],
        "response_id": "r9",
    } in squad.to_realtime
    assert [message["event"] for message in squad.to_twilio] == []
    squad.done("r9", "cancelled")
    squad.ready()
    assert squad.took_over() == ["billing"]


def test_a_silent_taker_answers_at_once_and_may_begin_with_a_tool() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.ready(SILENT)
    squad.session = 1
    assert "tool_choice" not in squad.sent("response.create")[-1]["response"]
    squad.created("g1", ours=True)
    fc = squad.calls_tool("g1", "i1", "get_invoice", "{}")
    squad.done("g1", calls=(fc,))
    squad.result("i1", '{"due":12}')

    assert squad.asked_in(1) == ["greeting", "tool_result"]
    assert squad.problems == []


def test_one_that_waits_for_the_caller_says_nothing_until_they_have_spoken() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS))
    squad.session = 1
    squad.wait(2)
    assert squad.asked_in(1) == []

    squad.caller_says("u2", "Hello?")
    squad.answers("r5")
    squad.wait(2)
    assert squad.clears == 0


def test_words_said_to_the_one_who_leaves_are_answered_by_one_that_waits() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.caller_says("u2", "It is invoice four one two.")
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS))

    assert squad.asked_in(1) == ["answer"]


def test_keys_that_were_pressed_meanwhile_are_answered_by_the_next_one() -> None:
    squad = Squad(triage(to_billing(""), keypad_enabled=True))
    squad.asks()
    squad.caller_presses("12")
    squad.ready(replace(BILLING, keypad_enabled=True, first_message_interruptible=True))
    assert squad.took_over() == []
    squad.caller_presses("#")

    assert squad.took_over() == ["billing"]
    squad.session = 1
    assert ("user", "The caller pressed these keys: 1 2 #") in squad.read_in(1)
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(1)
    squad.caller_presses("3#")
    assert squad.asked_in(1)[:2] == ["greeting", "answer"]
    items = [one["item"]["id"] for one in squad.sent("conversation.item.create") if "id" in one["item"]]
    assert items == ["keys_1", "keys_2"]


def test_the_beginning_of_a_word_is_heard_by_both_and_no_frame_is_lost() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.frames = False
    for _ in range(20):
        squad.speak(sound(20))
    squad.ready()
    before = squad.frames_in(0)
    assert squad.took_over() == ["billing"]
    assert squad.frames_in(1) == 15
    squad.session = 1
    for _ in range(5):
        squad.speak(sound(20))

    assert squad.frames_in(0) == before
    assert squad.frames_in(1) == 20


def test_the_clock_of_the_new_session_begins_with_its_first_frame() -> None:
    squad = Squad(QUIETLY)
    squad.wait(5)
    squad.asks()
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS))
    squad.session = 1
    heard_from = squad.call_ms
    squad.wait(2)
    squad.hear(realtime.SpeechStarted("u2", 1500), realtime.SpeechStopped("u2", 2500))
    squad.hear(realtime.CallerText("u2", "Hello?"))
    squad.stop()

    assert abs(squad.spoken("u2").began_ms - (heard_from + 1500)) < 1000


def test_silence_while_it_is_being_prepared_is_nobody_s_fault() -> None:
    squad = Squad(
        triage(to_billing(""), silence_timeout_s=3.0, idle_messages=("Are you there?",), idle_timeout_s=1.0)
    )
    squad.asks()
    squad.wait(5)

    assert squad.asked == []
    assert squad.conversation.phase is Phase.TALKING


def test_the_time_that_a_call_may_last_does_not_begin_anew() -> None:
    squad = Squad(triage(to_billing(""), max_duration_s=20.0, silence_timeout_s=100.0))
    squad.wait(10)
    squad.asks()
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS, max_duration_s=500.0))
    squad.session = 1
    squad.wait(9.5)

    assert squad.asked_in(1) == ["farewell"]


def test_reminders_and_phrases_are_those_of_whoever_has_the_call() -> None:
    waiting = replace(
        BILLING,
        first_message_mode=FirstMessageMode.WAITS,
        idle_messages=("Still billing.",),
        idle_timeout_s=2.0,
    )
    squad = Squad(triage(to_billing(""), idle_messages=("Still triage.",), idle_timeout_s=4.0))
    squad.asks()
    squad.ready(replace(waiting, end_call_phrases=("adieu",)))
    squad.session = 1
    squad.wait(2.1)
    assert squad.sentences == ["Still billing."]

    squad.answers("r7", "Still billing.", ms=200, ours=True)
    squad.wait(0.3)
    squad.caller_says("u5", "Yes.")
    squad.answers("r8", "Adieu!", ms=200)
    squad.wait(0.5)
    assert squad.all(HangUp) == [HangUp()]


# The caller's last words ----------------------------------------------------------------------------------------------


def unheard_words() -> Squad:
    """Everything is ready, and the caller's words are not written down yet."""
    squad = Squad(QUIETLY)
    squad.caller_speaks("u1")
    squad.wait(1)
    squad.caller_stops("u1")
    squad.asks_at_once()
    squad.ready()
    assert squad.took_over() == []
    return squad


def test_the_caller_s_last_words_are_waited_for() -> None:
    squad = unheard_words()
    squad.wait(0.5)
    squad.hear(realtime.CallerText("u1", "It is about my bill."))
    squad.wait(WORDS_KNOWN_WITHIN_S)

    assert squad.took_over() == ["billing"]
    assert squad.read_in(1)[0] == ("user", "It is about my bill.")
    assert squad.all(CloseRealtime) == [CloseRealtime(0)]


def test_words_that_take_too_long_are_passed_on_when_they_come() -> None:
    squad = unheard_words()
    squad.wait(WORDS_KNOWN_WITHIN_S)
    assert squad.took_over() == ["billing"]
    assert squad.all(CloseRealtime) == []
    squad.session = 1
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.hear_in(0, realtime.CallerText("u1", "It is about my bill."))
    squad.wait(2)
    squad.stop()

    assert ("user", "It is about my bill.") in squad.read_in(1)
    assert squad.all(CloseRealtime)[0] == CloseRealtime(0)
    assert squad.spoken("u1").text == "It is about my bill."


def test_words_that_come_when_the_caller_is_gone_are_written_down() -> None:
    squad = unheard_words()
    squad.wait(WORDS_KNOWN_WITHIN_S)
    squad.session = 1
    squad.take(squad.conversation.receive_twilio(twilio.Stop(), now=squad.now))
    squad.hear_in(0, realtime.CallerText("u1", "It is about my bill."))

    assert squad.spoken("u1").text == "It is about my bill."
    assert squad.all(CloseRealtime)[-1] == CloseRealtime()


@pytest.mark.parametrize("how", ["failed", "empty", "never", "closed"])
def test_words_that_do_not_come_keep_nobody(how: str) -> None:
    squad = unheard_words()
    squad.wait(WORDS_KNOWN_WITHIN_S)
    squad.session = 1
    match how:
        case "failed":
            squad.hear_in(0, realtime.CallerTextFailed("u1", "no"))
        case "empty":
            squad.hear_in(0, realtime.CallerText("u1", " "))
        case "closed":
            squad.take(squad.conversation.realtime_gone(code="closed_1000", now=squad.now, session=0))
        case _:
            squad.wait(LAST_WORDS_WITHIN_S)

    closed = [CloseRealtime(0)] if how != "closed" else []
    assert squad.all(CloseRealtime) == closed
    assert [role for role, _ in squad.read_in(1)] == ["call", "output"]
    assert squad.conversation.phase is Phase.TALKING


def test_one_that_may_read_nothing_is_not_told_late_words_either() -> None:
    squad = Squad(triage(to_billing("", keeps=Keeps.NONE)))
    squad.caller_speaks("u1")
    squad.caller_stops("u1")
    squad.asks_at_once()
    squad.ready()
    squad.wait(WORDS_KNOWN_WITHIN_S)
    squad.hear_in(0, realtime.CallerText("u1", "It is about my bill."))

    assert squad.took_over() == ["billing"]
    assert squad.read_in(1) == []


def test_nothing_else_of_the_session_before_counts_any_more() -> None:
    squad = unheard_words()
    squad.wait(WORDS_KNOWN_WITHIN_S)
    sent = len(squad.to_realtime)
    squad.hear_in(0, realtime.SpeechStarted("u9", 0), realtime.ResponseCreated("r99", ""))
    squad.hear_in(0, realtime.AudioDelta("r99", "r99-i", sound(100), 800), realtime.Error("odd", "", ""))

    assert len(squad.to_realtime) == sent
    assert squad.problems == []
    assert [message["event"] for message in squad.to_twilio] == []
