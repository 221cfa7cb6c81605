"""Assistants and squads inside destinations of tools, as programs send and read them: through Django's client, against the real
database."""

import json
from typing import Any

import pytest

from assistants.api.checking import body_problems
from assistants.imports.runs import import_write
from assistants.models import Assistant, VapiImport, VapiObject
from assistants.snapshots import snapshot_read
from assistants.squads import cast_of
from assistants.tests.api.test_objects import PROMPT, program
from assistants.tests.factories import make_assistant
from assistants.vapi.exports import export_join, export_read
from tools.models import Tool
from tools.tests.access.program import Program
from tools.tests.factories import make_tool

__all__ = ["program"]
pytestmark = pytest.mark.django_db

SERVER = {"url": "https://billing.example.com/hook?key=of-the-address", "headers": {"X-Shop": "7"}}
BILLING: dict[str, Any] = {
    "name": "Billing",
    "firstMessage": "Billing here.",
    "model": {"provider": "openai", **PROMPT, "tools": [{"type": "endCall"}]},
}


def inline(**more: Any) -> dict[str, Any]:
    return {"type": "assistant", "assistant": BILLING, "description": "About money.", **more}


def handoff(*destinations: dict[str, Any]) -> dict[str, Any]:
    return {"type": "handoff", "destinations": list(destinations)}


def desk(*destinations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "name": "Desk",
        "model": {"provider": "openai", **PROMPT, "tools": [handoff(*destinations)]},
    } | fields


def settings(document: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in document.items() if key not in ("id", "orgId", "createdAt", "updatedAt")
    }


def part(name: str) -> Assistant:
    return Assistant.objects.select_related("live_version").get(vapi_objects__key__endswith=f"[{name}]")


def reached(given: str) -> list[str]:
    first = Assistant.objects.select_related("live_version").get(pk=given)
    return [one.assistant.name for one in cast_of(first, squad=None) if one.version is not None]


def test_a_tool_that_holds_an_assistant_is_made_read_changed_and_deleted(program: Program) -> None:
    made = program.ask("POST", "/tool", handoff(inline()), 201)

    assert settings(made) == handoff(inline())
    assert program.ask("GET", f"/tool/{made['id']}") == made
    billing = part("Billing")
    assert billing.live_version is not None
    assert snapshot_read(billing.live_version.snapshot).first_message == "Billing here."
    assert [tool.kind for tool in billing.tools.all()] == ["endCall"]
    # It is none of the assistants that programs know.
    assert program.ask("GET", "/assistant") == []
    program.ask("GET", f"/assistant/{billing.pk}", status=404)

    invoices = {**BILLING, "firstMessage": "Invoices."}
    program.ask("PATCH", f"/tool/{made['id']}", {"destinations": [inline(assistant=invoices)]})
    assert part("Billing").pk == billing.pk
    assert part("Billing").first_message == "Invoices."

    program.ask("DELETE", f"/tool/{made['id']}")
    billing.refresh_from_db()
    assert not billing.enabled


def test_an_assistant_is_handed_over_to_those_that_its_tools_hold(program: Program) -> None:
    deepest = {**BILLING, "name": "Refunds", "firstMessage": "Refunds."}
    model = {"provider": "openai", **PROMPT, "tools": [handoff(inline(assistant=deepest))]}

    made = program.ask("POST", "/assistant", desk(inline(assistant={**BILLING, "model": model})), 201)

    assert settings(made) == desk(inline(assistant={**BILLING, "model": model}))
    assert reached(made["id"]) == ["Desk", "Billing", "Refunds"]
    assert program.ask("GET", "/assistant") == [made]
    # Sent back as it was read, it changes nothing.
    assert program.ask("PATCH", f"/assistant/{made['id']}", made) == made


def test_what_a_destination_holds_no_more_is_switched_off_and_comes_back_with_it(program: Program) -> None:
    made = program.ask("POST", "/assistant", desk(inline()), 201)
    billing = part("Billing")
    sales = {**BILLING, "name": "Sales"}

    program.ask("PATCH", f"/assistant/{made['id']}", {"model": desk(inline(assistant=sales))["model"]})
    billing.refresh_from_db()
    assert (billing.enabled, reached(made["id"])) == (False, ["Desk", "Sales"])

    program.ask("PATCH", f"/assistant/{made['id']}", {"model": desk(inline())["model"]})
    billing.refresh_from_db()
    assert (billing.enabled, reached(made["id"])) == (True, ["Desk", "Billing"])
    program.ask("DELETE", f"/assistant/{made['id']}")
    assert not Assistant.objects.filter(enabled=True).exists()


def test_what_nobody_ever_published_is_deleted_with_the_tool(program: Program) -> None:
    made = program.ask("POST", "/tool", handoff(inline()), 201)
    Assistant.objects.update(live_version=None)
    billing = make_assistant(name="Imported")
    VapiObject.objects.filter(key__endswith="[Billing]").update(assistant=billing)

    program.ask("DELETE", f"/tool/{made['id']}")

    assert not Assistant.objects.filter(pk=billing.pk).exists()
    assert not VapiObject.objects.filter(key__endswith="[Billing]").exists()


def test_secrets_and_whole_addresses_inside_stay_where_a_program_cannot_read_them(program: Program) -> None:
    server = {**SERVER, "secret": "of billing"}
    made = program.ask("POST", "/tool", handoff(inline(assistant={**BILLING, "server": server})), 201)
    assert "of billing" not in str(made)
    assert "of-the-address" not in str(made)

    again = program.ask("PATCH", f"/tool/{made['id']}", {**made, "function": {"name": "to_billing"}})

    assert again["destinations"] == made["destinations"]
    assert (part("Billing").server_url, part("Billing").server_secret) == (server["url"], "of billing")


def test_a_destination_that_changes_an_assistant_leads_to_a_copy_with_its_secrets(program: Program) -> None:
    find = make_tool(name="find", server_url="https://tools.example.com", server_secret="of the tool")
    stored = make_assistant(
        name="Billing",
        published=True,
        server_url="https://billing.example.com",
        server_secret="of billing",
        tools=[find],
    )
    to = {
        "type": "assistant",
        "assistantId": str(stored.pk),
        "assistantOverrides": {"endCallMessage": "Bye."},
    }

    made = program.ask("POST", "/assistant", desk(to), 201)

    assert settings(made) == desk(to)
    copy = part(str(stored.pk))
    assert (copy.end_call_message, copy.server_secret) == ("Bye.", "of billing")
    assert list(copy.tools.all()) == [find]
    assert reached(made["id"]) == ["Desk", copy.name]
    program.ask("GET", f"/assistant/{stored.pk}")
    assert Tool.objects.filter(name="find").count() == 1


def test_a_squad_inside_a_destination_is_reached_by_its_first_member(program: Program) -> None:
    triage = {
        "assistant": {**BILLING, "name": "Triage"},
        "assistantDestinations": [
            {"type": "assistant", "assistantName": "Billing", "message": "One moment."}
        ],
    }
    team = {"type": "squad", "squad": {"name": "Team", "members": [triage, {"assistant": BILLING}]}}

    made = program.ask("POST", "/assistant", desk(team), 201)

    assert settings(made) == desk(team)
    assert reached(made["id"]) == ["Desk", "Triage", "Billing"]
    assert program.ask("GET", "/squad") == []


def test_a_member_of_a_squad_hands_over_to_one_that_its_destination_holds(program: Program) -> None:
    first = make_assistant(name="Front", published=True)
    entry = {"assistantId": str(first.pk), "assistantDestinations": [inline()]}

    made = program.ask("POST", "/squad", {"name": "Shop", "members": [entry]}, 201)

    assert made["members"] == [entry]
    own = Assistant.objects.get(squads=made["id"])
    assert reached(str(own.pk)) == ["Front (Shop)", "Billing"]
    assert program.ask("PATCH", f"/squad/{made['id']}", made) == made
    program.ask("DELETE", f"/squad/{made['id']}")
    assert not part("Billing").enabled


def test_stored_tools_that_such_an_assistant_names_are_found_or_refused(program: Program) -> None:
    stored = make_tool(name="by_hand")
    named = {**BILLING, "model": {"provider": "openai", **PROMPT, "toolIds": [str(stored.pk)]}}

    program.ask("POST", "/assistant", desk(inline(assistant=named)), 201)

    assert list(part("Billing").tools.all()) == [stored]
    lost = {**BILLING, "model": {"provider": "openai", **PROMPT, "toolIds": ["nothing"]}}
    refused = program.ask("POST", "/assistant", desk(inline(assistant=lost)), 400)
    assert refused["message"] == ["Couldn't Get Tool. `toolId` nothing Does Not Exist."]


@pytest.mark.parametrize(
    ("destination", "why"),
    [
        (
            inline(assistant={**BILLING, "colour": "red"}),
            "destinations.0.assistant.property colour should not exist",
        ),
        (
            inline(assistantOverrides={"maxDurationSeconds": "long"}),
            "destinations.0.assistantOverrides.maxDurationSeconds",
        ),
        ({"type": "squad", "squad": {"members": []}}, "destinations.0.squad.members should not be empty"),
    ],
)
def test_what_is_wrong_inside_is_told_with_its_place_and_leaves_nothing(
    program: Program, destination: dict[str, Any], why: str
) -> None:
    refused = program.ask("POST", "/tool", handoff(destination), 400)
    within = program.ask("POST", "/assistant", desk(destination), 400)
    member = {"assistant": BILLING, "assistantDestinations": [destination]}
    squad = program.ask("POST", "/squad", {"name": "Shop", "members": [member]}, 400)

    assert refused["message"][0].startswith(why)
    assert within["message"][0].startswith(f"model.tools.0.{why}")
    assert squad["message"][0].startswith(f"members.0.{why.replace('destinations', 'assistantDestinations')}")
    assert (Assistant.objects.count(), Tool.objects.count()) == (0, 0)


def test_what_was_imported_is_given_back_field_by_field_and_imported_once(program: Program) -> None:
    moments = {
        "orgId": "o1",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-01-02T00:00:00.000Z",
    }
    tool = {"id": "t9", **moments, **handoff(inline(assistantOverrides={"endCallMessage": "Bye."}))}
    team = {"members": [{"assistant": {**BILLING, "name": "Triage"}}]}
    desk_raw = {"id": "a9", **moments, **desk(inline(), {"type": "squad", "squad": team})}
    export = export_join(
        [export_read(json.dumps(one).encode(), name="file.json") for one in (tool, desk_raw)]
    )

    for actions in ({"created"}, {"unchanged"}):
        run = VapiImport.objects.create(source="test", status=VapiImport.Status.DONE)
        done = import_write(export, run=run).summary.objects
        assert {one.action for one in done} == actions

    assert program.ask("GET", "/tool/t9") == tool
    assert program.ask("GET", "/assistant/a9") == desk_raw
    assert sorted(Assistant.objects.values_list("name", flat=True)) == [
        "Billing",
        "Billing (2)",
        "Desk",
        "Triage",
    ]


def test_a_tool_that_only_a_part_had_that_is_gone_can_be_deleted(program: Program) -> None:
    stored = program.ask("POST", "/tool", {"type": "endCall"}, 201)
    named = {**BILLING, "model": {"provider": "openai", **PROMPT, "toolIds": [stored["id"]]}}
    made = program.ask("POST", "/tool", handoff(inline(assistant=named)), 201)
    program.ask("DELETE", f"/tool/{stored['id']}", status=409)

    program.ask("DELETE", f"/tool/{made['id']}")

    assert program.ask("DELETE", f"/tool/{stored['id']}") == stored


def test_stored_tools_that_a_destination_sets_are_found_or_refused(program: Program) -> None:
    stored = make_tool(name="by_hand")

    def over(given: str) -> dict[str, Any]:
        return inline(assistantOverrides={"model": {"toolIds": [given]}})

    program.ask("POST", "/assistant", desk(over(str(stored.pk))), 201)
    refused = program.ask("POST", "/assistant", desk(over("nothing")), 400)

    assert stored in part("Billing").tools.all()
    assert refused["message"] == ["Couldn't Get Tool. `toolId` nothing Does Not Exist."]


def test_a_member_that_a_squad_inside_names_and_changes_is_a_copy_with_its_secrets(program: Program) -> None:
    stored = make_assistant(
        name="Billing", published=True, server_url="https://billing.example.com", server_secret="of billing"
    )
    entry = {"assistantId": str(stored.pk), "assistantOverrides": {"endCallMessage": "Bye."}}

    made = program.ask("POST", "/assistant", desk({"type": "squad", "squad": {"members": [entry]}}), 201)

    copy = part(str(stored.pk))
    assert (copy.end_call_message, copy.server_secret) == ("Bye.", "of billing")
    assert reached(made["id"]) == ["Desk", copy.name]
    stored.refresh_from_db()
    assert stored.end_call_message == ""


def test_a_change_brings_copies_up_to_date_with_their_assistants(program: Program) -> None:
    stored = make_assistant(name="Billing", published=True, first_message="Billing.")
    over = {"endCallMessage": "Bye.", "firstMessage": None}
    to = {"type": "assistant", "assistantId": str(stored.pk), "assistantOverrides": over}
    made = program.ask("POST", "/tool", handoff(to), 201)
    program.ask("PATCH", f"/assistant/{stored.pk}", {"firstMessage": "Invoices."})

    program.ask("PATCH", f"/tool/{made['id']}", {"function": {"name": "to_billing"}})

    copy = part(str(stored.pk))
    assert (copy.first_message, copy.end_call_message) == ("Invoices.", "Bye.")


def test_a_copy_never_sends_the_secrets_of_its_assistant_elsewhere(program: Program) -> None:
    url = "https://tools.example.com"
    find = make_tool(name="find", server_url=url, server_secret="kept", server_headers='{"X-Key": "kept"}')
    stored = make_assistant(name="Billing", published=True, tools=[find])
    other = {
        "type": "apiRequest",
        "name": "find",
        "method": "POST",
        "url": "https://elsewhere.example.net",
        "server": {"url": url},
    }
    over = {"model": {"provider": "openai", **PROMPT, "tools": [other], "toolIds": []}}
    to = {"type": "assistant", "assistantId": str(stored.pk), "assistantOverrides": over}

    program.ask("POST", "/assistant", desk(to), 201)

    taken = part(str(stored.pk)).tools.get(kind=Tool.Kind.API_REQUEST)
    assert (taken.server_url, taken.server_secret, taken.server_headers) == (url, "", "")


@pytest.mark.parametrize("kind", ["tool", "assistant", "squad", "call"])
def test_a_body_holds_only_so_many_assistants(kind: str) -> None:
    within = {"model": {"tools": [handoff({"type": "assistant", "assistant": {"name": "B"}})]}}
    squad = {"members": [{"assistant": within}] * 10}
    destinations = [{"type": "assistant", "assistant": {"name": "A"}}] * 20 + [
        {"type": "squad", "squad": squad}
    ]
    tool = handoff(*destinations)
    bodies: dict[str, Any] = {
        "tool": tool,
        "assistant": {"model": {"tools": [tool]}},
        "squad": {"members": [{"assistant": {"model": {"tools": [tool]}}}]},
    }
    body = bodies.get(kind) or bodies["assistant"]
    problems = body_problems("assistant" if kind == "call" else kind, body)

    assert not problems
    destinations.append({"type": "assistant", "assistantId": "a1", "assistantOverrides": {"name": "C"}})
    tool["destinations"] = destinations
    assert body_problems("assistant" if kind == "call" else kind, body) == [
        "destinations must not hold or change more than 40 assistants, with those inside each other"
    ]


def test_copies_of_copies_are_not_made_without_end(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistants.api.parts._MOST", 4)
    made = program.ask("POST", "/assistant", desk(inline()), 201)
    to = [
        {
            "type": "assistant",
            "assistantId": made["id"],
            "assistantOverrides": {"serverMessages": [one]},
        }
        for one in ("status-update", "transcript")
    ]

    refused = program.ask("PATCH", f"/assistant/{made['id']}", {"model": desk(*to)["model"]}, 400)

    assert "assistants" in refused["message"][0]
    assert Assistant.objects.count() == 2
