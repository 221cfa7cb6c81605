"""The same call of a tool twice: made once in a turn, and answered each time."""

from calls.bridge.commands import RunTool, ToolRefused, ToolSettled
from calls.tests.bridge.call import Call


def test_the_same_call_twice_in_a_turn_is_made_once_and_answered_twice() -> None:
    call = Call()
    call.created("r1")
    call.calls_tool("r1", "c1", arguments='{"day":"Monday","at":9}')
    call.calls_tool("r1", "c2", arguments='{"at":9, "day":"Monday"}')
    call.done("r1")
    call.result("c1")

    assert [command.call_id for command in call.all(RunTool)] == ["c1"]
    assert call.outputs == {"c1": '{"booked":true}', "c2": '{"booked":true}'}
    assert call.all(ToolRefused) == [ToolRefused("c2", "book", "duplicate_call", '{"booked":true}')]
    assert call.asked == ["tool_result"]
    assert call.problems == []


def test_a_repeated_call_after_the_answer_gets_the_same_answer() -> None:
    call = Call()
    call.created("r1")
    call.calls_tool("r1", "c1")
    call.result("c1")
    call.calls_tool("r1", "c2")
    call.done("r1")

    assert call.outputs == {"c1": '{"booked":true}', "c2": '{"booked":true}'}
    assert call.asked == ["tool_result"]


def test_the_same_call_in_another_turn_is_made_again() -> None:
    call = Call()
    for n in (1, 2):
        call.created(f"r{n}")
        call.calls_tool(f"r{n}", f"c{n}")
        call.done(f"r{n}")
        call.result(f"c{n}")
        call.answers(f"a{n}", ours=True)

    assert len(call.all(RunTool)) == 2


def test_a_repeated_call_that_nobody_answered_is_orphaned_with_the_first() -> None:
    call = Call()
    call.created("r1")
    call.calls_tool("r1", "c1")
    call.calls_tool("r1", "c2")
    call.stop()

    assert call.all(ToolRefused) == [ToolRefused("c2", "book", "duplicate_call", "", orphaned=True)]
    assert call.all(ToolSettled) == [ToolSettled("c1", "", orphaned=True)]
