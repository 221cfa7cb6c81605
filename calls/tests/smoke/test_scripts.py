"""Scripts read and refused, and what the simulator makes of them."""

import copy
from typing import Any

import pytest

from calls.smoke.scripts import Script, ScriptError, script_read
from calls.smoke.stories import story
from calls.tests.smoke.factories import SCRIPT
from simulator.scenario import parse


def test_a_script_is_read_and_tells_what_it_expects() -> None:
    script = script_read(SCRIPT)

    assert [(step.name, dict(step.arguments)) for step in script.expected()] == [
        ("get_repair_status", {"ticket": "481"}),
        ("end_call", {}),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"turns": []}, "at least one turn"),
        ({"turns": [{}]}, "Turn 1 must have one of “caller”, “press”, “silence_s” and “hang_up”"),
        ({"turns": [{"caller": "a", "press": "1"}]}, "must have one of"),
        ({"turns": [{"press": "1a"}]}, "“press” must be keys"),
        ({"turns": [{"silence_s": 999}]}, "“silence_s” must be a number of seconds up to 120"),
        ({"turns": [{"caller": "a", "interrupts_after_ms": "x"}]}, "“interrupts_after_ms” must be a number"),
        ({"turns": [{"caller": "a", "says": 1}]}, "there is no “says”"),
        ({"turns": [{"caller": "a", "assistant": [{"says": "b"}]}]}, "“assistant” 1 must be"),
        (
            {"turns": [{"caller": "a", "assistant": [{"call": "b", "arguments": 1}]}]},
            "“arguments” must be an object",
        ),
        ({"turns": [{"caller": "a"}] * 61}, "61 turns are too many"),
        ({"mocks": [{"tool": "x"}]}, "In “mocks”: Answer 1 must have one of"),
        ({"mocks": []}, "Nothing answers “get_repair_status”"),
        ({"facts": ["a"]}, "“facts” must be an object of texts"),
        ({"never": "a"}, "“never” must be a list of texts"),
        ({"claims": {"a": "b"}}, "“claims” must be an object"),
        ({"goal": 1}, "“goal” must be a text"),
        ({"stories": 1}, "There is no “stories” in a script"),
    ],
)
def test_every_fault_of_a_script_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ScriptError) as refused:
        script_read({**copy.deepcopy(SCRIPT), **change})

    assert words in str(refused.value)


@pytest.mark.parametrize("nonsense", [None, [], "x", 3, {"turns": 3}, {"turns": [3]}])
def test_what_is_no_script_is_refused_in_words(nonsense: Any) -> None:
    with pytest.raises(ScriptError):
        script_read(nonsense)


def test_the_simulator_can_play_every_kind_of_turn() -> None:
    script = script_read(
        {
            "turns": [
                {"caller": "Hello", "assistant": [{"say": "Please press a key now."}]},
                {"press": "2#", "assistant": [{"say": "Thank you very much for that."}]},
                {"silence_s": 9},
                {"caller": "Wait!", "interrupts_after_ms": 400, "assistant": [{"call": "end_call"}]},
                {"hang_up": True},
            ]
        }
    )

    played = parse(story(script, name="all"))

    assert [step.say or step.press or "hangs up" for step in played.caller] == [
        "Hello",
        "2#",
        "Wait!",
        "hangs up",
    ]
    assert (played.caller[1].when.heard, played.caller[2].when.into_ms) == ("press a key now.", 400)
    assert played.patience_ms == 29_000


def test_a_script_that_never_hangs_up_gets_a_caller_who_does() -> None:
    played = parse(story(script_read({"turns": [{"caller": "Hello"}]}), name="open"))

    assert played.caller[-1].hang_up


def test_what_follows_a_tool_waits_for_its_answer() -> None:
    rules = story(script_read(SCRIPT), name="x")["assistant"]

    assert [rule.get("caller") or rule.get("tool") for rule in rules[:3]] == [
        "Hi, is my bike ready? The ticket is four eight one.",
        "get_repair_status",
        "Great, thank you, goodbye.",
    ]
    assert isinstance(script_read(SCRIPT), Script)
