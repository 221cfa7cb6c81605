"""Voices are compared by ear on one page: a Vapi clip is uploaded, ours are recorded, one plays at a time."""

import io
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from assistants.models import Assistant, Voice, VoiceClip, VoiceMapping
from assistants.tests.factories import make_assistant, make_voice
from assistants.tests.realtime_server import simulated
from assistants.voices import admin as voice_admin
from assistants.voices.tasks import voices_record
from assistants.voices.wav import wav
from simulator import ulaw
from tests.browser.conftest import SLOWLY

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def _realtime(settings: Settings) -> Iterator[None]:
    with simulated() as simulator:
        settings.OPENAI_REALTIME_URL = simulator.realtime_url
        settings.OPENAI_API_KEY = "sk-simulated"
        yield


@pytest.fixture
def voices(ops: Page, live_server: LiveServer, redis_client: "redis.Redis") -> Page:
    """The page of the voices of an assistant that has none recorded."""
    VoiceMapping.objects.all().delete()
    Voice.objects.all().delete()
    for name in ("marin", "cedar", "ash"):
        make_voice(name=name)
    assistant = make_assistant(name="Front desk", first_message="Alder Street Bike Repair, how can I help?")
    ops.goto(f"{live_server.url}{voice_admin.page_url(assistant.pk)}")
    return ops


def nine_seconds() -> bytes:
    return wav(ulaw.encode([int(6000 * math.sin(0.25 * n)) for n in range(72_000)]))


def upload(page: Page, label: str, data: bytes, name: str = "vapi.wav") -> None:
    file = {"name": name, "mimeType": "audio/wav", "buffer": io.BytesIO(data).getvalue()}
    page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]  # a TypedDict
    page.get_by_label("What is it?").fill(label)
    page.get_by_role("button", name="Upload", exact=True).click()


@pytest.mark.usefixtures("_realtime")
def test_voices_are_recorded_while_one_looks_on(voices: Page) -> None:
    voices.get_by_role("button", name="Record missing voices (2)").click()
    expect(voices.get_by_role("status")).to_have_text("Recording: 2 to go.")
    expect(voices.locator("#voice-cedar")).to_contain_text("Waiting…")

    # In a thread, as in a worker: here Playwright's loop runs.
    with ThreadPoolExecutor(1) as worker:
        worker.submit(voices_record, assistant_id=str(Assistant.objects.get().pk)).result()

    expect(voices.get_by_role("status")).to_have_text("Recording is over.")
    expect(voices.locator("audio")).to_have_count(2)
    expect(voices.get_by_role("button", name="Record cedar again")).to_be_visible()
    expect(voices.locator("#voice-ash")).to_contain_text("Not recorded")


def test_only_one_clip_plays_at_a_time_and_any_place_of_it_can_be_heard(voices: Page) -> None:
    for label in ("Vapi, morning", "Vapi, evening"):
        upload(voices, label, nine_seconds())
        expect(voices.get_by_role("rowheader", name=label)).to_be_visible()
    voices.wait_for_load_state()  # until its scripts have run, nobody stops the others
    evening, morning = voices.locator("audio").nth(0), voices.locator("audio").nth(1)
    for player in (evening, morning):
        player.evaluate(SLOWLY)

    morning.evaluate("async (player) => { await player.play(); }")
    evening.evaluate("async (player) => { await player.play(); player.currentTime = 7; }")

    voices.wait_for_function("document.querySelectorAll('audio')[0].currentTime > 7.1")
    assert morning.evaluate("(player) => player.paused")
    assert evening.evaluate("(player) => player.duration") == 9
    evening.focus()
    voices.keyboard.press("Space")
    assert evening.evaluate("(player) => player.paused")


def test_a_file_that_is_no_sound_is_refused_beside_the_field(voices: Page) -> None:
    upload(voices, "Vapi", b"MZ\x90\x00" + b"\x00" * 300, name="vapi.mp3")

    expect(voices.get_by_role("alert")).to_have_text(re.compile("it is a program"))
    expect(voices.get_by_label("What is it?")).to_have_value("Vapi")
    assert not VoiceClip.objects.exists()


def test_a_voice_is_chosen_by_keyboard(voices: Page) -> None:
    voices.get_by_role("button", name="Use the voice cedar").focus()
    voices.keyboard.press("Enter")

    expect(voices.get_by_text("The draft speaks as cedar now.")).to_be_visible()
    expect(voices.locator("#voice-cedar")).to_contain_text("Chosen")
