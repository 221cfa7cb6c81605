"""Keys that the caller presses."""

from tests.integration.rows import GREETING
from tests.integration.stack import Stack
from tests.integration.stories import (
    READY_ON,
    Told,
    assert_nobody_complained,
    assert_told_well,
    assert_written_as_heard,
    assert_written_in_order,
    story,
)


@story("keypad")
def test_keys_that_the_caller_presses_change_nothing(told: Told) -> None:
    assert told.heard() == [GREETING]
    assert_told_well(told)


@story("keyed_ticket", desk={"keypad_enabled": True})
def test_keys_are_a_turn_of_the_callers(told: Told, stack: Stack) -> None:
    assert told.heard() == [GREETING, READY_ON]
    assert_nobody_complained(told)
    assert_written_as_heard(told)
    assert_written_in_order(told, [GREETING, "The caller pressed these keys: 4 8 1 #", READY_ON])
    for name in stack.names():
        assert "4 8 1 #" not in stack.log(name)
