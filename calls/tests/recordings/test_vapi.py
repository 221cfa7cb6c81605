"""Recordings that Vapi made: from which address, and from which never."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from calls.models import Call, Recording, VapiCall
from calls.recordings import vapi
from calls.recordings.vapi import recording_fetch, recording_of_call_fetch, recording_urls
from calls.tests.factories import make_call
from calls.tests.history.test_runs import a_call
from calls.tests.recordings.factories import wav_bytes
from tests.loopback import serving

pytestmark = pytest.mark.django_db
WAV, MP3 = wav_bytes(seconds=0.2), b"ID3" + bytes(200)
State = Recording.State


class Store:
    """A server of files: what stands at each path, and what was asked with which key."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, tuple[int, bytes, str]] = {}
        self.asked: list[tuple[str, str]] = []


@contextmanager
def store_running() -> Iterator[Store]:
    state = Store()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("Authorization", "")))
            status, body, target = state.answers.get(self.path, (404, b"", ""))
            self.send_response(status)
            if target:
                self.send_header("Location", target)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as url:
        state.url = url
        yield state


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """The server, on loopback, which is open for it."""
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    with store_running() as running:
        yield running


@pytest.fixture
def call() -> Call:
    return make_call(stack=Call.Stack.VAPI)


def test_the_sound_is_kept_with_its_waveform(store: Store, call: Call) -> None:
    store.answers["/a.wav"] = (200, WAV, "")

    recording = recording_fetch(call, f"{store.url}/a.wav")
    again = recording_fetch(call, f"{store.url}/a.wav")

    assert (recording.state, recording.source, recording.channels) == (State.STORED, "vapi", 2)
    assert recording.began_at == call.started_at
    assert again.pk == recording.pk
    assert len(store.asked) == 1


def test_an_mp3_is_kept_without_one(store: Store, call: Call) -> None:
    store.answers["/a.mp3"] = (200, MP3, "")

    recording = recording_fetch(call, f"{store.url}/a.mp3")

    assert (recording.state, recording.content_type, bytes(recording.peaks)) == (
        State.STORED,
        "audio/mpeg",
        b"",
    )


def test_vapis_own_api_comes_first_with_the_key_that_nobody_else_gets(
    store: Store, call: Call, settings: Settings
) -> None:
    settings.VAPI_API_URL, settings.VAPI_API_KEY = store.url, "private-key"
    with store_running() as other:
        store.answers["/call/v1/stereo-recording"] = (302, b"", f"{other.url}/signed.wav?token=x")
        other.answers["/signed.wav?token=x"] = (200, WAV, "")
        VapiCall.objects.create(
            call=call, vapi_id="v1", source="api", imported_at=timezone.now(),
            recordings={"stereo": "https://storage.example/old.wav", "log": "https://storage.example/log"},
        )  # fmt: skip

        recording = recording_of_call_fetch(call)

    assert recording is not None
    assert recording.state == State.STORED
    assert store.asked == [("/call/v1/stereo-recording", "Bearer private-key")]
    assert other.asked == [("/signed.wav?token=x", "")]


def test_a_call_of_which_vapi_told_no_recording_has_none(call: Call) -> None:
    assert recording_of_call_fetch(call) is None
    row = VapiCall(vapi_id="../../x", recordings={"mono": "https://storage.example/a.mp3", "stereo": None})
    assert recording_urls(row) == ["https://storage.example/a.mp3"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((403, b"", ""), "it has expired"),
        ((500, b"", ""), "answered 500"),
        ((200, b"<Error/>", ""), "neither WAV nor MP3"),
        ((200, b"RIFF\0\0\0\0WAVEjunk", ""), "no sound"),
        ((302, b"", "/a"), "redirected too often"),
        ((302, b"", "http://169.254.169.254/latest/meta-data"), "could not be reached"),
        ((302, b"", "ftp://example.com/a"), "could not be reached"),
        ((302, b"", ""), "could not be reached"),
    ],
)
def test_what_cannot_be_fetched_says_why(
    store: Store, call: Call, answer: tuple[int, bytes, str], why: str
) -> None:
    store.answers["/a"] = answer

    recording = recording_fetch(call, f"{store.url}/a")

    assert recording.state == State.FAILED
    assert why in recording.error
    assert not recording.file


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/a", "http://10.1.2.3/a", "http://[::1]/a", "file:///etc/passwd"]
)
def test_no_private_address_is_asked(settings: Settings, call: Call, url: str) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False

    recording = recording_fetch(call, url)

    assert recording.state == State.FAILED
    assert "could not be reached" in recording.error


def test_the_next_address_is_tried_and_a_later_fetch_may_do_better(store: Store, call: Call) -> None:
    first, second = f"{store.url}/a", f"{store.url}/b"
    assert recording_fetch(call, first, second).state == State.FAILED

    store.answers["/b"] = (200, WAV, "")

    assert recording_fetch(call, first, second).state == State.STORED


def test_sound_without_end_is_stopped(store: Store, call: Call, settings: Settings) -> None:
    settings.RECORDING_MAX_MIB = 0
    store.answers["/a"] = (200, WAV, "")

    assert "RECORDING_MAX_MIB" in recording_fetch(call, f"{store.url}/a").error


def test_a_server_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch, store: Store, call: Call) -> None:
    monkeypatch.setattr(vapi, "_WHOLE_S", 0.0)
    store.answers["/a"] = (200, WAV, "")

    recording = recording_fetch(call, f"{store.url}/a")

    assert recording.state == State.FAILED


def test_the_command_fetches_the_sound_of_what_it_has_read(store: Store, tmp_path: Path) -> None:
    bodies = [{**a_call(n), "stereoRecordingUrl": f"{store.url}/{n}.wav"} for n in range(2)]
    (tmp_path / "calls.jsonl").write_text("\n".join(map(json.dumps, bodies)))
    store.answers["/0.wav"] = (200, WAV, "")
    out = io.StringIO()

    for _ in range(2):
        call_command(
            "import_vapi_calls", str(tmp_path), recordings=True, json=True, stdout=out, stderr=io.StringIO()
        )

    first, second = (json.loads(one + "}") for one in out.getvalue().strip().removesuffix("}").split("}\n"))
    assert (first["recordings"], first["recordings_failed"]) == (1, 1)
    assert (second["recordings"], second["recordings_failed"]) == (0, 1)
    assert sorted(Recording.objects.values_list("state", flat=True)) == [State.FAILED, State.STORED]
