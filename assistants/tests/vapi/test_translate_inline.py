"""From destinations that hold or change whole assistants to assistants of their own."""

from typing import Any

from assistants.tests.vapi.cases import SECRET, SERVER, codes, drafts, finding
from assistants.vapi.drafts import AssistantDraft, Drafts, ToolDraft, Verdict

KEPT, CONVERTED, DEFAULT, DECISION, DROPPED = Verdict

BILLING: dict[str, Any] = {
    "name": "Billing",
    "firstMessage": "Billing here.",
    "model": {"messages": [{"role": "system", "content": "Bill."}], "tools": [{"type": "endCall"}]},
}


def inline(**more: Any) -> dict[str, Any]:
    return {"type": "assistant", "assistant": BILLING, **more}


def handing(*destinations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "t1", "type": "handoff", "destinations": list(destinations), **more}


def led(draft: ToolDraft) -> list[str | None]:
    return [one.get("assistantKey") for one in draft.fields["settings"]["destinations"]]


def keyed(found: Drafts) -> dict[str, AssistantDraft]:
    return {one.key: one for one in found.assistants}


def test_an_assistant_in_a_destination_becomes_one_that_the_tool_leads_to() -> None:
    found = drafts(tools=[handing(inline(description="About money."))])

    tool, made = found.tools[0], found.assistants[0]
    assert (tool.name, led(tool)) == ("handoff_to_Billing", [made.key])
    assert "Billing: About money." in tool.fields["description"]
    assert (made.key, made.name) == ("t1/destinations[Billing]", "Billing")
    assert made.fields["first_message"] == "Billing here."
    assert made.tools == ("t1/destinations[Billing]/model.tools[endCall]",)
    assert finding(tool, "destinations[0].assistant").verdict is CONVERTED
    assert finding(tool, "destinations[0].assistant").ours == "Billing"


def test_what_the_destination_sets_is_merged_into_it() -> None:
    over = {"firstMessage": "Money?", "voice": {"provider": "openai", "voiceId": "cedar"}}

    found = drafts(tools=[handing(inline(assistantOverrides=over))])

    fields = found.assistants[0].fields
    assert (fields["first_message"], fields["voice"]) == ("Money?", "cedar")
    assert finding(found.assistants[0], "voice.voiceId").reason.endswith("The handoff sets this.")
    assert finding(found.tools[0], "destinations[0].assistantOverrides").verdict is CONVERTED
    assert "handoff_overrides" not in codes(found.tools[0])


def test_tools_inside_it_may_hold_others_and_lead_back() -> None:
    back = {"type": "handoff", "destinations": [{"type": "assistant", "assistantName": "Desk"}]}
    inner = {**BILLING, "name": "Inner", "model": {"tools": [back]}}
    outer = {**BILLING, "model": {"tools": [handing({"type": "assistant", "assistant": inner})]}}
    desk = {"id": "a1", "name": "Desk", "model": {"tools": [handing(inline(assistant=outer))]}}

    found = drafts(assistants=[desk])

    ways = {one.key: led(one) for one in found.tools}
    billing = "a1/model.tools[handoff_to_Billing]/destinations[Billing]"
    own = f"{billing}/model.tools[handoff_to_Inner]/destinations[Inner]"
    assert list(keyed(found)) == ["a1", billing, own]
    assert ways == {
        "a1/model.tools[handoff_to_Billing]": [billing],
        f"{billing}/model.tools[handoff_to_Inner]": [own],
        f"{own}/model.tools[handoff_to_Desk]": ["a1"],
    }


def test_two_of_one_name_and_one_without_a_name_are_three() -> None:
    nameless = {"type": "assistant", "assistant": {"firstMessage": "Yes?"}}

    found = drafts(tools=[handing(inline(), inline(), nameless)])

    keys = ["t1/destinations[Billing]", "t1/destinations[Billing#2]", "t1/destinations[assistant]"]
    assert (list(keyed(found)), led(found.tools[0])) == (keys, keys)
    assert "enum" in found.tools[0].fields["parameters"]["properties"]["destination"]


def test_an_assistant_that_is_named_beside_it_counts() -> None:
    found = drafts(tools=[handing(inline(assistantId="a9"))], assistants=[{**BILLING, "id": "a9"}])

    assert (led(found.tools[0]), list(keyed(found))) == (["a9"], ["a9"])


def test_secrets_of_it_go_into_its_own_draft_alone() -> None:
    found = drafts(tools=[handing(inline(assistant={**BILLING, "server": {**SERVER, "secret": SECRET}}))])

    assert found.assistants[0].secrets["server_secret"] == SECRET
    assert SECRET not in repr((found.tools[0].fields, found.tools[0].raw, found.assistants[0].raw))


# --- Overrides of an assistant that is named


def test_a_change_beyond_what_a_handover_carries_makes_a_copy_of_the_assistant() -> None:
    over = {"assistantOverrides": {"endCallMessage": "Bye."}}
    stored = {**BILLING, "id": "a9"}

    found = drafts(tools=[handing({"type": "assistant", "assistantId": "a9", **over})], assistants=[stored])

    copy = keyed(found)["t1/destinations[a9]"]
    assert led(found.tools[0]) == [copy.key]
    assert (copy.name, copy.fields["end_call_message"]) == ("Billing (handoff_to_a9)", "Bye.")
    assert copy.tools == keyed(found)["a9"].tools  # shared, with their secrets
    assert finding(found.tools[0], "destinations[0].assistantOverrides").verdict is CONVERTED


def test_a_first_message_and_variables_need_no_copy() -> None:
    over = {"assistantOverrides": {"firstMessage": "Hi.", "variableValues": {"a": 1}}}

    found = drafts(
        tools=[handing({"type": "assistant", "assistantId": "a9", **over})],
        assistants=[{**BILLING, "id": "a9"}],
    )

    assert (led(found.tools[0]), list(keyed(found))) == (["a9"], ["a9"])


def test_copies_that_lead_to_copies_of_each_other_come_to_an_end() -> None:
    def to(key: str, word: str) -> dict[str, Any]:
        over = {"tools:append": [{"type": "dtmf"}], "serverMessages": [word]}
        return handing({"type": "assistant", "assistantId": key, "assistantOverrides": over})

    ring = [
        {"id": key, "name": key, "model": {"tools": [to(other, key)]}}
        for key, other in (("a1", "a2"), ("a2", "a1"))
    ]

    found = drafts(assistants=ring)

    copies = [key for key in keyed(found) if "/" in key]
    assert len(copies) == 4  # from each of the two on, one of the other and one of itself
    assert all(one in keyed(found) for tool in found.tools if "dtmf" not in tool.key for one in led(tool))


# --- Squads


TEAM: dict[str, Any] = {
    "name": "Team",
    "members": [
        {
            "assistant": {**BILLING, "name": "Triage"},
            "assistantDestinations": [{"type": "assistant", "assistantName": "Billing"}],
        },
        {"assistant": BILLING},
    ],
}


def test_a_squad_in_a_destination_becomes_its_members_and_the_first_takes_the_call() -> None:
    over = {"squadOverrides": {"endCallMessage": "Bye."}}

    found = drafts(tools=[handing({"type": "squad", "squad": TEAM, **over})])

    triage, billing = (f"t1/destinations[Team]/members[{name}]" for name in ("Triage", "Billing"))
    assert list(keyed(found)) == [triage, billing]
    assert (found.tools[0].name, led(found.tools[0])) == ("handoff_to_Team", [triage])
    assert {one.fields["end_call_message"] for one in found.assistants} == {"Bye."}
    assert found.squads == ()
    passing = next(one for one in found.tools if one.key.endswith("assistantDestinations[transfers]"))
    assert led(passing) == [billing]


def test_the_member_that_is_named_takes_the_call_and_one_that_nobody_knows_is_asked_about() -> None:
    named = {"type": "squad", "squad": TEAM}

    found = drafts(
        tools=[handing({**named, "entryAssistantName": "Billing"}, {**named, "entryAssistantName": "X"})]
    )

    assert led(found.tools[0]) == ["t1/destinations[Team]/members[Billing]", None]
    asked = finding(found.tools[0], "destinations[1].entryAssistantName")
    assert (asked.verdict, asked.code) == (DECISION, "unresolved_assistant")


def test_a_member_that_is_nobody_is_asked_about_where_the_squad_stands() -> None:
    squad = {"members": [*TEAM["members"], {"assistantId": "nobody"}]}

    found = drafts(tools=[handing({"type": "squad", "squad": squad})])

    asked = finding(found.tools[0], "destinations[0].squad")
    assert (asked.verdict, asked.code) == (DECISION, "unresolved_assistant")
    assert "members[2].assistantId" in asked.reason


def test_a_member_of_a_squad_hands_over_to_one_that_its_destination_holds() -> None:
    raw = {
        "id": "s1",
        "name": "Shop",
        "members": [{"assistantId": "a1", "assistantDestinations": [inline()]}],
    }

    found = drafts(assistants=[{"id": "a1", "name": "Desk"}], squads=[raw])

    tool = next(one for one in found.tools if one.key.endswith("assistantDestinations[handoffs]"))
    assert tool.name == "handoff_to_Billing"
    assert led(tool) == [f"{tool.key}/destinations[Billing]"]
    assert led(tool)[0] in keyed(found)
    told = finding(found.squads[0], "members[0].assistantDestinations[0].assistant")
    assert told.verdict is CONVERTED
