"""What is given back, and what a change reaches: through Django's client, against the real database."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from assistants.api.selectors import MODELS
from assistants.imports.runs import import_write
from assistants.models import Assistant, AssistantTool, ImportFinding, VapiImport, VapiObject
from assistants.tests.factories import (
    make_assistant,
    make_realtime_model,
    make_transcription_model,
    make_voice,
)
from assistants.vapi.exports import export_read
from tools.models import Tool
from tools.tests.access.program import Program
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"
PROMPT = {"messages": [{"role": "system", "content": "Be brief."}]}


@pytest.fixture
def program() -> Program:
    # Other tests may have flushed what a migration filled.
    make_realtime_model()
    make_transcription_model()
    make_voice()
    return Program()


def imported(name: str) -> list[dict[str, Any]]:
    content = (FIXTURES / name).read_bytes()
    run = VapiImport.objects.create(source=name, status=VapiImport.Status.DONE, finished_at=timezone.now())
    import_write(export_read(content, name=name), run=run)
    value = json.loads(content)
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", ["assistant-clinic.json", "assistant-restaurant.json", "tools.json"])
def test_what_was_imported_is_given_back_field_by_field(program: Program, name: str) -> None:
    kind = "tool" if name == "tools.json" else "assistant"
    originals = imported(name)

    for original in originals:
        # Of a code tool's environment only the names are known: its values are never stored.
        for variable in original.get("environmentVariables", []):
            del variable["value"]
        assert program.ask("GET", f"/{kind}/{original['id']}") == original
    listed = program.ask("GET", f"/{kind}?limit=1000")
    newest_first = sorted(originals, key=lambda one: one["createdAt"], reverse=True)
    assert [one["createdAt"] for one in listed] == [one["createdAt"] for one in newest_first]


def test_an_edit_made_here_is_laid_over_what_was_imported(program: Program) -> None:
    original = imported("assistant-clinic.json")[0]
    row = Assistant.objects.get(vapi_objects__key=original["id"])
    row.first_message, row.max_duration_s = "Edited here.", 1234
    row.save()

    read = program.ask("GET", f"/assistant/{original['id']}")

    assert read == {**original, "firstMessage": "Edited here.", "maxDurationSeconds": 1234}


def test_a_change_reaches_only_what_it_names_and_is_in_force(program: Program) -> None:
    made = program.ask("POST", "/assistant", {"name": "Desk", "model": PROMPT, "metadata": {"a": 1}}, 201)
    row = Assistant.objects.get(pk=made["id"])
    row.vad_threshold, row.first_message = 0.7, "Edited here."
    row.save()

    changed = program.ask("PATCH", f"/assistant/{made['id']}", {"maxDurationSeconds": 99, "metadata": None})

    row.refresh_from_db()
    assert (row.max_duration_s, row.first_message, float(row.vad_threshold)) == (99, "Edited here.", 0.7)
    assert (changed["maxDurationSeconds"], changed["firstMessage"]) == (99, "Edited here.")
    assert "metadata" not in changed
    assert row.metadata == {}
    assert row.live_version is not None
    assert row.live_version.snapshot["max_duration_s"] == 99
    assert "By a program" in row.live_version.note


def test_what_was_read_can_be_sent_back_and_changes_nothing(program: Program) -> None:
    made = program.ask("POST", "/assistant", {"name": "Desk", "model": PROMPT}, 201)
    before = Assistant.objects.get(pk=made["id"])

    again = program.ask("PATCH", f"/assistant/{made['id']}", {**made, "latestVersion": "v9"})

    assert again == made
    assert Assistant.objects.get(pk=made["id"]).live_version_id == before.live_version_id


def test_ids_and_the_organisation_cannot_be_chosen(program: Program) -> None:
    other = make_assistant(name="Other")

    made = program.ask("POST", "/assistant", {"id": str(other.pk), "orgId": "mine", "model": PROMPT}, 201)

    assert made["id"] != str(other.pk)
    assert made["orgId"] != "mine"
    other.refresh_from_db()
    assert other.name == "Other"


def test_a_change_of_an_imported_object_leaves_what_vapi_had_for_the_next_comparison(
    program: Program,
) -> None:
    original = imported("tools.json")[0]
    before = VapiObject.objects.get(key=original["id"])

    program.ask("PATCH", f"/tool/{original['id']}", {"type": original["type"], "async": True})

    after = VapiObject.objects.get(key=original["id"])
    assert (after.raw, after.base) == (before.raw, before.base)
    assert Tool.objects.get(vapi_objects=after).asynchronous
    assert program.ask("GET", f"/tool/{original['id']}")["async"] is True


def test_objects_made_in_the_admin_have_vapis_shape_and_can_be_changed(program: Program) -> None:
    tool = make_tool(
        name="find_slots", description="Finds free slots.", server_url="https://tools.example.com/x"
    )
    row = make_assistant(name="Made here", tools=[tool], language="de", first_message="Hallo.")

    read = program.ask("GET", f"/assistant/{row.pk}")
    changed = program.ask("PATCH", f"/assistant/{row.pk}", {"firstMessage": "Guten Tag."})

    assert read["name"] == "Made here"
    assert read["firstMessage"] == "Hallo."
    assert read["transcriber"]["language"] == "de"
    assert read["model"]["toolIds"] == [str(tool.pk)]
    assert read["model"]["messages"][0]["content"] == row.instructions
    shown = program.ask("GET", f"/tool/{tool.pk}")
    assert (shown["type"], shown["function"]["name"]) == ("function", "find_slots")
    assert shown["server"]["url"] == "https://tools.example.com/x"
    assert {**changed, "updatedAt": ""} == {**read, "firstMessage": "Guten Tag.", "updatedAt": ""}
    row.refresh_from_db()
    assert (row.first_message, row.language, row.instructions) == (
        "Guten Tag.",
        "de",
        "You answer for Harbour Bikes. Be brief.",
    )
    assert AssistantTool.objects.filter(assistant=row, tool=tool).exists()


def test_a_changed_tool_is_in_force_in_the_assistants_that_offer_it(program: Program) -> None:
    tool = make_tool(name="find_slots", server_url="https://tools.example.com/x")
    live = make_assistant(tools=[tool], published=True)
    edited = make_assistant(tools=[tool], published=True)
    Assistant.objects.filter(pk=edited.pk).update(first_message="Not published yet.")

    body = {"type": "function", "function": {"name": "find_slots", "description": "New words."}}
    program.ask("PATCH", f"/tool/{tool.pk}", body)

    live.refresh_from_db()
    edited.refresh_from_db()
    assert live.live_version is not None
    assert edited.live_version is not None
    assert live.live_version.snapshot["tools"][0]["description"] == "New words."
    assert edited.live_version.snapshot["tools"][0]["description"] != "New words."


def test_secrets_are_stored_and_never_given_back(program: Program) -> None:
    body = {
        "name": "Desk",
        "model": PROMPT,
        "server": {
            "url": "https://tools.example.com/x",
            "secret": "s3cret-1",
            "headers": {"X-Api-Key": "s3cret-2"},
        },
    }

    made = program.ask("POST", "/assistant", body, 201)
    program.ask("PATCH", f"/assistant/{made['id']}", {"name": "Reception"})
    answers = json.dumps([made, program.ask("GET", "/assistant")])

    assert "s3cret" not in answers
    assert "hidden" not in answers
    row = Assistant.objects.get(pk=made["id"])
    assert (row.name, row.server_secret) == ("Reception", "s3cret-1")
    assert json.loads(row.server_headers) == {"X-Api-Key": "s3cret-2"}


def test_a_header_that_is_never_given_back_survives_a_change_of_the_others(program: Program) -> None:
    headers = {"Authorization": "Bearer s3cret", "X-Site": "north"}
    server = {"url": "https://tools.example.com/x", "headers": headers}
    made = program.ask("POST", "/assistant", {"model": PROMPT, "server": server}, 201)
    assert made["server"]["headers"] == {"X-Site": "north"}

    program.ask(
        "PATCH", f"/assistant/{made['id']}", {"server": {**made["server"], "headers": {"X-Site": "south"}}}
    )

    row = Assistant.objects.get(pk=made["id"])
    assert json.loads(row.server_headers) == {**headers, "X-Site": "south"}


def test_a_secret_that_no_key_opens_breaks_neither_a_list_nor_a_change(program: Program) -> None:
    row = make_assistant(
        server_url="https://tools.example.com/x", server_secret="a", server_headers='{"X-Site": "b"}'
    )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE assistants_assistant SET server_headers = 'broken', server_secret = 'broken'")

    assert program.ask("GET", "/assistant")[0]["id"] == str(row.pk)
    assert program.ask("PATCH", f"/assistant/{row.pk}", {"firstMessage": "Hi."})["firstMessage"] == "Hi."


def test_what_needs_a_decision_is_stored_like_an_imports(program: Program) -> None:
    made = program.ask(
        "POST",
        "/assistant",
        {"model": {**PROMPT, "provider": "custom-llm", "url": "https://llm.example.com"}},
        201,
    )

    assert ImportFinding.objects.filter(vapi_object__key=made["id"], code="custom_llm").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"foo": 1}, "property foo should not exist"),
        ({"model": {"provider": "openai", "foo": 1}}, "model.property foo should not exist"),
        ({"firstMessage": 7}, "firstMessage must be a string"),
        ({"server": {"url": "javascript:1"}}, "server.url must be a URL address"),
        ({"server": {"headers": {"X-A": "1\r\nX-B: 2"}}}, "server.headers must not contain line breaks"),
        ({"server": {"url": "https://x.example.com/?key=(hidden)"}}, "(hidden) stands for a secret that is never given back: send the whole value, or leave it out"),
        ({"name": "x" * 41}, "assistant.name must be shorter than or equal to 40 characters"),
        ({"model": {"toolIds": ["00000000-0000-4000-8000-000000000000"]}}, "Couldn't Get Tool. `toolId` 00000000-0000-4000-8000-000000000000 Does Not Exist."),
        ({"model": {"tools": [{"foo": 1, "type": "endCall"}]}}, "model.tools.0.property foo should not exist"),
        ({"model": {"tools": [{"type": "function", "server": {"url": "javascript:1"}}]}}, "model.tools.0.server.url must be a URL address"),
        ({"model": {"tools": [{"type": "function", "server": {"headers": {"X-A": "1\r\nX-B: 2"}}}]}}, "model.tools.0.server.headers must not contain line breaks"),
        ({"model": {"tools": [{"type": "apiRequest", "url": "file:///etc/passwd"}]}}, "model.tools.0.url must be a URL address"),
        ({"model": {"tools": [{"type": "fucntion"}]}}, "model.tools.0.type must be one of the following values: apiRequest, bash"),
        ({"tools:append": [{"type": "endCall", "foo": 1}]}, "tools:append.0.property foo should not exist"),
        ({"serverUrl": "javascript:1"}, "serverUrl must be a URL address"),
        ({"server": {"url": "https://x.example.com/" + "a" * 2100}}, "server.url must be a URL address"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_name(program: Program, body: dict[str, Any], message: str) -> None:
    refused = program.ask("POST", "/assistant", body, 400)

    assert any(one.startswith(message) for one in refused["message"])
    assert (refused["error"], refused["statusCode"]) == ("Bad Request", 400)
    assert not Assistant.objects.exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "fucntion"}, "type must be one of the following values: apiRequest, bash"),
        ({"type": "apiRequest", "url": "ftp://x.example.com"}, "url must be a URL address"),
        ({"type": "function", "server": {"url": "ftp://x.example.com"}}, "server.url must be a URL address"),
    ],
)
def test_a_tool_that_could_not_work_is_refused(program: Program, body: dict[str, Any], message: str) -> None:
    assert program.ask("POST", "/tool", body, 400)["message"][0].startswith(message)


def test_a_tool_of_a_type_that_was_imported_and_nobody_knows_can_still_be_changed(program: Program) -> None:
    tool = {"id": "de51c7f8-91a4-4c3f-a6d0-3f2b7c8e5a55", "orgId": "o", "type": "newOne", "async": False}
    run = VapiImport.objects.create(source="x", status=VapiImport.Status.DONE, finished_at=timezone.now())
    import_write(export_read(json.dumps(tool).encode(), name="tool.json"), run=run)

    changed = program.ask("PATCH", f"/tool/{tool['id']}", {"type": "newOne", "async": True})

    assert (changed["type"], changed["async"]) == ("newOne", True)


def test_what_cannot_be_published_is_refused_whole(program: Program) -> None:
    refused = program.ask("POST", "/assistant", {"name": "Desk"}, 400)

    assert refused["message"] == ["The prompt is empty. Write who the assistant is and what it should do."]
    assert not Assistant.objects.exists()
    assert not VapiObject.objects.exists()


def test_lists_are_limited_and_bounded_by_dates(program: Program) -> None:
    originals = sorted(imported("tools.json"), key=lambda one: one["createdAt"], reverse=True)
    last = originals[1]["createdAt"]

    assert len(program.ask("GET", "/tool?limit=2.0")) == 2
    assert program.ask("GET", "/tool?limit=0") == []
    older = program.ask("GET", f"/tool?createdAtLt={last}")
    assert [one["createdAt"] for one in older] == [
        one["createdAt"] for one in originals if one["createdAt"] < last
    ]
    refused = program.ask("GET", "/tool?limit=1001&createdAtGt=soon", status=400)
    assert refused["message"] == [
        "limit must not be greater than 1000",
        "createdAtGt must be a valid ISO 8601 date string",
    ]


@pytest.mark.parametrize("kind", MODELS)
def test_a_longer_list_takes_no_more_queries(
    program: Program, kind: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        make_assistant(tools=[make_tool(name=f"tool_{number}_{n}") for n in range(2)])
    program.ask("GET", f"/{kind}")

    with django_assert_max_num_queries(25):
        assert len(program.ask("GET", f"/{kind}?limit=1000")) >= 30


def test_a_list_tells_of_each_what_is_told_of_it_alone(program: Program) -> None:
    for name in ("tools.json", "assistant-clinic.json", "assistant-restaurant.json", "assistant-squad.json"):
        imported(name)
    shared = make_tool(name="shared", server_url="https://tools.example.com/shared")
    for name in ("Both", "Other"):
        make_assistant(name=name, tools=[shared, make_tool(name=f"of_{name.lower()}")])
    # Edited here, an inline tool among them, and written by a program.
    Assistant.objects.filter(name="Both").update(first_message="Edited here.")
    Tool.objects.filter(vapi_objects__key__contains="/model.tools[0]").update(description="Edited here.")
    written = imported("assistant-clinic.json")[0]["id"]
    program.ask("PATCH", f"/assistant/{written}", {"firstMessage": "Written."})

    for kind, least in (("assistant", 4), ("tool", 14), ("squad", 1)):
        listed = program.ask("GET", f"/{kind}?limit=1000")
        alone = [program.ask("GET", f"/{kind}/{one['id']}") for one in listed]
        assert len(listed) >= least
        # As texts: the order of keys is what a person sees.
        assert [json.dumps(one) for one in listed] == [json.dumps(one) for one in alone]


def test_a_tool_that_nothing_uses_is_deleted_and_given_back(program: Program) -> None:
    made = program.ask("POST", "/tool", {"type": "endCall"}, 201)

    assert program.ask("DELETE", f"/tool/{made['id']}") == made
    assert not Tool.objects.exists()
    assert not VapiObject.objects.exists()
    assert program.ask("DELETE", f"/tool/{made['id']}", status=404)["error"] == "Not Found"


def test_a_tool_of_an_assistant_that_was_deleted_can_be_deleted_too(program: Program) -> None:
    tool = program.ask("POST", "/tool", {"type": "endCall"}, 201)
    made = program.ask(
        "POST", "/assistant", {"name": "Desk", "model": {**PROMPT, "toolIds": [tool["id"]]}}, 201
    )
    program.ask("DELETE", f"/tool/{tool['id']}", status=409)

    program.ask("DELETE", f"/assistant/{made['id']}")

    # What its calls ran on is kept, but no program sees it any more.
    assert Assistant.objects.filter(pk=made["id"], enabled=False).exists()
    assert program.ask("DELETE", f"/tool/{tool['id']}") == tool
    program.ask("GET", f"/tool/{tool['id']}", status=404)


def test_a_tool_that_was_lost_before_the_import_hinders_no_change(program: Program) -> None:
    original = imported("assistant-clinic.json")[0]
    lost = original["model"]["toolIds"]
    assert lost
    assert not Tool.objects.filter(vapi_objects__key__in=lost).exists()

    changed = program.ask("PATCH", f"/assistant/{original['id']}", {"firstMessage": "Hi."})

    assert (changed["firstMessage"], changed["model"]["toolIds"]) == ("Hi.", lost)
    model = {**changed["model"], "toolIds": [*lost, "nonsense"]}
    refused = program.ask("PATCH", f"/assistant/{original['id']}", {"model": model}, 400)
    assert refused["message"] == ["Couldn't Get Tool. `toolId` nonsense Does Not Exist."]


def test_headers_of_tools_inside_an_assistant_come_back_and_are_not_lost_when_it_is_sent_back(
    program: Program,
) -> None:
    def tool(name: str, **headers: str) -> dict[str, Any]:
        server = {"url": f"https://{name}.example.com", "headers": headers}
        return {"type": "function", "function": {"name": name}, "server": server}

    tools = [
        tool("find", **{"X-Shop": "7", "Authorization": "Bearer of-find"}),
        tool("book", **{"X-Shop": "8"}),
    ]
    made = program.ask("POST", "/assistant", {"name": "Desk", "model": {**PROMPT, "tools": tools}}, 201)

    told = [one["server"]["headers"] for one in made["model"]["tools"]]
    assert told == [{"X-Shop": "7"}, {"X-Shop": "8"}]
    changed = {**made["model"], "temperature": 0.5}
    program.ask("PATCH", f"/assistant/{made['id']}", {"model": changed})
    kept = {one.name: json.loads(one.server_headers) for one in Tool.objects.all()}
    assert kept == {"find": {"X-Shop": "7", "Authorization": "Bearer of-find"}, "book": {"X-Shop": "8"}}
