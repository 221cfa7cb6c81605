"""The sound of a caller's words: recorded, spoken once and kept, or refused."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from assistants.voices.recording import ClipRefusedError, Spoken
from assistants.voices.wav import wav
from calls.models import CallerLine
from calls.smoke import caller_lines
from calls.smoke.caller_lines import RECORDED, line_key, lines_kept, lines_spoken
from calls.smoke.lines import PlayError
from calls.smoke.scripts import script_read

pytestmark = pytest.mark.django_db
WORDS, OTHER = "Is my bike  ready?", "Thank you, goodbye."
SCRIPT = script_read({"turns": [{"caller": WORDS}, {"press": "1"}, {"caller": OTHER}]})
TONE = b"\x20\xa0" * 400


def speaking(monkeypatch: pytest.MonkeyPatch, told: str | Exception = "") -> list[str]:
    asked: list[str] = []

    def speak(line: Any) -> Spoken:
        asked.append(line.text)
        if isinstance(told, Exception):
            raise told
        return Spoken(b"spoken", told or line.text)

    monkeypatch.setattr(caller_lines, "speak", speak)
    return asked


def test_a_recording_goes_before_speech_and_speech_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = speaking(monkeypatch)
    CallerLine.objects.create(key=line_key("Is my bike ready?", RECORDED), words=WORDS, mulaw=b"recorded")

    first, again = (lines_spoken(SCRIPT, model="gpt-realtime") for _ in range(2))

    assert first == again == lines_kept(SCRIPT) == {WORDS: b"recorded", OTHER: b"spoken"}
    assert asked == [OTHER]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (ClipRefusedError("no_key", "No OpenAI key is set."), "could not be spoken. No OpenAI key"),
        ("I am an assistant and happy to help you with anything.", "said something else"),
    ],
)
def test_words_that_could_not_be_spoken_break_the_pair(
    monkeypatch: pytest.MonkeyPatch, told: Any, words: str
) -> None:
    speaking(monkeypatch, told)

    with pytest.raises(PlayError, match=words):
        lines_spoken(SCRIPT, model="gpt-realtime")
    assert not CallerLine.objects.exists()


def test_a_recording_is_uploaded_once_for_the_same_words(admin_client: Client) -> None:
    url = reverse("admin:calls_callerline_add")

    _, page = (
        admin_client.post(url, {"words": WORDS, "recording": SimpleUploadedFile("hello.wav", wav(TONE))})
        for _ in range(2)
    )
    refused = admin_client.post(url, {"words": OTHER, "recording": SimpleUploadedFile("hello.wav", b"odd")})

    line = CallerLine.objects.get()
    assert (line.key, line.voice, len(line.mulaw)) == (line_key(WORDS, RECORDED), RECORDED, len(TONE))
    assert "already" in page.content.decode()
    assert "no WAV file" in refused.content.decode()
    listed = admin_client.get(reverse("admin:calls_callerline_changelist")).content.decode()
    assert "Is my bike ready?" in listed
    assert "0.1 s" in listed
