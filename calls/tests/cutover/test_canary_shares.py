"""Who takes a call of a shared number, and which numbers can be shared: the same in every process and release."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.cutover import canary
from calls.tests.cutover.sharing import CALLER, CONFIG, DID

numbers = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)
shares = st.integers(0, 100)


# --- The choice -----------------------------------------------------------------------------------------------


@given(did=numbers, caller=numbers, first=st.text(), second=st.text(), percent=shares)
def test_a_repeat_caller_never_flips_while_the_share_stays(
    did: str, caller: str, first: str, second: str, percent: int
) -> None:
    if canary.withheld(caller):
        return
    one = canary.stack_for(did=did, caller=caller, call_sid=first, percent=percent)
    another = canary.stack_for(did=did, caller=f" {caller} ", call_sid=second, percent=percent)

    assert one == another


@given(did=numbers, caller=st.text(max_size=20), call_sid=st.text(max_size=34), low=shares, high=shares)
def test_raising_the_share_only_moves_callers_to_us(
    did: str, caller: str, call_sid: str, low: int, high: int
) -> None:
    low, high = min(low, high), max(low, high)
    before = canary.stack_for(did=did, caller=caller, call_sid=call_sid, percent=low)
    after = canary.stack_for(did=did, caller=caller, call_sid=call_sid, percent=high)

    assert (before, after) != ("direct", "vapi")


@given(did=numbers, caller=st.text(max_size=20), call_sid=st.text(max_size=34))
def test_none_and_all_are_none_and_all(did: str, caller: str, call_sid: str) -> None:
    assert canary.stack_for(did=did, caller=caller, call_sid=call_sid, percent=0) == "vapi"
    assert canary.stack_for(did=did, caller=caller, call_sid=call_sid, percent=100) == "direct"


@pytest.mark.parametrize("percent", [5, 50, 90])
def test_the_share_of_callers_is_about_what_was_asked_for(percent: int) -> None:
    ours = sum(
        canary.stack_for(did=DID, caller=f"+1312{number:07}", call_sid="", percent=percent) == "direct"
        for number in range(4000)
    )

    assert abs(ours / 40 - percent) < 3


def test_the_choice_is_the_same_in_every_process_and_release() -> None:
    stacks = [
        canary.stack_for(did=DID, caller=f"+1312555{number:04}", call_sid="", percent=50)
        for number in range(8)
    ]

    assert stacks == ["vapi", "direct", "direct", "direct", "direct", "direct", "direct", "vapi"]


@pytest.mark.parametrize(
    "caller",
    ["", " ", "anonymous", "Anonymous", "+266696687", "sip:anonymous@anonymous.invalid", "unavailable"],
)
def test_a_withheld_caller_is_drawn_anew_for_each_call(caller: str) -> None:
    stacks = {
        canary.stack_for(did=DID, caller=caller, call_sid=f"CA{number}", percent=50) for number in range(64)
    }

    assert canary.withheld(caller)
    assert stacks == {"direct", "vapi"}


@pytest.mark.parametrize("caller", [CALLER, "sip:alice@example.com", "client:alice"])
def test_a_caller_with_a_name_is_the_same_one_again(caller: str) -> None:
    stacks = {
        canary.stack_for(did=DID, caller=caller, call_sid=f"CA{number}", percent=50) for number in range(64)
    }

    assert not canary.withheld(caller)
    assert len(stacks) == 1


# --- The old provider -----------------------------------------------------------------------------------------


def test_a_trunk_cannot_be_shared_and_the_reason_says_so() -> None:
    config = {**CONFIG, "trunk_sid": "TK1"}

    assert canary.route_from(config) is None
    assert "SIP trunk" in canary.obstacle(config)


def test_an_application_is_shared_by_its_own_url_and_not_by_the_numbers_stale_one() -> None:
    config = {**CONFIG, "voice_application_sid": "AP1"}
    application = {"voice_url": "https://old.example.com/app", "voice_method": "GET", "status_callback": None}

    route = canary.route_from(config, application)

    assert route == canary.OldRoute("https://old.example.com/app", "GET", "", "POST")
    assert canary.obstacle(config, application) == ""
    assert "could not be read" in canary.obstacle(config)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "Nobody answers"),
        ("ftp://old", "no web address"),
        ("https://tandem.test/twilio/voice", "by Tandem"),
    ],
)
def test_an_address_that_can_take_no_call_is_refused(url: str, word: str) -> None:
    assert word in canary.obstacle({**CONFIG, "voice_url": url})
