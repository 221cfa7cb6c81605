"""What a call is called in the admin."""

import pytest

from calls.models import Call
from calls.naming import call_title, caller_of, ends_of


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (Call(caller="+12025550147", did="+12025550100", call_sid="CA1"), ("+12025550147", "+12025550147 to +12025550100", "Call from +12025550147")),
        (Call(direction="outbound", caller="+12025550147", did="+12025550100"), ("+12025550147", "+12025550100 to +12025550147", "Call to +12025550147")),
        (Call(did="+12025550100", call_sid="CA1"), ("Withheld", "Withheld to +12025550100", "Call from a withheld number")),
        (Call(call_sid="CA1"), ("Withheld", "Withheld to -", "Call from a withheld number")),
        (Call(), ("No number", "Without a number", "Call without a number")),
    ],
    ids=["both ends", "outbound", "withheld", "in somebody's own flow", "a program's line"],
)  # fmt: skip
def test_a_call_is_named_by_its_ends_and_nobody_withholds_a_number_that_there_is_not(
    call: Call, told: tuple[str, str, str]
) -> None:
    assert (caller_of(call), ends_of(call), call_title(call)) == told
