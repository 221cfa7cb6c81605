"""Squads that programs delete, while numbers need them and calls went to them."""

from dataclasses import replace

import pytest

from assistants.models import Assistant, Squad
from assistants.snapshots import snapshot_read
from assistants.tests.api.test_objects import PROMPT, program
from assistants.tests.api.test_squads import desk, live, members, shop
from calls.choosing.services import choose
from calls.tests.factories import make_call, make_phone_number
from tools.tests.access.program import Program

__all__ = ["program"]
pytestmark = pytest.mark.django_db

BOOK = {
    "type": "function",
    "function": {"name": "book"},
    "server": {"url": "https://t.example.com", "secret": "s3same"},
}


def test_overrides_reach_a_squads_own_copies_and_leave_their_tools(program: Program) -> None:
    first = program.ask("POST", "/assistant", {"name": "Desk", "model": {**PROMPT, "tools": [BOOK]}}, 201)
    made = program.ask("POST", "/squad", shop(Assistant.objects.get(pk=first["id"])), 201)
    over = {"endCallMessage": "Bye."}
    own = members(made["id"])[0]

    plain = choose({"squadId": made["id"], "squadOverrides": over})
    fewer = choose(
        {"squadId": made["id"], "squadOverrides": {**over, "model": {"tools": [{"type": "endCall"}]}}}
    )

    now, before = snapshot_read(plain.version.snapshot), live(own)
    assert now == replace(before, end_call_message="Bye.")
    assert [tool.name for tool in before.tools] == ["book", "transferCall"]
    assert [tool.name for tool in snapshot_read(fewer.version.snapshot).tools] == [
        "transferCall",
        "endCall",
    ]
    assert set(plain.versions) == {one.pk for one in members(made["id"])}


def test_a_squad_that_a_number_needs_is_not_deleted_and_one_that_calls_had_keeps_their_records(
    program: Program,
) -> None:
    made = program.ask("POST", "/squad", shop(desk()), 201)
    squad = Squad.objects.get(pk=made["id"])
    number = make_phone_number(squad=squad)
    assert "a phone number" in program.ask("DELETE", f"/squad/{made['id']}", status=409)["message"]
    number.delete()
    call = make_call(squad=squad)

    program.ask("DELETE", f"/squad/{made['id']}")

    call.refresh_from_db()
    assert call.squad == squad
    program.ask("GET", f"/squad/{made['id']}", status=404)
    assert not any(one.enabled for one in members(made["id"]))
