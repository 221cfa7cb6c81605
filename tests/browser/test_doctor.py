"""The doctor's page, by keyboard, with its own webhook going out and coming in again."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from calls.models import DoctorRun

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("patient_probes")]
NOWHERE = "127.0.0.1:9"


def picture(page: Page, name: str) -> None:
    """A picture for people, where a folder for pictures is named."""
    folder = os.environ.get("PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_somebody_runs_the_doctor_by_keyboard_and_reads_what_to_do(
    ops: Page, live_server: LiveServer, settings: Settings
) -> None:
    settings.PUBLIC_ORIGIN = live_server.url
    settings.MEDIA_ORIGIN = f"ws://{NOWHERE}"
    settings.TWILIO_API_URL = f"http://{NOWHERE}"
    settings.OPENAI_REALTIME_URL = f"ws://{NOWHERE}/v1/realtime"
    ops.goto(f"{live_server.url}/admin/calls/doctorrun/")
    expect(ops.get_by_role("heading", name="The doctor has not looked yet.")).to_be_visible()
    picture(ops, "doctor-empty")

    ops.get_by_role("button", name="Run now").focus()
    ops.keyboard.press("Enter")

    expect(ops.get_by_role("heading", name="What was looked at")).to_be_visible(timeout=60_000)
    run = DoctorRun.objects.get()
    lines = {line["name"]: line for line in run.lines}
    assert lines["public_origin"]["verdict"] == "warning", lines["public_origin"]  # it is this machine's own
    assert lines["media_origin"]["verdict"] == "failed"
    assert lines["database"]["verdict"] in ("ok", "warning")
    row = ops.get_by_role("row").filter(has=ops.get_by_role("rowheader", name="Media origin, WebSocket"))
    expect(row).to_contain_text("Failed")
    expect(row).to_contain_text("The proxy must pass Upgrade")
    picture(ops, "doctor-1280-light")
    ops.set_viewport_size({"width": 800, "height": 900})
    ops.emulate_media(color_scheme="dark")
    ops.reload()
    ops.wait_for_load_state()  # its styles and scripts may move things
    assert ops.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    picture(ops, "doctor-800-dark")
