"""What changed at Vapi since: seen by the watch, shown in words, taken over by people only."""

import copy
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from assistants.imports.runs import api_read, import_write
from assistants.imports.tasks import vapi_watch_look
from assistants.imports.watch import changes_take, compare, watch_look
from assistants.models import Assistant, ImportFinding, VapiObject, VapiWatch
from assistants.tests.drafts import make_run
from assistants.tests.vapi.server import Vapi, load, vapi_running
from assistants.vapi.documents import ExportError
from tools.models import Tool

pytestmark = pytest.mark.django_db

KEY = "b2d7a6d4-6a53-4b0f-8a60-1c7f6f1a9e11"
TOOL = "11111111-aaaa-4aaa-8aaa-000000000001"


@pytest.fixture
def vapi(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vapi]:
    """A Vapi from which everything has just been imported."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with vapi_running() as running:
        settings.VAPI_API_URL, settings.VAPI_API_KEY = running.url, "private-key"
        running.put("assistant", load("assistant-clinic.json"))
        for tool in load("tools.json"):
            running.put("tool", tool)
        read_again()
        yield running


def read_again() -> None:
    import_write(api_read(key="private-key"), run=make_run())


def row(key: str = KEY) -> VapiObject:
    return VapiObject.objects.select_related("assistant", "tool").get(key=key)


def desk() -> Assistant:
    return Assistant.objects.get(name="Riverbend front desk")


def names(found: Any) -> list[str]:
    return [one.name for one in found.differences]


def test_nothing_changed_is_nothing_to_show(vapi: Vapi) -> None:
    watch_look()

    assert not VapiObject.objects.filter(seen__isnull=False).exists()
    assert not VapiObject.objects.filter(gone=True).exists()
    found = compare(row())
    assert (found.differences, found.leaves) == ((), ())
    assert VapiWatch.objects.get().looked_at is not None


def test_vapis_own_bookkeeping_is_no_change(vapi: Vapi) -> None:
    vapi.objects["assistant"][KEY]["updatedAt"] = "2030-01-01T00:00:00.000Z"
    vapi.objects["assistant"][KEY]["latestVersion"] = "v99"

    watch_look()

    assert row().seen is None


def test_a_change_is_seen_and_changes_nothing_here(vapi: Vapi) -> None:
    vapi.objects["assistant"][KEY]["endCallMessage"] = "Bye now."
    before = Assistant.objects.values().get(pk=desk().pk)

    watch_look()

    assert Assistant.objects.values().get(pk=desk().pk) == before
    found = compare(row())
    one = found.differences[0]
    assert names(found) == ["end_call_message"]
    assert (one.label, one.theirs, one.ours, one.changed_here) == (
        "Last message",
        "Bye now.",
        "Thank you for calling. Goodbye.",
        False,
    )
    assert [leaf.path for leaf in found.leaves] == ["endCallMessage"]


def test_what_is_chosen_is_taken_and_the_rest_goes_on_being_shown(vapi: Vapi) -> None:
    there = vapi.objects["assistant"][KEY]
    there["endCallMessage"] = "Bye now."
    there["firstMessage"] = "Riverbend."
    watch_look()

    left = changes_take(row=row(), take=["first_message"])

    assert names(left) == names(compare(row())) == ["end_call_message"]
    assert (desk().first_message, desk().end_call_message) == (
        "Riverbend.",
        "Thank you for calling. Goodbye.",
    )
    watch_look()
    assert names(compare(row())) == ["end_call_message"]

    left = changes_take(row=row(), take=["end_call_message"])

    assert (left.differences, row().seen) == ((), None)
    assert row().raw["firstMessage"] == "Riverbend."
    found = ImportFinding.objects.get(vapi_object=row(), path="firstMessage")
    assert found.ours == "Riverbend."


def test_what_is_ignored_is_shown_again_only_when_it_changes_again(vapi: Vapi) -> None:
    vapi.objects["assistant"][KEY]["endCallMessage"] = "Bye now."
    watch_look()

    left = changes_take(row=row(), ignore=["end_call_message"])

    assert left.differences == ()
    assert desk().end_call_message == "Thank you for calling. Goodbye."
    watch_look()
    assert row().seen is None
    vapi.objects["assistant"][KEY]["endCallMessage"] = "See you."
    watch_look()
    assert names(compare(row())) == ["end_call_message"]


def test_a_change_on_both_sides_is_told_as_such(vapi: Vapi) -> None:
    Assistant.objects.filter(pk=desk().pk).update(end_call_message="Ours.")
    vapi.objects["assistant"][KEY]["endCallMessage"] = "Theirs."
    watch_look()
    assert compare(row()).differences[0].changed_here

    changes_take(row=row(), take=["end_call_message"])

    assert desk().end_call_message == "Theirs."


def test_a_conflict_of_an_import_can_be_taken_over_afterwards(vapi: Vapi) -> None:
    Assistant.objects.filter(pk=desk().pk).update(end_call_message="Ours.")
    vapi.objects["assistant"][KEY]["endCallMessage"] = "Theirs."
    read_again()
    assert ImportFinding.objects.filter(code="conflict").exists()
    assert names(compare(row())) == ["end_call_message"]

    changes_take(row=row(), take=["end_call_message"])

    assert desk().end_call_message == "Theirs."
    assert not ImportFinding.objects.filter(code="conflict").exists()


def test_a_change_that_is_no_setting_of_ours_can_be_put_away(vapi: Vapi) -> None:
    vapi.objects["assistant"][KEY]["backgroundSound"] = "office"
    watch_look()
    found = compare(row())
    assert (found.differences, [leaf.path for leaf in found.leaves]) == ((), ["backgroundSound"])

    changes_take(row=row())

    assert row().seen is None
    watch_look()
    assert row().seen is None


def test_a_stored_tool_is_watched_too(vapi: Vapi) -> None:
    vapi.objects["tool"][TOOL]["function"]["description"] = "Look first."
    watch_look()
    assert names(compare(row(TOOL))) == ["description"]

    changes_take(row=row(TOOL), take=["description"])

    assert Tool.objects.get(name="find_slots").description == "Look first."


def test_an_inline_tool_is_watched_with_its_assistant(vapi: Vapi) -> None:
    tools = vapi.objects["assistant"][KEY]["model"]["tools"]
    tools[0]["function"]["description"] = "Book at once."
    watch_look()
    inline = VapiObject.objects.get(name="book_appointment")
    assert row().seen is None
    assert names(compare(inline)) == ["description"]

    changes_take(row=inline, take=["description"])

    assert Tool.objects.get(name="book_appointment").description == "Book at once."
    watch_look()
    inline.refresh_from_db()
    assert inline.seen is None


def test_a_tool_that_is_new_at_vapi_comes_when_it_is_taken(vapi: Vapi) -> None:
    new = copy.deepcopy(vapi.objects["tool"][TOOL])
    new |= {"id": "22222222-aaaa-4aaa-8aaa-000000000001"}
    new["function"]["name"] = "brand_new"
    vapi.put("tool", new)
    vapi.objects["assistant"][KEY]["model"]["toolIds"].append(new["id"])
    watch_look()
    found = compare(row())
    assert names(found) == ["tools"]
    assert "brand_new (new)" in found.differences[0].theirs

    left = changes_take(row=row(), take=["tools"])

    assert left.differences == ()
    assert desk().tools.filter(name="brand_new").exists()


def test_what_was_deleted_at_vapi_is_marked_and_stays_here(vapi: Vapi) -> None:
    del vapi.objects["assistant"][KEY]

    watch_look()

    assert row().gone
    assert desk().first_message


def test_failing_is_noted_once(vapi: Vapi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "assistants.imports.watch")
    for _ in range(3):
        vapi.failures = [401]
        watch_look()

    watch = VapiWatch.objects.get()
    assert "401" in watch.error
    assert watch.failing_since is not None
    assert len([one for one in caplog.records if one.message == "watch of vapi fails"]) == 1
    watch_look()
    assert VapiWatch.objects.get().error == ""


def test_without_a_key_nobody_looks(vapi: Vapi, settings: Any) -> None:
    settings.VAPI_API_KEY = ""
    vapi.asked.clear()

    vapi_watch_look()

    assert vapi.asked == []


def test_taking_what_is_gone_is_one_message(vapi: Vapi) -> None:
    with pytest.raises(ExportError, match="nothing left to take over"):
        changes_take(row=row(), take=["end_call_message"])


def test_taking_over_leaves_secrets_alone(vapi: Vapi) -> None:
    vapi.objects["assistant"][KEY]["server"]["secret"] = "from-vapi"
    vapi.objects["tool"][TOOL]["server"]["secret"] = "of-the-tool"
    read_again()
    assert desk().server_secret == "from-vapi"
    vapi.objects["assistant"][KEY]["endCallMessage"] = "Bye now."
    vapi.objects["tool"][TOOL]["function"]["description"] = "Look first."
    watch_look()

    changes_take(row=row(), take=["end_call_message"])
    changes_take(row=row(TOOL), take=["description"])

    assert desk().server_secret == "from-vapi"
    assert Tool.objects.get(name="find_slots").server_secret == "of-the-tool"
    stored = str(VapiObject.objects.values_list("raw", "base", "seen", "seen_with"))
    assert "from-vapi" not in stored
    read_again()
    assert desk().server_secret == "from-vapi"
    assert not ImportFinding.objects.filter(code="secret_differs").exists()


def test_an_import_makes_what_was_seen_obsolete(vapi: Vapi) -> None:
    vapi.objects["assistant"][KEY]["endCallMessage"] = "Bye now."
    watch_look()

    read_again()

    assert (row().seen, desk().end_call_message) == (None, "Bye now.")
    assert row().imported_at <= timezone.now()


def test_an_assistant_inside_a_destination_is_watched_and_taken_with_its_tool(vapi: Vapi) -> None:
    inside: dict[str, Any] = {
        "type": "assistant",
        "assistant": {"name": "Billing", "firstMessage": "Billing."},
    }
    changed = {"type": "assistant", "assistantId": KEY, "assistantOverrides": {"endCallMessage": "Bye."}}
    known = {name: vapi.objects["tool"][TOOL][name] for name in ("orgId", "createdAt", "updatedAt")}
    vapi.put("tool", {**known, "id": "t9", "type": "handoff", "destinations": [inside, changed]})
    vapi.objects["assistant"][KEY]["model"]["toolIds"].append("t9")
    read_again()
    watch_look()
    assert not VapiObject.objects.filter(seen__isnull=False).exists()
    there = vapi.objects["tool"]["t9"]
    there["destinations"] = [
        {**inside, "assistant": {**inside["assistant"], "firstMessage": "Invoices."}},
        changed,
    ]

    watch_look()
    assert names(compare(row("t9"))) == ["settings"]
    changes_take(row=row("t9"), take=["settings"])

    assert Assistant.objects.get(name="Billing").first_message == "Invoices."
    assert row("t9").seen is None


def test_a_new_tool_is_taken_with_the_assistants_inside_its_destinations(vapi: Vapi) -> None:
    inside = {"type": "assistant", "assistant": {"name": "Billing", "firstMessage": "Billing."}}
    known = {name: vapi.objects["tool"][TOOL][name] for name in ("orgId", "createdAt", "updatedAt")}
    vapi.put("tool", {**known, "id": "t9", "type": "handoff", "destinations": [inside]})
    vapi.objects["assistant"][KEY]["model"]["toolIds"].append("t9")
    watch_look()

    changes_take(row=row(), take=["tools"])

    assert Assistant.objects.get(name="Billing").first_message == "Billing."
    assert row("t9").tool in desk().tools.all()


def test_a_squad_inside_a_destination_that_changes_its_members_is_no_news(vapi: Vapi) -> None:
    entry = {"assistantId": KEY, "assistantOverrides": {"endCallMessage": "Bye."}}
    team = {"type": "squad", "squad": {"name": "Team", "members": [entry]}}
    known = {name: vapi.objects["tool"][TOOL][name] for name in ("orgId", "createdAt", "updatedAt")}
    vapi.put("tool", {**known, "id": "t9", "type": "handoff", "destinations": [team]})
    vapi.objects["assistant"][KEY]["model"]["toolIds"].append("t9")
    read_again()

    watch_look()

    assert not VapiObject.objects.filter(seen__isnull=False).exists()
