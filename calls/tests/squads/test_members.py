"""The assistants that may share a call: who takes it first, and who is frozen with it."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from assistants.models import Assistant, Squad, SquadMember, VapiImport, VapiObject
from assistants.tests.factories import make_assistant, make_version, make_voice
from calls.models import CallMember, CallPart
from calls.plans import plan_for
from calls.services import Refused, call_start
from calls.squads import member_prepare
from calls.tests.factories import make_phone_number
from calls.tests.squads.team import (
    ACCOUNT,
    CALLER,
    NOW,
    answered,
    asks,
    billing_id,
    handoff,
    ring,
    streamed,
    team,
    to,
)
from tools.models import Tool
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db


# Who takes the call ---------------------------------------------------------------------------------------------------


def test_the_first_member_of_a_squad_takes_its_calls() -> None:
    squad = team(to("Billing"))

    call = answered(squad=squad)

    assert call.assistant is not None
    assert call.assistant.name == "Triage"
    assert call.squad == squad
    assert call.version == call.assistant.live_version


def test_a_squad_without_members_refuses_calls_and_says_why() -> None:
    result = ring(squad=Squad.objects.create(name="Empty"))

    assert isinstance(result, Refused)
    assert "Empty has no members" in result.call.refused_because


def test_a_number_is_answered_by_an_assistant_or_a_squad_and_not_by_both() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_phone_number(assistant=make_assistant(), squad=Squad.objects.create(name="Team"))


def test_a_call_with_one_assistant_has_no_members() -> None:
    call = answered(assistant=make_assistant(published=True))

    assert not CallMember.objects.exists()
    assert not CallPart.objects.exists()
    assert streamed(call).members == {}


def test_a_call_costs_no_more_queries_for_an_assistant_that_hands_over_to_nobody(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    number = make_phone_number(assistant=make_assistant(published=True))

    with django_assert_max_num_queries(9):
        call_start(call_sid="CA" + "7" * 32, account_sid=ACCOUNT, did=number.did, caller=CALLER)


# What is frozen -------------------------------------------------------------------------------------------------------


def test_every_member_is_frozen_as_it_was_published_when_the_call_came_in() -> None:
    call = answered(squad=team(to("Billing")))
    billing = Assistant.objects.get(name="Billing")
    first = billing.live_version
    billing.instructions = "You explain bills anew."
    billing.save()
    make_version(assistant=billing)

    rows = [(one.assistant.name, one.version) for one in call.members.all()]
    assert rows[1] == ("Billing", first)
    member = streamed(call).members[str(billing.pk)]
    assert member.snapshot is not None
    assert member.snapshot.instructions == "You answer for Harbour Bikes. Be brief."
    part = call.parts.get()
    assert (part.n, part.assistant.name) == (0, "Triage")


def test_a_webhook_that_is_repeated_freezes_nothing_twice() -> None:
    number = make_phone_number(squad=team(to("Billing")))
    for _ in range(2):
        call_start(call_sid="CA" + "7" * 32, account_sid=ACCOUNT, did=number.did, caller=CALLER)

    assert CallMember.objects.count() == 2
    assert CallPart.objects.count() == 1


def test_whom_a_member_of_no_squad_hands_over_to_is_frozen_too() -> None:
    make_assistant(name="Night desk", published=True)
    first = make_assistant(tools=[handoff(to("Night desk"))], published=True)

    call = answered(assistant=first)

    assert [one.assistant.name for one in call.members.all()] == [first.name, "Night desk"]
    assert list(streamed(call).ways) == ["hand_over"]


def vapi(kind: VapiObject.Kind, key: str, **target: Any) -> None:
    run = VapiImport.objects.create(source="test")
    VapiObject.objects.create(
        kind=kind, key=key, name="x", raw={}, base={}, imported_at=NOW, last_import=run, **target
    )


@pytest.mark.parametrize("way", ["key", "vapi id", "our id", "squad name", "name", "squad", "entry"])
def test_a_destination_is_found_by_all_that_it_may_be_named_by(way: str) -> None:
    make_voice(name="shimmer")
    billing = make_assistant(name="Billing", published=True)
    night = Squad.objects.create(name="Night")
    SquadMember.objects.create(
        squad=night, assistant=make_assistant(name="Other", published=True), position=1
    )
    SquadMember.objects.create(squad=night, assistant=billing, position=0)
    vapi(VapiObject.Kind.ASSISTANT, "v-billing", assistant=billing)
    vapi(VapiObject.Kind.SQUAD, "v-night", squad=night)
    destination = {
        "key": to("Old name", assistantKey="v-billing"),
        "vapi id": {"type": "assistant", "assistantId": "v-billing"},
        "our id": {"type": "assistant", "assistantId": str(billing.pk)},
        "squad name": to("Billing"),
        "name": to("Billing"),
        "squad": {"type": "squad", "squadId": "v-night"},
        "entry": {"type": "squad", "squadId": str(night.pk), "entryAssistantName": "Billing"},
    }[way]
    first = make_assistant(tools=[handoff(destination)], published=True)
    squad = Squad.objects.create(name="Team")
    SquadMember.objects.create(squad=squad, assistant=first)

    call = answered(squad=squad) if way == "squad name" else answered(assistant=first)

    (destinations,) = streamed(call).ways.values()
    assert list(destinations.values()) == [str(billing.pk)]


@pytest.mark.parametrize(
    "destination",
    [
        to("Nobody"),
        to("Billing", assistantId="somebody-else"),
        {"type": "assistant"},
        {"type": "squad", "squadId": "none"},
        {"type": "squad", "squadId": str(uuid.uuid4())},
        {"type": "dynamic", "server": {"url": "https://shop.example"}},
        "nonsense",
    ],
)
def test_a_destination_that_leads_nowhere_is_not_offered_to_the_model(destination: Any) -> None:
    make_assistant(name="Billing", published=True)
    first = make_assistant(
        tools=[handoff(destination), make_tool(kind=Tool.Kind.END_CALL, name="end_call")], published=True
    )

    call = streamed(answered(assistant=first))

    assert [tool.name for tool in plan_for(call).tools] == ["end_call"]


def test_a_member_that_cannot_answer_is_known_by_name_and_not_handed_to() -> None:
    squad = team(to("Billing"), published=False)

    call = streamed(answered(squad=squad))
    found = member_prepare(call, asks(key=billing_id()), learnt={}, now=NOW)

    assert found == "the assistant Billing was never published, or is switched off"
    assert [place.name for place in plan_for(call).tools[0].places] == ["Billing"]


def test_a_member_that_is_switched_off_is_not_handed_to() -> None:
    squad = team(to("Billing"), enabled=False)

    found = member_prepare(streamed(answered(squad=squad)), asks(key=billing_id()), learnt={}, now=NOW)

    assert isinstance(found, str)


def test_nobody_who_is_no_part_of_the_call_takes_it_over() -> None:
    call = streamed(answered(squad=team(to("Billing"))))

    found = member_prepare(call, asks(key=str(uuid.uuid4())), learnt={}, now=NOW)

    assert found == "the other assistant is no part of this call"


def test_settings_that_no_release_wrote_keep_an_assistant_from_taking_over() -> None:
    call = streamed(answered(squad=team(to("Billing"))))
    member = call.members[billing_id()]
    assert member.snapshot is not None
    odd = replace(member, snapshot=replace(member.snapshot, first_message_mode="sings"))

    found = member_prepare(
        replace(call, members={**call.members, billing_id(): odd}), asks(key=billing_id()), learnt={}, now=NOW
    )

    assert found == "the other assistant's settings could not be read"
