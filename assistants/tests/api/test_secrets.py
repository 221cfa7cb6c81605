"""Secrets that programs cannot read: they stay where a change leaves them, and never go to another server."""

import json
from typing import Any

import pytest

from assistants.models import Assistant
from assistants.tests.api.test_objects import PROMPT, program
from assistants.tests.factories import make_assistant
from assistants.vapi.servers import same_server
from tools.models import Credential, Tool
from tools.tests.access.program import Program

__all__ = ["program"]
pytestmark = pytest.mark.django_db

HOME = "https://desk.example.com/hooks"
SERVER: dict[str, Any] = {"url": HOME, "secret": "s3cret", "headers": {"X-Api-Key": "k3y", "X-Site": "north"}}
ELSEWHERE = [
    "https://evil.example.org/hooks",
    "https://evil.example.org#@desk.example.com/hooks",
    "https://evil.example.org\\@desk.example.com/hooks",
    "https://desk.example.com.evil.example.org/hooks",
    "https://desk.example.com:8443/hooks",
    "http://desk.example.com/hooks",
    "",
]
SAME = [
    HOME,
    "https://desk.example.com/other?a=b",
    "HTTPS://DESK.example.com:443",
    "https://u:p@desk.example.com/{{ a b }}",
]


@pytest.mark.parametrize("url", SAME)
def test_addresses_of_one_server_are_told_by_scheme_host_and_port(url: str) -> None:
    assert same_server(HOME, url)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_an_address_that_some_reader_takes_for_another_host_is_of_another_server(url: str) -> None:
    assert not same_server(HOME, url)
    assert not same_server(url, HOME)


@pytest.mark.parametrize("url", ["https://münchen.example/x", "", "{{ base }}/x"])
def test_an_address_that_stays_as_it_is_is_of_the_same_server(url: str) -> None:
    assert same_server(url, url)


def made(program: Program, **server: Any) -> Assistant:
    body = {"name": "Desk", "model": PROMPT, "server": {**SERVER, **server}}
    return Assistant.objects.get(pk=program.ask("POST", "/assistant", body, 201)["id"])


@pytest.mark.parametrize("url", ELSEWHERE[:2])
def test_a_change_that_leads_to_another_server_takes_no_secret_there(program: Program, url: str) -> None:
    row = made(program)

    program.ask("PATCH", f"/assistant/{row.pk}", {"server": {"url": url, "headers": {"X-Site": "south"}}})

    row = Assistant.objects.get(pk=row.pk)
    assert (row.server_url, row.server_secret) == (url, "")
    assert json.loads(row.server_headers) == {"X-Site": "south"}


def test_a_change_within_the_server_keeps_the_secret_and_another_secret_replaces_it(program: Program) -> None:
    row = made(program)

    program.ask("PATCH", f"/assistant/{row.pk}", {"server": {"url": "https://desk.example.com/other"}})
    assert Assistant.objects.get(pk=row.pk).server_secret == "s3cret"
    program.ask(
        "PATCH", f"/assistant/{row.pk}", {"server": {"url": "https://new.example.com", "secret": "n3w"}}
    )

    row = Assistant.objects.get(pk=row.pk)
    assert (row.server_secret, row.server_headers) == ("n3w", "")


def test_a_server_that_was_taken_away_leaves_no_secret_for_the_next_one(program: Program) -> None:
    row = made(program)

    program.ask("PATCH", f"/assistant/{row.pk}", {"server": None})
    program.ask("PATCH", f"/assistant/{row.pk}", {"server": {"url": "https://evil.example.org"}})

    assert Assistant.objects.get(pk=row.pk).server_secret == ""


def test_a_credential_that_people_chose_does_not_go_to_another_server(program: Program) -> None:
    credential = Credential.objects.create(name="desk")
    row = make_assistant(server_url=HOME, credential=credential)

    program.ask("PATCH", f"/assistant/{row.pk}", {"server": {"url": "https://desk.example.com/other"}})
    assert Assistant.objects.get(pk=row.pk).credential == credential
    program.ask("PATCH", f"/assistant/{row.pk}", {"server": {"url": "https://evil.example.org"}})

    assert Assistant.objects.get(pk=row.pk).credential is None


def test_the_headers_of_a_request_do_not_go_to_another_server(program: Program) -> None:
    headers = {"type": "object", "properties": {"X-Api-Key": {"type": "string", "value": "k3y"}}}
    body = {"type": "apiRequest", "name": "ask", "url": "https://api.example.com/{{ a }}", "headers": headers}
    tool = program.ask("POST", "/tool", body, 201)

    program.ask("PATCH", f"/tool/{tool['id']}", {"url": "https://api.example.com/other"})
    assert "k3y" in Tool.objects.get(pk=tool["id"]).server_headers
    program.ask("PATCH", f"/tool/{tool['id']}", {"url": "https://evil.example.org/"})

    assert Tool.objects.get(pk=tool["id"]).server_headers == ""


def test_the_secret_of_an_inline_tool_does_not_go_to_another_server(program: Program) -> None:
    def book(url: str, **server: Any) -> dict[str, Any]:
        tool = {"type": "function", "function": {"name": "book"}, "server": {"url": url, **server}}
        return {"model": {**PROMPT, "tools": [tool]}}

    assistant = program.ask("POST", "/assistant", book(HOME, secret="s3cret"), 201)

    program.ask("PATCH", f"/assistant/{assistant['id']}", book("https://desk.example.com/other"))
    assert Tool.objects.get(name="book").server_secret == "s3cret"
    program.ask("PATCH", f"/assistant/{assistant['id']}", book("https://evil.example.org"))

    assert Tool.objects.get(name="book").server_secret == ""


def test_a_squads_own_copy_takes_no_secret_to_another_server(program: Program) -> None:
    row = made(program)
    member = {"assistantId": str(row.pk), "assistantOverrides": {"firstMessage": "Hi."}}
    squad = program.ask("POST", "/squad", {"name": "Shop", "members": [member]}, 201)
    copies = Assistant.objects.exclude(pk=row.pk)
    assert [one.server_secret for one in copies] == ["s3cret"]

    member["assistantOverrides"] = {"server": {"url": "https://evil.example.org#@desk.example.com/"}}
    program.ask("PATCH", f"/squad/{squad['id']}", {"members": [member]})

    assert [(one.server_url[:24], one.server_secret) for one in copies.all()] == [
        ("https://evil.example.org", "")
    ]


def test_an_address_that_is_not_given_back_whole_can_be_sent_back_as_it_was_read(program: Program) -> None:
    url, other = "https://desk.example.com/hooks?tenant=t0ken", "https://desk.example.com/book?key=k3y"
    tool = {"type": "function", "function": {"name": "book"}, "server": {"url": other}}
    body = {"model": {**PROMPT, "tools": [tool]}, "server": {"url": url}}
    read = program.ask("POST", "/assistant", body, 201)
    assert "t0ken" not in json.dumps(read)
    assert "k3y" not in json.dumps(read)

    changes = {
        "server": {**read["server"], "timeoutSeconds": 30},
        "model": {**read["model"], "temperature": 0.2},
    }
    changed = program.ask("PATCH", f"/assistant/{read['id']}", changes)

    assert (changed["server"], changed["model"]) == (changes["server"], changes["model"])
    assert (Assistant.objects.get().server_url, Tool.objects.get().server_url) == (url, other)
    refused = program.ask(
        "PATCH", f"/assistant/{read['id']}", {"serverUrl": "https://x.example.com?a=(hidden)"}, 400
    )
    assert refused["message"][0].startswith("(hidden) stands for a secret")


def test_a_squads_addresses_can_be_sent_back_as_they_were_read(program: Program) -> None:
    url = "https://desk.example.com/hooks?tenant=t0ken"
    member = {"assistant": {"name": "Desk", "model": PROMPT, "server": {"url": url}}}
    read = program.ask("POST", "/squad", {"name": "Shop", "members": [member]}, 201)
    read["members"][0]["assistant"]["firstMessage"] = "Hi."

    program.ask("PATCH", f"/squad/{read['id']}", {"members": read["members"]})
    program.ask("PATCH", f"/squad/{read['id']}", {"name": "The shop"})

    assert [(one.server_url, one.first_message) for one in Assistant.objects.all()] == [(url, "Hi.")]


def test_a_squads_own_copies_ask_the_whole_addresses_of_their_assistant(program: Program) -> None:
    url, other = "https://desk.example.com/hooks?tenant=t0ken", "https://desk.example.com/book?key=k3y"
    tool = {"type": "function", "function": {"name": "book"}, "server": {"url": other}}
    body = {"name": "Desk", "model": {**PROMPT, "tools": [tool]}, "server": {"url": url}}
    named = program.ask("POST", "/assistant", body, 201)["id"]
    overrides = {"firstMessage": "Hi.", "tools:append": [{"type": "endCall"}]}
    member = {"assistantId": named, "assistantOverrides": overrides}

    program.ask("POST", "/squad", {"name": "Shop", "members": [member]}, 201)

    copy = Assistant.objects.exclude(pk=named).get()
    assert copy.server_url == url
    assert {one.server_url for one in copy.tools.all()} == {other, ""}


def test_what_was_read_with_marks_and_is_sent_back_publishes_nothing(program: Program) -> None:
    body = {"name": "Desk", "model": PROMPT, "server": {"url": "https://desk.example.com/hooks?tenant=t0ken"}}
    read = program.ask("POST", "/assistant", body, 201)

    assert program.ask("PATCH", f"/assistant/{read['id']}", read) == read
    assert Assistant.objects.get().versions.count() == 1
