"""From Vapi's objects to ours: what the fixtures become, what is kept of them, where secrets go."""

import json
from dataclasses import replace
from typing import Any

import pytest

from assistants.tests.vapi.cases import (
    CATALOGUE,
    FIXTURES,
    SECRET,
    SECRETIVE,
    SERVER,
    all_drafts,
    assert_each_leaf_once,
    assert_our_models_take_it,
    assistant,
    codes,
    drafts,
    everything,
    export,
    finding,
    fixture,
    model,
    tool,
)
from assistants.vapi.drafts import ABSENT, NumberDraft, SquadDraft, Verdict
from assistants.vapi.hiding import HIDDEN
from assistants.vapi.references import References
from assistants.vapi.translate import ToolInfo, translate

KEPT, CONVERTED, DEFAULT, DECISION, DROPPED = Verdict


# --- The fixtures


def test_every_leaf_of_every_fixture_has_exactly_one_verdict() -> None:
    found = list(all_drafts(everything()))

    assert len(found) > 25
    for draft in found:
        assert_each_leaf_once(draft)


def test_nothing_in_the_fixtures_is_unclassified_or_of_a_wrong_type() -> None:
    for draft in all_drafts(everything()):
        assert not codes(draft) & {"unknown_field", "wrong_type", "too_deep"}, draft.key


def test_our_models_take_what_the_fixtures_become() -> None:
    assert_our_models_take_it(everything())


def test_translating_twice_gives_the_same() -> None:
    assert everything() == everything()


def test_the_source_of_a_finding_is_the_value_at_vapi() -> None:
    clinic = everything().assistants[0]

    assert finding(clinic, "model.temperature").source == 0.3
    assert finding(clinic, "silenceTimeoutSeconds").source is ABSENT
    assert finding(clinic, "metadata").source == {"costCenter": "north", "owner": "front-desk"}


def test_the_clinic_arrives_as_it_is_heard() -> None:
    clinic = everything().assistants[0]

    assert clinic.name == "Riverbend front desk"
    assert clinic.fields["instructions"].startswith("# Role\nYou answer the phone")
    assert clinic.fields["end_call_phrases"] == "goodbye, take care\nhave a healthy day"
    assert clinic.fields["idle_messages"] == "Are you still there?\nCan you hear me?"
    assert (clinic.fields["idle_timeout_s"], clinic.fields["idle_max_count"]) == (8, 2)
    assert clinic.fields["idle_resets"] is True
    assert clinic.fields["keywords"] == "Riverbend\ntetanus"
    assert clinic.credential_id == "a7f3d9e1-4b2c-4d6e-8f01-23456789abcd"
    assert json.loads(clinic.secrets["server_headers"]) == {"X-Clinic-Site": "north"}
    assert clinic.fields["analysis_plan"]["summaryPlan"]["timeoutSeconds"] == 10
    assert [key.rsplit("/", 1)[-1] for key in clinic.tools] == [
        "model.tools[book_appointment]",
        "model.tools[transferCall]",
        *(f"11111111-aaaa-4aaa-8aaa-00000000000{number}" for number in (1, 2, 3, 7, 9)),
    ]


def test_the_restaurant_of_2024_arrives_whole() -> None:
    found = everything()
    restaurant = found.assistants[1]
    tools = {one.key: one for one in found.tools}

    assert restaurant.fields["instructions"].startswith("You take reservations")
    assert restaurant.fields["model"] == "gpt-realtime-2.1-mini"
    assert restaurant.fields["server_url"] == "https://lumen.example/vapi-webhook"
    assert restaurant.fields["keywords"] == "Lumen\nburrata"
    assert restaurant.fields["interrupt_words"] == 2
    assert restaurant.fields["idle_messages"] == "Hello, are you there?\nTake your time."
    assert [tools[key].name for key in restaurant.tools] == [
        "reserveTable",
        "placeOrder",
        "noteAllergy",
        "endCall",
        "transferCall",
    ]
    assert [tools[key].fields["legacy_form"] for key in restaurant.tools] == [True, True, True, False, False]
    assert finding(restaurant, "isServerUrlSecretSet").code == "missing_secret"
    assert finding(restaurant, "serverMessages[3]").verdict is CONVERTED


# --- The original, and what an export lacks


def test_every_fixture_file_of_objects_is_tested_here() -> None:
    assert {path.name for path in FIXTURES.glob("assistant-*.json")} == {
        "assistant-clinic.json",
        "assistant-restaurant.json",
        "assistant-squad.json",
    }


def test_the_original_is_kept_as_it_was_read() -> None:
    found = everything()

    clinic = fixture("assistant-clinic.json")
    clinic["server"]["headers"]["X-Clinic-Site"] = HIDDEN  # any header may be a password
    assert found.assistants[0].raw == clinic
    assert found.squads[0].raw == fixture("assistant-squad.json")
    stored = fixture("tools.json")
    stored[0]["server"]["headers"]["X-Clinic-Site"] = HIDDEN
    stored[2]["headers"]["properties"]["X-Source"]["value"] = HIDDEN
    stored[3]["destinations"][2]["sipHeaders"]["X-Site"] = HIDDEN
    # What the code of a tool is given may be a key of some other service.
    stored[10]["environmentVariables"][0]["value"] = HIDDEN
    assert [one.raw for one in found.tools[:13]] == stored


def test_what_was_imported_before_resolves_a_part_of_an_export() -> None:
    raw = model(toolIds=["t1", "t2"])

    draft = assistant(raw, known_tools={"t1": ToolInfo("find")})

    assert draft.tools == ("t1",)
    assert finding(draft, "model.toolIds[0]").ours == "find"
    assert finding(draft, "model.toolIds[1]").code == "unresolved_tool"
    assert "t2" in finding(draft, "model.toolIds[1]").reason


def test_a_tool_that_was_deleted_at_vapi_is_said_to_be() -> None:
    read = replace(
        export(assistants=[{"id": "a", "name": "Desk", **model(toolIds=["t1"])}]),
        unresolved=References(tools=("t1",)),
    )

    (draft,) = translate(read, CATALOGUE, known_tools={}, known_assistants={}).assistants

    assert finding(draft, "model.toolIds[0]").code == "unresolved_tool"
    assert "deleted" in finding(draft, "model.toolIds[0]").reason
    assert draft.tools == ()


# --- Secrets


def test_a_secret_goes_into_the_secrets_and_nowhere_else() -> None:
    found = drafts(assistants=[{"id": "a1", "name": "Desk", **SECRETIVE}])
    desk = found.assistants[0]

    assert desk.secrets["server_secret"] == SECRET
    assert json.loads(desk.secrets["server_headers"]) == {
        "Authorization": f"Bearer {SECRET}",
        "X-Site": "north",
    }
    assert [one.secrets.get("server_secret", "") for one in found.tools] == [SECRET, "", ""]
    assert json.loads(found.tools[1].secrets["server_headers"]) == {"Authorization": SECRET}
    for draft in all_drafts(found):
        assert not isinstance(draft, SquadDraft | NumberDraft)
        shown = json.dumps([draft.raw, draft.fields, *([one.reason, one.ours] for one in draft.findings)])
        shown += json.dumps([one.source for one in draft.findings if one.source is not ABSENT])
        assert SECRET not in shown
        assert SECRET not in repr(draft)


def test_the_place_of_a_secret_stays_visible() -> None:
    desk = assistant(SECRETIVE)

    assert finding(desk, "server.secret").source == HIDDEN
    assert finding(desk, "server.headers.Authorization").source == HIDDEN
    assert finding(desk, "server.headers.X-Site").source == HIDDEN
    assert "missing_secret" not in codes(desk)


def test_what_only_looks_like_a_secret_is_not_replaced_in_silence() -> None:
    draft = assistant({"metadata": {"token": "x"}, "variableValues": {"apiKey": "x", "shop": "Lumen"}})
    parameters = [{"key": "auth", "value": {"password": "x"}}]
    webhook = tool({"type": "function", "function": {"name": "f"}, "parameters": parameters})

    assert finding(draft, "metadata").verdict is CONVERTED
    assert draft.fields["variables"] == {"shop": "Lumen"}
    assert finding(draft, "variableValues").code == "secret_value"
    assert finding(webhook, "parameters[0].value").code == "secret_value"


@pytest.mark.parametrize(
    ("server", "flag", "asked"),
    [
        (SERVER, None, True),
        (SERVER, True, True),
        (SERVER, False, False),
        ({**SERVER, "credentialId": "c"}, None, False),
        ({**SERVER, "headers": {"Authorization": "x"}}, None, False),
        ({**SERVER, "secret": "x"}, True, False),
        ({}, None, False),
    ],
)
def test_a_secret_is_asked_for_where_one_may_be_missing(
    *, server: Any, flag: bool | None, asked: bool
) -> None:
    draft = assistant({"server": server} | ({} if flag is None else {"isServerUrlSecretSet": flag}))

    assert ("missing_secret" in codes(draft)) is asked
