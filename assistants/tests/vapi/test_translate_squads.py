"""From Vapi's squads and phone numbers to ours."""

from typing import Any

import pytest

from assistants.tests.vapi.cases import codes, drafts, everything, finding
from assistants.vapi.drafts import ABSENT, Drafts, NumberDraft, Verdict
from assistants.vapi.overrides import merged

KEPT, CONVERTED, DEFAULT, DECISION, DROPPED = Verdict
SERVER = {"url": "https://shop.example/hook"}
DESK: dict[str, Any] = {
    "id": "a1",
    "name": "Desk",
    "firstMessage": "Desk.",
    "model": {
        "messages": [{"role": "system", "content": "Be kind, {{shop}}."}],
        "tools": [{"type": "function", "function": {"name": "find"}, "server": SERVER}],
    },
    "voice": {"provider": "openai", "voiceId": "cedar"},
}
BILLING: dict[str, Any] = {
    **DESK,
    "id": "a2",
    "name": "Billing",
    "model": {"messages": [{"role": "system", "content": "Bill."}]},
}


def to(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "assistant", "assistantName": name, "description": f"About {name}.", **more}


def squad(*members: dict[str, Any], over: dict[str, Any] | None = None, **more: Any) -> Drafts:
    raw = {"id": "s1", "name": "Team", "members": list(members)} | (
        {"membersOverrides": over} if over else {}
    )
    return drafts(assistants=[DESK, BILLING], squads=[raw], **more)


# --- Members


def test_a_member_without_changes_is_the_assistant_itself() -> None:
    found = squad({"assistantId": "a1"}, {"assistantId": "a2"})

    assert found.squads[0].members == ("a1", "a2")
    assert [one.name for one in found.assistants] == ["Desk", "Billing"]


def test_a_member_with_overrides_is_a_copy_with_the_squads_name() -> None:
    found = squad(
        {
            "assistantId": "a1",
            "assistantOverrides": {"firstMessage": "Team.", "variableValues": {"shop": "Lumen"}},
        }
    )
    copy = found.assistants[2]

    assert found.squads[0].members == (copy.key,) == ("s1/members[a1]",)
    assert copy.name == "Desk (Team)"
    assert copy.fields["first_message"] == "Team."
    assert copy.fields["variables"] == {"shop": "Lumen"}
    assert copy.fields["voice"] == "cedar"
    assert "unknown_variable" not in codes(copy)
    assert "unknown_variable" in codes(found.assistants[0])
    assert finding(copy, "firstMessage").reason.endswith("The squad sets this.")
    assert "squad" not in finding(copy, "voice.voiceId").reason
    assert found.assistants[0].fields["first_message"] == "Desk."


def test_a_copy_shares_the_tools_that_the_squad_did_not_change() -> None:
    found = squad({"assistantId": "a1", "assistantOverrides": {"firstMessage": "Team."}})
    changed = squad({"assistantId": "a1", "assistantOverrides": {"model": {"tools": [{"type": "endCall"}]}}})

    assert found.assistants[2].tools == found.assistants[0].tools == ("a1/model.tools[find]",)
    assert changed.assistants[2].tools == ("s1/members[a1]/model.tools[endCall]",)


def test_tools_are_appended_by_the_member_and_by_the_squad() -> None:
    found = squad(
        {"assistantId": "a1", "assistantOverrides": {"tools:append": [{"type": "dtmf"}]}},
        over={"tools:append": [{"type": "endCall"}]},
    )

    assert [key.rsplit("/", 1)[1] for key in found.assistants[2].tools] == [
        "model.tools[find]",
        "tools:append[dtmf]",
        "tools:append[endCall]",
    ]


def test_the_squads_overrides_win_over_the_members() -> None:
    found = squad(
        {"assistantId": "a1", "assistantOverrides": {"firstMessage": "Member.", "voice": {"speed": 1.2}}},
        {"assistantId": "a2"},
        over={"firstMessage": "Squad."},
    )

    assert [one.fields["first_message"] for one in found.assistants[2:]] == ["Squad.", "Squad."]
    assert found.assistants[2].fields["speed"] == 1.2
    assert finding(found.squads[0], "membersOverrides").verdict is CONVERTED


def test_overrides_are_merged_deeply_lists_whole_and_nulls_not_at_all() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 4, "tools:append": [1]}
    over = {"a": {"c": [3], "e": None}, "d": None, "tools:append": [2], "f": {"g": None}}

    assert merged(base, over) == {"a": {"b": 1, "c": [3]}, "d": 4, "tools:append": [1, 2], "f": {}}


def test_an_inline_member_is_an_assistant_under_its_own_name() -> None:
    found = squad({"assistant": {"name": "Triage", "firstMessage": "Yes?"}}, {"assistantId": "a1"})

    assert found.assistants[2].name == "Triage"
    assert found.squads[0].members == ("s1/members[Triage]", "a1")
    assert finding(found.squads[0], "members[0].assistant").ours == "Triage"


def test_a_member_that_nobody_knows_is_asked_about_and_left_out() -> None:
    found = squad({"assistantId": "nobody"}, {"assistantId": "a1"})

    assert found.squads[0].members == ("a1",)
    assert finding(found.squads[0], "members[0].assistantId").code == "unresolved_assistant"


def test_a_member_of_an_earlier_import_is_found_and_cannot_be_changed() -> None:
    found = squad(
        {"assistantId": "a7", "assistantOverrides": {"firstMessage": "x"}}, known_assistants={"a7": "Night"}
    )

    assert found.squads[0].members == ("a7",)
    assert finding(found.squads[0], "members[0].assistantId").code == "assistant_not_in_export"


def test_one_assistant_in_two_places_is_two_copies() -> None:
    member = {"assistantId": "a1", "assistantOverrides": {"firstMessage": "x"}}

    found = squad(member, member)

    assert found.squads[0].members == ("s1/members[a1]", "s1/members[a1]#2")
    assert [one.name for one in found.assistants[2:]] == ["Desk (Team)", "Desk (Team) (2)"]


# --- Handing over


def test_the_older_destinations_become_one_tool_under_vapis_name_of_it() -> None:
    found = squad(
        {
            "assistantId": "a1",
            "assistantDestinations": [to("Billing", transferMode="rolling-history"), to("Desk", message="")],
        },
        {"assistantId": "a2"},
    )
    tool = next(one for one in found.tools if "assistantDestinations" in one.key)

    assert found.assistants[2].tools[-1] == tool.key
    assert tool.name == "transferCall"
    assert tool.fields["kind"] == "handoff"
    assert [one["assistantKey"] for one in tool.fields["settings"]["destinations"]] == [
        "a2",
        "s1/members[a1]",
    ]
    assert tool.fields["parameters"]["properties"]["destination"]["enum"] == ["Billing", "Desk"]
    assert "Billing: About Billing." in tool.fields["description"]
    for part in ("transferMode", "assistantName", "description"):
        told = finding(found.squads[0], f"members[0].assistantDestinations[0].{part}")
        assert (told.verdict, told.code) == (CONVERTED, "")
    assert "kind_not_run" not in codes(tool)
    assert "What of the conversation" in finding(tool, "destinations[0].transferMode").reason


@pytest.mark.parametrize(
    ("to", "overrides", "code"),
    [
        ("a7", {"firstMessage": "Billing.", "variableValues": {"shop": "Lumen"}}, ""),
        ("a7", {"voice": {"voiceId": "cedar"}}, "handoff_overrides"),
        ("a2", {"voice": {"voiceId": "cedar"}}, ""),
    ],
    ids=["carried out in the call", "of one from before", "by a copy"],
)
def test_what_a_handoff_changes_of_the_assistant_is_taken_over_or_asked_about(
    to: str, overrides: dict[str, Any], code: str
) -> None:
    destination = {"type": "assistant", "assistantId": to, "assistantOverrides": overrides}

    found = squad(
        {"assistantId": "a1", "assistantDestinations": [destination]},
        {"assistantId": "a2"},
        known_assistants={"a7": "Night"},
    )

    told = finding(found.squads[0], "members[0].assistantDestinations[0].assistantOverrides")
    assert told.code == code


def test_a_newer_destination_becomes_a_handoff_tool() -> None:
    destination = {"type": "assistant", "assistantId": "a2", "contextEngineeringPlan": {"type": "none"}}

    found = squad({"assistantId": "a1", "assistantDestinations": [destination]}, {"assistantId": "a2"})
    tool = next(one for one in found.tools if "assistantDestinations" in one.key)

    assert tool.name == "handoff_to_Billing"
    assert tool.fields["settings"]["destinations"] == [{**destination, "assistantKey": "a2"}]


@pytest.mark.parametrize(
    ("destination", "name", "code"),
    [
        (to("Nobody"), "assistantName", "unresolved_assistant"),
        ({"type": "assistant", "assistantId": "nobody"}, "assistantId", "unresolved_assistant"),
        ({"type": "dynamic"}, "type", "dynamic_destination"),
    ],
)
def test_a_destination_that_leads_nowhere_is_asked_about_once(destination: Any, name: str, code: str) -> None:
    found = squad({"assistantId": "a1", "assistantDestinations": [destination]})
    tool = next(one for one in found.tools if "assistantDestinations" in one.key)

    assert finding(found.squads[0], f"members[0].assistantDestinations[0].{name}").code == code
    assert code not in codes(tool)


def test_a_circle_that_nobody_can_leave_is_asked_about() -> None:
    circle = [
        {"assistantId": "a1", "assistantDestinations": [to("Billing")]},
        {"assistantId": "a2", "assistantDestinations": [to("Desk")]},
    ]

    assert (
        finding(squad(*circle).squads[0], "members[1].assistantDestinations[0].assistantName").code
        == "loop_without_exit"
    )


@pytest.mark.parametrize(
    "way_out",
    [
        {"tools:append": [{"type": "endCall"}]},
        {"endCallPhrases": ["goodbye"]},
        {"forwardingPhoneNumber": "+14155550119"},
    ],
)
def test_a_circle_with_a_way_out_is_none(way_out: dict[str, Any]) -> None:
    found = squad(
        {"assistantId": "a1", "assistantDestinations": [to("Billing")]},
        {"assistantId": "a2", "assistantDestinations": [to("Desk")], "assistantOverrides": way_out},
    )

    assert "loop_without_exit" not in codes(found.squads[0])


def test_members_of_different_voices_are_told_of() -> None:
    found = squad(
        {"assistantId": "a1"}, {"assistantId": "a2", "assistantOverrides": {"voice": {"voiceId": "marin"}}}
    )

    told = finding(found.squads[0], "members[1].assistantId")
    assert (told.verdict, told.code) == (CONVERTED, "")
    assert "gets a new connection" in told.reason
    assert "connection" not in finding(found.squads[0], "members[0].assistantId").reason


def test_the_squad_of_the_fixtures_arrives_with_all_its_members() -> None:
    found = everything()
    (team,) = found.squads
    names = {one.key: one for one in found.assistants}

    assert [names[key].name for key in team.members] == [
        "Riverbend front desk (Riverbend squad)",
        "Riverbend billing",
        "Riverbend triage",
    ]
    assert {names[key].fields["server_url"] for key in team.members} == {
        "https://hooks.riverbend.example/vapi/events"
    }
    transfers = next(one for one in found.tools if one.key.endswith("assistantDestinations[transfers]"))
    assert [one["assistantKey"] for one in transfers.fields["settings"]["destinations"]] == list(
        team.members[1:]
    )


def test_squads_of_one_name_differ_here() -> None:
    found = drafts(squads=[{"id": "s1", "name": "Team"}, {"id": "s2", "name": "Team"}, {"id": "s3"}])

    assert [one.name for one in found.squads] == ["Team", "Team (2)", "Vapi squad s3"]


# --- Phone numbers

TWILIO = {"id": "n1", "provider": "twilio", "number": "+13125550100", "name": "Front", "assistantId": "a1"}


@pytest.mark.parametrize("part", [{"members": []}, {"members": None}, {}])
def test_a_squad_without_members_is_asked_about(part: dict[str, Any]) -> None:
    draft = drafts(squads=[{"id": "s", "name": "Empty", **part}]).squads[0]

    assert finding(draft, "members").code == "no_members"


def test_a_number_is_titled_by_its_name_and_its_digits() -> None:
    titles = [
        number({"provider": "twilio", "number": "+13125550100", **part}).name
        for part in ({"name": "Main line"}, {"name": "+13125550100"}, {})
    ]

    assert titles == ["Main line (+13125550100)", "+13125550100", "+13125550100"]


def number(raw: dict[str, Any]) -> NumberDraft:
    return drafts(assistants=[DESK], squads=[{"id": "s1", "name": "Team"}], numbers=[raw]).numbers[0]


def test_a_number_at_twilio_comes_with_whoever_answers_it() -> None:
    draft = number(TWILIO)

    assert (draft.did, draft.label, draft.answers) == ("+13125550100", "Front", "a1")
    assert not codes(draft)
    assert number({**TWILIO, "number": "+1 (312) 555-0100"}).did == "+13125550100"
    assert number({**TWILIO, "assistantId": None, "squadId": "s1"}).answers == "s1"


@pytest.mark.parametrize("provider", ["vapi", "byo-phone-number", "vonage", "telnyx", "pigeon"])
def test_a_number_elsewhere_cannot_be_moved(provider: str) -> None:
    draft = number({**TWILIO, "provider": provider})

    assert draft.did == ""
    assert finding(draft, "provider").code == "not_movable"
    assert finding(draft, "number").verdict is DROPPED


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"number": "555-0100"}, "number", "bad_number"),
        ({"number": None}, "number", "bad_number"),
        ({"assistantId": "nobody"}, "assistantId", "unresolved_assistant"),
        ({"assistantId": None, "squadId": "nobody"}, "squadId", "unresolved_squad"),
        ({"assistantId": None}, "assistantId", "nobody_answers"),
        ({"assistantId": None, "server": SERVER}, "server.url", "assistant_request"),
        ({"assistantId": None, "serverUrl": SERVER["url"]}, "serverUrl", "assistant_request"),
        ({"workflowId": "w"}, "workflowId", "workflow"),
        (
            {"hooks": [{"on": "call.ringing", "do": [{"type": "say", "exact": "Hi"}]}]},
            "hooks[0].on",
            "number_hook",
        ),
    ],
)
def test_what_of_a_number_needs_a_decision(change: dict[str, Any], path: str, code: str) -> None:
    assert finding(number({**TWILIO, **change}), path).code == code


def test_the_rest_of_a_number_is_dropped_with_a_reason_and_secrets_are_hidden() -> None:
    draft = number(
        {
            **TWILIO,
            "twilioAuthToken": "hunter2",
            "status": "active",
        }
    )

    assert finding(draft, "twilioAuthToken").verdict is DROPPED
    assert "hunter2" not in str(draft.raw) + str(
        [one.source for one in draft.findings if one.source is not ABSENT]
    )
    assert finding(draft, "status").verdict is DROPPED


def test_where_callers_of_a_number_go_whom_nobody_takes_comes_with_it() -> None:
    draft = number({**TWILIO, "fallbackDestination": {"type": "number", "number": "+12025550199"}})

    assert finding(draft, "fallbackDestination.number").verdict is CONVERTED


def test_the_server_of_a_number_comes_with_it_and_its_secrets_are_hidden() -> None:
    server = {
        "url": "https://hooks.example/vapi",
        "secret": "hunter2",
        "headers": {"X-Key": "hunter3"},
        "credentialId": "c1",
        "timeoutSeconds": 5,
        "backoffPlan": {"type": "fixed", "maxRetries": 1},
        "encryptedPaths": ["ssn"],
    }
    draft = number({**TWILIO, "server": server})

    assert draft.server is not None
    assert (draft.server.url, draft.server.credential_id) == (server["url"], "c1")
    assert draft.server.backoff_plan == {"type": "fixed", "maxRetries": 1}
    assert draft.server.encrypted_paths == ("ssn",)
    assert draft.server.secrets == {"server_secret": "hunter2", "server_headers": '{"X-Key": "hunter3"}'}
    assert "hunter" not in str(draft.raw) + str(draft)
    assert finding(draft, "server.url").verdict is KEPT
    assert finding(draft, "server.credentialId").code == "missing_credential"
    assert finding(draft, "server.encryptedPaths[0]").code == "encrypted_arguments"
    assert finding(draft, "server.timeoutSeconds").verdict is KEPT
    assert draft.server.timeout_s == 5


@pytest.mark.parametrize(
    ("change", "url"),
    [
        ({}, ""),
        ({"serverUrl": "https://old.example"}, "https://old.example"),
        (
            {"serverUrl": "https://old.example", "server": {"url": "https://new.example"}},
            "https://new.example",
        ),
        ({"server": {"url": "nowhere"}}, ""),
        ({"server": {"url": "https://new.example"}, "provider": "vapi"}, ""),
    ],
)
def test_a_number_has_the_newer_server_or_none(change: dict[str, Any], url: str) -> None:
    draft = number({**TWILIO, **change})

    assert (draft.server.url if draft.server else "") == url
    for one in draft.findings:
        if one.field == "server":
            assert draft.did, "nothing of a number that is not taken is kept"


def test_a_secret_that_vapi_keeps_back_is_asked_for() -> None:
    draft = number({**TWILIO, "serverUrl": "https://old.example", "isServerUrlSecretSet": True})

    assert finding(draft, "isServerUrlSecretSet").code == "missing_secret"
