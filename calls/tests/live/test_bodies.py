"""Bodies of Vapi's live call control become orders, or a sentence for each thing that is wrong."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.bridge.commands import Speaker
from calls.bridge.orders import End, HandOver, Mute, Say, SayFirstMessage, Tell
from calls.bridge.plan import Keeps, Taker
from calls.live.bodies import LONGEST, order_asked
from calls.live.orders import Received, order_received
from calls.selectors import Member
from calls.tests.stage import CALL
from tools.auth.credentials import ServerAuth

from dataclasses import replace  # isort: skip

SQUAD = replace(CALL, members={"a-1": Member("Billing", 1, None, {}, ServerAuth())})


def received(body: dict[str, Any], call: Any = CALL) -> Any:
    """The order as the conversation of this call takes it."""
    asked = order_asked(body)
    assert isinstance(asked, dict), asked
    found = order_received({**asked, "order_id": "o1"}, call)
    return found.order if isinstance(found, Received) else found


@pytest.mark.parametrize(
    ("body", "order"),
    [
        ({"type": "say", "content": "Hello."}, Say("o1", "Hello.")),
        ({"type": "say", "message": "Hello."}, Say("o1", "Hello.")),
        (
            {
                "type": "say",
                "content": "Bye.",
                "endCallAfterSpoken": True,
                "interruptAssistantEnabled": True,
                "interruptionsEnabled": True,
            },
            Say("o1", "Bye.", interrupts=True, guarded=False, end_after=True),
        ),
        (
            {"type": "add-message", "message": {"role": "system", "content": "Be kind."}},
            Tell("o1", "system", "Be kind."),
        ),
        (
            {
                "type": "add-message",
                "message": {"role": "user", "content": "Hi"},
                "triggerResponseEnabled": False,
            },
            Tell("o1", "user", "Hi", respond=False),
        ),
        ({"type": "control", "control": "mute-assistant"}, Mute("o1", Speaker.ASSISTANT, on=True)),
        ({"type": "control", "control": "unmute-customer"}, Mute("o1", Speaker.CALLER, on=False)),
        ({"type": "control", "control": "say-first-message"}, SayFirstMessage("o1")),
        ({"type": "end-call"}, End("o1")),
    ],
)
def test_what_vapi_takes_is_taken(body: dict[str, Any], order: object) -> None:
    assert received(body) == order


def test_a_transfer_names_its_place_and_says_the_given_words() -> None:
    body = {
        "type": "transfer",
        "destination": {"type": "number", "number": "+1 (415) 555-0100"},
        "content": "One\r\nmoment.",
    }

    order = received(body)

    assert isinstance(order, HandOver)
    assert (order.place.name, order.place.message, order.place.taker) == (
        "+1 (415) 555-0100",
        "One moment.",
        None,
    )


def test_a_handoff_goes_to_a_member_of_the_squad_and_to_nobody_else() -> None:
    body = {"type": "handoff", "destination": {"type": "assistant", "assistantName": "Billing"}}

    order = received(body, SQUAD)

    assert isinstance(order, HandOver)
    assert order.place.taker == Taker("a-1", Keeps.ALL)
    assert "no other one is part of it" in received(body)
    other = {"type": "handoff", "destination": {"type": "assistant", "assistantName": "Sales"}}
    assert "Billing" in received(other, SQUAD)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "type must be one of"),
        ({"type": ["say"]}, "type must be one of"),
        ({"type": "say"}, "content must be a string"),
        ({"type": "say", "content": "  "}, "content should not be empty"),
        ({"type": "say", "content": "x" * (LONGEST + 1)}, "shorter than or equal"),
        ({"type": "say", "content": "x", "endCallAfterSpoken": "yes"}, "must be a boolean value"),
        ({"type": "say", "content": "x", "voice": "marin"}, "property voice should not exist"),
        ({"type": "add-message", "message": "Hello"}, "message must be an object"),
        ({"type": "add-message", "message": {"role": "tool", "content": "x"}}, "message.role must be one of"),
        (
            {"type": "add-message", "message": {"role": "user", "content": "Hi", "colour": "red"}},
            "message.property colour should not exist",
        ),
        (
            {"type": "transfer", "destination": {"type": "number", "number": "+14155550100", "message": 7}},
            "destination.message must be a string or an object",
        ),
        (
            {
                "type": "handoff",
                "destination": {"type": "assistant", "assistantName": "Billing", "message": [7]},
            },
            "destination.message must be a string or an object",
        ),
        ({"type": "control", "control": "reboot"}, "control must be one of"),
        ({"type": "transfer"}, "destination must be an object"),
        ({"type": "transfer", "destination": {"type": "number", "number": "112"}}, "E.164"),
        (
            {"type": "transfer", "destination": {"type": "sip", "sipUri": "sip:a@b\r\nX: y"}},
            "must be a SIP address",
        ),
        ({"type": "transfer", "destination": {"type": "assistant"}}, "must be one of the following"),
        ({"type": "handoff", "destination": {"type": "squad"}}, "destination.type must be assistant"),
        ({"type": "send-transport-message", "message": {}}, "not supported"),
    ],
)
def test_what_is_wrong_is_said_in_vapis_words(body: dict[str, Any], part: str) -> None:
    problems = order_asked(body)

    assert isinstance(problems, list)
    assert any(part in one for one in problems), problems


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)
KINDS = ["say", "add-message", "control", "end-call", "transfer", "handoff"]
BODIES = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(["content", "message", "control", "destination"]), JSON, max_size=3),
)


@settings(max_examples=50)
@given(BODIES)
def test_no_body_breaks_it(body: dict[str, Any]) -> None:
    asked = order_asked(body)

    if isinstance(asked, dict):
        assert order_received({**asked, "order_id": "o1"}, SQUAD)
    else:
        assert all(asked)
