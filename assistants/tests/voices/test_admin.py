"""The page on which voices are compared, and the sound that it plays."""

import io
import uuid
import wave
from decimal import Decimal
from typing import Any

import pytest
import redis
from celery.exceptions import OperationalError as BrokerError
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from assistants.models import Assistant, VapiImport, VapiObject, VoiceClip, VoiceRecording
from assistants.tests.factories import make_assistant, make_voice
from assistants.voices.admin import page_url
from assistants.voices.tasks import voices_record
from assistants.voices.wav import UPLOAD_MAX_BYTES, wav

pytestmark = pytest.mark.django_db

SOUND = wav(bytes(range(256)) * 20)
FIRST_MESSAGE = "Harbour Bikes, <b>good morning</b>."


@pytest.fixture
def assistant() -> Assistant:
    make_voice(name="cedar", note="Recommended by OpenAI.")
    return make_assistant(name="Front desk", first_message=FIRST_MESSAGE)


def make_clip(assistant: Assistant, **fields: Any) -> VoiceClip:
    defaults = {
        "assistant": assistant,
        "voice_id": "cedar",
        "label": "cedar",
        "text": FIRST_MESSAGE,
        "model": "gpt-realtime-2.1",
        "speed": Decimal("1.00"),
        "sound": SOUND,
        "duration_ms": 640,
    }
    return VoiceClip.objects.create(**{**defaults, **fields})


def sound_url(clip: VoiceClip) -> str:
    return reverse("admin:assistants_voiceclip_sound", args=[clip.pk])


def do(name: str, assistant: Assistant) -> str:
    return reverse(f"admin:assistants_voiceclip_{name}", args=[assistant.pk])


def client_with(*codenames: str) -> Client:
    """The client of somebody of staff who has just these permissions."""
    user = User.objects.create_user("vera", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    client = Client()
    client.force_login(user)
    return client


def upload(data: bytes, name: str = "vapi.wav", **fields: str) -> dict[str, Any]:
    return {"file": SimpleUploadedFile(name, data, content_type="audio/wav"), "label": "Vapi", **fields}


def row_of(client: Client, assistant: Assistant, voice: str) -> str:
    html: str = client.get(do("rows", assistant)).json()["rows"][voice]["html"]
    return html


# --- The page


def test_the_page_shows_the_text_the_uploads_and_every_voice(
    admin_client: Client, assistant: Assistant
) -> None:
    clip = make_clip(assistant)
    theirs = make_clip(assistant, voice_id=None, label="Vapi, 11labs Rachel", text="")

    page = admin_client.get(page_url(assistant.pk)).content.decode()

    assert "Harbour Bikes, &lt;b&gt;good morning&lt;/b&gt;." in page
    assert sound_url(clip) in page
    assert sound_url(theirs) in page
    assert page.index("Vapi, 11labs Rachel") < page.index('id="voice-marin"') < page.index('id="voice-cedar"')
    assert 'preload="none"' in page
    assert "Record missing voices (1)" in page


def test_a_page_without_any_clip_or_first_message_opens(admin_client: Client) -> None:
    page = admin_client.get(page_url(make_assistant(first_message="").pk)).content.decode()

    assert "A sample text, because the first message is empty." in page
    assert "Nothing is uploaded yet." in page


def test_the_voice_at_vapi_is_named_and_proposed_as_label(admin_client: Client, assistant: Assistant) -> None:
    run = VapiImport.objects.create(source="test")
    VapiObject.objects.create(
        kind="assistant",
        key="1",
        raw={"voice": {"provider": "11labs", "voiceId": "Rachel"}},
        assistant=assistant,
        last_import=run,
        imported_at=timezone.now(),
    )

    page = admin_client.get(page_url(assistant.pk)).content.decode()

    assert "(11labs Rachel)" in page
    assert 'value="Vapi: 11labs Rachel"' in page


def test_a_clip_of_other_words_is_marked_out_of_date(admin_client: Client, assistant: Assistant) -> None:
    make_clip(assistant)
    assert "Out of date" not in row_of(admin_client, assistant, "cedar")

    Assistant.objects.update(first_message="Other words.", speed="1.10")

    row = row_of(admin_client, assistant, "cedar")
    assert "Out of date" in row
    assert "Since then the first message and the speed changed." in row


def test_what_the_voice_said_is_shown_only_where_it_differs(
    admin_client: Client, assistant: Assistant
) -> None:
    clip = make_clip(
        assistant, said="harbour bikes - B good morning B", text="Harbour Bikes, <b>good morning</b>"
    )
    assert "The voice said" not in row_of(admin_client, assistant, "cedar")

    VoiceClip.objects.filter(pk=clip.pk).update(said="Hello!")

    assert "The voice said: “Hello!”" in row_of(admin_client, assistant, "cedar")


def test_the_list_of_clips_opens_and_leads_to_the_page(admin_client: Client, assistant: Assistant) -> None:
    clip = make_clip(assistant)

    assert admin_client.get(reverse("admin:assistants_voiceclip_changelist")).status_code == 200
    response = admin_client.get(reverse("admin:assistants_voiceclip_change", args=[clip.pk]))
    assert (response.status_code, response.headers["Location"]) == (302, page_url(assistant.pk))


def test_the_page_takes_the_same_number_of_queries_however_many_clips_there_are(
    admin_client: Client, assistant: Assistant, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        make_voice(name=f"voice-{number}")
        make_clip(assistant, voice_id=f"voice-{number}")
        make_clip(assistant, voice_id=None)
    admin_client.get(page_url(assistant.pk))

    with django_assert_max_num_queries(16) as queries:
        admin_client.get(page_url(assistant.pk))

    assert not any('"sound"' in query["sql"] for query in queries.captured_queries)


def test_a_simulator_is_not_passed_off_as_openai(
    admin_client: Client, assistant: Assistant, settings: Settings
) -> None:
    told = "A simulator plays OpenAI here"
    assert told not in admin_client.get(page_url(assistant.pk)).content.decode()

    settings.SIMULATOR_URL = "http://127.0.0.1:8002"
    settings.OPENAI_REALTIME_URL = "ws://127.0.0.1:8002/v1/realtime"

    assert told in admin_client.get(page_url(assistant.pk)).content.decode()


# --- Recording


def test_recording_is_asked_for_and_queued_once(
    admin_client: Client, assistant: Assistant, redis_client: "redis.Redis"
) -> None:
    response = admin_client.post(do("record", assistant), {"voice": "cedar"})

    assert response.headers["Location"] == page_url(assistant.pk)
    row = VoiceRecording.objects.get()
    assert (row.voice_id, row.status) == ("cedar", "waiting")
    assert redis_client.llen("records") == 1
    found = admin_client.get(do("rows", assistant)).json()
    assert found["pending"] == 1
    assert "Waiting…" in found["rows"]["cedar"]["html"]
    assert "Record again" not in found["rows"]["cedar"]["html"]


def test_recording_the_missing_leaves_out_what_is_there_and_what_is_no_candidate(
    admin_client: Client, assistant: Assistant, redis_client: "redis.Redis"
) -> None:
    make_voice(name="ash")
    make_clip(assistant)

    admin_client.post(do("record", assistant), {"which": "missing"})

    assert list(VoiceRecording.objects.values_list("voice_id", flat=True)) == ["marin"]


def test_recording_all_means_every_voice(
    admin_client: Client, assistant: Assistant, redis_client: "redis.Redis"
) -> None:
    make_voice(name="ash")
    make_clip(assistant)

    admin_client.post(do("record", assistant), {"which": "all"})

    assert {"ash", "cedar", "marin"} <= set(VoiceRecording.objects.values_list("voice_id", flat=True))


def test_a_queue_that_is_away_is_told_and_leaves_nothing_waiting(
    admin_client: Client, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> None:
        raise BrokerError

    monkeypatch.setattr(voices_record, "delay", away)

    page = admin_client.post(do("record", assistant), {"voice": "cedar"}, follow=True).content.decode()

    assert "The queue of jobs could not be reached." in page
    assert VoiceRecording.objects.get().status == "failed"


def test_why_a_recording_failed_stands_beside_the_voice(admin_client: Client, assistant: Assistant) -> None:
    VoiceRecording.objects.create(
        assistant=assistant, voice_id="cedar", status="failed", error="OpenAI refused the key."
    )

    assert "OpenAI refused the key." in row_of(admin_client, assistant, "cedar")


# --- Choosing


def test_choosing_a_voice_changes_the_draft_and_says_that_it_must_be_published(
    admin_client: Client, assistant: Assistant
) -> None:
    page = admin_client.post(do("choose", assistant), {"voice": "cedar"}, follow=True).content.decode()

    assert Assistant.objects.get().voice_id == "cedar"
    assert "The draft speaks as cedar now. Callers hear it once you" in page
    assert reverse("admin:assistants_assistant_publish", args=[assistant.pk]) in page
    assert LogEntry.objects.get().object_id == str(assistant.pk)
    assert admin_client.post(do("choose", assistant), {"voice": "nobody"}).status_code == 404


# --- Uploading


def test_an_upload_is_kept_played_and_deleted(admin_client: Client, assistant: Assistant) -> None:
    admin_client.post(do("upload", assistant), upload(SOUND, name="anything.exe"))

    clip = VoiceClip.objects.get()
    assert (clip.voice, clip.label, clip.content_type, clip.duration_ms) == (None, "Vapi", "audio/wav", 640)
    assert admin_client.get(sound_url(clip)).content == SOUND
    admin_client.post(reverse("admin:assistants_voiceclip_remove", args=[clip.pk]))
    assert not VoiceClip.objects.exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "The file is empty."),
        (b"MZ\x90\x00" + b"\x00" * 100, "it is a program"),
        (b"<html><script>alert(1)</script>", "it is a web page"),
        (SOUND.ljust(UPLOAD_MAX_BYTES + 1, b"\x00"), "larger than 2 MiB"),
    ],
    ids=["empty", "renamed program", "web page", "too large"],
)
def test_what_is_no_sound_is_refused_on_the_page(
    admin_client: Client, assistant: Assistant, data: bytes, why: str
) -> None:
    page = admin_client.post(do("upload", assistant), upload(data, label="My label")).content.decode()

    assert why in page
    assert 'value="My label"' in page
    assert not VoiceClip.objects.exists()


@pytest.mark.parametrize(
    "fields", [{}, {"label": "Vapi"}, {"label": "x" * 121}], ids=["nothing", "no file", "label"]
)
def test_an_upload_that_lacks_something_is_answered_with_the_page(
    admin_client: Client, assistant: Assistant, fields: dict[str, str]
) -> None:
    response = admin_client.post(do("upload", assistant), fields)

    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()


def test_an_assistant_is_deleted_with_its_clips(admin_client: Client, assistant: Assistant) -> None:
    make_clip(assistant)
    VoiceRecording.objects.create(assistant=assistant, voice_id="marin")

    url = reverse("admin:assistants_assistant_delete", args=[assistant.pk])
    admin_client.post(url, {"post": "yes"})

    assert not Assistant.objects.exists()
    assert not VoiceClip.objects.exists()


# --- The sound


def test_the_sound_is_served_as_what_it_is(admin_client: Client, assistant: Assistant) -> None:
    response = admin_client.get(sound_url(make_clip(assistant)))

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "audio/wav"
    assert response.headers["Content-Disposition"] == 'inline; filename="front-desk-cedar.wav"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["Accept-Ranges"] == "bytes"
    with wave.open(io.BytesIO(response.content)) as reader:
        assert reader.getnframes() == 5120


def test_a_part_of_the_sound_can_be_had(admin_client: Client, assistant: Assistant) -> None:
    url = sound_url(make_clip(assistant))

    whole = admin_client.get(url, headers={"Range": "bytes=0-"})
    part = admin_client.get(url, headers={"Range": "bytes=100-199"})
    behind = admin_client.get(url, headers={"Range": f"bytes={len(SOUND)}-"})

    assert (whole.status_code, whole.content) == (206, SOUND)
    assert (part.status_code, part.content) == (206, SOUND[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(SOUND)}"
    assert part.headers["Content-Length"] == "100"
    assert (behind.status_code, behind.headers["Content-Range"]) == (416, f"bytes */{len(SOUND)}")


def test_a_sound_that_the_browser_has_is_not_sent_again(admin_client: Client, assistant: Assistant) -> None:
    clip = make_clip(assistant)
    etag = admin_client.get(sound_url(clip)).headers["ETag"]

    same = admin_client.get(sound_url(clip), headers={"If-None-Match": etag})
    VoiceClip.objects.filter(pk=clip.pk).update(sound=SOUND[:100])
    other = admin_client.get(sound_url(clip), headers={"If-None-Match": etag})
    rest_of_the_old = admin_client.get(sound_url(clip), headers={"Range": "bytes=50-", "If-Range": etag})

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    assert (other.status_code, other.content) == (200, SOUND[:100])
    assert (rest_of_the_old.status_code, rest_of_the_old.content) == (200, SOUND[:100])


def test_the_head_of_a_sound_tells_its_length(admin_client: Client, assistant: Assistant) -> None:
    response = admin_client.head(sound_url(make_clip(assistant)), headers={"Range": "bytes=0-1"})

    assert (response.status_code, response.headers["Content-Length"]) == (200, str(len(SOUND)))


def test_a_clip_that_is_gone_is_not_found(admin_client: Client) -> None:
    assert admin_client.get(sound_url(VoiceClip(pk=uuid.uuid4()))).status_code == 404


# --- Who may


def test_nobody_hears_a_clip_without_being_logged_in_and_allowed(
    client: Client, assistant: Assistant
) -> None:
    url = sound_url(make_clip(assistant))

    assert client.get(url).status_code == 302
    assert client_with("view_assistant").get(url).status_code == 403


def test_whoever_may_view_clips_hears_them_and_changes_nothing(assistant: Assistant) -> None:
    clip = make_clip(assistant)
    theirs = make_clip(assistant, voice_id=None)
    client = client_with("view_assistant", "view_voiceclip")

    page = client.get(page_url(assistant.pk)).content.decode()

    assert client.get(sound_url(clip)).status_code == 200
    for url in (do("record", assistant), do("choose", assistant), do("upload", assistant)):
        assert url not in page
    assert "Delete" not in page
    for url, data in (
        (do("record", assistant), {"voice": "cedar"}),
        (do("upload", assistant), upload(SOUND)),
        (do("choose", assistant), {"voice": "cedar"}),
        (reverse("admin:assistants_voiceclip_remove", args=[theirs.pk]), {}),
    ):
        assert client.post(url, data).status_code == 403, url
    assert VoiceClip.objects.count() == 2
    assert not VoiceRecording.objects.exists()


@pytest.mark.parametrize(
    "codenames", [(), ("view_assistant",), ("view_voiceclip",)], ids=["nothing", "one", "other"]
)
def test_the_page_needs_both_permissions(assistant: Assistant, codenames: tuple[str, ...]) -> None:
    client = client_with(*codenames)

    assert client.get(page_url(assistant.pk)).status_code == 403
    assert client.get(do("rows", assistant)).status_code == 403


@pytest.mark.parametrize("name", ["record", "choose", "upload"])
def test_what_changes_something_is_only_posted(admin_client: Client, assistant: Assistant, name: str) -> None:
    assert admin_client.get(do(name, assistant)).status_code == 405


def test_an_assistant_that_is_gone_is_not_found(admin_client: Client) -> None:
    assert admin_client.get(page_url(uuid.uuid4())).status_code == 404
