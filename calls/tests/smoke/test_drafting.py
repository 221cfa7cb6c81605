"""Scenarios drafted from real calls: what was said and done, with names and numbers replaced the same everywhere."""

import json
import string

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from calls.models import VapiCall
from calls.smoke.anonymising import Anonymiser
from calls.smoke.drafting import DraftError, script_draft
from calls.smoke.scripts import script_read
from calls.tests.smoke.factories import make_spoken_call
from tools.models import ToolCall

SAID = [
    ("assistant", "Harbour Bikes, good morning."),
    ("caller", "Hi, my name is Maria Gonzales, my ticket is four eight one."),
    ("assistant", "One moment, Maria."),
    ("caller", "My number is (415) 555-2671, or maria.g@mail.test, and I was there on 2026-11-20 at 10:30."),
    ("assistant", "Ticket 481 is ready."),
]
CALLED = [("find_ticket", {"ticket": "481", "customer_name": "Maria Gonzales", "phone": "+14155552671"})]


@pytest.mark.django_db
def test_a_draft_has_the_turns_the_tools_and_their_answers_and_nobodys_name() -> None:
    call = make_spoken_call(said=SAID, called=CALLED, ended_reason="customer-ended-call")

    draft = script_draft(call)

    text = json.dumps(draft)
    for private in ("Maria", "Gonzales", "481", "four eight one", "555-2671", "4155552671", "maria.g"):
        assert private not in text, private
    assert "2026-11-20 at 10:30" in text
    script = script_read(draft)
    assert [did.call or "said" for did in script.turns[0].assistant] == ["find_ticket", "said"]
    assert script.turns[-1].hang_up
    # The same is replaced by the same: what is said, what is sent, what comes back.
    step = script.expected()[0]
    ticket = str(step.arguments["ticket"])
    assert f"Ticket {ticket}" in script.turns[1].assistant[0].say
    assert str(step.arguments["customer_name"]) in script.turns[0].caller
    assert str(step.arguments["phone"])[-2:] in script.turns[1].caller
    assert script_draft(call) == draft


@pytest.mark.django_db
def test_a_draft_knows_what_the_caller_wanted_knew_and_kept_to_themselves() -> None:
    odd = ("note", {"internal_id": "77-x", "isUrgent": True, "list": ["481"]})
    call = make_spoken_call(said=SAID, called=[*CALLED, odd])

    draft = script_draft(call)

    facts = draft["facts"]
    assert set(facts) == {"ticket", "customer name", "phone"}  # what they had said, and nothing else
    assert facts["ticket"] == draft["turns"][0]["assistant"][0]["arguments"]["ticket"] != "481"
    assert facts["customer name"] in draft["goal"]
    assert draft["goal"].startswith("Wants what they begin with: “Hi, my name is")
    assert draft["never"] == ["the number of a card", "their date of birth"]


@pytest.mark.django_db
def test_the_goal_of_a_call_at_vapi_is_vapis_summary_with_names_replaced() -> None:
    call = make_spoken_call(said=SAID, called=CALLED, stack="vapi")
    VapiCall.objects.create(
        call=call,
        vapi_id="v1",
        source=VapiCall.Source.API,
        analysis={"summary": "Maria Gonzales asked about ticket 481."},
        imported_at=timezone.now(),
    )

    goal = script_draft(call)["goal"]

    assert goal.startswith("Wants what the caller of this call wanted: ")
    assert "asked about ticket" in goal
    assert not any(private in goal for private in ("Maria", "Gonzales", "481"))


@pytest.mark.django_db
def test_a_call_in_which_the_caller_said_nothing_is_no_scenario() -> None:
    with pytest.raises(DraftError, match="said nothing"):
        script_draft(make_spoken_call(said=[("assistant", "Hello?")]))


@pytest.mark.django_db
def test_answers_of_a_tool_that_was_called_twice_come_in_their_order() -> None:
    call = make_spoken_call(said=SAID, called=[CALLED[0], CALLED[0]])
    ToolCall.objects.filter(call_id=call.pk, item_id="call_1").update(status=ToolCall.Status.TIMED_OUT)

    mocks = script_draft(call)["mocks"]

    assert [(mock["nth"], "times_out" in mock) for mock in mocks] == [(1, False), (2, True)]


@given(st.text(string.digits, min_size=3, max_size=14))
def test_a_number_becomes_another_of_its_length_the_same_every_time(digits: str) -> None:
    anonymiser = Anonymiser("salt")
    if len(digits) == 4 and digits[:2] in ("19", "20"):
        return  # may be a year

    replaced = anonymiser.text(f"no {digits} no")
    grouped = anonymiser.text(f"no {'-'.join(digits)} no")

    assert replaced != f"no {digits} no" or digits[-10:-2] == "20255501"
    assert len(replaced) == len(f"no {digits} no")
    assert grouped.replace("-", "") == replaced


def test_words_that_are_also_names_stay_where_they_are_not_written_as_names() -> None:
    anonymiser = Anonymiser("salt")
    anonymiser.learn("My name is Mark Will.")

    assert "will mark it" in anonymiser.text("I will mark it, Mark.")
    assert "Mark" not in anonymiser.text("Thanks, Mark.")


def test_what_is_no_number_of_anybody_stays() -> None:
    anonymiser = Anonymiser("salt")
    kept = "On 2026-11-24 at 10:30, or in 2027, for 86.50, two or three of 12."

    assert anonymiser.text(kept) == kept
    assert anonymiser.value({"n": 5, "ok": True, "none": None}) == {"n": 5, "ok": True, "none": None}
