"""Who can take a call over from whom, and what a squad's page shows of it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from assistants.models import Assistant, Squad, SquadMember, VapiImport, VapiObject
from assistants.squad_view import squad_faults
from assistants.squads import MOST_MEMBERS, cast_of, loops_without_exit
from assistants.tests.factories import make_assistant, make_odd_version
from tools.models import Tool
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db


def to(*names: str, name: str = "hand_over", **fields: Any) -> Tool:
    """A tool that hands calls over to assistants of these names."""
    destinations = [{"type": "assistant", "assistantName": one} for one in names]
    given: dict[str, Any] = {"kind": Tool.Kind.HANDOFF, "server_url": "", "parameters": {}}
    return make_tool(**{**given, "name": name, "settings": {"destinations": destinations}, **fields})


def end_call() -> Tool:
    return make_tool(kind=Tool.Kind.END_CALL, name="end_call", server_url="")


def squad(*assistants: Assistant, name: str = "Team") -> Squad:
    made = Squad.objects.create(name=name)
    for position, assistant in enumerate(assistants):
        SquadMember.objects.create(squad=made, assistant=assistant, position=position)
    return made


def one(name: str, *tools: Tool, **fields: Any) -> Assistant:
    return make_assistant(**{"name": name, "tools": list(tools), "published": True, **fields})


def faults(first: Assistant, team: Squad | None = None) -> list[str]:
    return [fault.text for fault in squad_faults(cast_of(first, squad=team))]


def page(client: Client, team: Squad) -> str:
    response = client.get(reverse("admin:assistants_squad_change", args=[team.pk]))
    assert response.status_code == 200
    return response.content.decode()


# --- Who can take over


def test_everybody_whom_a_call_can_come_to_is_in_the_cast_once() -> None:
    billing = one("Billing", to("Triage"))
    triage = one("Triage", to("Billing"))
    idle = one("Idle")

    cast = cast_of(triage, squad=squad(triage, billing, idle))

    assert [member.assistant.name for member in cast] == ["Triage", "Billing", "Idle"]
    assert cast[0].ways == {"hand_over": {"Billing": str(billing.pk)}}


def test_a_cast_is_bounded() -> None:
    names = [f"A{number}" for number in range(MOST_MEMBERS + 3)]
    made = [one(name, to(follows)) for name, follows in zip(names, [*names[1:], names[0]], strict=True)]

    assert len(cast_of(made[0], squad=None)) == MOST_MEMBERS


def test_a_version_that_cannot_be_read_is_nobody_to_hand_a_call_to() -> None:
    odd = make_assistant(name="Odd")
    make_odd_version(assistant=odd, snapshot={"tools": "x"})
    first = one("Triage", to("Odd"))

    assert [member.version for member in cast_of(first, squad=None)][1] is None


# --- What is wrong


def test_a_squad_in_which_all_is_well_has_no_faults() -> None:
    billing = one("Billing", to("Triage"))
    triage = one("Triage", to("Billing"), end_call())

    assert faults(triage, squad(triage, billing)) == []


def test_whoever_cannot_answer_is_named_with_the_reason() -> None:
    triage = one("Triage", to("Billing", "Night"), end_call(), published=False)
    billing, night = one("Billing", published=False), one("Night", enabled=False)

    found = faults(triage, squad(triage, billing, night))

    assert found == [
        "Triage takes the calls and was never published: callers hear an apology.",
        "Billing was never published: handing a call to it fails, and the model is told so.",
        "Night is switched off: handing a call to it fails, and the model is told so.",
    ]


def test_a_destination_that_leads_nowhere_is_named() -> None:
    triage = one("Triage", to("Nobody"), end_call())

    assert faults(triage) == [
        "Triage, tool hand_over: Nobody is no assistant here, so it is not offered to the model."
    ]


@pytest.mark.parametrize("exit_by", ["nobody", "tool", "phrases", "transfer", "voicemail"])
def test_a_circle_is_named_unless_somebody_in_it_can_end_the_call(exit_by: str) -> None:
    tools = {
        "tool": [end_call()],
        "transfer": [make_tool(kind=Tool.Kind.TRANSFER, name="transferCall", server_url="", settings={
            "destinations": [{"type": "number", "number": "+13125550142"}]})],
        "voicemail": [make_tool(kind=Tool.Kind.VOICEMAIL, name="leave", server_url="")],
    }.get(exit_by, [])  # fmt: skip
    billing = one("Billing", to("Triage"), *tools, end_call_phrases="goodbye" if exit_by == "phrases" else "")
    triage = one("Triage", to("Billing"))

    circle = loops_without_exit(cast_of(triage, squad=squad(triage, billing)))

    assert [member.assistant.name for member in circle] == (
        ["Triage", "Billing"] if exit_by == "nobody" else []
    )


# --- The page


def test_the_page_shows_who_hands_over_to_whom_and_what_is_wrong(admin_client: Client) -> None:
    billing = one("Billing <b>", to("Triage"))
    triage = one("Triage", to("Billing <b>", "Nobody"))
    draft = one("Draft", published=False)

    html = page(admin_client, squad(triage, billing, draft))

    assert "takes the call" in html
    assert "Billing &lt;b&gt;" in html
    assert "<b>" not in html.replace("<br>", "")
    assert "Nobody: not found" in html
    assert "Version 1" in html
    assert html.count("Never published") >= 2  # in the list of members and in the table
    assert "handed round in a circle" in html


def test_whoever_is_reached_without_being_a_member_is_shown_as_such(admin_client: Client) -> None:
    one("Night desk")

    assert "no member, but reached" in page(admin_client, squad(one("Triage", to("Night desk"))))


def test_a_squad_without_members_says_what_to_do(admin_client: Client) -> None:
    assert "has no members" in page(admin_client, squad())


def test_a_new_squad_can_be_made(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:assistants_squad_add"))

    assert response.status_code == 200
    assert "Save the squad with its members" in response.content.decode()


def test_a_big_squad_costs_a_bounded_number_of_queries(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    made = [one(f"A{number}", to(f"A{(number + 1) % 8}")) for number in range(8)]
    team = squad(*made)
    page(admin_client, team)

    with django_assert_max_num_queries(60):
        page(admin_client, team)


def test_a_place_that_another_assistant_takes_is_no_longer_pinned() -> None:
    old, other = one("Old"), one("Other")
    team = squad(old)
    SquadMember.objects.update(version=old.live_version)

    SquadMember.objects.update(assistant=other)

    first = team.first_assistant
    assert (first, first and first.live_version) == (other, other.live_version)
    assert [each.live_version for each in team.assistants()] == [other.live_version]


def test_a_name_never_means_what_stands_inside_a_destination() -> None:
    part = one("Billing")
    VapiObject.objects.create(
        kind="assistant",
        key="t1/destinations[Billing]",
        name="Billing",
        assistant=part,
        raw={},
        last_import=VapiImport.objects.create(source="test"),
        imported_at=timezone.now(),
    )
    cast = cast_of(one("Triage", to("Billing")), squad=None)

    assert [(each.assistant.name, each.lost) for each in cast] == [("Triage", (("hand_over", "Billing"),))]
