"""The caller's audio, and what is recorded of their words."""

import pytest

from calls.bridge import realtime, twilio
from calls.bridge.audio import MULAW, payload_bytes
from calls.bridge.commands import UtteranceEnded
from calls.tests.bridge.call import Call, sound


def heard_ms(call: Call) -> int:
    return sum(payload_bytes(event["audio"]) for event in call.sent("input_audio_buffer.append")) // 8


def frame(call: Call, timestamp_ms: int) -> None:
    media = twilio.Media(sound(20), timestamp_ms)
    call.take(call.conversation.receive_twilio(media, now=call.now))


@pytest.mark.parametrize(
    ("timestamps", "ms"),
    [
        ([155, 175, 195], 60),
        ([155, 176, 194], 60),
        ([155, 235], 40),
        ([155, 1175], 1040),
        ([155, 30_175, 30_195], 10_060),
        ([155, 100_000_000_000], 10_040),
        ([155, 135], 40),
    ],
    ids=["even", "jitter", "small gap", "gap", "long gap", "absurd gap", "backwards"],
)
def test_holes_in_the_callers_audio_are_filled_with_silence(timestamps: list[int], ms: int) -> None:
    call = Call()

    for timestamp_ms in timestamps:
        frame(call, timestamp_ms)

    assert heard_ms(call) == ms


def test_silence_is_supplied_when_frames_stop_in_the_middle_of_a_turn() -> None:
    call = Call(frames=False)
    frame(call, 0)
    call.caller_speaks("u1")

    call.wait(2.8)

    assert [event["audio"] == MULAW.silence(8000) for event in call.sent("input_audio_buffer.append")] == [
        False,
        True,
        True,
        True,
    ]


def test_no_silence_is_supplied_while_frames_come_or_nobody_speaks() -> None:
    call = Call()
    call.caller_speaks("u1")
    call.wait(3)
    call.caller_stops("u1")
    call.frames = False
    call.wait(3)

    assert heard_ms(call) == 2500


def test_frames_that_come_after_all_set_the_clock_right() -> None:
    call = Call(frames=False)
    frame(call, 0)
    call.caller_speaks("u1")
    call.wait(1)
    for timestamp_ms in range(20, 1000, 20):
        frame(call, timestamp_ms)
    call.hear(realtime.SpeechStarted("u2", heard_ms(call)), realtime.CallerText("u2", "Hello?"))
    call.stop()

    assert call.spoken("u2").began_ms == 1000


def test_what_the_caller_said_is_recorded_with_its_times_as_soon_as_it_is_written_down() -> None:
    call = Call()
    call.wait(2)
    call.speak(sound(20))
    call.hear(realtime.SpeechStarted("u1", 500), realtime.SpeechStopped("u1", 1700))
    call.wait(1)

    call.hear(realtime.CallerText("u1", " Hello? "))

    (written,) = call.all(UtteranceEnded)
    spoken = written.spoken
    assert (spoken.text, spoken.heard_text, spoken.began_ms, spoken.ended_ms) == (
        "Hello?",
        "Hello?",
        500,
        1200,
    )


def test_times_count_from_when_the_stream_was_verified() -> None:
    call = Call(begun=False)
    start = twilio.Start("MZ1", "CA1", "AC1", {})
    call.take(call.conversation.receive_twilio(start, now=call.now))
    frame(call, 0)
    call.wait(1)
    call.take(call.conversation.stream_verified(now=call.now))
    call.accept_session()
    call.wait(3)
    call.hear(realtime.SpeechStarted("u1", 1500), realtime.CallerText("u1", "Hello?"))
    call.stop()

    assert call.spoken("u1").began_ms == 500


def test_words_that_could_not_be_written_down_are_recorded_as_such() -> None:
    call = Call()
    call.caller_speaks("u1")
    call.caller_stops("u1")

    call.hear(realtime.CallerTextFailed("u1", "audio_unintelligible"))

    (written,) = call.all(UtteranceEnded)
    assert not written.spoken.transcribed
    assert call.problems == ["transcription_audio_unintelligible"]


def test_a_noise_without_words_is_not_recorded() -> None:
    call = Call()
    call.caller_says("u1", "")
    call.stop()

    assert not call.all(UtteranceEnded)
    assert call.ended.spoken == ()


def test_words_that_come_after_the_next_turn_began_belong_to_theirs() -> None:
    call = Call()
    call.caller_speaks("u1")
    call.wait(1)
    call.caller_stops("u1")
    call.caller_speaks("u2")

    call.hear(realtime.CallerText("u1", "Hello?"), realtime.CallerText("u1", ""))
    call.stop()

    assert [(one.item_id, one.text) for one in call.ended.spoken] == [("u1", "Hello?"), ("u2", "")]


def test_words_of_a_turn_that_was_never_announced_are_recorded() -> None:
    call = Call()
    call.hear(
        realtime.SpeechStopped("u1", 100), realtime.Committed("u1"), realtime.CallerText("u1", "Hello?")
    )
    call.stop()

    assert call.spoken("u1").text == "Hello?"


def test_an_id_of_the_caller_is_not_taken_for_the_assistants() -> None:
    call = Call()
    call.caller_says("same", "Hello?")
    call.created("r1")
    call.audio("r1", 500, "same")
    call.hear(realtime.AudioDone("r1", "same"), realtime.TextDone("r1", "same", "Good morning."))
    call.done("r1")
    call.hear(realtime.CallerText("same", "Hello again"), realtime.AudioDone("r1", "nobody's"))
    call.wait(1)
    call.stop()

    assert {one.text for one in call.ended.spoken} == {"Hello?", "Good morning.", "Hello again"}


def test_an_item_without_sound_or_words_is_not_recorded() -> None:
    call = Call()
    call.created("r1")
    call.hear(realtime.TextDelta("r1", "i", ""))
    call.done("r1")
    call.stop()

    assert call.ended.spoken == ()


def test_a_text_that_goes_on_after_it_was_final_is_not_changed() -> None:
    call = Call()
    call.created("r1")
    call.audio("r1", 500)
    call.hear(realtime.TextDone("r1", "r1-i", "Good morning."), realtime.TextDelta("r1", "r1-i", " And more"))
    call.done("r1")
    call.wait(1)
    call.stop()

    assert call.spoken("r1-i").text == "Good morning."


def test_keys_and_news_change_nothing() -> None:
    call = Call()
    before = len(call.commands)

    for message in (twilio.Dtmf("5"), twilio.Ignored("weather"), twilio.Connected(), twilio.Mark("")):
        call.take(call.conversation.receive_twilio(message, now=call.now))
    call.hear(realtime.Ignored("rate_limits.updated"))

    assert len(call.commands) == before
