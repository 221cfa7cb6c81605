"""The pages about calls that ran at Vapi: imports of calls, what Vapi told, recorders."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import OperationalError as BrokerError
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from calls.history import recorder, runs
from calls.history.reading import CallRecord, record_read
from calls.history.tasks import vapi_calls_import
from calls.history.writing import calls_write
from calls.models import Call, VapiCall, VapiCallErased, VapiCallImport, VapiRecorder
from tools.models import ToolCall

pytestmark = pytest.mark.django_db

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"
ADD = "admin:calls_vapicallimport_add"


@pytest.fixture
def admin(admin_user: User) -> Client:
    client = Client()
    client.force_login(admin_user)
    return client


def viewer(*permissions: str) -> Client:
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(vapi_calls_import, "delay", lambda *, run_id: found.append(run_id))
    return found


def imported() -> VapiCall:
    record = record_read(json.loads((FIXTURES / "call.json").read_text()), where="a test")
    assert isinstance(record, CallRecord)
    calls_write([record], source=VapiCall.Source.FILES)
    return VapiCall.objects.get()


def upload(name: str = "end-of-call-report.json") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, (FIXTURES / name).read_bytes())


# --- Imports


def test_files_are_uploaded_and_read_by_a_worker(admin: Client, queued: list[str]) -> None:
    answer = admin.post(reverse(ADD), {"uploads": [upload(), upload("call.json")]})

    run = VapiCallImport.objects.get()
    page = reverse("admin:calls_vapicallimport_change", args=[run.pk])
    assert answer.headers["Location"] == page
    assert queued == [str(run.pk)]
    assert "In progress" in admin.get(page).content.decode()
    assert admin.get(reverse("admin:calls_vapicallimport_state", args=[run.pk])).json()["live"] is True

    vapi_calls_import(run_id=queued[0])

    shown = admin.get(page).content.decode()
    assert "2 calls read" in shown
    assert "In progress" not in shown
    assert admin.get(reverse("admin:calls_vapicallimport_state", args=[run.pk])).json()["live"] is False
    assert Call.objects.get().stack == "vapi"


def test_a_key_is_kept_out_of_sight(admin: Client, queued: list[str]) -> None:
    admin.post(reverse(ADD), {"api_key": "private-key", "date_from": "2026-06-01", "date_to": "2026-06-02"})

    run = VapiCallImport.objects.get()
    assert run.api_key == "private-key"
    assert [str(run.date_from), str(run.date_to)] == [
        "2026-06-01 00:00:00+00:00",
        "2026-06-03 00:00:00+00:00",
    ]
    page = admin.get(reverse("admin:calls_vapicallimport_change", args=[run.pk])).content.decode()
    assert "private-key" not in page
    assert queued


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Enter a key or choose files first."),
        (
            {"api_key": "k", "date_from": "2026-06-02", "date_to": "2026-06-01"},
            "This is before the first day.",
        ),
        ({"api_key": "k", "date_from": "soon"}, "valid date"),
    ],
)
def test_a_form_that_cannot_be_meant_is_explained(
    admin: Client, queued: list[str], data: dict[str, str], words: str
) -> None:
    answer = admin.post(reverse(ADD), data)

    assert words in answer.content.decode()
    assert not queued


def test_both_ways_at_once_and_days_without_a_key_are_refused(admin: Client, queued: list[str]) -> None:
    both = admin.post(reverse(ADD), {"api_key": "k", "uploads": [upload()]})
    days = admin.post(reverse(ADD), {"date_from": "2026-06-01", "uploads": [upload()]})

    assert "only one of the two ways" in both.content.decode()
    assert "where a key is used" in days.content.decode()
    assert not queued


def test_a_queue_that_is_away_is_told_and_the_run_can_go_on(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> None:
        raise BrokerError

    monkeypatch.setattr(vapi_calls_import, "delay", away)

    page = admin.post(reverse(ADD), {"uploads": [upload()]}, follow=True).content.decode()

    assert "queue of jobs could not be reached" in page
    assert "Go on from there" in page


def test_a_run_is_stopped_and_goes_on(admin: Client, queued: list[str]) -> None:
    run = runs.run_request(source="Vapi's API", api_key="k")
    stop, again = (reverse(f"admin:calls_vapicallimport_{name}", args=[run.pk]) for name in ("stop", "again"))

    assert admin.get(stop).status_code == 403
    admin.post(stop)
    run.refresh_from_db()
    assert run.status == "stopped"
    admin.post(again)

    run.refresh_from_db()
    assert run.status == "waiting"
    assert queued == [str(run.pk)]


def test_who_may_only_look_can_start_and_stop_nothing(queued: list[str]) -> None:
    client = viewer("view_vapicallimport")
    run = runs.run_request(source="Vapi's API", api_key="k")

    assert client.get(reverse(ADD)).status_code == 403
    assert client.post(reverse("admin:calls_vapicallimport_stop", args=[run.pk])).status_code == 403
    page = client.get(reverse("admin:calls_vapicallimport_change", args=[run.pk]))
    assert page.status_code == 200
    assert "Stop after this page" not in page.content.decode()
    assert client.get(reverse("admin:calls_vapicall_changelist")).status_code == 403
    assert not queued


# --- Calls


def test_calls_show_their_stack_and_cost(admin: Client) -> None:
    row = imported()

    listed = admin.get(reverse("admin:calls_call_changelist") + "?stack__exact=vapi").content.decode()
    page = admin.get(reverse("admin:calls_call_change", args=[row.call_id])).content.decode()

    assert "$0.0710" in listed
    assert "Riverbend front desk" in listed
    assert "$0.0710" in page
    assert reverse("admin:calls_vapicall_change", args=[row.pk]) in page
    assert "find_slots" in page
    assert (
        admin.get(reverse("admin:calls_call_changelist") + "?stack__exact=direct")
        .content.decode()
        .count("$0")
        == 0
    )


def test_the_page_of_what_vapi_told_shows_all_of_it(admin: Client) -> None:
    row = imported()
    VapiCall.objects.update(
        transfers=[{"to": "+1312", "mode": "blind-transfer", "status": "", "transcript": ""}],
        notes=["Something <odd> was left out."],
        activations=[{"assistantName": "One"}, {"assistantName": "Two"}],
    )

    page = admin.get(reverse("admin:calls_vapicall_change", args=[row.pk])).content.decode()

    for words in (
        "Something &lt;odd&gt;",
        "One, then Two",
        "turnLatencyAverage",
        "Vapi does not say",
        "-mono.mp3",
    ):
        assert words in page


def test_a_record_is_erased_whole_by_who_may(admin: Client) -> None:
    row = imported()
    url = reverse("admin:calls_vapicall_changelist")
    data = {"action": "erase", "_selected_action": [row.pk]}

    viewer("view_vapicall").post(url, data)
    assert VapiCall.objects.exists()
    assert (
        admin.post(reverse("admin:calls_vapicall_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    )
    admin.post(url, {**data, "action": "delete_selected", "post": "yes"})
    assert VapiCall.objects.exists()

    told = admin.post(url, data, follow=True).content.decode()

    assert "1 call deleted" in told
    assert not Call.objects.exists()
    assert not ToolCall.objects.exists()
    assert VapiCallErased.objects.count() == 1


# --- Recorders


def test_a_recorder_is_made_and_its_address_shown_once(admin: Client, settings: Any) -> None:
    recorder.points_forget()
    settings.PUBLIC_ORIGIN = "https://tandem.example"
    data = {
        "label": "Front desk",
        "forward_url": "https://clinic.example/hook?x=1",
        "timeout_s": "20",
        "recording": "on",
    }

    page = admin.post(
        reverse("admin:calls_vapirecorder_add"), {**data, "new_secret": "s3cret"}, follow=True
    ).content.decode()

    shown = re.search(r"https://tandem\.example(/vapi/events/[\w-]{40,})", page)
    assert shown is not None
    row = VapiRecorder.objects.get()
    assert (row.secret, row.forward_url) == ("s3cret", "https://clinic.example/hook?x=1")
    assert shown.group(1).rsplit("/", 1)[1] not in row.token_hash
    form = admin.get(reverse("admin:calls_vapirecorder_change", args=[row.pk])).content.decode()
    assert "s3cret" not in form
    assert "A secret is asked for." in form
    assert shown.group(1) not in form


def test_a_recorder_keeps_its_secret_until_it_is_cleared_and_its_address_until_it_is_renewed(
    admin: Client,
) -> None:
    row = VapiRecorder(label="A", secret="s3cret")
    recorder.token_renew(row)
    row.save()
    before = row.token_hash
    page = reverse("admin:calls_vapirecorder_change", args=[row.pk])
    data = {"label": "B", "timeout_s": "20", "forward_url": ""}

    admin.post(page, data)
    row.refresh_from_db()
    assert (row.label, row.secret, row.recording, row.token_hash) == ("B", "s3cret", False, before)

    admin.post(page, {**data, "clear_secret": "on"})
    admin.post(
        reverse("admin:calls_vapirecorder_changelist"), {"action": "renew", "_selected_action": [row.pk]}
    )
    row.refresh_from_db()
    assert row.secret == ""
    assert row.token_hash != before


@pytest.mark.parametrize(
    "url",
    ["clinic.example/hook", "ftp://x/y", "https://", "http://[x", "https://tandem.example/vapi/events/abc"],
)
def test_an_address_that_cannot_be_handed_on_to_is_refused(admin: Client, settings: Any, url: str) -> None:
    settings.PUBLIC_ORIGIN = "https://tandem.example"

    answer = admin.post(
        reverse("admin:calls_vapirecorder_add"), {"label": "A", "timeout_s": "20", "forward_url": url}
    )

    assert answer.status_code == 200
    assert not VapiRecorder.objects.exists()


def test_trouble_of_a_recorder_is_told(admin: Client) -> None:
    row = VapiRecorder(
        label="A", unanswered_n=2, refused_n=3, forward_failed_n=1, forward_failed_why="Not answered: <late>."
    )
    recorder.token_renew(row)
    row.save()

    page = admin.get(reverse("admin:calls_vapirecorder_changelist")).content.decode()

    for words in ("2 messages wanted an answer", "3 reports came without the secret", "&lt;late&gt;"):
        assert words in page
