"""Which of a tool's messages is due."""

import pytest

from calls.bridge.toolmessages import Condition, Moment, ToolMessage, delays, pick

ARGUMENTS = {"day": "Monday", "people": 4, "urgent": True, "who": {"name": "Ada"}, "from": "2026-11-24"}


@pytest.mark.parametrize(
    ("param", "operator", "value", "holds"),
    [
        ("day", "eq", "Monday", True),
        ("day", "eq", "monday", False),
        ("day", "neq", "Tuesday", True),
        ("people", "eq", "4", True),
        ("people", "gt", "3", True),
        ("people", "gt", "10", False),  # as texts it would be
        ("people", "gte", "4", True),
        ("people", "lt", "4", False),
        ("people", "lte", "4", True),
        ("urgent", "eq", "true", True),
        ("who.name", "eq", "Ada", True),
        ("day.name", "eq", "Ada", False),
        ("from", "gt", "2026-11-23", True),
        ("people", "lt", "many", True),  # one of them is no number, so both are texts
        ("missing", "eq", "", False),
        ("missing", "neq", "x", True),
        ("missing", "lt", "1", False),
        ("people", "resembles", "4", False),
    ],
)
def test_a_condition_compares_an_argument(param: str, operator: str, value: str, *, holds: bool) -> None:
    assert Condition(param, operator, value).holds(ARGUMENTS) is holds


MONDAY = ToolMessage(Moment.START, "On Monday.", (Condition("day", "eq", "Monday"),))
TUESDAY = ToolMessage(Moment.START, "On Tuesday.", (Condition("day", "eq", "Tuesday"),))
ANY = ToolMessage(Moment.START, "One moment.")
OTHER = ToolMessage(Moment.START, "Just a second.")


def last(count: int) -> int:
    return count - 1


@pytest.mark.parametrize(
    ("messages", "chosen"),
    [
        ((), None),
        ((ANY, MONDAY), MONDAY),
        ((TUESDAY, ANY), ANY),
        ((TUESDAY,), None),
        ((ANY, OTHER), OTHER),
        ((ToolMessage(Moment.FAILED, "No."),), None),
    ],
    ids=["none", "condition", "fallback", "no fallback", "variants", "other moment"],
)
def test_conditions_go_before_the_fallback(
    messages: tuple[ToolMessage, ...], chosen: ToolMessage | None
) -> None:
    assert pick(messages, Moment.START, ARGUMENTS, last) == chosen


def test_a_slow_tool_has_one_message_for_each_time() -> None:
    late = ToolMessage(Moment.DELAYED, "Still at it.", after_ms=5000)
    early = ToolMessage(Moment.DELAYED, "A moment.", after_ms=1000)
    variant = ToolMessage(Moment.DELAYED, "Just a moment.", after_ms=1000)
    mute = ToolMessage(Moment.DELAYED, "", after_ms=9000)
    tuesday = ToolMessage(Moment.DELAYED, "No.", TUESDAY.conditions, after_ms=7000)

    assert delays([late, early, variant, mute, tuesday], ARGUMENTS, last) == [variant, late]
