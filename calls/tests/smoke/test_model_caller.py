"""A caller who is played by a model: what it is told, when it speaks, and what ends the call."""

import base64
import json
from typing import Any

import pytest

from calls.smoke.hearing import Hearing, loudness
from calls.smoke.model_caller import CallerBrokeError, CallerEnd, Limits, ModelCaller, persona
from calls.smoke.never import said_never
from calls.smoke.played_caller import FIRST_WORDS_MS, FRAME_BYTES, PATIENCE_MS
from calls.smoke.scripts import script_read
from calls.tests.smoke.factories import SCRIPT

SOUND = b"\x10" * FRAME_BYTES
TOLD: dict[str, Any] = {
    **SCRIPT,
    "facts": {"ticket number": "four eight one"},
    "never": ["their e-mail address", "Alder Street"],
}


def caller(**fields: Any) -> ModelCaller:
    made = ModelCaller(script_read(TOLD), **fields)
    made.open()
    made.receive('{"type": "session.updated"}')
    return made


def told(made: ModelCaller) -> list[dict[str, Any]]:
    sent = [json.loads(text) for text in made.outgoing]
    made.outgoing.clear()
    return sent


def says(made: ModelCaller, words: str, frames: int = 2, item: str = "item_1") -> None:
    """The session answers with words, all of their sound at once."""
    made.receive('{"type": "response.created"}')
    delta = base64.b64encode(SOUND * frames).decode()
    made.receive(json.dumps({"type": "response.output_audio.delta", "item_id": item, "delta": delta}))
    made.receive(json.dumps({"type": "response.output_audio_transcript.done", "transcript": words}))


def done(made: ModelCaller, *calls: tuple[str, str], tokens: int = 100, status: str = "completed") -> None:
    output = [
        {"type": "function_call", "name": name, "arguments": arguments, "call_id": f"c{n}"}
        for n, (name, arguments) in enumerate(calls)
    ]
    response = {"status": status, "output": output, "usage": {"total_tokens": tokens}}
    made.receive(json.dumps({"type": "response.done", "response": response}))


def test_the_session_learns_the_goal_the_facts_and_what_is_never_said() -> None:
    made = caller()

    session = told(made)[0]["session"]
    words = session["instructions"]
    assert words == persona(made.script)
    for part in ("whether the bike is ready", "ticket number: four eight one", "their e-mail address"):
        assert part in words
    assert "Is my bike ready" not in persona(script_read({**TOLD, "turns": [{"press": "1"}]}))
    assert [tool["name"] for tool in session["tools"]] == ["hang_up", "press_keys"]
    assert (
        session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    )


def test_nothing_is_heard_before_the_session_knows_who_it_is() -> None:
    made = ModelCaller(script_read(TOLD))

    made.hear(SOUND)
    assert not made.outgoing
    made.receive('{"type": "session.updated"}')
    made.hear(SOUND)

    assert told(made) == [{"type": "input_audio_buffer.append", "audio": base64.b64encode(SOUND).decode()}]


def test_words_are_spoken_frame_by_frame_and_then_there_is_silence() -> None:
    made = caller()
    says(made, "Is my bike ready?", frames=2)

    frames = [made.step(20.0 * n, assistant_speaks=False).frame for n in range(3)]

    assert [loudness(frame) > 0 for frame in frames] == [True, True, False]


def test_an_assistant_that_talks_over_the_caller_silences_them_and_the_session_learns_how_far_they_came() -> (
    None
):
    made = caller()
    says(made, "Is my bike ready?", frames=10)
    told(made)
    made.step(0.0, assistant_speaks=False)

    made.receive('{"type": "input_audio_buffer.speech_started"}')

    assert told(made) == [
        {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 20}
    ]
    assert loudness(made.step(20.0, assistant_speaks=True).frame) == 0


def test_the_caller_hangs_up_when_their_goodbye_was_heard() -> None:
    made = caller()
    says(made, "Great, goodbye.", frames=2)
    done(made, ("hang_up", '{"goal_reached": true}'))

    doings = [made.step(20.0 * n, assistant_speaks=False) for n in range(3)]

    assert [doing.hangs_up for doing in doings] == ["", "", "the caller hung up"]
    assert made.how == CallerEnd(goal_reached=True, ended_because="the caller hung up")
    assert made.how.sentence.startswith("The caller got what they called for")


@pytest.mark.parametrize("arguments", ["", "{", "[]", '{"goal_reached": "yes"}'])
def test_a_hang_up_with_odd_arguments_is_one_all_the_same(arguments: str) -> None:
    made = caller()
    done(made, ("hang_up", arguments))

    assert made.step(0.0, assistant_speaks=False).hangs_up
    assert made.how.goal_reached is None
    assert "is not known" in made.how.sentence


def test_keys_are_pressed_where_the_line_has_any_and_the_session_hears_of_it() -> None:
    made, without = caller(), caller(presses_keys=False)
    for one in (made, without):
        told(one)
        done(one, ("press_keys", '{"keys": "2a#"}'))

    assert made.step(0.0, assistant_speaks=False).keys == "2#"
    assert without.step(0.0, assistant_speaks=False).keys == ""
    assert "cannot be done" in told(without)[0]["item"]["output"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(turns=2), "2 turns"),
        (Limits(tokens=150), "150 tokens"),
        (Limits(ms=60_000.0), "1 minutes"),
    ],
)
def test_a_call_ends_at_its_limit_whatever_the_model_wants(limits: Limits, words: str) -> None:
    made = caller(limits=limits)
    done(made)
    assert made.step(40.0, assistant_speaks=True).hangs_up == ""
    done(made)

    doing = made.step(59_000.0 if limits.ms > 60_000 else 60_000.0, assistant_speaks=True)

    assert words in doing.hangs_up


def test_somebody_who_hears_nothing_speaks_first_once_and_leaves_in_the_end() -> None:
    made = caller()
    told(made)
    asked, left_at = 0, 0.0
    for n in range(2000):
        doing = made.step(20.0 * n, assistant_speaks=False)
        asked += len(told(made))
        if doing.hangs_up:
            left_at = 20.0 * n
            break

    assert (asked, left_at) == (1, PATIENCE_MS)
    assert FIRST_WORDS_MS < PATIENCE_MS


def test_a_caller_who_says_what_they_never_say_hangs_up_and_the_call_proves_nothing() -> None:
    made = caller()
    says(made, "It is robin at example dot com.", frames=5)

    assert made.step(0.0, assistant_speaks=False).hangs_up
    assert made.how.said_never == ("their e-mail address",)
    assert "proves nothing" in made.how.broke


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"type": "server_error", "code": "server_error"}},
        {
            "type": "response.done",
            "response": {"status": "failed", "status_details": {"error": {"code": "insufficient_quota"}}},
        },
        {"type": "response.output_audio.delta", "item_id": "i", "delta": "no base64!"},
        {
            "type": "response.output_audio.delta",
            "item_id": "i",
            "delta": base64.b64encode(bytes(600_000)).decode(),
        },
    ],
    ids=["server error", "failed response", "broken sound", "endless sound"],
)
def test_a_session_that_fails_breaks_the_call(event: dict[str, Any]) -> None:
    with pytest.raises(CallerBrokeError):
        caller().receive(json.dumps(event))


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"type": 5}', '{"type": "response.done"}', "{}"])
def test_odd_events_are_passed_over(text: str) -> None:
    made = caller()

    made.receive(text)

    assert not made.step(0.0, assistant_speaks=False).hangs_up


def test_a_remark_on_an_event_of_ours_breaks_nothing() -> None:
    made = caller()

    made.receive('{"type": "error", "error": {"type": "invalid_request_error", "code": "item_not_found"}}')

    refused = ModelCaller(script_read(TOLD))
    with pytest.raises(CallerBrokeError, match="invalid_api_key"):
        refused.receive(
            '{"type": "error", "error": {"type": "invalid_request_error", "code": "invalid_api_key"}}'
        )


# What is never said ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("never", "said", "found"),
    [
        ("their e-mail address", "Write to robin@example.com.", True),
        ("their email", "robin at example dot co dot uk", True),
        ("their e-mail address", "I would rather not give my e-mail address.", False),
        ("the card number", "4111 1111 1111 1111", True),
        ("the card number", "four one one one, one one one one, one one one one", True),
        ("the card number", "My number is 415 555 0199.", False),
        ("their date of birth", "I come on 2026-11-20.", False),
        ("the card number", "I pay by card.", False),
        ("their phone number", "It is 415 555 0199.", True),
        ("their phone number", "The ticket is four eight one.", False),
        ("their date of birth", "I was born on the third of May 1980.", True),
        ("Alder Street", "On alder  street, yes.", True),
        ("Alder Street", "On Balder Streets.", False),
        ("the colour", "Colour? Red.", True),
        ("", "Anything.", False),
    ],
)
def test_what_is_never_said_is_found_in_what_was_said(never: str, said: str, found: object) -> None:
    assert bool(said_never([never], ["Hello.", said])) is found


def test_a_fact_may_be_said_though_it_looks_like_what_may_not() -> None:
    facts = ["four eight one two three four five", "robin@example.com"]
    never = ["their telephone number", "their e-mail address"]

    assert said_never(never, ["The ticket is 481 2345, robin@example.com."], facts=facts) == []
    assert said_never(never, ["Call 415 555 0199."], facts=facts) == ["their telephone number"]


# Who speaks on a line ----------------------------------------------------------------------------------------


def test_a_click_and_the_noise_of_a_line_are_no_speech_and_a_gap_between_words_is_no_silence() -> None:
    noise, speech = b"\xfe\x7e" * 80, b"\x20\xa0" * 80
    hearing = Hearing()

    assert not any(hearing.speaks(noise) for _ in range(20))
    assert not hearing.speaks(speech)  # a click
    assert not hearing.speaks(noise)
    assert [hearing.speaks(frame) for frame in (speech, speech, noise, noise)] == [False, True, True, True]
    assert not [hearing.speaks(noise) for _ in range(20)][-1]
    assert loudness(b"") == 0
