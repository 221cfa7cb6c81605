"""The model asks for tools."""

from dataclasses import replace

import orjson
import pytest

from calls.bridge import realtime
from calls.bridge.commands import (
    Apologise,
    Problem,
    RunTool,
    ToolDone,
    ToolLate,
    ToolRefused,
    ToolSettled,
)
from calls.tests.bridge.call import BOOK, WAITING, Call


def asked_to_book() -> Call:
    call = Call()
    call.caller_says("u1", "Book Monday.")
    call.created("r1")
    return call


def test_a_call_is_run_as_soon_as_it_is_complete() -> None:
    call = asked_to_book()

    call.calls_tool("r1")

    assert call.all(RunTool) == [RunTool("c1", "book", {"day": "Monday"}, 20.0)]


def test_its_outcome_is_told_once_and_spoken_of_once() -> None:
    call = asked_to_book()
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.wait(1)

    call.result()
    call.result(output="again")

    assert call.outputs == {"c1": '{"booked":true}'}
    assert call.asked == ["tool_result"]
    assert call.all(ToolSettled) == [ToolSettled("c1", '{"booked":true}', orphaned=False)]
    assert call.sent("conversation.item.create")[0]["previous_item_id"] == "fc-c1"


def test_three_events_that_carry_one_call_run_it_once() -> None:
    call = asked_to_book()
    fc = call.calls_tool("r1")
    call.hear(fc)
    call.done("r1", calls=(fc,))

    assert len(call.all(RunTool)) == 1


def test_a_batch_is_spoken_of_when_all_of_it_is_known() -> None:
    call = asked_to_book()
    calls = tuple(call.calls_tool("r1", f"c{n}", arguments=f'{{"day":"{n}"}}') for n in range(10))
    call.done("r1", calls=calls)

    for n in range(10):
        assert call.asked == []
        call.result(f"c{n}")

    assert call.asked == ["tool_result"]


def test_an_outcome_that_comes_before_the_response_is_done_waits_for_that() -> None:
    call = asked_to_book()
    fc = call.calls_tool("r1")
    call.result()
    assert call.asked == []

    call.done("r1", calls=(fc,))

    assert call.asked == ["tool_result"]


def test_a_call_without_a_response_id_belongs_to_the_running_response() -> None:
    call = asked_to_book()
    call.calls_tool("")
    call.done("r1")

    call.result()

    assert call.asked == ["tool_result"]


def test_a_call_that_belongs_to_no_response_is_spoken_of_all_the_same() -> None:
    call = Call()
    call.calls_tool("")

    call.result()

    assert call.asked == ["tool_result"]


def test_an_unknown_tool_is_refused_and_the_model_goes_on() -> None:
    call = asked_to_book()
    fc = call.calls_tool("r1", name="fly")
    call.done("r1", calls=(fc,))

    (refused,) = call.all(ToolRefused)
    assert (refused.reason, refused.output) == ("unknown_tool", call.outputs["c1"])
    assert call.asked == ["tool_result"]
    assert call.problems == ["unknown_tool"]


@pytest.mark.parametrize("arguments", ["", "{", "[]", '"Monday"', "null"])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    call = asked_to_book()

    call.calls_tool("r1", arguments=arguments)

    assert orjson.loads(call.outputs["c1"])["error"] == "invalid_arguments"
    assert not call.all(RunTool)


@pytest.mark.parametrize("arguments", ["", "{", "[]", "{}"])
def test_a_tool_that_needs_no_arguments_is_run_with_none_whatever_the_model_wrote(arguments: str) -> None:
    call = asked_to_book()

    call.calls_tool("r1", name="list_slots", arguments=arguments)

    assert [dict(command.arguments) for command in call.all(RunTool)] == [{}]


def given_up() -> Call:
    """A call in which the model was told that a tool did not answer, and is about to say so."""
    call = asked_to_book()
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.wait(23)
    return call


def test_a_slow_tool_is_given_up_with_honest_words() -> None:
    call = given_up()

    assert orjson.loads(call.outputs["c1"])["error"] == "timeout"
    assert call.asked == ["tool_result"]
    assert call.problems == ["tool_timed_out"]


def test_an_answer_that_comes_late_is_told_but_no_second_output() -> None:
    call = given_up()

    call.result()
    call.result()

    assert orjson.loads(call.outputs["c1"])["error"] == "timeout"
    ((role, text),) = call.told
    assert role == "system"
    assert text.startswith("The answer to book arrived late")
    assert '{"booked":true}' in text
    assert call.all(ToolLate) == [ToolLate("c1", '{"booked":true}')]
    assert call.asked == ["tool_result"]  # the one about the timeout, which has not begun
    assert call.problems == ["tool_timed_out", "tool_answered_late"]
    assert [problem.benign for problem in call.all(Problem)] == [False, True]


def test_a_late_answer_is_spoken_of_when_nothing_else_is_going_on() -> None:
    call = given_up()
    call.answers("r2", "It did not answer.", 1000, ours=True)
    call.wait(0.9)
    call.wait(1)

    call.result()

    assert call.asked == ["tool_result", "tool_result"]


def test_a_late_answer_in_the_middle_of_something_is_left_to_the_next_answer() -> None:
    call = given_up()
    call.answers("r2", "It did not answer.", 1000, ours=True)
    call.wait(2)
    call.caller_speaks("u2")
    call.result()
    call.caller_stops("u2")
    call.answers("r3")
    call.wait(5)

    assert call.asked == ["tool_result"]


def test_a_late_answer_after_hanging_up_was_ordered_is_nobodys() -> None:
    call = given_up()
    call.take(call.conversation.hang_up("manually-canceled", now=call.now))

    call.result()

    assert call.told == []


def test_of_two_slow_tools_the_first_is_given_up_first() -> None:
    call = asked_to_book()
    call.calls_tool("r1", "c1")
    call.wait(5)
    call.calls_tool("r1", "c2", arguments='{"day":"Tuesday"}')
    call.done("r1")

    call.wait(19)
    assert call.outputs.keys() == {"c1"}
    call.wait(5)
    assert call.outputs.keys() == {"c1", "c2"}


def test_nobody_is_hung_up_on_for_silence_while_a_tool_runs() -> None:
    call = Call(replace(WAITING, silence_timeout_s=5))
    call.created("r1")
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))

    call.wait(22)

    assert call.asked == []


def test_an_outcome_while_the_caller_speaks_is_left_to_the_answer_they_get() -> None:
    call = asked_to_book()
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.caller_speaks("u2")

    call.result()
    call.wait(1)
    call.caller_stops("u2")
    call.answers("r2")
    call.wait(5)

    assert call.outputs.keys() == {"c1"}
    assert call.asked == []


def test_an_outcome_while_the_caller_makes_a_noise_is_spoken_of_after_it() -> None:
    call = asked_to_book()
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.caller_speaks("u2")
    call.result()
    call.caller_stops("u2")

    call.wait(2)

    assert call.asked == ["tool_result"]


def test_an_outcome_while_another_response_runs_is_spoken_of_after_it() -> None:
    call = asked_to_book()
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.caller_says("u2", "Are you still there?")
    call.created("r2")
    call.audio("r2", 500)

    call.result()
    assert call.asked == []
    call.done("r2")

    assert call.asked == ["tool_result"]


def test_a_call_that_was_complete_before_its_response_was_cancelled_is_run_and_told() -> None:
    call = asked_to_book()
    fc = call.calls_tool("r1")
    call.caller_speaks("u2")
    call.done("r1", "cancelled", calls=(fc,))
    call.result()

    assert len(call.all(RunTool)) == 1
    assert call.outputs.keys() == {"c1"}


def test_a_call_that_is_running_when_the_caller_hangs_up_is_reported_as_orphaned() -> None:
    call = asked_to_book()
    call.calls_tool("r1")
    call.caller_speaks("u2")
    call.wait(1)

    call.take(call.conversation.twilio_gone(now=call.now))
    call.result()
    call.wait(3)

    assert call.all(ToolSettled) == [ToolSettled("c1", "", orphaned=True)]
    assert call.outputs == {}


def test_an_outcome_while_the_model_is_gone_is_told_to_nobody() -> None:
    call = asked_to_book()
    call.audio("r1", 2000)
    call.calls_tool("r1")
    call.take(call.conversation.realtime_gone(code="1006", now=call.now))

    call.result()
    call.calls_tool("r1", "c2")

    assert call.all(ToolSettled) == [ToolSettled("c1", '{"booked":true}', orphaned=True)]
    assert call.outputs == {}
    assert len(call.all(RunTool)) == 1


def test_an_outcome_after_hanging_up_was_ordered_is_told_but_not_spoken_of() -> None:
    call = asked_to_book()
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.take(call.conversation.hang_up("manually-canceled", now=call.now))

    call.result()

    assert call.outputs.keys() == {"c1"}
    assert call.asked == []


def test_a_call_that_hangs_up_is_answered_here() -> None:
    call = asked_to_book()

    call.calls_tool("r1", name="end_call", arguments="{}")

    assert call.all(ToolDone) == [ToolDone("c1", "end_call", '{"ok":true}')]
    assert call.outputs == {"c1": '{"ok":true}'}


def test_a_response_that_asks_for_a_tool_and_is_never_done_does_not_silence_the_call() -> None:
    call = asked_to_book()
    call.calls_tool("r1")
    call.result()

    call.wait(9.6)

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r1"]
    assert len(call.asked) == 1
    assert not call.all(Apologise)


def test_a_tool_that_is_spoken_of_is_watched_like_any_answer() -> None:
    call = asked_to_book()
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.result()
    call.hear(realtime.ResponseCreated("r2", call.sent("response.create")[-1]["event_id"]))

    call.wait(9.6)

    assert call.asked == ["tool_result", "tool_result"]


@pytest.mark.parametrize(("repeats", "asked"), [(False, ["c1"]), (True, ["c1", "c2"])])
def test_the_same_asked_for_twice_in_one_response_is_sent_once_unless_the_tool_says_otherwise(
    repeats: bool,
    asked: list[str],
) -> None:
    call = Call(replace(WAITING, tools=(replace(BOOK, repeats=repeats),)))
    call.caller_says("u1", "Book Monday.")
    call.created("r1")
    calls = tuple(call.calls_tool("r1", call_id) for call_id in ("c1", "c2"))
    call.done("r1", calls=calls)
    for call_id in asked:
        call.result(call_id)

    assert [one.call_id for one in call.all(RunTool)] == asked
    assert call.outputs == {"c1": '{"booked":true}', "c2": '{"booked":true}'}
    assert call.asked == ["tool_result"]
