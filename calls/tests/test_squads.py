"""The assistants that may share a call: frozen when it comes in, each ready when it takes the call over."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from assistants.models import Assistant, AssistantTool, Squad, SquadMember, VapiImport, VapiObject
from assistants.signals import ImportedNumber
from assistants.tests.factories import make_assistant, make_version, make_voice
from assistants.vapi.drafts import Finding, NumberDraft
from calls import services, tasks
from calls.bridge.commands import PrepareMember
from calls.bridge.plan import FirstMessageMode, Keeps
from calls.imported_numbers import numbers_import
from calls.models import Call, CallMember, CallPart, PhoneNumber
from calls.plans import plan_for
from calls.selectors import StreamCall, call_for_stream
from calls.services import Answered, Refused, call_start
from calls.squads import Prepared, member_prepare
from calls.tests.factories import make_phone_number, make_transfer
from calls.variables import call_rendered
from tools import tasks as tool_calls
from tools.models import Tool
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CALLER, ACCOUNT = "+13125550177", "AC" + "1" * 32


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "sk-test"


def to(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "assistant", "assistantName": name, **more}


def handoff(*destinations: dict[str, Any], **fields: Any) -> Tool:
    """A tool that hands calls over."""
    given: dict[str, Any] = {
        "kind": Tool.Kind.HANDOFF,
        "name": "hand_over",
        "server_url": "",
        "parameters": {"type": "object", "properties": {}},
        "settings": {"destinations": list(destinations)},
    }
    return make_tool(**{**given, **fields})


def team(*destinations: dict[str, Any], name: str = "Team", **billing: Any) -> Squad:
    """Triage, which hands over to these destinations, and Billing, which speaks in another voice."""
    make_voice(name="shimmer")
    triage = make_assistant(name="Triage", tools=[handoff(*destinations)], published=True)
    other = make_assistant(
        **{
            "name": "Billing",
            "voice_id": "shimmer",
            "first_message": "Billing here.",
            "published": True,
            **billing,
        }
    )
    squad = Squad.objects.create(name=name)
    for position, assistant in enumerate((triage, other)):
        SquadMember.objects.create(squad=squad, assistant=assistant, position=position)
    return squad


def ring(**number: Any) -> Answered | Refused:
    """A call to a number of its own."""
    row = make_phone_number(**number)
    return call_start(call_sid=f"CA{uuid.uuid4().hex}", account_sid=ACCOUNT, did=row.did, caller=CALLER)


def answered(**number: Any) -> Call:
    result = ring(**number)
    assert isinstance(result, Answered), result
    return result.call


def streamed(call: Call) -> StreamCall:
    found = call_for_stream(call.pk)
    assert found is not None
    return call_rendered(found, now=NOW)


def asks(
    destination: str = "Billing", *, key: str, tool: str = "hand_over", **arguments: Any
) -> PrepareMember:
    return PrepareMember("h1", tool, destination, key, arguments)


def prepared(call: StreamCall, command: PrepareMember, **learnt: Any) -> Prepared:
    ready = member_prepare(call, command, learnt=learnt, now=NOW)
    assert isinstance(ready, Prepared), ready
    return ready


def billing_id() -> str:
    return str(Assistant.objects.get(name="Billing").pk)


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


# What the model is offered --------------------------------------------------------------------------------------------


def first_places(*destinations: dict[str, Any], **tool: Any) -> Any:
    make_voice(name="shimmer")
    make_assistant(name="Billing", published=True)
    first = make_assistant(name="Triage", tools=[handoff(*destinations, **tool)], published=True)
    call = streamed(answered(assistant=first))
    (spec,) = plan_for(call).tools
    return spec


@pytest.mark.parametrize(
    ("more", "keeps", "last", "keeps_handoff"),
    [
        ({}, Keeps.ALL, 0, True),
        ({"transferMode": "rolling-history"}, Keeps.ALL, 0, True),
        ({"transferMode": "swap-system-message-in-history"}, Keeps.ALL, 0, True),
        (
            {"transferMode": "swap-system-message-in-history-and-remove-transfer-tool-messages"},
            Keeps.ALL,
            0,
            False,
        ),
        ({"transferMode": "delete-history"}, Keeps.NONE, 0, True),
        ({"contextEngineeringPlan": {"type": "all"}}, Keeps.ALL, 0, True),
        ({"contextEngineeringPlan": {"type": "none"}}, Keeps.NONE, 0, True),
        ({"contextEngineeringPlan": {"type": "lastNMessages", "maxMessages": 3}}, Keeps.LAST, 3, True),
        ({"contextEngineeringPlan": {"type": "lastNMessages"}}, Keeps.LAST, 0, True),
        ({"contextEngineeringPlan": {"type": "userAndAssistantMessages"}}, Keeps.MESSAGES, 0, True),
        ({"contextEngineeringPlan": {"type": "previousAssistantMessages"}}, Keeps.PREVIOUS, 0, True),
        ({"contextEngineeringPlan": "nonsense"}, Keeps.ALL, 0, True),
    ],
)
def test_both_generations_say_what_the_next_one_reads(
    more: dict[str, Any], keeps: Keeps, last: int, *, keeps_handoff: bool
) -> None:
    taker = first_places(to("Billing", **more)).places[0].taker

    assert (taker.keeps, taker.last, taker.keeps_handoff) == (keeps, last, keeps_handoff)


@pytest.mark.parametrize(
    ("more", "tool", "message"),
    [
        ({"message": "One moment."}, {}, "One moment."),
        ({"message": ""}, {}, ""),
        (
            {"message": {"contents": [{"type": "text", "text": "Un momento.", "language": "es"}]}},
            {},
            "Un momento.",
        ),
        ({}, {}, ""),
        ({"transferMode": "rolling-history"}, {}, None),
        ({}, {"name": "transferCall"}, None),
        ({}, {"kind": Tool.Kind.TRANSFER}, None),
    ],
    ids=["words", "silent", "object", "newer", "older", "older by name", "of a transfer"],
)
def test_what_is_said_before(more: dict[str, Any], tool: dict[str, Any], message: str | None) -> None:
    assert first_places(to("Billing", **more), **tool).places[0].message == message


def test_a_transfer_may_lead_to_telephones_and_to_assistants() -> None:
    number = {"type": "number", "number": "+13125550142", "message": "I connect you."}

    spec = first_places(number, to("Billing"), kind=Tool.Kind.TRANSFER, name="transferCall")

    assert [(place.name, place.taker is None) for place in spec.places] == [
        ("+13125550142", True),
        ("Billing", False),
    ]
    assert spec.parameters["properties"]["destination"]["enum"] == ["+13125550142", "Billing"]
    assert spec.parameters["required"] == ["destination"]


def test_the_result_is_the_tool_s_own_where_it_has_one() -> None:
    spec = first_places(
        to("Billing"), settings={"destinations": [to("Billing")], "defaultResult": "Handed over."}
    )

    assert spec.places[0].taker.result == "Handed over."
    assert first_places_result() == "Success."


def first_places_result() -> str:
    first = make_assistant(tools=[handoff(to("Billing"))], published=True)
    (spec,) = plan_for(streamed(answered(assistant=first))).tools
    taker = spec.places[0].taker
    assert taker is not None
    return taker.result


INVOICE = {
    "schema": {"type": "object", "properties": {"invoice": {"type": "string"}}, "required": ["invoice"]}
}


def test_the_model_is_asked_for_what_a_single_destination_wants_to_know() -> None:
    spec = first_places(to("Billing", variableExtractionPlan=INVOICE))

    assert spec.parameters["properties"] == {"invoice": {"type": "string"}}
    assert spec.parameters["required"] == ["invoice"]


def test_what_one_of_several_wants_to_know_may_be_left_out() -> None:
    make_assistant(name="Night desk", published=True)

    spec = first_places(to("Billing", variableExtractionPlan=INVOICE), to("Night desk"))

    assert list(spec.parameters["properties"]) == ["destination", "invoice"]
    assert spec.parameters["required"] == ["destination"]
    assert spec.parameters["properties"]["destination"]["enum"] == ["Billing", "Night desk"]


def test_a_name_that_leads_nowhere_is_taken_out_of_the_choice() -> None:
    schema = {
        "type": "object",
        "properties": {"destination": {"type": "string", "enum": ["Billing", "Gone"], "description": "Who."}},
        "required": ["destination"],
    }

    spec = first_places(to("Billing"), to("Gone"), parameters=schema)

    assert spec.parameters["properties"]["destination"]["enum"] == ["Billing"]


def test_what_the_model_cannot_be_asked_for_is_not_published() -> None:
    plan = {"schema": {"type": "object", "properties": {"a": "nonsense"}}}

    with pytest.raises(ValidationError, match="what is asked for Billing"):
        make_assistant(tools=[handoff(to("Billing", variableExtractionPlan=plan))], published=True)


@pytest.mark.parametrize("schema", [{"type": "string", "title": "reason"}, {"type": "string"}, "nonsense"])
def test_a_value_without_a_name_is_not_asked_for(schema: Any) -> None:
    spec = first_places(to("Billing", variableExtractionPlan={"schema": schema}))

    wanted = ["reason"] if isinstance(schema, dict) and "title" in schema else []
    assert list(spec.parameters["properties"]) == wanted


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


# Imports --------------------------------------------------------------------------------------------------------------


def imported_number(squad: Squad | None, did: str = "+13125550100") -> list[Finding]:
    draft = NumberDraft(
        key="n1", name="x", raw={"squadId": "s1"}, findings=(), did=did, label="x", answers="s1"
    )
    return numbers_import(numbers=(ImportedNumber(draft, None, squad=squad),))["n1"]


def test_a_number_that_a_squad_answers_at_vapi_is_answered_by_it_here() -> None:
    squad = team(to("Billing"))

    assert imported_number(squad) == []
    assert PhoneNumber.objects.get().squad == squad
    assert imported_number(squad) == []  # and once more, with nothing to say


def test_a_number_that_somebody_else_answers_here_stays_theirs_and_that_is_asked_about() -> None:
    squad, other = team(to("Billing")), make_assistant(name="Night desk", published=True)
    make_phone_number(did="+13125550100", assistant=other)

    (found,) = imported_number(squad)

    assert found.code == "number_assigned_otherwise"
    assert "the squad Team, here by Night desk" in found.reason
    assert PhoneNumber.objects.get().answering == other


def test_a_number_whose_squad_is_not_here_is_asked_about() -> None:
    (found,) = imported_number(None)

    assert found.code == "number_unanswered"
