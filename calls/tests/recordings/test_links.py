"""Recordings for programs: with a key to a link, by the link to the sound, and never without somebody who can be named."""

import io
import wave
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from assistants.services import assistant_publish
from assistants.tests.factories import make_assistant
from calls.models import CallOpened, Recording
from calls.recordings.links import LIVES_S
from calls.recordings.sides import OneTrack, Side
from calls.recordings.waveform import NoWavError
from calls.tests.factories import make_call
from calls.tests.recordings.factories import make_recording, wav_bytes
from tools.access.keys import keys_revoke
from tools.models import ApiKey
from tools.tests.access.program import Program

SIDES = ["mono", "stereo", "customer", "assistant"]


@pytest.fixture
def program(db: None, settings: Settings, tmp_path: Any) -> Program:
    settings.PUBLIC_ORIGIN = "http://testserver"
    settings.STORAGES = {
        **settings.STORAGES,
        "recordings": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return Program()


def link(program: Program, path: str) -> str:
    answer = program.http.get(path)
    assert answer.status_code == 302, answer.content
    return str(answer["Location"].removeprefix("http://testserver"))


def sound(response: Any) -> bytes:
    return b"".join(response) if response.streaming else bytes(response.content)


@pytest.mark.parametrize("side", SIDES)
def test_a_key_gets_a_link_that_opens_without_one_and_says_who_heard_it(side: str, program: Program) -> None:
    recording = make_recording()

    place = link(program, f"/call/{recording.call_id}/{side}-recording")
    response = Client().get(place)

    with wave.open(io.BytesIO(sound(response))) as held:
        assert held.getnchannels() == (2 if side == "stereo" else 1)
        assert held.getnframes() == 800
    assert response["Content-Length"] == str(recording.size if side == "stereo" else 44 + 1600)
    (row,) = CallOpened.objects.filter(call_id=str(recording.call_id))
    assert (row.what, row.key) == ("recording", program.key)


def test_the_document_of_a_call_says_where_they_are(program: Program) -> None:
    recording = make_recording()
    base = f"http://testserver/call/{recording.call_id}"

    told = program.ask("GET", f"/call/{recording.call_id}")

    assert told["artifact"]["recording"] == {
        "mono": {
            "combinedUrl": f"{base}/mono-recording",
            "customerUrl": f"{base}/customer-recording",
            "assistantUrl": f"{base}/assistant-recording",
        },
        "stereoUrl": f"{base}/stereo-recording",
    }
    assert told["recordingUrl"] == told["artifact"]["recordingUrl"] == f"{base}/mono-recording"
    assert told["stereoRecordingUrl"] == f"{base}/stereo-recording"


def test_a_recording_on_one_track_has_no_sides(program: Program) -> None:
    recording = make_recording(sound=wav_bytes(seconds=0.1, channels=1))

    told = program.ask("GET", f"/call/{recording.call_id}")
    program.ask("GET", f"/call/{recording.call_id}/customer-recording", status=404)
    place = link(program, f"/call/{recording.call_id}/mono-recording")

    assert list(told["artifact"]["recording"]["mono"]) == ["combinedUrl"]
    assert len(sound(Client().get(place))) == recording.size


def test_a_player_may_ask_for_a_part(program: Program) -> None:
    recording = make_recording()
    place = link(program, f"/call/{recording.call_id}/mono-recording")
    whole = sound(Client().get(place))

    part = Client().get(place, headers={"Range": "bytes=100-199"})
    behind = Client().get(place, headers={"Range": "bytes=999999-"})

    assert part.status_code == 206
    assert part.content == whole[100:200]
    assert part["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert behind.status_code == 416
    assert CallOpened.objects.count() == 1  # a part from the middle is the same listening


def test_whoever_begins_within_has_heard_it_and_is_written_down_once(program: Program) -> None:
    recording = make_recording()
    place = link(program, f"/call/{recording.call_id}/stereo-recording")

    for begins in (45, 1, 1000):
        assert Client().get(place, headers={"Range": f"bytes={begins}-"}).status_code == 206
    assert Client().head(place).status_code == 200

    (row,) = CallOpened.objects.filter(call_id=str(recording.call_id))
    assert (row.what, row.key) == ("recording", program.key)


def test_a_part_that_makes_no_sense_breaks_nothing(program: Program) -> None:
    place = link(program, f"/call/{make_recording().call_id}/mono-recording")
    for asked in ("0-0,5-9", "-0", "9-1", "a-b", "-", "0-" + "9" * 5000, "\u0661-"):
        assert Client().get(place, headers={"Range": f"bytes={asked}"}).status_code in (200, 206, 416), asked


def test_no_link_can_be_turned_into_another(program: Program) -> None:
    one, other = make_recording(), make_recording()
    place = link(program, f"/call/{one.call_id}/mono-recording")
    beginning, _, signed = place.rpartition("/")
    told, at, seal = signed.split(":")
    later = signing.b62_encode(signing.b62_decode(at) + 1)
    elsewhere = signing.dumps({"r": other.pk.hex, "s": "mono", "k": str(program.key.pk)}, salt="another")
    forged = signing.dumps({"r": other.pk.hex, "s": "mono", "k": str(program.key.pk)}, key="guessed")
    for tried in (
        f"{elsewhere.split(':')[0]}:{at}:{seal}",
        f"{told}:{later}:{seal}",
        f"{told}:{at}:{seal[::-1]}",
        f"{told}:{seal}",
        f".{signed}",
        f"{signed}%00",
        f"{signed}%0a",
        f"..%2f..%2fadmin%2f{signed}",
        elsewhere,
        forged,
        "%ff",
        ":" * 50,
        "e" * 5000,
    ):
        assert Client().get(f"{beginning}/{tried}").status_code == 404, tried
    assert Client().get(place).status_code == 200
    assert not CallOpened.objects.filter(call_id=str(other.call_id)).exists()


def test_a_link_ends_with_the_right_of_its_key(program: Program) -> None:
    place = link(program, f"/call/{make_recording().call_id}/mono-recording")
    ApiKey.objects.update(scopes=["call:write"])
    assert Client().get(place).status_code == 404


def test_nobody_without_a_key_gets_a_link(program: Program) -> None:
    recording = make_recording()
    path = f"/call/{recording.call_id}/mono-recording"

    assert Client().get(path).status_code == 401
    assert Program(kind="public").http.get(path).status_code == 401
    assert Program(scopes=["call:write"]).http.get(path).status_code == 403
    assert program.http.post(path).status_code == 405


def test_a_link_ends_with_its_time_its_key_and_its_recording(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = make_recording()
    place = link(program, f"/call/{recording.call_id}/stereo-recording")
    assert Client().get(place[:-2]).status_code == 404
    assert Client().get("/recording/nonsense").status_code == 404

    with monkeypatch.context() as later:
        now = (timezone.now() + timedelta(seconds=LIVES_S + 5)).timestamp()
        later.setattr(signing.time, "time", lambda: now)  # type: ignore[attr-defined]
        assert Client().get(place).status_code == 404
    assert Client().get(place).status_code == 200
    Recording.objects.update(state=Recording.State.DELETING, call=None)
    assert Client().get(place).status_code == 404
    Recording.objects.update(state=Recording.State.STORED, call=make_call())
    keys_revoke(ApiKey.objects.all())
    assert Client().get(place).status_code == 404


def test_erased_calls_and_those_of_a_hipaa_assistant_have_none(program: Program) -> None:
    erased, private = make_recording(), make_recording()
    assistant_version = private.call.version if private.call else None
    assert assistant_version is None
    place = link(program, f"/call/{private.call_id}/mono-recording")

    program.ask("DELETE", f"/call/{erased.call_id}", {})
    _hipaa(private)

    program.ask("GET", f"/call/{erased.call_id}/mono-recording", status=404)
    program.ask("GET", f"/call/{private.call_id}/mono-recording", status=404)
    assert Client().get(place).status_code == 404
    assert not CallOpened.objects.filter(call_id=str(private.call_id), what="recording").exists()


def _hipaa(recording: Recording) -> None:

    assistant = make_assistant(hipaa=True)
    assistant_publish(assistant=assistant)
    assistant.refresh_from_db()
    assert recording.call is not None
    recording.call.version = assistant.live_version
    recording.call.save(update_fields=["version"])


@settings(max_examples=40, deadline=None)
@given(
    side=st.sampled_from([Side.MONO, Side.CUSTOMER, Side.ASSISTANT]),
    start=st.integers(0, 2000),
    length=st.integers(0, 2000),
)
def test_any_part_is_the_same_as_of_the_whole(side: Side, start: int, length: int) -> None:
    track = OneTrack(io.BytesIO(wav_bytes(seconds=0.1)), side)
    whole = track.read(0, track.size)

    assert len(whole) == track.size
    assert track.read(start, start + length) == whole[start : start + length]
    wave.open(io.BytesIO(whole)).close()


def test_what_is_no_wav_file_has_no_sides() -> None:
    with pytest.raises(NoWavError):
        OneTrack(io.BytesIO(b"RIFF0000WAVE"), Side.MONO)
