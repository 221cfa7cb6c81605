"""Erasing a caller and the privacy settings of an assistant, as ops staff do it."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from assistants.tests.factories import make_assistant
from calls.models import Erasure
from calls.tests.factories import make_call
from transcripts.tests.factories import make_transcript, make_utterance

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def _shot(page: Page, name: str) -> None:
    folder = os.environ.get("SHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_a_caller_is_looked_up_and_erased(ops: Page, live_server: LiveServer) -> None:
    call = make_call(caller="+14155550132")
    make_utterance(transcript=make_transcript(call_id=call.pk))
    ops.goto(f"{live_server.url}/admin/calls/erasure/")
    ops.get_by_role("link", name="Erase a caller").click()
    ops.get_by_label("Number of the caller").fill("+1 415 555 0132")
    ops.keyboard.press("Enter")
    expect(ops.get_by_role("heading", name="1 call of this number")).to_be_visible()
    ops.set_viewport_size({"width": 800, "height": 1000})
    _shot(ops, "looked_up")

    ops.get_by_label("Yes, delete it for good").check()
    ops.get_by_role("button", name="Delete it for good").click()

    expect(ops.get_by_role("heading", name="Receipt", exact=True)).to_be_visible()
    expect(ops.get_by_text(str(Erasure.objects.get().pk)).first).to_be_visible()
    _shot(ops, "receipt")
    ops.goto(f"{live_server.url}/admin/calls/call/{call.pk}/change/")
    ops.goto(f"{live_server.url}/admin/calls/callopened/")
    expect(ops.get_by_text(str(call.pk))).to_be_visible()
    _shot(ops, "opened")


def test_what_is_never_written_down_is_ticked_on_the_assistants_page(
    ops: Page, live_server: LiveServer
) -> None:
    assistant = make_assistant()
    ops.goto(f"{live_server.url}/admin/assistants/assistant/{assistant.pk}/change/")
    _shot(ops, "assistant")
    ops.get_by_label("Card numbers").check()
    ops.get_by_role("button", name="Save", exact=True).click()
    ops.wait_for_url("**/assistant/")

    assistant.refresh_from_db()
    assert assistant.redact == ["card"]
