"""What the model is offered of the assistants that it may hand over to."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from assistants.tests.factories import make_assistant, make_voice
from calls.bridge.plan import Keeps
from calls.plans import plan_for
from calls.tests.squads.team import INVOICE, answered, handoff, streamed, to
from tools.models import Tool

pytestmark = pytest.mark.django_db


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
