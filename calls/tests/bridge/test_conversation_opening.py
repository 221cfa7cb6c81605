"""The first message and what went before it: who may talk over it, and when the caller has the floor."""

from dataclasses import replace

import pytest

from calls.bridge import realtime
from calls.bridge.commands import (
    ToRealtime,
)
from calls.bridge.plan import FirstMessageMode, Plan, Remark
from calls.tests.bridge.call import GREETING, GREETING_PLAN, PROTECTED, WAITING, Call, sound


def test_an_exact_first_message_is_asked_for_word_for_word() -> None:
    call = Call(GREETING_PLAN)

    (request,) = call.sent("response.create")
    assert GREETING in request["response"]["instructions"]
    assert request["response"]["tool_choice"] == "none"


@pytest.mark.parametrize(
    "plan",
    [
        replace(GREETING_PLAN, first_message_mode=FirstMessageMode.SPEAKS_FIRST_GENERATED),
        replace(GREETING_PLAN, first_message=""),
    ],
    ids=["generated", "empty"],
)
def test_a_generated_first_message_is_left_to_the_model(plan: Plan) -> None:
    call = Call(plan)

    assert call.asked == ["greeting"]
    assert "instructions" not in call.sent("response.create")[0]["response"]


def test_an_assistant_that_waits_says_nothing_first() -> None:
    call = Call(WAITING)

    assert call.asked == []
    assert call.sent("session.update")[0]["session"]["audio"]["input"]["turn_detection"]["create_response"]


@pytest.mark.parametrize(
    ("said", "problems"), [("good morning - how can I help", []), ("Hello!", ["first_message_changed"])]
)
def test_a_first_message_in_other_words_is_reported(said: str, problems: list[str]) -> None:
    call = Call(GREETING_PLAN)

    call.answers("r1", said, ours=True)

    assert call.problems == problems


def test_under_a_protected_first_message_hello_neither_stops_it_nor_is_answered() -> None:
    call = Call(PROTECTED)
    call.answers("r1", GREETING, ms=3000, ours=True)

    call.wait(1)
    call.caller_says("u1", "Hello?", seconds=0.5)
    call.wait(3)

    assert call.clears == 0
    assert call.played_bytes == 3000 * 8
    assert call.asked == ["greeting"]


def test_the_floor_is_given_when_the_protected_first_message_was_heard_and_not_before() -> None:
    call = Call(PROTECTED)
    first = call.sent("session.update")[0]["session"]["audio"]["input"]["turn_detection"]
    assert (first["create_response"], first["interrupt_response"]) == (False, False)

    call.answers("r1", GREETING, ms=3000, ours=True)
    call.wait(2.9)
    assert len(call.sent("session.update")) == 1
    call.wait(0.2)

    second = call.sent("session.update")[1]["session"]["audio"]["input"]["turn_detection"]
    assert (second["create_response"], second["interrupt_response"]) == (True, True)


def test_a_request_made_under_the_protected_first_message_is_answered_after_it() -> None:
    call = Call(PROTECTED)
    call.answers("r1", GREETING, ms=3000, ours=True)
    call.caller_says("u1", "I need my bike repaired.")

    call.wait(1.9)
    assert call.asked == ["greeting"]
    call.wait(0.2)

    assert call.asked == ["greeting", "answer"]


@pytest.mark.parametrize(("seconds", "asked"), [(0.5, ["greeting"]), (2.0, ["greeting", "answer"])])
def test_speech_under_it_that_is_not_written_down_yet_is_judged_by_its_length(
    seconds: float, asked: list[str]
) -> None:
    call = Call(PROTECTED)
    call.answers("r1", GREETING, ms=3000, ours=True)
    call.caller_speaks("u1")
    call.wait(seconds + 0.5)
    call.caller_stops("u1")

    call.wait(3)

    assert call.asked == asked


def test_the_floor_does_not_change_in_the_middle_of_the_callers_words() -> None:
    call = Call(PROTECTED)
    call.answers("r1", GREETING, ms=1000, ours=True)
    call.caller_speaks("u1")
    call.wait(1.1)
    assert len(call.sent("session.update")) == 1

    call.caller_stops("u1")

    assert len(call.sent("session.update")) == 2


def test_one_word_that_outlasts_the_first_message_is_a_reply_to_it() -> None:
    call = Call(PROTECTED)
    call.answers("r1", GREETING, ms=1000, ours=True)
    call.wait(0.9)
    call.caller_speaks("u1")
    call.wait(0.3)
    call.caller_stops("u1")
    call.wait(2)

    assert call.asked == ["greeting", "answer"]


def test_a_turn_that_ends_before_the_server_gave_the_floor_is_answered_by_our_own_request() -> None:
    call = Call(PROTECTED)
    call.answers("r1", GREETING, ms=1000, ours=True)
    call.wait(1.1)

    call.caller_speaks("u1")
    call.caller_stops("u1")
    call.wait(2)

    assert call.asked == ["greeting", "answer"]


def test_a_turn_that_the_server_answers_is_not_answered_twice() -> None:
    call = Call(PROTECTED)
    call.answers("r1", GREETING, ms=1000, ours=True)
    call.wait(1.1)

    call.caller_speaks("u1")
    call.caller_stops("u1")
    call.answers("r2")
    call.wait(5)

    assert call.asked == ["greeting"]


def test_an_answer_that_the_server_will_not_stop_yet_is_stopped_by_us() -> None:
    call = Call(PROTECTED)
    call.answers("r1", GREETING, ms=2000, ours=True)
    call.caller_says("u1", "I need my bike repaired.")
    call.wait(2)
    call.created("r2", ours=True)
    call.audio("r2", 1000)

    call.caller_speaks("u2")

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r2"]
    assert call.clears == 1


def test_once_the_server_has_given_the_floor_it_stops_answers_by_itself() -> None:
    call = Call(PROTECTED)
    call.answers("r1", GREETING, ms=1000, ours=True)
    call.wait(1.1)
    call.accept_floor()
    call.caller_says("u1", "I need my bike repaired.")
    call.created("r2")
    call.audio("r2", 1000)

    call.caller_speaks("u2")

    assert call.sent("response.cancel") == []


def test_the_first_settings_accepted_twice_do_not_count_as_the_floor() -> None:
    call = Call(PROTECTED)
    call.answers("r1", GREETING, ms=1000, ours=True)
    call.caller_speaks("u1")
    call.wait(1.1)

    call.accept_session()
    call.caller_stops("u1")
    call.wait(2)

    assert call.asked == ["greeting", "answer"]


@pytest.mark.parametrize("plan", [PROTECTED, GREETING_PLAN], ids=["protected", "interruptible"])
def test_a_first_message_that_failed_is_asked_for_again_and_the_floor_kept_so_long(plan: Plan) -> None:
    call = Call(plan)
    call.created("r1", ours=True)
    call.audio("r1", 300)
    call.done("r1", "failed", code="server_error")
    call.wait(0.4)
    assert len(call.sent("session.update")) == 1

    call.wait(0.2)

    assert call.asked == ["greeting", "greeting"]


def test_a_first_message_without_a_sound_is_asked_for_again() -> None:
    call = Call(PROTECTED)
    call.created("r1", ours=True)
    call.done("r1", silent=True)

    call.wait(0.6)

    assert call.asked == ["greeting", "greeting"]


def test_a_first_message_that_never_sounds_is_noticed_though_the_caller_speaks() -> None:
    call = Call(PROTECTED)
    call.created("r1", ours=True)
    call.wait(2)
    call.caller_says("u1", "Hello?")

    call.wait(7)

    assert call.asked == ["greeting", "greeting"]


def test_a_caller_who_never_stops_does_not_keep_a_protected_first_message_from_being_asked_for_again() -> (
    None
):
    call = Call(PROTECTED)
    call.created("r1", ours=True)
    call.caller_speaks("u1")
    call.done("r1", "failed", code="server_error")

    call.wait(0.6)

    assert call.asked == ["greeting", "greeting"]


def test_a_first_message_that_is_never_declared_done_still_gives_the_floor() -> None:
    call = Call(PROTECTED)
    call.created("r1", ours=True)
    call.audio("r1", 1000)
    call.hear(realtime.AudioDone("r1", "r1-i"), realtime.TextDone("r1", "r1-i", GREETING))

    call.wait(10)

    assert len(call.sent("session.update")) == 2
    assert call.asked == ["greeting"]


def test_an_interruptible_first_message_is_stopped_by_the_caller_and_not_said_again() -> None:
    call = Call(GREETING_PLAN)
    call.created("r1", ours=True)
    call.audio("r1", 2000)
    call.wait(0.5)

    call.caller_speaks("u1")
    call.done("r1", "cancelled")
    call.wait(1)
    call.caller_stops("u1")
    call.answers("r2")
    call.wait(5)

    assert call.truncated == {"r1-i": 500}
    assert call.asked == ["greeting"]


def test_a_caller_who_speaks_before_the_first_message_has_begun_is_answered_instead() -> None:
    call = Call(GREETING_PLAN)
    call.caller_speaks("u1")
    call.created("r1", ours=True)
    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r1"]
    call.done("r1", "cancelled")
    call.wait(1)
    call.caller_stops("u1")
    call.answers("r2")
    call.wait(5)

    assert call.asked == ["greeting"]


def test_a_noise_before_the_first_message_has_begun_does_not_silence_it() -> None:
    call = Call(GREETING_PLAN)
    call.caller_speaks("u1")
    call.created("r1", ours=True)
    call.done("r1", "cancelled")
    call.caller_stops("u1")

    call.wait(2)

    assert call.asked == ["greeting", "greeting"]


def test_no_command_is_given_to_twilio_or_the_model_before_its_side_is_ready() -> None:
    call = Call(GREETING_PLAN, begun=False)
    call.hear(
        realtime.ResponseCreated("r0", ""),
        realtime.AudioDelta("r0", "i0", sound(100), 800),
        realtime.SpeechStarted("u0", 0),
        realtime.SpeechStopped("u0", 0),
        realtime.FunctionCall("r0", "fc", "c0", "book", "{}"),
    )
    call.done("r0")

    assert not call.to_twilio
    assert not call.all(ToRealtime)


# What went before ---------------------------------------------------------------------------------------------------


def test_the_history_stands_in_the_conversation_before_anything_is_said() -> None:
    history = (
        Remark("system", "The caller is Ada."),
        Remark("user", "I need a repair."),
        Remark("assistant", "Which day?"),
    )
    call = Call(replace(GREETING_PLAN, history=history), begun=False)
    call.start()
    assert call.told == []
    call.accept_session()

    assert [event["type"] for event in call.to_realtime] == [
        "session.update",
        *["conversation.item.create"] * 3,
        "response.create",
    ]
    items = [event["item"] for event in call.sent("conversation.item.create")]
    assert [(item["role"], item["content"]) for item in items] == [
        ("system", [{"type": "input_text", "text": "The caller is Ada."}]),
        ("user", [{"type": "input_text", "text": "I need a repair."}]),
        ("assistant", [{"type": "output_text", "text": "Which day?"}]),
    ]
    call.stop()
    assert call.ended.spoken == ()  # nobody has said that in this call
