"""From Vapi's tools to ours: whom a transfer or a handoff can reach."""

from typing import Any

import pytest

from assistants.tests.vapi.cases import SERVER, codes, drafts, finding, tool
from assistants.tests.vapi.tool_cases import TWO, transfers_run, two_kinds_run
from assistants.vapi.drafts import Verdict
from tools.models import Tool

__all__ = ["transfers_run", "two_kinds_run"]

KEPT, CONVERTED, DEFAULT, DECISION, DROPPED = Verdict

NURSE = {"type": "number", "number": "+13125550142"}


def test_a_transfer_offers_its_destinations_to_the_model() -> None:
    raw = {
        "type": "transferCall",
        "destinations": [
            {"type": "number", "number": "+13125550142", "description": "The nurse."},
            {"type": "sip", "sipUri": "sip:a@b.example"},
        ],
    }

    draft = tool(raw)

    assert draft.name == "transferCall"
    assert draft.fields["settings"]["destinations"] == raw["destinations"]
    assert draft.fields["parameters"]["properties"]["destination"]["enum"] == [
        "+13125550142",
        "sip:a@b.example",
    ]
    assert "+13125550142: The nurse." in draft.fields["description"]


@pytest.mark.parametrize(
    ("part", "path", "code"),
    [
        ({}, "destinations", "no_destinations"),
        (
            {"destinations": [{"type": "number", "transferPlan": {"mode": "warm-transfer-twiml"}}]},
            "destinations[0].transferPlan.mode",
            "transfer_mode",
        ),
        (
            {"destinations": [{"type": "assistant", "assistantName": "x"}]},
            "destinations[0].type",
            "assistant_destination",
        ),
    ],
)
def test_once_transfers_run_the_ways_that_do_not_are_asked_about(
    part: dict[str, Any], path: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.kinds.RUNS", TWO | {Tool.Kind.TRANSFER})

    assert finding(tool({"type": "transferCall", **part}), path).code == code


@pytest.mark.parametrize(
    ("destination", "place", "code"),
    [
        ({"type": "number", "number": "12345"}, "number", "bad_destination"),
        ({"type": "number", "number": None}, "number", "bad_destination"),
        ({"type": "sip", "sipUri": "x@y.z"}, "sipUri", "bad_destination"),
        ({**NURSE, "extension": "a!"}, "extension", "bad_extension"),
        ({**NURSE, "transferPlan": {"mode": "no-such-mode"}}, "transferPlan.mode", "transfer_mode"),
    ],
)
def test_a_destination_that_is_never_called_as_it_is_written_is_asked_about(
    destination: dict[str, Any], place: str, code: str, transfers_run: None
) -> None:
    found = finding(tool({"type": "transferCall", "destinations": [destination]}), f"destinations[0].{place}")

    assert (found.verdict, found.code) == (DECISION, code)


@pytest.mark.parametrize(
    "destination",
    [
        NURSE,
        {"type": "number", "number": "{{ desk }}"},
        {"type": "number", "number": "12345", "numberE164CheckEnabled": False},
        {"type": "sip", "sipUri": "sip:x@y.z"},
        {
            **NURSE,
            "transferPlan": {"mode": "warm-transfer-wait-for-operator-to-speak-first-and-then-say-summary"},
        },
    ],
)
def test_a_destination_that_can_be_called_is_kept(destination: dict[str, Any], transfers_run: None) -> None:
    draft = tool({"type": "transferCall", "destinations": [destination]})

    assert {one.verdict for one in draft.findings if one.path.startswith("destinations")} == {KEPT}
    assert all("Calls do not use" not in one.reason for one in draft.findings)


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"transferPlan": {"holdAudioUrl": "https://a.example/x.mp3"}}, "transferPlan.holdAudioUrl"),
        (
            {"transferPlan": {"transferCompleteAudioUrl": "https://a.example"}},
            "transferPlan.transferCompleteAudioUrl",
        ),
        ({"transferPlan": {"sipVerb": "bye"}}, "transferPlan.sipVerb"),
        (
            {"transferPlan": {"transferAssistant": {"firstMessage": "x"}}},
            "transferPlan.transferAssistant.firstMessage",
        ),
        (
            {"transferPlan": {"contextEngineeringPlan": {"type": "all"}}},
            "transferPlan.contextEngineeringPlan.type",
        ),
        ({"transferPlan": {"invented": 1}}, "transferPlan.invented"),
        ({"contextEngineeringPlan": {"type": "lastNMessages"}}, "contextEngineeringPlan.type"),
    ],
)
def test_what_no_transfer_does_is_dropped(part: dict[str, Any], place: str, transfers_run: None) -> None:
    found = finding(
        tool({"type": "transferCall", "destinations": [{**NURSE, **part}]}), f"destinations[0].{place}"
    )

    assert found.verdict is DROPPED


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"forwardingPhoneNumber": "12345"}, "forwardingPhoneNumber"),
        ({"forwardingPhoneNumbers": [NURSE, {"type": "number", "number": "1"}]}, "forwardingPhoneNumbers[1]"),
    ],
)
def test_a_number_of_an_older_setting_that_is_never_called_is_asked_about(
    part: dict[str, Any], path: str, transfers_run: None
) -> None:
    (made,) = drafts(assistants=[{"id": "a", "name": "Desk", **part}]).tools

    assert finding(made, path).code == "bad_destination"
    assert [one.path for one in made.findings if one.verdict is DECISION] == [path]


@pytest.mark.parametrize("part", [{}, {"destinations": []}])
def test_a_transfer_without_destinations_asks_the_server(part: dict[str, Any], transfers_run: None) -> None:
    own = tool({"type": "transferCall", **part, "server": SERVER})
    raw = {"id": "a", "name": "Desk", "model": {"toolIds": ["t1"]}}
    bare = {"id": "t1", "type": "transferCall", **part}
    through = drafts(assistants=[{**raw, "server": SERVER}], tools=[bare])
    nowhere = drafts(assistants=[raw], tools=[bare])

    for draft in (own, through.tools[0]):
        assert "Tandem asks it in the same way" in finding(draft, "destinations").reason
        assert finding(draft, "destinations").verdict is (KEPT if part else DEFAULT)
    assert "no_server_url" not in codes(through.assistants[0])
    assert finding(nowhere.assistants[0], "model.toolIds[0]").code == "no_server_url"
    assert finding(tool(bare), "destinations").code == "no_destinations"


def test_a_handoff_knows_the_assistant_that_it_means() -> None:
    raw = {
        "type": "handoff",
        "destinations": [
            {"type": "assistant", "assistantName": "Billing"},
            {"type": "assistant", "assistantId": "nobody"},
        ],
    }

    draft = drafts(tools=[{"id": "t", **raw}], assistants=[{"id": "a9", "name": "Billing"}]).tools[0]

    assert [one.get("assistantKey") for one in draft.fields["settings"]["destinations"]] == ["a9", None]
    assert finding(draft, "destinations[1].assistantId").code == "unresolved_assistant"
    assert "nobody" in finding(draft, "destinations[1].assistantId").reason


def test_a_destination_that_only_a_server_knows_is_asked_about() -> None:
    dynamic = {"type": "dynamic", "server": SERVER}

    asked = finding(tool({"type": "handoff", "destinations": [dynamic]}), "destinations[0].type")

    assert asked.code == "dynamic_destination"
