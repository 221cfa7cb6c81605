"""Whole calls that begin: the greeting, who may talk over it, and what went before."""

from calls.models import Recording
from tests.integration.rows import GREETING
from tests.integration.stack import eventually
from tests.integration.stories import HOURS, Told, assert_told_well, assert_written_in_order, story

LEAVES = {"when": {"quiet_ms": 800}, "hang_up": True}


@story("greeting", desk={"recording_enabled": True})
def test_a_caller_who_only_listens_hears_the_greeting_and_is_written_down_and_recorded(told: Told) -> None:
    assert told.heard() == [GREETING]
    assert told.report.heard[0].complete
    assert_told_well(told)
    assert told.rows.call.ended_reason == "customer-ended-call"
    assert told.rows.call.first_sound_ms is not None
    assert told.rows.call.stream_sid == told.report.stream_sids[0]
    kept = Recording.objects.filter(call=told.rows.call, state="stored", at_twilio=False)
    recording = eventually(kept.first, "recorded, and Twilio's copy deleted")
    assert recording is not None
    half = len(recording.peaks) // 2
    caller, assistant = bytes(recording.peaks)[:half], bytes(recording.peaks)[half:]
    assert max(caller) < 10 < max(assistant)


@story("greeting", caller=[{"when": {"utterance": 1, "into_ms": 500}, "say": "Hello?"}, LEAVES])
def test_a_hello_does_not_cut_the_protected_greeting_and_wants_no_answer(told: Told) -> None:
    assert told.heard() == [GREETING]
    assert told.report.heard[0].complete
    assert told.report.clears == 0
    assert told.rows.call.barge_ins == 0
    assert_written_in_order(told, [GREETING, "Hello?"])
    assert_told_well(told)


@story(
    "greeting",
    caller=[
        {"when": {"utterance": 1, "into_ms": 200}, "say": "When do you open?"},
        {"when": {"quiet_ms": 800, "heard": "Saturday"}, "hang_up": True},
    ],
)
def test_a_question_under_the_protected_greeting_is_answered_after_it(told: Told) -> None:
    assert told.heard() == [GREETING, HOURS]
    assert told.report.heard[0].complete
    assert told.report.clears == 0
    assert_told_well(told)


@story(
    "greeting",
    desk={"first_message_interruptible": True},
    caller=[
        {"when": {"utterance": 1, "into_ms": 700}, "say": "When do you open?"},
        {"when": {"quiet_ms": 800, "heard": "Saturday"}, "hang_up": True},
    ],
)
def test_an_interruptible_greeting_gives_way(told: Told) -> None:
    assert told.report.heard[0].line == GREETING
    assert not told.report.heard[0].complete
    assert told.heard()[1:] == [HOURS]
    assert told.rows.call.barge_ins == 1
    assert_told_well(told)


@story(
    "greeting",
    desk={"first_message_mode": "assistant-waits-for-user"},
    caller=[
        {"when": {"at_ms": 1500}, "say": "When do you open?"},
        {"when": {"quiet_ms": 800, "heard": "Saturday"}, "hang_up": True},
    ],
)
def test_an_assistant_that_waits_says_nothing_before_the_caller_has_spoken(told: Told) -> None:
    assert told.heard() == [HOURS]
    assert told.report.turns[0].answer_ms is not None
    assert_told_well(told)
    assert [one.speaker for one in told.rows.utterances] == ["caller", "assistant"]


@story(
    "greeting",
    desk={"first_message_mode": "assistant-speaks-first-with-model-generated-message"},
    model={"greeting": "Good morning, this is the bike shop."},
)
def test_an_assistant_may_greet_in_its_own_words(told: Told) -> None:
    assert told.heard() == ["Good morning, this is the bike shop."]
    assert_told_well(told)


# What went before


@story(
    "greeting",
    desk={
        "history": [
            {"role": "system", "content": "The caller is Ada."},
            {"role": "assistant", "content": "Good morning, Ada."},
            {"role": "user", "content": "Call me back."},
        ]
    },
)
def test_the_model_finds_what_went_before(told: Told) -> None:
    kinds = [event["type"] for event in told.report.realtime_events]

    assert kinds[:5] == ["session.update", *["conversation.item.create"] * 3, "response.create"]
    assert told.heard() == [GREETING]
    assert_told_well(told)
