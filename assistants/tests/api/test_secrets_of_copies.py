"""What is secret of copies: on any change of what they stand in, as their assistants have it, and never at another address."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User

from assistants.models import Assistant, AssistantTool, ClientDocument, VapiObject
from assistants.tests.api.test_objects import PROMPT, program
from assistants.transient.squads import squad_made
from tools.models import Credential, Tool
from tools.tests.access.program import Program

__all__ = ["program"]
pytestmark = pytest.mark.django_db

HOME = "https://desk.example.com/hooks"
AWAY = "https://away.example.net/hooks"
HEADERS = {"X-Api-Key": "key1", "X-Site": "north"}
SERVER: dict[str, Any] = {"url": HOME, "secret": "1st", "headers": HEADERS}
ROTATED: dict[str, Any] = {
    "url": HOME,
    "secret": "2nd",
    "headers": {"X-Api-Key": "key2", "X-Site": "south"},
}
OTHER_KEY = "zYxWvUtSrQpOnMlKjIhGfEdCbA9876543210zYxWvUs="
GREETING = {"endCallMessage": "Bye."}
BOOK: dict[str, Any] = {"type": "function", "function": {"name": "book"}, "server": SERVER}

Change = Callable[[], Any]


def assistant_made(program: Program, **settings: Any) -> Assistant:
    body = {"name": "Desk", "model": PROMPT, "server": SERVER, **settings}
    return Assistant.objects.get(pk=program.ask("POST", "/assistant", body, 201)["id"])


def own_of(before: set[Any]) -> Assistant:
    """The one assistant that has come since and stands in something else."""
    [source] = VapiObject.objects.filter(kind="assistant", key__contains="/").exclude(assistant__in=before)
    assert source.assistant is not None
    return source.assistant


def squad_of(
    program: Program, row: Assistant, over: dict[str, Any] | None = None
) -> tuple[str, Assistant, Change]:
    """A squad with a copy of an assistant, that copy, and a change of the squad that has nothing to do with it."""
    before = set(Assistant.objects.values_list("pk", flat=True))
    member = {"assistantId": str(row.pk), "assistantOverrides": over or GREETING}
    made = program.ask("POST", "/squad", {"name": "Shop", "members": [member]}, 201)["id"]
    names = count()

    def change() -> None:
        program.ask("PATCH", f"/squad/{made}", {"name": f"Shop {next(names)}"})

    return made, own_of(before), change


def handoff_of(
    program: Program, row: Assistant, over: dict[str, Any] | None = None
) -> tuple[str, Assistant, Change]:
    """The same of a tool with a destination that changes the assistant."""
    before = set(Assistant.objects.values_list("pk", flat=True))
    to = {"type": "assistant", "assistantId": str(row.pk), "assistantOverrides": over or GREETING}
    body = {"type": "handoff", "destinations": [to]}
    made = program.ask("POST", "/tool", body, 201)["id"]

    names = count()

    def change() -> None:
        program.ask("PATCH", f"/tool/{made}", {"function": {"name": f"on_{next(names)}"}})

    return made, own_of(before), change


HOLDERS = pytest.mark.parametrize("holder", [squad_of, handoff_of])


def patched(program: Program, row: Assistant, server: dict[str, Any] | None) -> None:
    program.ask("PATCH", f"/assistant/{row.pk}", {"server": server})


def secrets(row: Assistant | Tool) -> tuple[str, str, dict[str, str]]:
    row = type(row).every.get(pk=row.pk)
    return row.server_url, row.server_secret, json.loads(row.server_headers or "{}")


def edited(row: Assistant | Tool, **values: Any) -> None:
    """As if somebody had saved it in the admin."""
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))
    by, _ = User.objects.get_or_create(username="ops")
    LogEntry.objects.log_actions(by.pk, type(row)._default_manager.filter(pk=row.pk), CHANGE, "Edited.")


def taken_forget() -> None:
    """As copies are that were made before anybody remembered what they took."""
    for source in VapiObject.objects.all():
        source.base.pop("taken", None)
        source.save(update_fields=["base"])


# --- What follows


@HOLDERS
def test_a_rotated_secret_and_secret_headers_reach_the_copy_with_the_next_change(
    program: Program, holder: Any
) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)
    assert secrets(copy) == (HOME, "1st", HEADERS)

    patched(program, row, ROTATED)
    assert secrets(copy) == (HOME, "1st", HEADERS)
    change()

    assert secrets(copy) == (HOME, "2nd", ROTATED["headers"])
    patched(program, row, {**ROTATED, "secret": "3rd"})
    change()
    assert secrets(copy)[1] == "3rd"


@HOLDERS
def test_a_copy_whose_assistant_moved_has_the_secrets_for_the_new_server(
    program: Program, holder: Any
) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)

    moved = {"url": AWAY, "secret": "of away", "headers": {"X-Api-Key": "key of away"}}
    patched(program, row, moved)
    change()

    assert secrets(copy) == (AWAY, "of away", {"X-Api-Key": "key of away"})


@HOLDERS
def test_a_secret_that_was_taken_away_is_taken_from_the_copy(program: Program, holder: Any) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)

    edited(row, server_secret="", server_headers='{"X-Site": "north"}')
    change()

    assert secrets(copy) == (HOME, "", {"X-Site": "north"})


@HOLDERS
def test_a_server_that_was_taken_away_leaves_the_copy_no_secret(program: Program, holder: Any) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)

    patched(program, row, None)
    change()

    assert secrets(copy) == ("", "", {})


@HOLDERS
def test_all_headers_of_an_assistant_can_go_and_one_can_come(program: Program, holder: Any) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)

    edited(row, server_headers="")
    change()
    assert secrets(copy)[2] == {}
    edited(row, server_headers='{"X-Token": "t0ken"}')
    change()

    assert secrets(copy)[2] == {"X-Token": "t0ken"}


@HOLDERS
def test_the_credential_follows_what_people_choose_at_the_assistant(program: Program, holder: Any) -> None:
    first, second = (Credential.objects.create(name=name) for name in ("one", "other"))
    row = assistant_made(program)
    edited(row, credential=first)
    _, copy, change = holder(program, row)

    def chosen() -> Credential | None:
        return Assistant.objects.get(pk=copy.pk).credential

    assert chosen() == first
    edited(row, credential=second)
    change()
    assert chosen() == second
    edited(row, credential=None)
    change()
    assert chosen() is None


def with_tools(*tools: dict[str, Any]) -> dict[str, Any]:
    return {"model": {**PROMPT, "tools": list(tools)}}


def book(**server: Any) -> dict[str, Any]:
    return {**BOOK, "server": {"url": HOME, **server}}


def tool_of(copy: Assistant, name: str = "book") -> Tool:
    return Tool.objects.get(assistants=copy, name=name)


@HOLDERS
def test_the_tools_of_a_copy_have_the_secrets_of_its_assistants_tools(program: Program, holder: Any) -> None:
    row = assistant_made(program, **with_tools(BOOK))
    more = {**book(), "function": {"name": "more"}}
    _, copy, change = holder(program, row, with_tools(book(headers={"X-Site": "west"}), more))
    own = tool_of(copy)
    assert own not in row.tools.all()
    assert secrets(own) == (HOME, "1st", {"X-Api-Key": "key1", "X-Site": "west"})

    program.ask("PATCH", f"/assistant/{row.pk}", with_tools({**BOOK, "server": ROTATED}))
    change()

    assert secrets(own) == (HOME, "2nd", {"X-Api-Key": "key2", "X-Site": "west"})
    # One that its assistant does not have has none of it.
    assert secrets(tool_of(copy, "more")) == (HOME, "", {})


@HOLDERS
def test_a_tool_of_a_copy_takes_no_secret_to_another_address(program: Program, holder: Any) -> None:
    row = assistant_made(program, **with_tools(BOOK))
    _, copy, change = holder(program, row, with_tools({**BOOK, "server": {"url": AWAY}}))

    program.ask("PATCH", f"/assistant/{row.pk}", with_tools({**BOOK, "server": ROTATED}))
    change()

    assert secrets(tool_of(copy)) == (AWAY, "", {})


def test_a_copys_request_of_its_own_has_the_headers_of_its_assistants_one(program: Program) -> None:
    def ask(value: str = "") -> dict[str, Any]:
        properties = {"X-Api-Key": {"type": "string", "value": value}} if value else {}
        tool = {"type": "apiRequest", "name": "ask", "method": "POST", "url": "https://api.example.com/a"}
        return with_tools({**tool, "headers": {"type": "object", "properties": properties}})

    row = assistant_made(program, **ask("k1"))
    _, copy, change = squad_of(program, row, ask())
    program.ask("PATCH", f"/assistant/{row.pk}", ask("k2"))
    change()

    assert secrets(tool_of(copy, "ask"))[2] == {"X-Api-Key": "k2"}


def test_a_change_that_changes_nothing_has_no_effect(program: Program) -> None:
    row = assistant_made(program)
    made, copy, _ = squad_of(program, row)
    patched(program, row, ROTATED)

    program.ask("PATCH", f"/squad/{made}", {"name": "Shop"})

    assert secrets(copy)[1] == "1st"


# --- What stays


@HOLDERS
def test_what_somebody_entered_at_the_copy_stays(program: Program, holder: Any) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)
    mine = Credential.objects.create(name="of the copy")
    headers = {**HEADERS, "X-Api-Key": "of the copy"}
    edited(copy, server_secret="of the copy", server_headers=json.dumps(headers), credential=mine)

    for server in ({**ROTATED, "headers": {**HEADERS, "X-Api-Key": "key2"}}, {**ROTATED, "secret": "3rd"}):
        patched(program, row, server)
        change()

    assert secrets(copy)[1] == "of the copy"
    assert secrets(copy)[2]["X-Api-Key"] == "of the copy"
    assert Assistant.objects.get(pk=copy.pk).credential == mine


@HOLDERS
def test_a_secret_that_somebody_took_away_at_the_copy_stays_away(program: Program, holder: Any) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)
    edited(copy, server_secret="", server_headers='{"X-Site": "north"}')

    change()

    assert secrets(copy) == (HOME, "", {"X-Site": "north"})


@HOLDERS
def test_a_copy_that_somebody_gave_the_assistants_secret_follows_it_again(
    program: Program, holder: Any
) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)
    patched(program, row, ROTATED)
    edited(copy, server_secret="2nd")
    change()

    patched(program, row, {**ROTATED, "secret": "3rd"})
    change()

    assert secrets(copy)[1] == "3rd"


@HOLDERS
@pytest.mark.parametrize("own", ["of the member", "1st"])
def test_what_the_program_set_over_the_assistant_is_the_copys_own(
    program: Program, holder: Any, own: str
) -> None:
    row = assistant_made(program)
    over = {"server": {"secret": own, "headers": {"X-Api-Key": "of the member"}}}
    _, copy, change = holder(program, row, over)

    patched(program, row, {**ROTATED, "headers": HEADERS | {"X-Api-Key": "key2", "X-Token": "t0ken"}})
    change()
    change()

    assert secrets(copy) == (HOME, own, {**HEADERS, "X-Api-Key": "of the member", "X-Token": "t0ken"})


def test_a_secret_that_the_program_sets_later_is_the_copys_own_until_it_sets_no_server(
    program: Program,
) -> None:
    row = assistant_made(program)
    made, copy, change = squad_of(program, row)

    def member(**over: Any) -> None:
        members = [{"assistantId": str(row.pk), "assistantOverrides": over}]
        program.ask("PATCH", f"/squad/{made}", {"members": members})

    member(server={"secret": "of the member"})
    patched(program, row, ROTATED)
    change()
    assert secrets(copy)[1] == "of the member"
    member(**GREETING)

    assert secrets(copy)[1] == "2nd"


@HOLDERS
def test_a_secret_of_a_tool_that_the_program_set_is_the_copys_own(program: Program, holder: Any) -> None:
    row = assistant_made(program, **with_tools(BOOK))
    own = {"secret": "of the member", "headers": {"X-Api-Key": "of the member"}}
    _, copy, change = holder(program, row, with_tools(book(**own)))

    program.ask("PATCH", f"/assistant/{row.pk}", with_tools({**BOOK, "server": ROTATED}))
    change()
    taken_forget()
    change()

    assert secrets(tool_of(copy))[1:] == ("of the member", {"X-Api-Key": "of the member"})


@HOLDERS
@pytest.mark.parametrize("url", [AWAY, f"{HOME}/below", f"{HOME}?a=b"])
def test_a_copy_at_another_address_takes_nothing(program: Program, holder: Any, url: str) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row, {"server": {"url": url}})

    patched(program, row, ROTATED)
    change()

    assert secrets(copy) == (url, "", {"X-Site": "south"})


@HOLDERS
def test_a_copy_that_somebody_moved_takes_nothing(program: Program, holder: Any) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)
    edited(copy, server_url=AWAY, server_secret="of away", server_headers="")

    patched(program, row, {**ROTATED, "headers": {"X-Api-Key": "key2"}})
    change()

    assert secrets(copy) == (AWAY, "of away", {})


# --- Copies from before


@HOLDERS
def test_a_copy_from_before_takes_what_is_empty_and_what_nobody_has_edited(
    program: Program, holder: Any
) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)
    taken_forget()
    Assistant.objects.filter(pk=copy.pk).update(server_headers="")

    patched(program, row, ROTATED)
    change()

    assert secrets(copy) == (HOME, "2nd", ROTATED["headers"])


@HOLDERS
def test_a_copy_from_before_that_somebody_has_edited_keeps_its_secrets(program: Program, holder: Any) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)
    edited(copy, server_secret="of the copy")
    taken_forget()

    patched(program, row, ROTATED)
    change()
    change()

    assert secrets(copy)[1] == "of the copy"


@HOLDERS
def test_a_copy_from_before_keeps_what_its_assistant_has_none_of_and_what_the_program_set(
    program: Program, holder: Any
) -> None:
    first, second = assistant_made(program), assistant_made(program, name="Second")
    _, alone, change = holder(program, first)
    _, set_over, change_too = holder(program, second, {"server": {"secret": "of the member"}})
    taken_forget()

    edited(first, server_secret="")
    change()
    patched(program, second, ROTATED)
    change_too()

    assert secrets(alone)[1] == "1st"
    assert secrets(set_over)[1] == "of the member"


# --- All else


def test_no_secret_is_kept_in_the_clear_or_given_back(program: Program) -> None:
    row = assistant_made(program, **with_tools(BOOK))
    made, _, change = squad_of(program, row, with_tools(book()))
    patched(program, row, ROTATED)
    change()

    kept = str([*VapiObject.objects.values_list("raw", "base")])
    kept += str([*ClientDocument.objects.values_list("raw", "base")])
    told = str(program.ask("GET", f"/squad/{made}"))
    assert not [one for one in ("1st", "2nd", "key1", "key2") if one in kept + told]


@HOLDERS
def test_a_tool_that_was_deleted_and_is_made_anew_has_the_secrets_of_its_assistants_one(
    program: Program, holder: Any
) -> None:
    row = assistant_made(program, **with_tools(BOOK))
    _, copy, change = holder(program, row, with_tools(book()))
    own = tool_of(copy)
    edited(own, server_secret="of the copy")
    AssistantTool.objects.filter(tool=own).delete()
    own.delete()

    change()

    assert secrets(tool_of(copy)) == (HOME, "1st", HEADERS)


@HOLDERS
def test_a_secret_that_no_key_opens_any_more_stops_no_change(
    program: Program, holder: Any, settings: Any
) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)
    with_other = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = [OTHER_KEY]

    change()

    settings.FIELD_ENCRYPTION_KEYS = with_other
    assert secrets(copy) == (HOME, "1st", HEADERS)


@HOLDERS
def test_a_secret_of_the_copy_that_no_key_opens_any_more_is_taken_anew(
    program: Program, holder: Any, settings: Any
) -> None:
    row = assistant_made(program)
    _, copy, change = holder(program, row)
    keys = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = [OTHER_KEY]
    Assistant.objects.filter(pk=copy.pk).update(server_secret="lost")
    settings.FIELD_ENCRYPTION_KEYS = keys

    change()

    assert secrets(copy)[1] == "1st"


def test_a_new_secret_key_of_django_does_not_part_copies_from_their_assistants(
    program: Program, settings: Any
) -> None:
    row = assistant_made(program)
    _, copy, change = squad_of(program, row)
    settings.SECRET_KEY = "another one, of no fewer than fifty characters, for all that is signed"

    patched(program, row, ROTATED)
    change()

    assert secrets(copy)[1:] == ("2nd", ROTATED["headers"])


def test_an_assistant_inside_a_squad_is_no_copy_whatever_it_is_called(program: Program) -> None:
    row = assistant_made(program)
    inside = {"name": str(row.pk), "model": PROMPT, "server": {"url": HOME}}
    members = [{"assistantId": str(row.pk)}, {"assistant": inside}]

    program.ask("POST", "/squad", {"name": "Shop", "members": members}, 201)

    assert secrets(own_of(set())) == (HOME, "", {})


def test_a_squad_for_one_call_has_the_secrets_that_its_assistants_have_now(program: Program) -> None:
    row = assistant_made(program)
    document = {"members": [{"assistantId": str(row.pk), "assistantOverrides": GREETING}]}
    assert [secrets(one)[1] for one in members_of(document)] == ["1st"]

    patched(program, row, ROTATED)

    assert [secrets(one)[1:] for one in members_of(document)] == [("2nd", ROTATED["headers"])]


def members_of(document: dict[str, Any]) -> list[Assistant]:
    squad = squad_made(document, actor="a test")
    return list(Assistant.every.filter(squadmember__squad=squad))
