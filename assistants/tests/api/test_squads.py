"""Squads as programs read and write them: through Django's client, against the real database."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assistants.imports.runs import import_write
from assistants.models import (
    Assistant,
    AssistantVersion,
    Squad,
    SquadMember,
    Transient,
    VapiImport,
    VapiObject,
)
from assistants.snapshots import Snapshot, snapshot_read
from assistants.squads import cast_of
from assistants.tests.api.test_objects import FIXTURES, PROMPT, program
from assistants.tests.factories import make_assistant
from assistants.vapi.exports import export_join, export_read
from tools.models import Tool
from tools.tests.access.program import Program
from tools.tests.factories import make_tool

__all__ = ["program"]
pytestmark = pytest.mark.django_db

BILLING = {"name": "Billing", "firstMessage": "Billing here.", "model": {"provider": "openai", **PROMPT}}


def handing_over(to: str) -> dict[str, Any]:
    return {"type": "assistant", "assistantName": to, "message": "One moment.", "description": f"To {to}."}


def shop(first: Assistant, **fields: Any) -> dict[str, Any]:
    """A squad of a stored assistant, changed by overrides, and one that stands inside it."""
    return {
        "name": "Shop",
        "members": [
            {
                "assistantId": str(first.pk),
                "assistantOverrides": {"firstMessage": "The shop, hello."},
                "assistantDestinations": [handing_over("Billing")],
            },
            {"assistant": BILLING},
        ],
        **fields,
    }


def desk(**fields: Any) -> Assistant:
    tools = [
        make_tool(
            name="find_slots", server_url="https://tools.example.com/slots", server_secret="of the tool"
        )
    ]
    given = {
        "server_url": "https://desk.example.com",
        "server_secret": "of the desk",
        "tools": tools,
        **fields,
    }
    return make_assistant(name="Front desk", published=True, **given)


def live(assistant: Assistant) -> Snapshot:
    assert assistant.live_version is not None
    return snapshot_read(assistant.live_version.snapshot)


def members(squad_id: str) -> list[Assistant]:
    rows = SquadMember.objects.filter(squad__id=squad_id).select_related("assistant__live_version")
    return [one.assistant for one in rows]


def settings(document: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in document.items() if key not in ("id", "orgId", "createdAt", "updatedAt")
    }


def test_a_squad_is_made_read_listed_changed_and_deleted(program: Program) -> None:
    body = shop(desk())
    made = program.ask("POST", "/squad", body, 201)

    assert settings(made) == body
    assert program.ask("GET", f"/squad/{made['id']}") == made
    assert program.ask("GET", "/squad") == [made]
    changed = program.ask("PATCH", f"/squad/{made['id']}", {"name": "Store"})
    assert settings(changed) == {**body, "name": "Store"}
    assert settings(program.ask("DELETE", f"/squad/{made['id']}")) == settings(changed)
    program.ask("GET", f"/squad/{made['id']}", status=404)
    assert program.ask("GET", "/squad") == []


def test_a_new_squad_can_take_calls_at_once_with_the_secrets_of_its_assistants(program: Program) -> None:
    first = desk()

    made = program.ask("POST", "/squad", shop(first), 201)

    own, billing = members(made["id"])
    assert (live(own).first_message, live(billing).first_message) == ("The shop, hello.", "Billing here.")
    assert [tool.name for tool in live(own).tools] == ["find_slots", "transferCall"]
    assert own.server_secret == "of the desk"
    assert Tool.objects.filter(name="find_slots").count() == 1
    # Parts of a squad are no assistants of programs.
    assert [one["id"] for one in program.ask("GET", "/assistant")] == [str(first.pk)]


def test_members_without_changes_are_the_assistants_themselves(program: Program) -> None:
    first = desk()

    made = program.ask("POST", "/squad", {"name": "Alone", "members": [{"assistantId": str(first.pk)}]}, 201)

    assert members(made["id"]) == [first]


def test_what_was_imported_is_given_back_field_by_field(program: Program) -> None:
    names = ("assistant-clinic.json", "assistant-squad.json", "tools.json")
    export = export_join(export_read((FIXTURES / name).read_bytes(), name=name) for name in names)
    import_write(export, run=VapiImport.objects.create(source="test", status=VapiImport.Status.DONE))

    given = json.loads((FIXTURES / "assistant-squad.json").read_bytes())
    told = program.ask("GET", f"/squad/{given['id']}")

    assert told == given
    # Sent back as it was read, it changes nothing.
    assert program.ask("PATCH", f"/squad/{given['id']}", told) == told


def test_a_change_of_members_replaces_them_and_switches_their_copies_off(program: Program) -> None:
    first = desk()
    made = program.ask("POST", "/squad", shop(first), 201)
    own, billing = members(made["id"])
    entry = {"assistant": {**BILLING, "firstMessage": "Invoices."}}

    program.ask("PATCH", f"/squad/{made['id']}", {"members": [entry]})

    assert members(made["id"]) == [billing]
    assert live(members(made["id"])[0]).first_message == "Invoices."
    own.refresh_from_db()
    assert not own.enabled
    again = program.ask("PATCH", f"/squad/{made['id']}", {"members": shop(first)["members"]})
    assert members(again["id"]) == [own, billing]
    assert [live(one).first_message for one in members(again["id"])] == ["The shop, hello.", "Billing here."]


def test_a_change_of_the_squad_brings_its_copies_up_to_date_and_keeps_what_people_changed_in_them(
    program: Program,
) -> None:
    first = desk()
    made = program.ask("POST", "/squad", shop(first), 201)
    own = members(made["id"])[0]
    own.end_call_message = "Edited here."
    own.save()
    program.ask("PATCH", f"/assistant/{first.pk}", {"maxDurationSeconds": 77})

    program.ask("PATCH", f"/squad/{made['id']}", {"name": "Store"})

    now = live(members(made["id"])[0])
    assert (now.max_duration_s, now.end_call_message, now.first_message) == (
        77,
        "Edited here.",
        "The shop, hello.",
    )


def test_overrides_for_all_members_may_be_set_and_taken_out(program: Program) -> None:
    made = program.ask("POST", "/squad", shop(desk(), membersOverrides={"endCallMessage": "Bye."}), 201)
    assert [live(one).end_call_message for one in members(made["id"])] == ["Bye.", "Bye."]

    told = program.ask("PATCH", f"/squad/{made['id']}", {"membersOverrides": None})

    assert "membersOverrides" not in told
    assert [live(one).end_call_message for one in members(made["id"])] == ["", ""]


def test_what_people_change_is_told_to_programs(program: Program) -> None:
    first, other = desk(), make_assistant(published=True)
    made = program.ask("POST", "/squad", shop(first), 201)
    squad = Squad.objects.get(pk=made["id"])
    squad.name = "Renamed"
    squad.save()
    SquadMember.objects.create(squad=squad, assistant=other, position=9)

    told = program.ask("GET", f"/squad/{made['id']}")

    assert told["name"] == "Renamed"
    assert told["members"] == [*shop(first)["members"], {"assistantId": str(other.pk)}]
    # And a program that changes something else leaves it.
    program.ask("PATCH", f"/squad/{made['id']}", {"membersOverrides": {"endCallMessage": "Bye."}})
    squad.refresh_from_db()
    assert (squad.name, len(members(made["id"]))) == ("Renamed", 3)


def test_a_squad_made_in_the_admin_is_served_too(program: Program) -> None:
    squad = Squad.objects.create(name="By hand")
    first, second = desk(), make_assistant(published=True)
    for position, one in enumerate((first, second)):
        SquadMember.objects.create(squad=squad, assistant=one, position=position)

    told = program.ask("GET", f"/squad/{squad.pk}")
    listed = [{"assistantId": str(one.pk)} for one in (first, second)]
    assert settings(told) == {"name": "By hand", "members": listed}
    changed = program.ask("PATCH", f"/squad/{squad.pk}", {"members": list(reversed(listed))})

    assert changed["members"] == list(reversed(listed))
    assert members(str(squad.pk)) == [second, first]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": "x"}, "members should not be empty"),
        ({"members": "x"}, "members must be an array"),
        ({"members": [{}]}, "members.0 needs either assistantId or assistant"),
        ({"members": [{"assistantId": "nobody"}]}, "`assistantId` nobody Does Not Exist"),
        ({"members": [{"assistant": {"name": "x"}}]}, "The prompt is empty"),
        ({"members": [{"assistant": {"nme": "x"}}]}, "members.0.assistant.property nme should not exist"),
        ({"members": [{"assistant": BILLING, "foo": 1}]}, "members.0.property foo should not exist"),
        ({"members": [{"assistant": BILLING}], "bar": 1}, "property bar should not exist"),
        (
            {"members": [{"assistant": BILLING, "assistantDestinations": [{"type": "assistant", "assistantName": 7}]}]},
            "members.0.assistantDestinations.0.assistantName must be a string",
        ),
        (
            {"members": [{"assistant": BILLING, "assistantDestinations": [{"type": "assistant", "assistantId": True}]}]},
            "members.0.assistantDestinations.0.assistantId must be a string",
        ),
        (
            {"members": [{"assistant": BILLING, "assistantDestinations": [{"type": "squad", "squadId": 7}]}]},
            "members.0.assistantDestinations.0.squadId must be a string",
        ),
        ({"name": "x" * 41, "members": [{"assistant": BILLING}]}, "squad.name must be shorter"),
        (
            {"members": [{"assistant": {**BILLING, "model": {**PROMPT, "toolIds": ["t9"]}}}]},
            "`toolId` t9 Does Not Exist",
        ),
        ({"members": [{"assistant": BILLING}], "membersOverrides": {"baz": 1}}, "membersOverrides.property baz"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_name_and_nothing_is_stored(
    program: Program, body: dict[str, Any], words: str
) -> None:
    told = program.ask("POST", "/squad", body, 400)

    assert any(words in one for one in told["message"]), told
    assert (Squad.objects.count(), Assistant.objects.count(), VapiObject.objects.count()) == (0, 0, 0)


def test_secrets_are_never_given_back_and_survive_a_change(program: Program) -> None:
    server = {"url": "https://b.example.com", "secret": "hush", "headers": {"X-Api-Key": "k", "X-Shop": "7"}}
    body = {"name": "S", "members": [{"assistant": {**BILLING, "server": server}}]}
    made = program.ask("POST", "/squad", body, 201)

    shown = made["members"][0]["assistant"]["server"]
    assert shown == {"url": "https://b.example.com", "headers": {"X-Shop": "7"}}
    program.ask("PATCH", f"/squad/{made['id']}", {"members": made["members"], "name": "T"})

    (only,) = members(made["id"])
    assert only.server_secret == "hush"
    assert json.loads(only.server_headers) == {"X-Api-Key": "k", "X-Shop": "7"}


def test_lists_take_vapis_filters_and_no_more_queries_for_more_squads(program: Program) -> None:
    first = make_assistant(published=True)
    counts: list[int] = []
    listed: list[dict[str, Any]] = []
    for number in range(1, 4):
        program.ask(
            "POST", "/squad", {"name": f"S{number}", "members": [{"assistantId": str(first.pk)}]}, 201
        )
        with CaptureQueriesContext(
            connection,
        ) as asked:
            listed = program.ask("GET", "/squad")
        counts.append(len(asked))

    assert [one["name"] for one in listed] == ["S3", "S2", "S1"]
    assert counts[1] == counts[2]
    assert [one["name"] for one in program.ask("GET", "/squad?limit=1")] == ["S3"]
    bound = f"/squad?createdAtLt={listed[1]['createdAt']}"
    assert [one["name"] for one in program.ask("GET", bound)] == ["S1"]


def test_a_key_needs_the_scope_and_transient_squads_are_not_there(program: Program) -> None:
    reader = Program(scopes=["assistant:read", "assistant:write"])
    reader.ask("GET", "/squad", status=403)
    squad = Squad.every.create(
        name="Hidden", transient=Transient.objects.create(kind="squad", used_at="2026-01-01T00:00:00Z")
    )

    program.ask("GET", f"/squad/{squad.pk}", status=404)
    assert program.ask("GET", "/squad") == []
    assert AssistantVersion.objects.count() == 0


def test_what_was_lost_before_the_import_hinders_no_change(program: Program) -> None:
    # Neither its assistants nor their tools were imported.
    export = export_read((FIXTURES / "assistant-squad.json").read_bytes(), name="squad")
    import_write(export, run=VapiImport.objects.create(source="test", status=VapiImport.Status.DONE))
    given = json.loads((FIXTURES / "assistant-squad.json").read_bytes())

    changed = program.ask("PATCH", f"/squad/{given['id']}", {"name": "The shop"})

    assert {**changed, "updatedAt": ""} == {**given, "name": "The shop", "updatedAt": ""}
    more = [*given["members"], {"assistantId": "nobody"}]
    refused = program.ask("PATCH", f"/squad/{given['id']}", {"members": more}, 400)
    assert refused["message"] == ["Couldn't Get Assistant. `assistantId` nobody Does Not Exist."]


def test_a_member_may_name_a_tool_that_people_made_here(program: Program) -> None:
    tool = make_tool(name="find_slots", server_url="https://tools.example.com/slots")
    model = {"provider": "openai", **PROMPT, "toolIds": [str(tool.pk)]}

    made = program.ask(
        "POST", "/squad", {"name": "Shop", "members": [{"assistant": {**BILLING, "model": model}}]}, 201
    )

    assert [one.name for one in members(made["id"])[0].tools.all()] == ["find_slots"]


# --- Members on a version


def test_a_member_runs_on_the_version_that_it_is_pinned_to_until_it_is_let_go(program: Program) -> None:
    first, other = make_assistant(published=True, first_message="Old."), make_assistant(published=True)
    program.ask("PATCH", f"/assistant/{first.pk}", {"firstMessage": "New."})
    pinned = {"assistantId": str(first.pk), "assistantVersion": "v1"}
    free = {"assistantId": str(other.pk)}

    made = program.ask("POST", "/squad", {"name": "Shop", "members": [pinned, free]}, 201)

    squad = Squad.objects.get(pk=made["id"])
    assert made["members"] == [pinned, free]
    assert squad.first_assistant is not None
    assert live(squad.first_assistant).first_message == "Old."
    cast = cast_of(squad.first_assistant, squad=squad)
    assert [one.version.number for one in cast if one.version] == [1, 1]
    program.ask("PATCH", f"/squad/{made['id']}", {"members": [{**pinned, "assistantVersion": None}, free]})
    assert live(squad.assistants()[0]).first_message == "New."


def test_a_version_that_there_is_not_is_refused_and_one_of_vapis_that_was_imported_stays(
    program: Program,
) -> None:
    first = make_assistant(published=True)
    member = {"assistantId": str(first.pk), "assistantVersion": "9"}

    refused = program.ask("POST", "/squad", {"name": "Shop", "members": [member]}, 400)

    assert refused["message"] == ["Couldn't Get Assistant. `assistantVersion` 9 Does Not Exist."]
    made = program.ask("POST", "/squad", {"name": "Shop", "members": [{"assistantId": str(first.pk)}]}, 201)
    written = VapiObject.objects.get(kind="squad")
    VapiObject.objects.filter(pk=written.pk).update(raw={**written.raw, "members": [member]})
    told = program.ask("GET", f"/squad/{made['id']}")
    assert told["members"] == [member]
    assert program.ask("PATCH", f"/squad/{made['id']}", {**told, "name": "Store"})["members"] == [member]
