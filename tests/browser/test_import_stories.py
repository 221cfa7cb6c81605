"""Somebody who has never seen Vapi's JSON imports an export, in a browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from assistants.imports.runs import run_carry_out
from assistants.imports.tasks import vapi_import_run
from assistants.models import Assistant, ImportFinding, VapiObject
from assistants.tests.factories import make_assistant

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "vapi"


@pytest.fixture(autouse=True)
def _worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is quick."""
    make_assistant(name="Filler")  # the catalogue, which other tests of this kind empty
    monkeypatch.setattr(vapi_import_run, "delay", lambda *, run_id: run_carry_out(run_id))


def test_an_export_is_imported_read_and_settled(ops: Page, live_server: LiveServer) -> None:
    ops.goto(f"{live_server.url}/admin/")
    ops.locator("#nav-sidebar").get_by_role("link", name="Imports from Vapi").click()
    ops.get_by_role("link", name="Add the first").click()
    ops.get_by_label("JSON files").set_input_files(
        [FIXTURES / "assistant-clinic.json", FIXTURES / "tools.json"]
    )
    ops.get_by_role("button", name="Import", exact=True).click()

    expect(ops.get_by_role("heading", name="What to do next")).to_be_visible()
    expect(ops.get_by_text("an import never publishes")).to_be_visible()
    ops.get_by_role("table").get_by_role("link", name="Riverbend front desk").click()

    ops.get_by_role("link", name="Needs a decision").click()
    before = ImportFinding.objects.filter(settled_at__isnull=False).count()
    ops.get_by_placeholder("What was done").first.fill("Asked the clinic")
    ops.get_by_role("button", name="Settle", exact=True).first.click()
    expect(ops.get_by_text("Asked the clinic")).to_be_visible()
    assert ImportFinding.objects.filter(settled_at__isnull=False).count() == before + 1

    ops.get_by_role("link", name="Riverbend front desk", exact=True).click()
    expect(ops.get_by_text("Imported from Vapi", exact=True)).to_be_visible()
    ops.get_by_text("Show it as JSON").click()
    expect(ops.get_by_text('"type": "session.update"')).to_be_visible()


def test_a_large_paste_that_is_no_export_is_told_in_one_message(ops: Page, live_server: LiveServer) -> None:
    ops.goto(f"{live_server.url}/admin/assistants/vapiimport/add/")
    # More than a form may hold: the page sends it as a file.
    ops.get_by_label("JSON text").evaluate("box => { box.value = '[' + ' '.repeat(3000000) + '3]' }")
    ops.get_by_role("button", name="Import", exact=True).click()

    expect(ops.get_by_role("alert")).to_contain_text("a number where an object is due")
    assert not VapiObject.objects.exists()
    assert Assistant.objects.count() == 1
