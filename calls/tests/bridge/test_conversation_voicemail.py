"""The message that is left on a machine."""

from dataclasses import replace
from typing import Any

from calls.bridge.commands import HangUp
from calls.bridge.plan import ToolSpec
from calls.tests.bridge.call import END_CALL, WAITING, Call

LEFT = "Your bike is ready. Please call us back."


def test_no_message_is_left_when_the_time_of_the_call_is_up() -> None:
    call = Call(replace(WAITING, tools=(LEAVE,), max_duration_s=5.0))
    call.caller_says("u1", "Please leave a message.")
    call.created("r1")
    call.wait(5)
    fc = call.calls_tool("r1", "v1", "voicemail", "{}")
    call.done("r1", calls=(fc,))

    assert call.asked == ["farewell"]
    assert call.sentences == []


LEAVE = ToolSpec("voicemail", "Leave a message", {"type": "object", "properties": {}}, leaves=LEFT)


def reaches_a_machine(*, leaves: str = LEFT, **plan: Any) -> Call:
    """A machine has answered, and the model notices."""
    call = Call(replace(WAITING, tools=(replace(LEAVE, leaves=leaves), END_CALL), **plan))
    call.caller_says("u1", "Please leave a message after the tone.")
    call.created("r1")
    fc = call.calls_tool("r1", name="voicemail", arguments="{}")
    call.done("r1", calls=(fc,))
    return call


def test_a_message_is_left_word_for_word_and_heard_out_before_hanging_up() -> None:
    call = reaches_a_machine(end_call_message="Thank you for calling.")
    call.answers("r2", LEFT, ms=2000, ours=True)
    call.wait(1.9)
    assert not call.all(HangUp)
    call.wait(0.2)
    call.stop()

    assert call.sentences == [LEFT]
    assert call.all(HangUp) == [HangUp()]
    assert call.ended.reason == "voicemail"
    assert call.outputs == {"c1": '{"ok":true}'}


def test_a_message_that_the_machine_talks_over_is_left_once_more() -> None:
    call = reaches_a_machine()
    call.created("r2", ours=True)
    call.audio("r2", 3000)
    call.wait(0.5)
    call.caller_speaks("u2")
    call.wait(1)
    call.caller_stops("u2")
    call.done("r2", "cancelled")
    call.created("r3")
    call.done("r3")
    call.answers("r4", LEFT, ms=1000, ours=True)
    call.wait(1.1)

    assert call.sentences == [LEFT, LEFT]
    assert call.all(HangUp) == [HangUp()]


def test_without_a_message_the_machine_hears_nothing() -> None:
    call = reaches_a_machine(leaves="")

    assert call.asked == []
    assert call.all(HangUp) == [HangUp()]


def test_a_machine_that_never_falls_silent_is_left_alone() -> None:
    call = reaches_a_machine()
    call.caller_speaks("u2")
    call.wait(31)

    assert call.all(HangUp) == [HangUp()]
