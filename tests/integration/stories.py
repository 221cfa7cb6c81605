"""Stories for tests: a scenario of the simulator, changed or not, met by an assistant of its own.

A call takes as long as it takes, so all the stories that the selected tests ask for are told side by side.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from simulator import scenario as scenarios
from simulator.harness import CallReport, Scenario
from tests.integration.outside import LiveCall
from tests.integration.rows import Desk, Written, make_desk
from tests.integration.slowness import LATE_S
from tests.integration.stack import Stack

ASKS = "Hi, is my bike ready? The ticket is four eight one."
ASKS_HOURS = "When do you open?"
THANKS = "Great, thank you, goodbye."
OKAY = "Okay, thank you, goodbye."
CHECKING = "Let me check that ticket."
READY_ON = "Ticket 481 is waiting for parts and should be ready on Tuesday, November twenty-fourth."
PRICE = "It will cost eighty-six dollars and fifty cents."
HOURS = "We are open from nine to six, Monday to Saturday."
WAITING = "I am still waiting for the workshop's answer."
UNREACHED = "I could not reach the workshop just now. Please try again later."
GOODBYE = "Thank you for calling, goodbye."

MODEL_FAILED = "call.in-progress.error-providerfault-openai-llm-failed"


@dataclass(frozen=True, slots=True)
class Story:
    """What happens: a scenario of the simulator with some parts told anew, and the assistant's own settings.

    ``makes`` sets up who answers where that takes more than settings.
    """

    scenario: str | Scenario
    parts: dict[str, Any] = field(default_factory=dict)
    desk: dict[str, Any] = field(default_factory=dict)
    makes: Callable[[Stack], Desk] | None = None

    def id(self) -> str:
        """A name that is the same in every process."""
        settings = (f"{name}={value}" for name, value in {**self.parts, **self.desk}.items())
        return " ".join([str(self.scenario), self.makes.__qualname__ if self.makes else "", *settings])

    def begin(self, stack: Stack) -> "Begun":
        """Have somebody call; returns at once."""
        desk = self.makes(stack) if self.makes else make_desk(stack, **self.desk)
        scenario = self.scenario
        if isinstance(scenario, str):
            scenario = scenarios.parse({"name": "told", "extends": scenario, **self.parts})
        return Begun(desk, stack.call(scenario, desk.did))


@dataclass(frozen=True, slots=True)
class Begun:
    """A story that is being told."""

    desk: Desk
    live: LiveCall


@dataclass(frozen=True, slots=True)
class Told:
    """A story that has ended: the simulator's account of it, and ours."""

    desk: Desk
    report: CallReport
    rows: Written

    def heard(self) -> list[str]:
        """What the caller heard of the assistant, line by line."""
        return [line.text for line in self.report.heard]


def story(
    scenario: str | Scenario,
    *,
    desk: dict[str, Any] | None = None,
    makes: Callable[[Stack], Desk] | None = None,
    **parts: Any,
) -> pytest.MarkDecorator:
    """The test is about this story, and gets it as `told`."""
    name = scenario if isinstance(scenario, str) else scenario.name
    return stories(**{name: Story(scenario, parts, desk or {}, makes)})


def stories(**named: Story) -> pytest.MarkDecorator:
    """The test is repeated for each of these stories."""
    return pytest.mark.parametrize("told", list(named.values()), ids=list(named), indirect=True)


def words(text: str) -> list[str]:
    """The words of a text, without what is written differently when it is only a part."""
    return text.casefold().replace(",", "").replace(".", "").split()


def off_by_ms(told: Told) -> float:
    """How far our account of the sound may be from the simulator's, whose clock stood still while it was late."""
    return LATE_S * 1000 + told.report.late_ms


def assert_written_as_heard(told: Told) -> None:
    """The transcript holds each line the caller heard, as far as it was heard, in that order."""
    lines = [line for line in told.report.heard if line.text]
    stored = [one for one in told.rows.utterances if one.speaker == "assistant" and one.heard_ms > 100]
    assert [one.text for one in stored] == [
        line.line if line.complete else one.text for line, one in zip(lines, stored, strict=True)
    ]
    for line, one in zip(lines, stored, strict=True):
        really, noted = words(line.text), words(one.heard_text)
        assert abs(one.heard_ms - line.heard_ms) <= off_by_ms(told), (line, one.heard_ms)
        # The API gives no times for words, so the cut may be a word or two off.
        shorter = min(len(really), len(noted))
        assert really[:shorter] == noted[:shorter]
        assert abs(len(really) - len(noted)) <= 2


def assert_written_in_order(told: Told, texts: Sequence[str]) -> None:
    """The transcript holds these and nothing else, each begun before the next.

    The caller's words have their times by their sound, which stood still while the simulator was late; ours by the clock.
    """
    began = {one.text: one.began_ms for one in told.rows.utterances}
    assert sorted(began) == sorted(texts)
    assert len(told.rows.utterances) == len(texts)
    late_ms = told.report.late_ms
    assert all(began[later] > began[earlier] - late_ms for earlier, later in pairwise(texts)), began


def assert_written_as_said(told: Told) -> None:
    """The transcript holds each of the caller's turns, in their order."""
    assert told.rows.said("caller") == [turn.said for turn in told.report.turns]


# A response that ends while our cancel is on its way, as when the caller hangs up: nobody can avoid that.
CANCEL_CAME_LATE = "response_cancel_not_active"


def assert_nobody_complained(told: Told) -> None:
    """Neither Twilio nor OpenAI had anything against what we sent, and we noticed nothing wrong."""
    report, rows = told.report, told.rows
    assert not report.violations, report.events
    assert [error for error in report.realtime_errors if error["code"] != CANCEL_CAME_LATE] == []
    assert report.realtime_warnings == []
    assert report.unknown_audio_ms < 60
    assert [code for code in rows.codes() if code != CANCEL_CAME_LATE] == []
    assert rows.transcript is not None
    assert rows.transcript.closed_at is not None
    assert rows.call.version == told.desk.assistant.live_version
    assert rows.call.frames_dropped == 0


def assert_told_well(told: Told) -> None:
    """All that holds for every call that goes as it should."""
    assert_nobody_complained(told)
    assert_written_as_heard(told)
    assert_written_as_said(told)
