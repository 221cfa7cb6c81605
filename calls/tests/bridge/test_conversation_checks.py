"""Tools that say themselves when they may be used."""

from dataclasses import replace

import orjson
import pytest

from calls.bridge import realtime
from calls.bridge.commands import CheckTool, Forward, HangUp, RunTool, ToolDone, ToolRefused
from calls.bridge.limits import CHECKED_WITHIN_S, WORDS_KNOWN_WITHIN_S
from calls.bridge.plan import Place, ToolSpec
from calls.tests.bridge.call import BOOK, END_CALL, WAITING, Call

REFUSAL = '{"error":"rejected","message":"Not now."}'
LEAVE = replace(END_CALL, name="leave", ends_call=False, leaves="Please call back.")
NURSE = ToolSpec("transferCall", "", {}, transfers=True, places=(Place("+13125550142", ""),))
PLAN = replace(
    WAITING,
    tools=(
        *(replace(tool, checked=True) for tool in (BOOK, END_CALL, LEAVE, NURSE)),
        replace(BOOK, name="note"),
    ),
    end_call_message="Goodbye.",
)


def asked(name: str = "end_call", arguments: str = "{}") -> Call:
    call = Call(PLAN)
    call.caller_says("u1", "That was all.")
    call.created("r1")
    call.calls_tool("r1", name=name, arguments=arguments)
    return call


def answer(call: Call, refusal: str = "", call_id: str = "c1") -> None:
    call.take(call.conversation.tool_checked(call_id, refusal, now=call.now))


@pytest.mark.parametrize("name", ["end_call", "leave", "transferCall", "book"])
def test_nothing_is_done_before_its_conditions_were_looked_at(name: str) -> None:
    call = asked(name, '{"destination":"+13125550142","day":"Monday"}')
    call.done("r1")
    call.wait(CHECKED_WITHIN_S - 1)

    (check,) = call.all(CheckTool)
    assert (check.call_id, check.name) == ("c1", name)
    assert check.arguments == {"destination": "+13125550142", "day": "Monday"}
    assert not [one for one in call.commands if isinstance(one, ToolDone | HangUp | Forward | RunTool)]


def test_what_may_be_done_is_done_as_if_nothing_had_been_asked() -> None:
    call = asked()
    call.done("r1")

    answer(call)

    assert call.sentences == ["Goodbye."]
    call.answers("r2", "Goodbye.", ours=True)
    call.wait(3)
    assert len(call.all(HangUp)) == 1
    assert call.outputs == {"c1": '{"ok":true}'}


def test_a_message_is_left_once_it_may_be() -> None:
    call = asked("leave")
    call.done("r1")

    answer(call)

    assert call.sentences == ["Please call back."]


def test_a_transfer_is_ordered_once_it_may_be() -> None:
    call = asked("transferCall", '{"destination":"+13125550142"}')
    call.done("r1")

    answer(call)
    call.wait(1)

    assert [one.destination for one in call.all(Forward)] == ["+13125550142"]


def test_a_refusal_is_told_and_spoken_of_and_the_call_goes_on() -> None:
    call = asked()
    call.done("r1")

    answer(call, REFUSAL)

    assert call.outputs == {"c1": REFUSAL}
    assert call.asked == ["tool_result"]
    assert call.all(ToolRefused) == [
        ToolRefused("c1", "end_call", "Not sent: the tool's rejection plan refused it.", REFUSAL)
    ]
    call.answers("r2", "What else?", ours=True)
    call.wait(3)
    assert not call.all(HangUp)
    assert call.problems == []


def test_a_refusal_that_comes_before_the_response_is_done_waits_for_that() -> None:
    call = asked()

    answer(call, REFUSAL)
    assert call.asked == []

    call.done("r1")
    assert call.asked == ["tool_result"]


def test_the_callers_last_words_are_waited_for() -> None:
    call = Call(PLAN)
    call.caller_speaks("u1")
    call.wait(1)
    call.caller_stops("u1")
    call.created("r1")
    call.calls_tool("r1", name="end_call", arguments="{}")
    assert not call.all(CheckTool)

    call.hear(realtime.CallerText("u1", "Goodbye."))

    kinds = [type(one).__name__ for one in call.commands]
    assert kinds.index("UtteranceEnded") < kinds.index("CheckTool")
    call.wait(WORDS_KNOWN_WITHIN_S + 1)
    assert len(call.all(CheckTool)) == 1


def test_words_that_are_never_written_down_are_not_waited_for_long() -> None:
    call = Call(PLAN)
    call.caller_speaks("u1")
    call.wait(1)
    call.caller_stops("u1")
    call.created("r1")
    call.calls_tool("r1", name="end_call", arguments="{}")
    call.done("r1")

    call.wait(WORDS_KNOWN_WITHIN_S - 0.1)
    assert not call.all(CheckTool)
    call.wait(0.2)

    assert len(call.all(CheckTool)) == 1


def test_words_of_another_turn_keep_a_call_waiting_no_longer() -> None:
    call = Call(PLAN)
    for item in ("u1", "u2"):
        call.caller_speaks(item)
        call.wait(0.4)
        call.caller_stops(item)
    call.created("r1")
    call.calls_tool("r1", name="end_call", arguments="{}")
    call.wait(1)
    call.hear(realtime.CallerTextFailed("u1", "unclear"))
    assert not call.all(CheckTool)

    call.wait(WORDS_KNOWN_WITHIN_S - 1)

    assert len(call.all(CheckTool)) == 1


def test_a_batch_is_spoken_of_when_its_last_call_was_looked_at() -> None:
    call = asked()
    call.calls_tool("r1", "c2", name="note")
    call.done("r1")
    call.result("c2")
    assert call.asked == []

    answer(call, REFUSAL)

    assert call.asked == ["tool_result"]


def test_the_caller_is_not_reminded_while_conditions_are_looked_at() -> None:
    call = Call(replace(PLAN, idle_messages=("Are you there?",), idle_timeout_s=1.0))
    call.caller_says("u1", "That was all.")
    call.created("r1")
    call.calls_tool("r1", name="end_call", arguments="{}")
    call.done("r1")

    call.wait(5)

    assert call.sentences == []


def test_conditions_that_nobody_ever_looks_at_end_in_an_honest_no() -> None:
    call = asked("book", '{"day":"Monday"}')
    call.done("r1")

    call.wait(CHECKED_WITHIN_S + 0.1)

    assert orjson.loads(call.outputs["c1"])["error"] == "not_checked"
    assert call.asked == ["tool_result"]
    assert [one.reason for one in call.all(ToolRefused)] == ["not_checked"]
    answer(call)  # which the shell was too slow with
    assert call.all(RunTool) == []
    assert len(call.outputs) == 1


def test_an_answer_that_was_not_asked_for_changes_nothing() -> None:
    call = asked()

    answer(call, call_id="c9")
    answer(call)
    answer(call, REFUSAL)

    assert call.outputs == {"c1": '{"ok":true}'}


def test_an_answer_before_the_question_changes_nothing() -> None:
    call = Call(PLAN)
    call.caller_speaks("u1")
    call.wait(1)
    call.caller_stops("u1")
    call.created("r1")
    call.calls_tool("r1", name="end_call", arguments="{}")

    answer(call)

    assert call.outputs == {}


def test_a_call_that_nobody_can_be_told_of_any_more_is_written_down_all_the_same() -> None:
    call = asked()
    call.stop()

    answer(call)

    assert call.all(ToolRefused) == [ToolRefused("c1", "end_call", "caller_gone", "", orphaned=True)]
    assert call.outputs == {}


@pytest.mark.parametrize("refusal", ["", REFUSAL])
def test_an_answer_that_comes_when_the_call_is_being_ended_ends_nothing_else(refusal: str) -> None:
    call = asked("book", '{"day":"Monday"}')
    call.done("r1")
    call.take(call.conversation.hang_up("operator", now=call.now))

    answer(call, refusal)

    assert len(call.all(HangUp)) == 1
    assert not call.all(RunTool)
    (refused,) = call.all(ToolRefused)
    assert refused.call_id == "c1"


def test_conditions_are_not_asked_about_when_the_call_is_being_ended() -> None:
    call = Call(PLAN)
    call.caller_speaks("u1")
    call.wait(1)
    call.caller_stops("u1")
    call.created("r1")
    call.calls_tool("r1", name="end_call", arguments="{}")
    call.take(call.conversation.hang_up("operator", now=call.now))

    call.hear(realtime.CallerText("u1", "Goodbye."))
    call.stop()

    assert not call.all(CheckTool)
    assert [one.orphaned for one in call.all(ToolRefused)] == [True]


def test_a_caller_who_speaks_meanwhile_keeps_the_call() -> None:
    call = asked()
    call.audio("r1", 4000)
    call.caller_speaks("u2")

    answer(call)

    assert orjson.loads(call.outputs["c1"])["error"] == "not_ended"
