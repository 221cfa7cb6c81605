"""What an import says of a transfer's destinations is what calls do with them; imports may not read it from calls."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.tests.vapi.cases import tool
from assistants.vapi.transfers import address_fault
from calls.transfers import destination_read

NURSE = {"type": "number", "number": "+13125550142"}
MODES = [
    "blind",
    "warm",
    "transfer",
    "say",
    "with",
    "message",
    "summary",
    "wait-for-operator",
    "to-speak-first-and-then",
    "twiml",
]


@settings(max_examples=300, deadline=None)
@given(
    destination=st.fixed_dictionaries(
        {
            "type": st.sampled_from(["number", "sip"]),
            "number": st.text("+0123459*# -().x", max_size=18)
            | st.from_regex(r"\+[1-9][0-9]{5,15}", fullmatch=True),
            "sipUri": st.text('sip:@a.b? <"', max_size=12)
            | st.from_regex(r"sips?:[ab@]{1,3}@[ab.]{1,3}", fullmatch=True),
        },
        optional={"numberE164CheckEnabled": st.booleans()},
    )
)
def test_a_destination_that_calls_leave_out_is_one_that_the_import_asks_about(
    destination: dict[str, Any],
) -> None:
    _, fault = address_fault(destination)

    assert bool(fault) is (destination_read(destination, language="en") is None)


@settings(max_examples=60, deadline=None)
@given(
    mode=st.lists(st.sampled_from(MODES), max_size=6).map("-".join)
    | st.sampled_from(["warm-transfer-say-message", "warm-transfer-with-summary", "blind-transfer"]),
    extension=st.text("019*#wW,a", max_size=4),
)
def test_a_destination_with_faults_is_one_that_the_import_asks_about(mode: str, extension: str) -> None:
    destination = {**NURSE, "extension": extension, "transferPlan": {"mode": mode}}
    read = destination_read(destination, language="en")
    assert read is not None

    asked = [
        one for one in tool({"type": "transferCall", "destinations": [destination]}).findings if one.code
    ]

    assert len(asked) == len(read.faults), json.dumps(destination)
