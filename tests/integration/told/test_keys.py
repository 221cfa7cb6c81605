"""Keys that the assistant presses: Twilio plays them, and the call comes back to an assistant who remembers."""

from typing import Any

from simulator import scenario as scenarios
from simulator.rest import Failure
from simulator.scenario import Request, Rule
from tests.integration.rows import GREETING, in_trouble
from tests.integration.stack import Stack
from tests.integration.stories import (
    GOODBYE,
    Told,
    assert_nobody_complained,
    assert_written_as_heard,
    assert_written_as_said,
    story,
)
from tools.models import Tool, ToolCall

MENU = "Please press one for the workshop."
PRESSED = "I have pressed one."
SORRY = "I could not press it."
KEYS = "1w2#"
DTMF: dict[str, Any] = {
    "kind": Tool.Kind.DTMF,
    "name": "press_keys",
    "parameters": {"type": "object", "properties": {"keys": {"type": "string"}}, "required": ["keys"]},
}


def hears_a_menu() -> scenarios.Scenario:
    """Somebody has a menu on the line, and says goodbye when the assistant has spoken of the keys."""
    story = scenarios.load("transfer_busy")
    asks, _, leaves = story.caller
    rules = (
        Rule(caller="press one", call=(Request(("press_keys",), {"keys": KEYS}),)),
        Rule(text=MENU, say=(PRESSED,)),  # what the second session remembers of the first
        Rule(tool="press_keys", say=(SORRY,)),
    )
    return story.but(
        assistant=(*rules, *story.assistant),
        caller=(
            scenarios.Step(asks.when, say=MENU),
            scenarios.Step(scenarios.When(quiet_ms=700, heard="press"), say=leaves.say),
        ),
    )


@story(hears_a_menu(), desk={"other": DTMF})
def test_keys_are_pressed_and_the_talk_goes_on(told: Told, stack: Stack) -> None:
    report, rows = told.report, told.rows
    assert report.keys_played == [KEYS]
    assert told.heard() == [GREETING, PRESSED, GOODBYE]
    assert len(set(report.stream_sids)) == report.realtime_sessions == 2
    assert rows.call.stream_sid == report.stream_sids[1]
    assert rows.call.ended_reason == "assistant-ended-call"
    pressed = next(one for one in rows.tool_calls if one.name == "press_keys")
    assert (pressed.status, pressed.outcome) == (ToolCall.Status.ANSWERED, "Success.")
    assert pressed.arguments == {"keys": KEYS}
    assert [one.history for one in rows.call.breaks.all()] == [[]]
    assert_nobody_complained(told)
    assert_written_as_heard(told)
    assert_written_as_said(told)
    assert KEYS not in "".join(stack.log(name) for name in stack.names())


@story(hears_a_menu(), makes=in_trouble(Failure(400, 21220), other=DTMF))
def test_keys_that_twilio_does_not_press_are_not_said_to_be_pressed(told: Told) -> None:
    assert told.report.keys_played == []
    assert told.heard() == [GREETING, SORRY, GOODBYE]
    assert len(told.report.stream_sids) == 1
    pressed = next(one for one in told.rows.tool_calls if one.name == "press_keys")
    assert pressed.status == ToolCall.Status.REFUSED
    assert "keys_not_pressed" in told.rows.codes()
