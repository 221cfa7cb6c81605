"""From the first message of either side to the end of the first message to the caller."""

from dataclasses import replace

import pytest

from calls.bridge import realtime, twilio
from calls.bridge.commands import (
    Apologise,
    CloseRealtime,
    CloseStream,
    Ended,
    HangUp,
    Problem,
    Source,
    Started,
    ToRealtime,
    VerifyStream,
)
from calls.bridge.limits import MALFORMED_REPORTED, NOT_STARTED
from calls.bridge.plan import FirstMessageMode, Plan, Remark
from calls.tests.bridge.call import GREETING, GREETING_PLAN, PROTECTED, WAITING, Call, sound
from calls.tests.bridge.telephone import ACCOUNT_SID, CALL_SID, STREAM_SID

START = twilio.Start(STREAM_SID, CALL_SID, ACCOUNT_SID, {"token": "t"})


# Stream and session -------------------------------------------------------------------------------------------------


def test_the_stream_is_verified_by_its_token_before_anything_is_done_for_it() -> None:
    call = Call(begun=False)

    call.take(call.conversation.receive_twilio(twilio.Connected(), now=call.now))
    call.take(call.conversation.receive_twilio(START, now=call.now))

    assert call.commands == [VerifyStream(STREAM_SID, CALL_SID, ACCOUNT_SID, "t")]


@pytest.mark.parametrize("first", ["stream", "session"])
def test_the_conversation_begins_when_both_sides_are_ready(first: str) -> None:
    call = Call(GREETING_PLAN, begun=False)

    for step in [call.start, call.accept_session] if first == "stream" else [call.accept_session, call.start]:
        assert not call.all(Started)
        step()

    assert len(call.all(Started)) == 1
    assert call.asked == ["greeting"]


def test_nothing_but_our_settings_is_sent_before_they_are_accepted() -> None:
    call = Call(GREETING_PLAN, begun=False)
    call.start()
    call.hear(realtime.SessionCreated(), realtime.SessionCreated())
    call.speak(sound(20))

    assert [event["type"] for event in call.to_realtime] == ["session.update"]


def test_what_the_caller_said_meanwhile_is_heard_though_only_the_newest_two_seconds() -> None:
    call = Call(begun=False)
    call.start()
    for _ in range(150):
        call.speak(sound(20))

    call.accept_session()

    assert len(call.sent("input_audio_buffer.append")) == 100


def test_frames_before_the_stream_began_are_nobodys() -> None:
    call = Call(begun=False)
    call.speak(sound(20))
    call.start()
    call.accept_session()

    assert call.sent("input_audio_buffer.append") == []


def test_a_session_update_that_nobody_asked_for_does_not_begin_the_conversation() -> None:
    call = Call(begun=False)
    call.start()

    call.hear(realtime.SessionUpdated({}))

    assert call.commands[-1] == VerifyStream(STREAM_SID, CALL_SID, ACCOUNT_SID, "t")


def test_a_session_that_differs_from_ours_is_answered_with_an_apology() -> None:
    call = Call(begun=False)
    call.start()

    call.hear(realtime.SessionCreated(), realtime.SessionUpdated({"voice": "alloy"}))
    call.hear(realtime.SessionUpdated({"voice": "alloy"}))

    assert call.problems == ["session_differs"]
    assert call.all(Apologise) == [Apologise(WAITING.apology)]


def test_a_refused_session_is_answered_with_an_apology() -> None:
    call = Call(begun=False)
    call.start()
    call.hear(realtime.SessionCreated())

    call.error("unknown_parameter", event_id=call.sent("session.update")[0]["event_id"])

    assert call.all(Apologise)


def test_a_session_that_never_comes_is_answered_with_an_apology() -> None:
    call = Call(begun=False)
    call.start()

    call.wait(10)

    assert call.problems == ["session_timed_out"]
    assert call.all(Apologise)


def test_a_model_that_is_lost_before_the_stream_is_verified_is_apologised_for_afterwards() -> None:
    call = Call(begun=False)
    call.take(call.conversation.realtime_gone(code="invalid_api_key", now=call.now))
    assert not call.all(Apologise)

    call.start()

    assert call.problems == ["invalid_api_key"]
    assert call.all(Apologise)


def test_a_refused_stream_is_closed_and_hears_no_apology() -> None:
    call = Call(begun=False)
    call.take(call.conversation.receive_twilio(START, now=call.now))
    call.take(call.conversation.realtime_gone(code="1006", now=call.now))

    call.take(call.conversation.stream_refused(now=call.now))

    assert not call.all(Apologise)
    assert not call.all(HangUp)
    assert call.all(CloseStream) == [CloseStream(1008)]
    assert call.ended.reason.startswith(NOT_STARTED)


def test_a_verified_stream_is_not_refused_afterwards() -> None:
    call = Call()

    call.take(call.conversation.stream_refused(now=call.now))

    assert not call.all(Ended)


def test_a_stream_that_nobody_vouches_for_in_time_is_closed() -> None:
    call = Call(begun=False)
    call.take(call.conversation.receive_twilio(START, now=call.now))
    call.accept_session()

    call.wait(7)

    assert call.all(CloseStream) == [CloseStream(1011)]
    assert call.ended.reason == "call-start-error-stream-not-verified"


def test_a_socket_that_never_begins_a_stream_is_closed() -> None:
    call = Call(begun=False)

    call.wait(5)

    assert call.all(CloseRealtime)
    assert call.ended.reason == "call-start-error-no-stream"


def test_vouching_for_a_stream_that_has_not_begun_does_nothing() -> None:
    call = Call(begun=False)
    call.accept_session()

    assert call.take(call.conversation.stream_verified(now=call.now)) == []


def test_a_second_start_changes_nothing() -> None:
    call = Call(GREETING_PLAN)

    call.take(call.conversation.receive_twilio(replace(START, stream_sid="MZ9"), now=call.now))
    call.answers("r1", GREETING, ours=True)

    assert call.problems == ["second_start"]
    assert call.to_twilio


def test_opening_the_socket_twice_does_not_end_a_call_that_has_begun() -> None:
    call = Call()
    call.take(call.conversation.opened(now=call.now))

    call.wait(6)

    assert not call.all(Ended)


@pytest.mark.parametrize("how", ["stop", "closed", "hung up from outside"])
def test_a_caller_who_leaves_before_the_stream_is_verified_was_never_there(how: str) -> None:
    call = Call(begun=False)
    call.take(call.conversation.receive_twilio(START, now=call.now))

    match how:
        case "stop":
            call.stop()
        case "closed":
            call.take(call.conversation.twilio_gone(now=call.now))
        case _:
            call.take(call.conversation.hang_up("manually-canceled", now=call.now))

    assert call.ended.reason.startswith(NOT_STARTED)
    assert not call.all(HangUp)


def test_a_frame_that_cannot_be_read_is_reported_and_nothing_more() -> None:
    call = Call()

    commands = call.take(call.conversation.malformed(Source.TWILIO, "a frame from Twilio is not JSON"))

    assert commands == [
        Problem(1, Source.TWILIO, "malformed_message", "a frame from Twilio is not JSON", benign=True)
    ]


def test_a_peer_that_sends_nothing_but_nonsense_does_not_fill_the_database() -> None:
    call = Call()

    for _ in range(1000):
        call.take(call.conversation.malformed(Source.TWILIO, "a frame from Twilio is not JSON"))
    call.take(call.conversation.malformed(Source.OPENAI, "a frame from the Realtime server is not JSON"))

    reported = [command.source for command in call.commands if isinstance(command, Problem)]
    assert reported == [Source.TWILIO] * MALFORMED_REPORTED + [Source.OPENAI]


# The first message --------------------------------------------------------------------------------------------------


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


# Turns by what was said ---------------------------------------------------------------------------------------------


def test_the_end_of_a_turn_may_be_found_by_what_was_said() -> None:
    plan = replace(PROTECTED, semantic_turns=True, eagerness="high")
    call = Call(plan)
    call.answers("r1", GREETING, 500, ours=True)
    call.wait(1)

    for event, floor in zip(call.sent("session.update"), (False, True), strict=True):
        assert event["session"]["audio"]["input"]["turn_detection"] == {
            "type": "semantic_vad",
            "eagerness": "high",
            "create_response": floor,
            "interrupt_response": floor,
        }


def test_a_turn_of_unknown_silence_is_not_made_shorter_than_it_was() -> None:
    call = Call(replace(WAITING, semantic_turns=True))
    call.caller_says("u1", "Hello.", 2.0)
    call.wait(0.4)
    call.answers("r1")
    call.wait(2)
    call.stop()

    assert (call.spoken("u1").began_ms, call.spoken("u1").ended_ms) == (0, 2000)
    assert call.spoken("r1-i").latency_ms == 400
