"""The pages of imports: starting, reading, settling, taking over; who may, and what it costs."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from celery.exceptions import OperationalError as BrokerError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from assistants.imports.runs import run_carry_out
from assistants.imports.writing import import_apply
from assistants.models import (
    Assistant,
    ImportFinding,
    Squad,
    VapiImport,
    VapiObject,
    VapiWatch,
    VoiceMapping,
)
from assistants.snapshots import snapshot_take
from assistants.tests.drafts import (
    DESK,
    finding,
    make_assistant_draft,
    make_drafts,
    make_run,
    make_squad_draft,
)
from assistants.tests.factories import make_assistant
from assistants.tests.test_admin import change_url, client_with, form_data
from assistants.tests.vapi.server import FIXTURES
from assistants.vapi.drafts import Drafts, Verdict
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db

CLINIC = (FIXTURES / "assistant-clinic.json").read_bytes()
ADD = "admin:assistants_vapiimport_add"


@pytest.fixture
def queue() -> Iterator[list[str]]:
    """The runs that were put into the queue; they are carried out at once."""
    put: list[str] = []

    def delay(*, run_id: str) -> None:
        put.append(run_id)
        run_carry_out(run_id)

    with patch("assistants.imports.admin.vapi_import_run.delay", delay):
        yield put


def page(client: Client, name: str, *args: Any, **query: Any) -> str:
    response = client.get(reverse(name, args=args), query, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def upload(client: Client, content: bytes = CLINIC, **fields: str) -> str:
    file = SimpleUploadedFile("a.json", content, content_type="application/json")
    response = client.post(reverse(ADD), {"uploads": [file], "import": "1", **fields}, follow=True)
    return response.content.decode()


def imported(drafts: Drafts | None = None) -> VapiObject:
    run = make_run()
    summary = import_apply(drafts or make_drafts(), run=run)
    VapiImport.objects.filter(pk=run.pk).update(status="done", summary=summary.to_json())
    return VapiObject.objects.get(key=DESK)


def open_one() -> ImportFinding:
    return ImportFinding.objects.get(code="missing_secret")


# --- Starting


def test_the_page_to_start_an_import_opens(admin_client: Client, settings: Any) -> None:
    settings.VAPI_API_KEY = ""
    assert "Use the key of this installation" not in page(admin_client, ADD)
    settings.VAPI_API_KEY = "x"
    assert "Use the key of this installation" in page(admin_client, ADD)


def test_uploaded_files_are_imported_and_reported(admin_client: Client, queue: list[str]) -> None:
    html = upload(admin_client)

    run = VapiImport.objects.get()
    assert queue == [str(run.pk)]
    assert (run.source, run.dry_run, str(run.started_by)) == ("File a.json", False, "admin")
    assert "Riverbend front desk" in html
    assert "Needs a decision" in html
    assert "an import never publishes" in html


def test_a_paste_is_imported(admin_client: Client, queue: list[str]) -> None:
    admin_client.post(reverse(ADD), {"pasted": CLINIC.decode(), "import": "1"})

    assert Assistant.objects.filter(name="Riverbend front desk").exists()


def test_a_try_shows_the_report_and_writes_nothing(admin_client: Client, queue: list[str]) -> None:
    html = upload(admin_client, CLINIC, **{"try": "1"})

    assert "This was a try" in html
    assert "Needs a decision" in html
    assert not VapiObject.objects.exists()
    run = VapiImport.objects.get()
    text = admin_client.get(reverse("admin:assistants_vapiimport_csv", args=[run.pk])).content.decode()
    assert len(list(csv.reader(io.StringIO(text)))) == sum(run.summary["counts"].values()) + 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!doctype html><html>502 Bad Gateway", "is an HTML page, not JSON"),
        (CLINIC[:700], "the file ends in the middle"),
        (b"[3]", "item 1: a number where an object is due"),
        (b"", "empty"),
        (b'{"hello": 1}', "a.json"),
    ],
)
def test_bad_input_is_one_clear_message_and_nothing_is_imported(
    admin_client: Client, queue: list[str], content: bytes, words: str
) -> None:
    html = upload(admin_client, content)

    assert words in html
    assert "Nothing was imported" in html or not content
    assert not VapiObject.objects.exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Choose files, paste text or enter a key first."),
        ({"pasted": "{}", "api_key": "k"}, "Use only one of the three ways at a time."),
        ({"pasted": "{}", "assistant_ids": "x"}, "Ids can only be chosen where a key is used."),
    ],
)
def test_a_form_that_makes_no_sense_says_so(admin_client: Client, data: dict[str, str], words: str) -> None:
    assert words in admin_client.post(reverse(ADD), data).content.decode()
    assert not VapiImport.objects.exists()


def test_too_much_is_refused_at_once(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistants.imports.forms.MAX_BYTES", 100)

    assert "More than 20 MiB in all" in upload(admin_client)


def test_a_key_is_never_shown_again(admin_client: Client, queue: list[str]) -> None:
    with patch("assistants.imports.runs.api_read", side_effect=AssertionError):
        response = admin_client.post(reverse(ADD), {"api_key": "very-private", "pasted": "x"})

    assert "very-private" not in response.content.decode()


def test_a_queue_that_is_away_is_one_message(admin_client: Client) -> None:
    with patch("assistants.imports.admin.vapi_import_run.delay", side_effect=BrokerError):
        html = upload(admin_client)

    assert "The queue of jobs could not be reached" in html
    assert VapiImport.objects.get().content == ""


def test_progress_is_told_and_a_stuck_run_can_be_started_again(
    admin_client: Client, queue: list[str]
) -> None:
    with patch("assistants.imports.admin.vapi_import_run.delay"):
        assert "Waiting for a worker." in upload(admin_client)
    run = VapiImport.objects.get()
    state = admin_client.get(reverse("admin:assistants_vapiimport_state", args=[run.pk])).json()
    assert state == {"live": True, "text": "Waiting for a worker.", "done": 0, "total": None}
    VapiImport.objects.update(status="running", beat_at=timezone.now() - timedelta(hours=1))
    assert "It seems to be stuck" in page(admin_client, "admin:assistants_vapiimport_change", run.pk)

    again = reverse("admin:assistants_vapiimport_again", args=[run.pk])
    assert admin_client.get(again).status_code == 403
    html = admin_client.post(again, follow=True).content.decode()

    assert "What to do next" in html
    assert "has ended already" in admin_client.post(again, follow=True).content.decode()


# --- Reading


def test_every_page_opens_when_there_is_nothing(admin_client: Client) -> None:
    for model in ("vapiimport", "vapiobject", "voicemapping", "squad"):
        page(admin_client, f"admin:assistants_{model}_changelist")
    page(admin_client, "admin:assistants_squad_add")
    page(admin_client, "admin:assistants_voicemapping_add")
    page(admin_client, "admin:tools_credential_changelist")


@pytest.mark.parametrize(
    "query",
    [{}, {"kind": "tool"}, {"decisions": "open"}, {"decisions": "none"}]
    + [{"since": value} for value in ("changed", "gone", "same")]
    + [{"q": "Front"}],
)
def test_the_list_of_objects_opens_with_every_filter(admin_client: Client, query: dict[str, str]) -> None:
    imported(make_drafts(squads=(make_squad_draft(),)))
    VapiWatch.objects.create(error="Vapi does not accept the key (401).", failing_since=timezone.now())

    html = page(admin_client, "admin:assistants_vapiobject_changelist", **query)

    assert "does not accept the key (401)" in html


def test_every_page_of_an_object_opens_whatever_it_became(admin_client: Client) -> None:
    imported(make_drafts(squads=(make_squad_draft(),)))
    Squad.objects.all().delete()
    for row in VapiObject.objects.all():
        for name in ("change", "changes"):
            page(admin_client, f"admin:assistants_vapiobject_{name}", row.pk)
    page(admin_client, "admin:assistants_vapiimport_change", VapiImport.objects.get().pk)


def test_hundreds_of_long_and_odd_values_stay_readable(admin_client: Client) -> None:
    odd = [finding(f"hooks[{n}].x", Verdict.DROPPED, source={"a": ["<b>" * 500]}) for n in range(450)]
    row = imported(Drafts(assistants=(make_assistant_draft(findings=tuple(odd)),)))

    html = page(admin_client, "admin:assistants_vapiobject_change", row.pk)

    assert "Page 1 of 5" in html
    assert "<b><b>" not in html
    assert html.count('class="t-long"') == 100
    assert "Page 5 of 5" in page(admin_client, "admin:assistants_vapiobject_change", row.pk, page=5)


def test_a_report_is_filtered_and_searched(admin_client: Client) -> None:
    row = imported()

    html = page(admin_client, "admin:assistants_vapiobject_change", row.pk, verdict="dropped")
    assert ("Background sound" in html, "Voice → voice id" in html) == (True, False)

    html = page(admin_client, "admin:assistants_vapiobject_change", row.pk, q="sarah")
    assert ("Background sound" in html, "Voice → voice id" in html) == (False, True)
    assert "Nothing matches." in page(admin_client, "admin:assistants_vapiobject_change", row.pk, q="zzz")


def test_a_table_of_an_object_has_no_formula(admin_client: Client) -> None:
    found = finding("name", source="=1+1", ours="@x", reason="-y")
    row = imported(Drafts(assistants=(make_assistant_draft(findings=(found,)),)))

    response = admin_client.get(reverse("admin:assistants_vapiobject_csv", args=[row.pk]))

    cells = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))[1]
    assert ("'@x" in cells, "'-y" in cells) == (True, True)
    assert response["Content-Disposition"].startswith("attachment")


def test_lists_and_reports_cost_the_same_for_many(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    imported()
    lists = [reverse(f"admin:assistants_{name}_changelist") for name in ("vapiobject", "assistant", "squad")]
    run_page = reverse("admin:assistants_vapiimport_change", args=[VapiImport.objects.get().pk])
    costs = [cost(admin_client, url) for url in [*lists, run_page]]
    many = tuple(make_assistant_draft(key=f"key-{n}", name=f"Desk {n}") for n in range(12))
    squads = tuple(make_squad_draft(key=f"s{n}", name=f"S{n}", members=("key-1", "key-2")) for n in range(5))
    VapiImport.objects.update(created_at=timezone.now() - timedelta(days=1))
    imported(make_drafts(assistants=(*make_drafts().assistants, *many), squads=squads))
    run_page = reverse(
        "admin:assistants_vapiimport_change", args=[VapiImport.objects.latest("created_at").pk]
    )

    for before, url in zip(costs, [*lists, run_page], strict=True):
        # The squads' list prefetches only once there are squads.
        with django_assert_max_num_queries(before + (3 if "squad" in url else 1)):
            admin_client.get(url)


def cost(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        client.get(url)
    return len(queries)


# --- Settling


def test_a_decision_is_settled_and_opened_again(admin_client: Client) -> None:
    row = imported()
    settle = reverse("admin:assistants_vapiobject_settle", args=[row.pk])
    data = {"finding": open_one().pk, "note": "Not needed", "next": "/admin/?x=1"}

    response = admin_client.post(settle, data)

    assert response["Location"] == "/admin/?x=1"
    assert (str(open_one().settled_by), open_one().settled_note) == ("admin", "Not needed")
    assert "Not needed" in page(admin_client, "admin:assistants_vapiobject_change", row.pk)
    admin_client.post(
        reverse("admin:assistants_vapiobject_reopen", args=[row.pk]), {"finding": open_one().pk}
    )
    assert open_one().settled_at is None


def test_settling_leads_nowhere_else(admin_client: Client) -> None:
    row = imported()
    data = {"finding": open_one().pk, "next": "https://evil.example/"}

    response = admin_client.post(reverse("admin:assistants_vapiobject_settle", args=[row.pk]), data)

    assert response["Location"].startswith("/admin/")


@pytest.mark.parametrize("number", ["", "x", "999999"])
def test_settling_what_was_read_again_is_told(admin_client: Client, number: str) -> None:
    row = imported()
    url = reverse("admin:assistants_vapiobject_settle", args=[row.pk])

    html = admin_client.post(url, {"finding": number}, follow=True).content.decode()

    assert "imported again meanwhile" in html


def test_secrets_that_were_entered_are_settled_on_request(admin_client: Client) -> None:
    row = imported()
    url = reverse("admin:assistants_vapiobject_secrets", args=[row.pk])
    assert "Nothing that was missing" in admin_client.post(url, follow=True).content.decode()
    assistant = Assistant.objects.get()
    assistant.server_secret = "entered"
    assistant.save()

    assert "1 settled" in admin_client.post(url, follow=True).content.decode()
    assert open_one().settled_at is not None


# --- Who may


def test_importing_needs_its_own_permission() -> None:
    client = client_with("view_vapiimport", "view_vapiobject")

    assert client.get(reverse(ADD)).status_code == 403
    assert client.post(reverse(ADD), {"pasted": "{}"}).status_code == 403
    assert not VapiImport.objects.exists()


def test_reading_does_not_let_settle_or_take() -> None:
    row = imported()
    client = client_with("view_vapiimport", "view_vapiobject")

    html = page(client, "admin:assistants_vapiobject_change", row.pk)
    assert "Settle</button>" not in html
    data = {"finding": open_one().pk, "field": "voice"}
    for name in ("settle", "reopen", "secrets", "changes"):
        url = reverse(f"admin:assistants_vapiobject_{name}", args=[row.pk])
        assert client.post(url, data).status_code == 403, name
    assert client.get(reverse("admin:assistants_vapiobject_settle", args=[row.pk])).status_code == 403


def test_nobody_reads_who_may_not() -> None:
    row = imported()
    run = VapiImport.objects.get()
    client = client_with("view_assistant")

    for name, pk in (("vapiobject_csv", row.pk), ("vapiobject_changes", row.pk), ("vapiimport_csv", run.pk)):
        assert client.get(reverse(f"admin:assistants_{name}", args=[pk])).status_code == 403
    assert client.get(reverse("admin:assistants_vapiimport_state", args=[run.pk])).status_code == 403
    assert "Imported from Vapi" not in page(
        client, "admin:assistants_assistant_change", Assistant.objects.get().pk
    )


# --- What changed at Vapi


def test_changes_are_taken_over_from_their_page(admin_client: Client, queue: list[str]) -> None:
    upload(admin_client)
    row = VapiObject.objects.get(name="Riverbend front desk")
    raw = json.loads(CLINIC)
    raw |= {"endCallMessage": "Bye.", "firstMessage": "Hi."}
    VapiObject.objects.filter(pk=row.pk).update(seen={**row.raw, **raw}, seen_at=timezone.now())
    url = reverse("admin:assistants_vapiobject_changes", args=[row.pk])
    html = admin_client.get(url).content.decode()
    assert ("Last message" in html, "Bye." in html) == (True, True)

    html = admin_client.post(url, {"field": "end_call_message", "take": "1"}, follow=True).content.decode()
    assert "Taken over into the draft" in html
    assert "First message" in html
    html = admin_client.post(url, {"field": "first_message", "ignore": "1"}, follow=True).content.decode()

    assert "Ignored" in html
    assistant = Assistant.objects.get(name="Riverbend front desk")
    assert assistant.end_call_message == "Bye."
    assert assistant.first_message != "Hi."
    assert (
        "nothing left to take over"
        in admin_client.post(url, {"field": "voice"}, follow=True).content.decode()
    )
    assert "Nothing was chosen" in admin_client.post(url, {}, follow=True).content.decode()


# --- The assistant's page


def test_the_page_of_an_assistant_tells_where_it_came_from(admin_client: Client) -> None:
    imported()

    html = page(admin_client, "admin:assistants_assistant_change", Assistant.objects.get().pk)

    assert "Imported from Vapi" in html
    assert "1 decision waits" in html
    assert "What OpenAI will be told" in html
    assert "session.update" in html
    assert "1 waiting" in page(admin_client, "admin:assistants_assistant_changelist")


def test_headers_are_entered_named_and_never_shown(admin_client: Client) -> None:
    assistant = make_assistant()
    url = change_url(assistant)
    data = form_data(admin_client, url, new_headers='{"X-Api-Key": "very-secret"}')

    assert admin_client.post(url, data).status_code == 302

    assistant.refresh_from_db()
    assert json.loads(assistant.server_headers) == {"X-Api-Key": "very-secret"}
    html = admin_client.get(url).content.decode()
    assert ("X-Api-Key" in html, "very-secret" in html) == (True, False)
    admin_client.post(url, form_data(admin_client, url))
    assistant.refresh_from_db()
    assert assistant.server_headers
    admin_client.post(url, form_data(admin_client, url, clear_headers="on"))
    assistant.refresh_from_db()
    assert assistant.server_headers == ""


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("history", '[{"role": "user"}]', "Write a list of messages"),
        ("variables", "[]x", "Not valid JSON"),
        ("variables", "[1]", "Write a JSON object"),
        ("new_headers", '{"a b": "x"}', "no such header can be sent"),
        ("new_headers", '{"a": "x\\ny"}', "its value must be one line"),
        ("new_headers", '["a"]', "Write a JSON object of texts"),
    ],
)
def test_a_mistake_in_json_is_told(admin_client: Client, field: str, value: str, words: str) -> None:
    url = change_url(make_assistant())

    response = admin_client.post(url, form_data(admin_client, url, **{field: value}))

    assert words in str(response.context["errors"])


def test_somebody_who_may_only_look_sees_the_names_of_headers() -> None:
    assistant = make_assistant(server_headers='{"X-Api-Key": "very-secret"}')

    html = page(client_with("view_assistant"), "admin:assistants_assistant_change", assistant.pk)

    assert ("X-Api-Key" in html, "very-secret" in html) == (True, False)


def test_the_proposed_rules_are_added_to_the_draft_that_was_looked_at(admin_client: Client) -> None:
    assistant = make_assistant(tools=[make_tool(name="lookup")])
    url = reverse("admin:assistants_assistant_guardrails", args=[assistant.pk])
    reviewed = snapshot_take(assistant).fingerprint()
    assert f"guardrails/?draft={reviewed}" in admin_client.get(change_url(assistant)).content.decode()
    Assistant.objects.update(instructions="Changed meanwhile.")

    html = admin_client.post(f"{url}?draft={reviewed}", follow=True).content.decode()
    assert "changed while you looked at it" in html
    assistant.refresh_from_db()
    reviewed = snapshot_take(assistant).fingerprint()
    html = admin_client.post(f"{url}?draft={reviewed}", follow=True).content.decode()

    assert "The rules stand at the end of the prompt now" in html
    assistant.refresh_from_db()
    assert assistant.instructions.startswith("Changed meanwhile.")
    assert "lookup" in assistant.instructions
    assert admin_client.get(url).status_code == 403
    assert client_with("view_assistant").post(url).status_code == 403


def test_pages_that_are_not_there_are_not_linked(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistants.admin.PAGES", (("Gone", "admin:nothing_of_that_name"),))

    assert "Gone</a>" not in admin_client.get(change_url(make_assistant())).content.decode()


def test_the_voice_table_is_edited_in_its_list(admin_client: Client) -> None:
    url = reverse("admin:assistants_voicemapping_changelist")
    VoiceMapping.objects.all().delete()
    row = VoiceMapping.objects.create(provider="11labs", vapi_voice="sarah", voice_id="marin")
    data = {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "form-0-id": row.pk,
        "form-0-voice": "cedar",
        "form-0-why": "By ear",
        "_save": "Save",
    }

    admin_client.post(url, data)

    row.refresh_from_db()
    assert (row.voice_id, row.why) == ("cedar", "By ear")
