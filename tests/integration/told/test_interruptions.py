"""Whole calls in which the caller talks over the assistant."""

from tests.integration.rows import GREETING
from tests.integration.stories import (
    ASKS,
    CHECKING,
    GOODBYE,
    HOURS,
    PRICE,
    READY_ON,
    THANKS,
    Told,
    assert_nobody_complained,
    assert_told_well,
    assert_written_as_heard,
    off_by_ms,
    story,
    words,
)


@story("barge_in")
def test_a_caller_who_interrupts_stops_the_answer_where_it_was_heard(told: Told) -> None:
    report, rows = told.report, told.rows

    cut = report.heard[2]
    assert cut.line == READY_ON
    assert 1000 < cut.heard_ms < cut.line_ms
    assert told.heard()[3:] == [PRICE, GOODBYE]
    assert report.clears == 1
    assert report.turns[1].stopped_after_ms is not None
    assert_told_well(told)
    (truncation,) = report.truncations
    assert truncation.line == READY_ON
    assert truncation.heard_ms is not None
    assert abs(truncation.audio_end_ms - truncation.heard_ms) <= off_by_ms(told)
    interrupted = [one for one in rows.utterances if one.interrupted]
    assert [one.text[:10] for one in interrupted] == [READY_ON[:10]]
    assert 0 < len(words(interrupted[0].heard_text)) < len(words(READY_ON))
    assert rows.call.barge_ins == 1


@story("double_barge_in")
def test_two_interruptions_within_300_ms_leave_one_conversation(told: Told) -> None:
    report, rows = told.report, told.rows

    assert report.heard[0].line == GREETING
    assert not report.heard[1].complete
    assert report.heard[1].line == HOURS
    assert told.heard()[-2:] == [PRICE, GOODBYE]
    assert report.clears >= 2
    assert rows.call.barge_ins == report.clears
    assert_nobody_complained(told)
    assert_written_as_heard(told)
    # The first 160 ms of "Wait, stop." are no word; what came after is there.
    assert rows.said("caller")[-2:] == ["How much will it cost?", "Okay, thank you, goodbye."]
    for truncation in report.truncations:
        assert abs(truncation.audio_end_ms - (truncation.heard_ms or 0)) <= off_by_ms(told)


@story(
    "barge_in",
    desk={"interruptible": False},
    caller=[
        {"when": {"quiet_ms": 600}, "say": ASKS},
        {"when": {"line": "Ticket 481", "into_ms": 1500}, "say": "How much will it cost?"},
        {"when": {"since_previous_ms": 9500, "heard": "fifty cents"}, "say": THANKS},
    ],
)
def test_a_question_under_speech_that_nothing_stops_is_answered_after_it(told: Told) -> None:
    assert told.heard() == [GREETING, CHECKING, READY_ON, PRICE, GOODBYE]
    assert all(line.complete for line in told.report.heard)
    assert told.report.clears == 0
    assert_told_well(told)


@story("barge_in", desk={"interrupt_words": 4})
def test_enough_words_interrupt_where_a_sound_does_not(told: Told) -> None:
    cut = told.report.heard[2]

    assert cut.line == READY_ON
    # They were listened to first: what they said, the silence after it, and the time to write it down.
    assert 1500 + 1000 < cut.heard_ms < cut.line_ms
    assert told.heard()[3:] == [PRICE, GOODBYE]
    assert told.report.clears == 1
    assert_told_well(told)
    (truncation,) = told.report.truncations
    assert abs(truncation.audio_end_ms - (truncation.heard_ms or 0)) <= off_by_ms(told)
    assert told.rows.call.barge_ins == 1


@story("backchannel", desk={"interrupt_words": 2})
def test_a_word_of_a_listener_does_not_make_the_assistant_start_over(told: Told) -> None:
    assert told.heard() == [GREETING, CHECKING, READY_ON, GOODBYE]
    assert all(line.complete for line in told.report.heard)
    assert told.report.clears == 0
    assert_told_well(told)
    assert told.rows.call.barge_ins == 0
