"""A call is read and heard on one page."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from assistants.tests.factories import make_assistant
from calls.tests.factories import make_call
from calls.tests.recordings.factories import make_recording, wav_bytes
from tests.browser.conftest import SLOWLY
from transcripts.tests.factories import make_transcript, make_utterance

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_click_on_a_line_is_heard_and_the_line_found_by_its_words(
    ops: Page, live_server: LiveServer
) -> None:
    assistant = make_assistant(published=True)
    call = make_call(assistant=assistant, version=assistant.live_version)
    assert call.started_at is not None
    transcript = make_transcript(call_id=call.pk, started_at=call.started_at)
    make_utterance(transcript=transcript, text="Is my bicycle ready?", began_ms=1000)
    make_utterance(
        transcript=transcript, text="On Tuesday.", speaker="assistant", began_ms=6000, latency_ms=1400
    )
    # The recording began a second before the conversation's own clock.
    make_recording(call=call, sound=wav_bytes(seconds=10), began_at=call.started_at - timedelta(seconds=1))
    ops.goto(live_server.url + reverse("admin:calls_call_said"))
    ops.get_by_label("Words").fill('"on tues*"')
    ops.get_by_role("button", name="Search").click()
    expect(ops.locator("mark")).to_have_text("On Tuesday")
    ops.get_by_role("link", name=re.compile(call.did.replace("+", r"\+"))).click()

    later = ops.get_by_role("button", name="Hear it from 0:06")
    later.focus()
    ops.wait_for_load_state()  # what is pressed before the page's scripts have run is heard by nobody
    audio = ops.locator("audio")
    audio.evaluate(SLOWLY)
    ops.keyboard.press("Enter")

    ops.wait_for_function("document.querySelector('audio').currentTime >= 7")
    assert audio.evaluate("player => player.currentTime") < 9
    expect(ops.locator(".t-turn-assistant")).to_have_attribute("aria-current", "true")
    wave = ops.locator(".t-wave")
    box = wave.bounding_box()
    assert box is not None
    wave.click(position={"x": box["width"] * 0.21, "y": 10})
    ops.wait_for_function("document.querySelector('audio').currentTime < 5")
    expect(ops.locator(".t-turn-caller")).to_have_attribute("aria-current", "true")
