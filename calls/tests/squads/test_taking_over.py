"""An assistant that takes a call over: what it knows, and the part of the call that is written as its own."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from assistants.models import Assistant, AssistantTool
from assistants.tests.factories import make_assistant, make_version
from calls import services, tasks
from calls.bridge.plan import FirstMessageMode
from calls.models import Call
from calls.plans import plan_for
from calls.selectors import call_for_stream
from calls.tests.factories import make_transfer
from calls.tests.squads.team import INVOICE, answered, asks, billing_id, handoff, prepared, streamed, team, to
from tools import tasks as tool_calls

pytestmark = pytest.mark.django_db


# Whoever takes over ---------------------------------------------------------------------------------------------------


def test_what_was_learnt_on_the_way_is_in_the_next_prompt() -> None:
    plan = {**INVOICE, "aliases": [{"key": "shout", "value": "{{ invoice | upcase }}!"}]}
    squad = team(
        to("Billing", variableExtractionPlan=plan),
        instructions="The invoice is {{ invoice }}, {{ shout }}, of {{ shop }} and {{ slot }}. You are {{ assistant.name }}.",
    )
    call = streamed(answered(squad=squad))
    call = replace(call, variables={**call.variables, "shop": "Lumen"})

    ready = prepared(call, asks(key=billing_id(), invoice="a41"), slot="Monday")

    assert ready.plan.instructions == "The invoice is a41, A41!, of Lumen and Monday. You are Billing."
    assert ready.taught == {"invoice": "a41", "shout": "A41!"}
    assert (ready.plan.assistant, ready.plan.voice) == ("Billing", "shimmer")
    assert ready.call.part == 1


def test_the_next_one_s_own_values_win_over_those_of_the_one_before() -> None:
    squad = team(to("Billing"), instructions="Of {{ shop }}.", variables={"shop": "Billing's"})
    call = streamed(answered(squad=squad))

    ready = prepared(replace(call, variables={**call.variables, "shop": "Triage's"}), asks(key=billing_id()))

    assert ready.plan.instructions == "Of Billing's."


def test_a_destination_may_change_how_the_next_one_begins() -> None:
    over = {
        "firstMessage": "About {{ topic }}?",
        "firstMessageMode": "nonsense",
        "variableValues": {"topic": "bills"},
    }
    call = streamed(answered(squad=team(to("Billing", assistantOverrides=over))))

    ready = prepared(call, asks(key=billing_id()))

    assert ready.plan.first_message == "About bills?"
    assert ready.plan.first_message_mode is FirstMessageMode.SPEAKS_FIRST


def test_arguments_that_cannot_be_read_hand_the_caller_over_all_the_same() -> None:
    plan = {"schema": {"type": "object", "properties": {"count": {"type": "integer"}}}}
    call = streamed(answered(squad=team(to("Billing", variableExtractionPlan=plan))))

    ready = prepared(call, asks(key=billing_id(), count={"so": "odd"}))

    assert ready.plan.assistant == "Billing"


def test_its_tools_may_hand_the_call_back() -> None:
    squad = team(to("Billing"))
    billing = Assistant.objects.get(name="Billing")
    AssistantTool.objects.create(assistant=billing, tool=handoff(to("Triage"), name="back"))
    make_version(assistant=billing)

    ready = prepared(streamed(answered(squad=squad)), asks(key=billing_id()))

    (tool,) = ready.plan.tools
    triage = Assistant.objects.get(name="Triage")
    assert [(place.name, place.taker and place.taker.key) for place in tool.places] == [
        ("Triage", str(triage.pk))
    ]


# Parts ----------------------------------------------------------------------------------------------------------------


def take_over(call: Call, *, n: int = 1, assistant: Assistant) -> None:
    tasks.part_write(
        call_id=str(call.pk),
        n=n,
        assistant_id=str(assistant.pk),
        began_at=(timezone.now() + timedelta(seconds=n)).isoformat(),
        tool_call_id=f"h{n}",
    )


def test_each_part_is_written_once_with_the_frozen_version() -> None:
    call = answered(squad=team(to("Billing")))
    billing = Assistant.objects.get(name="Billing")
    frozen = billing.live_version
    make_version(assistant=billing)
    for _ in range(2):
        take_over(call, assistant=billing)

    assert [(one.n, one.assistant.name, one.version, one.tool_call_id) for one in call.parts.all()][1:] == [
        (1, "Billing", frozen, "h1")
    ]


def test_a_part_of_somebody_who_is_no_member_is_not_written() -> None:
    call = answered(squad=team(to("Billing")))

    take_over(call, assistant=make_assistant(published=True))

    assert call.parts.count() == 1


def test_a_call_that_comes_back_from_a_transfer_comes_back_to_whoever_had_it() -> None:
    call = answered(squad=team(to("Billing")))
    take_over(call, assistant=Assistant.objects.get(name="Billing"))
    Call.objects.filter(pk=call.pk).update(status=Call.Status.FORWARDING, started_at=timezone.now())
    make_transfer(call=call, resumed_at=timezone.now(), dial_status="busy")

    found = call_for_stream(call.pk)

    assert found is not None
    assert found.snapshot.name == "Billing"
    assert found.part == 1
    assert found.resumption is not None


def test_a_call_that_comes_back_knows_what_whoever_had_it_knew() -> None:
    """Values of those who had it before, and what the call was taught when it was handed over."""
    squad = team(to("Billing"))
    triage, billing = (Assistant.objects.get(name=name) for name in ("Triage", "Billing"))
    for assistant, variables in (
        (triage, {"shop": "Main Street", "tone": "kind"}),
        (billing, {"tone": "brief"}),
    ):
        assistant.variables = variables
        assistant.instructions = "{{shop}}, {{tone}}, {{invoice}}"
        assistant.save()
        make_version(assistant=assistant)
    call = answered(squad=squad)
    take_over(call, assistant=billing)
    Call.objects.filter(pk=call.pk).update(status=Call.Status.FORWARDING, started_at=timezone.now())
    tool_calls.tool_call_done(
        order={"call_id": str(call.pk), "tool_call_id": "h1", "name": "hand_over"},
        at=timezone.now().isoformat(),
        output="Success.",
        variables={"invoice": "4711"},
    )
    make_transfer(call=call, resumed_at=timezone.now(), dial_status="busy")

    back = streamed(call)

    assert plan_for(back).instructions == "Main Street, brief, 4711"


@pytest.mark.parametrize("tool_name", ["hand_over", "pass_on"])
def test_a_call_that_comes_back_knows_what_its_destination_gave_it(tool_name: str) -> None:
    """Of several ways to the same assistant, what the one gives that was taken; what tools have taught wins over it."""
    squad = team(
        to("Billing", assistantOverrides={"variableValues": {"topic": "bills", "invoice": "none"}}),
        instructions="About {{ topic }}, {{ invoice }}.",
    )
    triage, billing = (Assistant.objects.get(name=name) for name in ("Triage", "Billing"))
    other = {"variableValues": {"topic": "refunds", "invoice": "none"}}
    triage.tools.add(handoff(to("Billing", squadOverrides=other), name="pass_on"))
    make_version(assistant=triage)
    call = answered(squad=squad)
    live = prepared(streamed(call), asks(key=billing_id(), tool=tool_name), invoice="4711")
    take_over(call, assistant=billing)
    Call.objects.filter(pk=call.pk).update(status=Call.Status.FORWARDING, started_at=timezone.now())
    tool_calls.tool_call_done(
        order={"call_id": str(call.pk), "tool_call_id": "h1", "name": tool_name},
        at=timezone.now().isoformat(),
        output="Success.",
        variables={"invoice": "4711"},
    )
    make_transfer(call=call, resumed_at=timezone.now(), dial_status="busy")

    back = streamed(call)

    topic = "bills" if tool_name == "hand_over" else "refunds"
    assert plan_for(back).instructions == live.plan.instructions == f"About {topic}, 4711."


def test_the_end_of_a_call_leaves_its_parts() -> None:
    call = answered(squad=team(to("Billing")))

    services.call_finish(call_id=call.pk, ended_at=timezone.now(), ended_reason="x", facts={})

    assert call.parts.count() == 1
    assert call.members.count() == 2
