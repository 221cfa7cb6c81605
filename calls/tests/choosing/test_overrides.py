"""Overrides over what callers hear, while people have edited on; and what they must not take along."""

from dataclasses import replace
from typing import Any

import pytest

from assistants.api.checking import READ_ONLY
from assistants.models import Assistant, AssistantTool
from assistants.snapshots import snapshot_read
from assistants.tests.api.test_objects import imported
from assistants.tests.factories import make_assistant, make_version
from calls.choosing.services import RefusedError, choose
from calls.tests.choosing.test_services import (
    BOOK,
    PROMPT,
    catalogue,
    desk,
    handing_over,
    made_of,
    placed,
    snapshot_of,
)
from tools.models import Tool
from tools.tests.access.program import Program
from tools.tests.factories import make_tool

__all__ = ["catalogue"]
pytestmark = pytest.mark.django_db


def over(assistant: Assistant, overrides: dict[str, Any], **more: Any) -> Any:
    """What a call with these overrides runs on."""
    return snapshot_of(choose({"assistantId": str(assistant.pk), "assistantOverrides": overrides, **more}))


def names(snapshot: Any) -> list[str]:
    return [tool.name for tool in snapshot.tools]


def test_what_overrides_say_counts_where_people_have_written_the_same_and_not_published_it() -> None:
    assistant = desk(max_duration_s=300)
    Assistant.objects.filter(pk=assistant.pk).update(first_message="Hi.", max_duration_s=120)

    now = over(assistant, {"firstMessage": "Hi.", "maxDurationSeconds": 120})

    assert (now.first_message, now.max_duration_s) == ("Hi.", 120)


def test_what_overrides_say_counts_over_an_older_version() -> None:
    assistant = desk(first_message="First.")
    Assistant.objects.filter(pk=assistant.pk).update(first_message="Second.")
    make_version(assistant=assistant)

    assert over(assistant, {"firstMessage": "Second."}, assistantVersion="v1").first_message == "Second."


def test_overrides_that_take_a_setting_away_leave_nothing_of_it() -> None:
    document = {"name": "Till", "model": PROMPT, "compliancePlan": {"pciEnabled": True}}
    made = Program().ask("POST", "/assistant", document, 201)
    till = Assistant.objects.get(pk=made["id"])

    assert over(till, {"firstMessage": "Hi."}).redact == ("card",)
    assert over(till, {"compliancePlan": {"pciEnabled": False}}).redact == ()


def test_tools_that_overrides_name_are_offered_though_only_the_draft_had_them() -> None:
    assistant = desk()
    stored = make_tool(name="price_list", server_url="https://tools.example.com/prices")
    AssistantTool.objects.filter(assistant=assistant).delete()
    AssistantTool.objects.create(assistant=assistant, tool=stored)

    assert names(over(assistant, {"model": {"toolIds": [str(stored.pk)]}})) == ["price_list"]
    assert names(over(assistant, {"tools:append": [BOOK]})) == ["find_slots", "book"]


def test_what_a_squad_changes_of_a_member_counts_where_people_have_written_the_same() -> None:
    assistant = desk(name="Desk")
    Assistant.objects.filter(pk=assistant.pk).update(first_message="Hi.")
    member = {"assistantId": str(assistant.pk), "assistantOverrides": {"firstMessage": "Hi."}}
    plain = {"assistantId": str(assistant.pk), "assistantDestinations": [handing_over("Desk")]}

    call = placed({"squad": {"members": [plain, member]}})

    told = [one.snapshot.first_message for one in call.members.values() if one.snapshot]
    assert told[1] == "Hi."
    assert told[0].startswith("Hello")


@pytest.mark.parametrize(
    "url", ["https://evil.example.org#@desk.example.com/", "https://evil.example.org\\@desk.example.com/"]
)
def test_no_way_of_writing_an_address_takes_a_secret_to_another_server(url: str) -> None:
    assistant = desk(server_headers='{"X-Api-Key": "k3y"}')
    body = {"assistantId": str(assistant.pk), "assistantOverrides": {"server": {"url": url}}}

    made = made_of(placed(body))

    assert (made.server_url, made.server_secret, made.server_headers) == (url, "", "")


def test_an_older_version_of_an_assistant_that_is_switched_off_takes_no_call() -> None:
    assistant = desk(enabled=False)

    with pytest.raises(RefusedError) as caught:
        choose({"assistantId": str(assistant.pk), "assistantVersion": "v1"})

    assert "Is Switched Off" in caught.value.messages[0]


def test_a_tool_that_was_deleted_since_takes_no_secret_of_the_assistant_to_its_server() -> None:
    tool = make_tool(name="book", server_url="https://tools.example.com/book")
    call_of = make_assistant(
        published=True, tools=[tool], server_url="https://desk.example.com", server_secret="s"
    )
    AssistantTool.objects.all().delete()
    Tool.objects.filter(pk=tool.pk).delete()

    call = placed({"assistantId": str(call_of.pk)})

    auth = call.tool_auths[str(tool.pk)]
    assert (auth.secret_token, call.assistant_auth.secret_token != "") == ("", True)


def test_a_squad_of_more_members_than_can_share_a_call_is_refused() -> None:
    members = [{"assistant": {"name": f"M{n}", "model": PROMPT}} for n in range(41)]

    with pytest.raises(RefusedError) as caught:
        choose({"squad": {"members": members}})

    assert caught.value.messages == ["squad.members must contain no more than 40 elements"]


@pytest.mark.parametrize("name", ["assistant-clinic.json", "assistant-restaurant.json"])
def test_an_assistants_own_document_laid_over_it_changes_nothing(name: str) -> None:
    imported("tools.json")
    document = imported(name)[0]
    assistant = Assistant.objects.get(vapi_objects__key=document["id"])
    live = snapshot_read(make_version(assistant=assistant).snapshot)
    settings = {key: value for key, value in document.items() if key not in READ_ONLY}

    over_itself = snapshot_of(choose({"assistantId": document["id"], "assistantOverrides": settings}))
    along = snapshot_of(choose({"assistant": settings}))

    assert over_itself == live
    named: Any = {"assistant_id": along.assistant_id, "transient": True}
    own_tools = [replace(one, id=other.id) for one, other in zip(live.tools, along.tools, strict=True)]
    assert along == replace(live, tools=tuple(own_tools), **named)


def test_what_is_left_alone_by_overrides_keeps_its_whole_address() -> None:
    url, other = "https://desk.example.com/hooks?tenant=t0ken", "https://desk.example.com/book?key=k3y"
    tool = make_tool(name="book", server_url=other)
    assistant = desk(server_url=url, tools=[tool], name="Desk")
    words = {"firstMessage": "Hi.", "server": {"timeoutSeconds": 5}}
    squad = {"members": [{"assistantId": str(assistant.pk), "assistantOverrides": words}]}

    for body in ({"assistantId": str(assistant.pk), "assistantOverrides": words}, {"squad": squad}):
        call = placed(body)
        assert (call.snapshot.server_url, call.snapshot.tools[0].server_url) == (url, other)
        assert (made_of(call).server_url, made_of(call).server_secret) == (url, "of the desk")
        assert made_of(call).plans["server"] == {"timeoutSeconds": 5}
