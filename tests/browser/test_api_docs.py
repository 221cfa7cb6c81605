"""The page about the API, as somebody reads it."""

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

pytestmark = pytest.mark.browser


def test_a_field_is_found_read_and_tried(ops: Page, live_server: LiveServer) -> None:
    complaints: list[str] = []
    ops.on("console", lambda message: complaints.append(message.text))
    ops.on("pageerror", lambda error: complaints.append(str(error)))
    ops.set_viewport_size({"width": 1400, "height": 900})
    ops.goto(f"{live_server.url}/docs")
    expect(ops.get_by_role("heading", name="The API of Tandem")).to_be_visible()

    search = ops.get_by_label("Find a route or a field")
    search.fill("firstMessage")
    expect(ops.locator("#object-CreateAssistant .hit").first).to_be_visible()
    expect(ops.locator("#call_list")).to_be_hidden()
    search.fill("no such field")
    expect(ops.get_by_text("Nothing has these letters.")).to_be_visible()
    search.fill("")

    ops.locator("#call_create").get_by_text("Body", exact=True).click()
    ops.locator("#call_create").get_by_role("link", name="CreateCall").click()
    expect(ops.locator("#object-CreateCall").get_by_text("customer", exact=True)).to_be_visible()
    ops.locator("#analytics").get_by_text("Example", exact=True).click()
    expect(ops.locator("#analytics pre")).to_have_text(re.compile("curl -X POST .*/analytics"))

    ops.set_viewport_size({"width": 800, "height": 900})
    ops.wait_for_load_state()  # its styles and scripts may move things
    assert ops.evaluate("document.documentElement.scrollWidth") <= 800
    assert complaints == []
