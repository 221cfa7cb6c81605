"""Scenarios as the simulator plays them, and whether a call kept to its story."""

from typing import Any

import pytest

from calls.smoke.scripts import script_read
from calls.smoke.stories import FALLBACK, story, strayed

SCRIPT = {
    "turns": [
        {"caller": "Is it ready?", "assistant": [{"say": "On Tuesday."}]},
        {"caller": "Goodbye.", "assistant": [{"say": "Bye."}, {"call": "end_call"}]},
    ]
}


def report(*said: str, reason: str = "completed") -> dict[str, Any]:
    return {"reason": reason, "responses": [{"said": [line]} for line in said]}


def test_a_call_that_kept_to_its_story_says_something_about_the_assistant() -> None:
    assert strayed(report("On Tuesday.", "Bye.")) == ""
    assert strayed({"reason": "completed"}) == ""


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (report("On Tuesday.", FALLBACK), "heard words that are not in the scenario"),
        (report("On Tuesday.", reason="the caller gave up waiting"), "the caller waited in vain"),
    ],
)
def test_a_call_that_left_its_story_says_nothing_about_it(told: dict[str, Any], words: str) -> None:
    assert words in strayed(told)


def test_the_simulated_model_has_the_words_for_what_it_does_not_understand_from_the_story() -> None:
    told = story(script_read(SCRIPT), name="Repair")

    assert told["model"]["fallback"] == FALLBACK
    assert FALLBACK not in str(told["assistant"])
