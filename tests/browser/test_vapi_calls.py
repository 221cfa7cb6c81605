"""Somebody archives their calls and puts a recorder in place, in a browser."""

import re
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from calls.history import recorder
from calls.history.runs import run_carry_out
from calls.history.tasks import vapi_calls_import
from calls.models import Call, VapiCall

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "vapi"


@pytest.fixture(autouse=True)
def _worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is quick."""
    monkeypatch.setattr(vapi_calls_import, "delay", lambda *, run_id: run_carry_out(run_id))
    recorder.points_forget()


def test_calls_are_uploaded_read_and_deleted(ops: Page, live_server: LiveServer) -> None:
    ops.goto(f"{live_server.url}/admin/")
    ops.locator("#nav-sidebar").get_by_role("link", name="Imports of calls").click()
    ops.get_by_role("link", name="Add the first").click()
    ops.get_by_role("button", name="Import", exact=True).click()
    expect(ops.get_by_role("alert")).to_contain_text("Enter a key or choose files first")

    ops.get_by_label("JSON files").set_input_files([FIXTURES / "call.json", FIXTURES / "tools.json"])
    ops.get_by_role("button", name="Import", exact=True).click()
    expect(ops.get_by_role("heading", name="calls read")).to_be_visible()
    expect(ops.get_by_text("What could not be read")).to_be_visible()

    ops.get_by_role("link", name="Calls that ran at Vapi").click()
    ops.get_by_role("row").filter(has_text="$0.0710").get_by_role("link").first.click()
    expect(ops.get_by_text("book_appointment")).to_be_visible()
    ops.get_by_role("link", name="Cost, analysis, latencies, recordings").click()
    expect(ops.get_by_text("turnLatencyAverage", exact=False).first).to_be_visible()

    ops.locator("#nav-sidebar").get_by_role("link", name="Calls from Vapi").click()
    ops.locator("input[name=_selected_action]").check()
    ops.locator("select[name=action]").select_option(
        label="Delete the whole record: call, transcript, tool calls. It stays away"
    )
    ops.get_by_role("button", name="Run").click()
    expect(ops.get_by_text("1 call deleted")).to_be_visible()
    assert not Call.objects.exists()


def test_a_recorder_is_made_used_and_seen(ops: Page, live_server: LiveServer) -> None:
    ops.goto(f"{live_server.url}/admin/calls/vapirecorder/add/")
    ops.get_by_label("Label").fill("Front desk")
    ops.get_by_role("button", name="Save", exact=True).click()
    shown = ops.get_by_text(re.compile("It is shown only now"))
    expect(shown).to_be_visible()
    path = re.search(r"/vapi/events/\S+", shown.inner_text())
    assert path is not None

    body = (FIXTURES / "end-of-call-report.json").read_bytes()
    assert Client().post(path.group(0), body, content_type="application/json").status_code == 200

    ops.reload()
    expect(ops.get_by_role("row").filter(has_text="Front desk")).to_contain_text("Keeps reports")
    assert VapiCall.objects.count() == 1
