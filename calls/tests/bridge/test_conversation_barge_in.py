"""The caller speaks while the assistant does."""

from dataclasses import replace

import pytest

from calls.bridge import realtime
from calls.bridge.commands import UtteranceEnded
from calls.bridge.plan import FirstMessageMode
from calls.tests.bridge.call import WAITING, Call, sound


def answering(ms: int = 4000) -> Call:
    """A call in which the assistant answers; its audio is generated, and the response not done."""
    call = Call()
    call.caller_says("u1", "What does it cost?")
    call.created("r1")
    call.audio("r1", ms)
    return call


def test_the_audio_stops_and_the_model_learns_how_much_was_heard() -> None:
    call = answering()
    call.wait(1.36)

    call.caller_speaks("u2")

    assert call.clears == 1
    assert call.truncated == {"r1-i": 1360}
    assert call.sent("response.cancel") == []  # voice detection does that by itself


def test_it_works_just_so_after_the_response_is_done() -> None:
    call = answering()
    call.done("r1")
    call.wait(2)

    call.caller_speaks("u2")
    call.wait(5)

    assert call.clears == 1
    assert call.truncated == {"r1-i": 2000}
    assert call.played_bytes == 2000 * 8


def test_a_caller_who_speaks_in_silence_interrupts_nothing() -> None:
    call = answering(1000)
    call.done("r1")
    call.wait(1.1)

    call.caller_speaks("u2")

    assert call.clears == 0
    assert call.truncated == {}


def test_two_in_short_order_clear_once() -> None:
    call = answering()
    call.wait(1)

    call.caller_speaks("u2")
    call.wait(0.1)
    call.caller_stops("u2")
    call.wait(0.1)
    call.caller_speaks("u3")
    call.stop()

    assert call.clears == 1
    assert call.truncated == {"r1-i": 1000}
    assert call.ended.barge_ins == 1


def test_speech_that_starts_twice_without_a_stop_is_two_utterances() -> None:
    call = answering()
    call.caller_speaks("u2")
    call.caller_speaks("u3")
    call.hear(realtime.CallerText("u2", "No"), realtime.CallerText("u3", "Wait"))
    call.stop()

    assert [one.text for one in call.ended.spoken if one.text] == ["What does it cost?", "No", "Wait"]


def test_before_the_first_mark_has_returned_the_clock_tells_what_was_heard() -> None:
    call = answering(100)
    call.wait(0.05)

    call.caller_speaks("u2")

    assert call.truncated == {"r1-i": 50}


def test_nothing_more_of_the_interrupted_response_is_heard() -> None:
    call = answering(1000)
    call.wait(0.5)
    call.caller_speaks("u2")

    call.audio("r1", 1000)
    call.audio("r1", 500, "r1-second")
    call.wait(5)

    assert call.played_bytes == 500 * 8
    assert call.truncated == {"r1-i": 500, "r1-second": 0}


def test_late_audio_of_an_item_that_was_heard_so_far_ends_it_there() -> None:
    call = answering(1000)
    call.wait(1.1)
    call.caller_speaks("u2")
    assert call.truncated == {}

    call.audio("r1", 700)
    call.audio("r1", 700)

    assert call.truncated == {"r1-i": 1000}


def test_each_item_of_a_response_is_cut_by_its_own_audio() -> None:
    call = Call()
    call.caller_says("u1", "What does it cost?")
    call.created("r1")
    for item in ("heard", "playing", "waiting"):
        call.audio("r1", 1000, item)
        call.hear(realtime.AudioDone("r1", item))
    call.wait(1.5)

    call.caller_speaks("u2")

    assert call.truncated == {"playing": 500, "waiting": 0}


def test_both_items_of_a_response_are_heard_when_nobody_interrupts() -> None:
    call = Call()
    call.caller_says("u1", "What does it cost?")
    call.created("r1")
    for item in ("preamble", "answer"):
        call.audio("r1", 1000, item)
        call.hear(realtime.AudioDone("r1", item), realtime.TextDone("r1", item, item))
    call.done("r1")
    call.wait(3)

    assert call.played_bytes == 2000 * 8
    assert [c.spoken.item_id for c in call.all(UtteranceEnded)] == ["u1", "preamble", "answer"]


@pytest.mark.parametrize("late_s", [0.0, 0.3])
def test_what_is_cut_is_never_more_than_what_came(late_s: float) -> None:
    call = answering(3700)
    call.frames = False
    call.queue.clear()  # the marks are lost
    call.wait(3.76 + late_s)

    call.caller_speaks("u2")

    assert call.truncated.get("r1-i", 0) <= 3700
    assert call.clears == 1


def test_a_complaint_about_the_cut_changes_nothing() -> None:
    call = answering(1000)
    call.caller_speaks("u2")
    call.done("r1", "cancelled")
    call.error("invalid_value", message="Audio content of 900ms is already shorter than 1000ms")
    call.wait(1)
    call.caller_stops("u2")

    call.answers("r2")
    call.wait(2)

    assert call.played_bytes == 1000 * 8


def test_the_transcript_has_the_words_that_were_heard() -> None:
    call = answering(4000)
    call.hear(
        realtime.TextDelta("r1", "r1-i", "It costs eighty "), realtime.TextDelta("r1", "r1-i", "six dollars.")
    )
    call.wait(2)
    call.caller_speaks("u2")
    call.done("r1", "cancelled")
    call.stop()

    spoken = call.spoken("r1-i")
    assert spoken.interrupted
    assert (spoken.text, spoken.heard_text) == ("It costs eighty six dollars.", "It costs")
    assert (spoken.generated_ms, spoken.heard_ms) == (4000, 2000)


def test_the_interrupted_words_are_written_at_once_and_once() -> None:
    call = answering(4000)
    call.hear(realtime.TextDone("r1", "r1-i", "It costs eighty six dollars."))
    call.wait(1)

    call.caller_speaks("u2")
    call.done("r1", "cancelled")
    call.hear(realtime.TextDone("r1", "r1-i", "It costs eighty six dollars."))

    written = [c.spoken.item_id for c in call.all(UtteranceEnded)]
    assert written == ["u1", "r1-i"]


def test_the_caller_can_interrupt_while_a_tool_runs() -> None:
    call = Call()
    call.caller_says("u1", "Book Monday.")
    call.created("r1")
    call.audio("r1", 2000)
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.wait(0.5)

    call.caller_speaks("u2")
    call.result()
    call.wait(1)
    call.caller_stops("u2")
    call.answers("r2")
    call.wait(5)

    assert call.truncated == {"r1-i": 500}
    assert call.outputs.keys() == {"c1"}
    assert call.asked == []  # the answer to the caller has seen the result


def test_a_response_of_ours_that_begins_while_the_caller_speaks_is_stopped_and_asked_for_again() -> None:
    call = Call()
    call.caller_says("u1", "Book Monday.")
    call.created("r1")
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.result()
    call.caller_speaks("u2")

    call.created("r2", ours=True)
    call.audio("r2", 500)
    call.done("r2", "cancelled")
    call.wait(0.5)
    call.caller_stops("u2")
    call.wait(2)

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r2"]
    assert call.played_bytes == 0
    assert call.asked == ["tool_result", "tool_result"]


def test_a_server_that_uses_an_item_id_again_is_heard_again() -> None:
    call = Call()
    for turn in range(2):
        call.caller_says("u", "Hello?")
        call.created(f"r{turn}")
        call.audio(f"r{turn}", 1000, "i")
        call.hear(realtime.TextDone(f"r{turn}", "i", f"Answer {turn}"))
        call.wait(0.25)
        call.caller_speaks("x")
        call.done(f"r{turn}", "cancelled")
        call.caller_stops("x")
    call.stop()

    assert call.played_bytes == 2 * 250 * 8
    ids = [one.item_id for one in call.ended.spoken]
    assert len(set(ids)) == len(ids)
    assert [one.text for one in call.ended.spoken if one.text] == ["Hello?", "Answer 0", "Hello?", "Answer 1"]


def test_a_server_that_does_not_name_the_response_of_its_audio_is_interrupted_all_the_same() -> None:
    call = Call()
    call.caller_says("u1", "What does it cost?")
    call.created("r1")
    call.hear(realtime.AudioDelta("", "i", sound(1000), 8000))
    call.wait(0.5)
    call.caller_speaks("u2")
    call.hear(realtime.AudioDelta("", "i", sound(1000), 8000))
    call.wait(2)

    assert call.played_bytes == 500 * 8


def test_a_long_piece_of_audio_reaches_twilio_in_pieces_it_takes() -> None:
    call = answering(10_000)

    sizes = [len(m["media"]["payload"]) for m in call.to_twilio if m["event"] == "media"]
    assert max(sizes) <= 8000
    call.wait(11)
    assert call.played_bytes == 10_000 * 8


def test_an_empty_piece_of_audio_is_not_passed_on() -> None:
    call = answering(1000)
    before = len(call.to_twilio)

    call.hear(realtime.AudioDelta("r1", "r1-i", "", 0))

    assert len(call.to_twilio) == before


def test_the_latency_of_an_answer_counts_from_the_end_of_the_speech() -> None:
    call = Call(replace(WAITING, first_message_mode=FirstMessageMode.WAITS, vad_silence_ms=500))
    call.caller_says("u1", "What does it cost?")
    call.created("r1")
    call.wait(0.4)
    call.audio("r1", 500)
    call.done("r1")
    call.stop()

    assert call.spoken("r1-i").latency_ms == 900
    assert call.ended.first_sound_ms == 1400
