"""Both sides of a call, until they are ready: the stream is verified, our settings are accepted, or it ends here."""

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
    VerifyStream,
)
from calls.bridge.limits import MALFORMED_REPORTED, NOT_STARTED
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
