"""Headers that are never given back stay beside those that are, wherever a program changes only the latter."""

import json
from typing import Any

import pytest

from assistants.models import Assistant
from assistants.tests.api.test_objects import PROMPT, program
from tools.models import Tool
from tools.tests.access.program import Program

__all__ = ["program"]
pytestmark = pytest.mark.django_db

SERVER: dict[str, Any] = {
    "url": "https://desk.example.com/hooks",
    "headers": {"X-Api-Key": "k3y", "X-Site": "north"},
}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "book"}, "server": SERVER}


def made(program: Program, **settings: Any) -> Assistant:
    body = {"name": "Desk", "model": PROMPT, "server": SERVER, **settings}
    return Assistant.objects.get(pk=program.ask("POST", "/assistant", body, 201)["id"])


def test_a_squads_own_copy_has_every_header_of_its_assistant(program: Program) -> None:
    row = made(program)

    member = {"assistantId": str(row.pk), "assistantOverrides": {"firstMessage": "Hi."}}
    program.ask("POST", "/squad", {"name": "Shop", "members": [member]}, 201)

    copy = Assistant.objects.exclude(pk=row.pk).get()
    assert json.loads(copy.server_headers) == SERVER["headers"]


def test_the_tools_of_a_squads_own_copy_have_every_header(program: Program) -> None:
    row = made(program, model={**PROMPT, "tools": [TOOL]})
    tool = {**TOOL, "server": {**SERVER, "headers": {"X-Site": "south"}}}

    overrides = {"model": {**PROMPT, "tools": [tool]}}
    member = {"assistantId": str(row.pk), "assistantOverrides": overrides}
    program.ask("POST", "/squad", {"name": "Shop", "members": [member]}, 201)

    copied = Tool.objects.exclude(assistants=row).get()
    assert json.loads(copied.server_headers) == {"X-Api-Key": "k3y", "X-Site": "south"}


def test_a_header_that_is_sent_anew_replaces_the_kept_one_in_whatever_case(program: Program) -> None:
    row = made(program)

    changed = {**SERVER, "headers": {"x-api-key": "new", "X-Site": "north"}}
    program.ask("PATCH", f"/assistant/{row.pk}", {"server": changed})

    row.refresh_from_db()
    assert json.loads(row.server_headers) == {"x-api-key": "new", "X-Site": "north"}
