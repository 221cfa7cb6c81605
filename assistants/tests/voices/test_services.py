"""Recording, uploading and choosing, on real rows and against the simulator."""

import io
import wave
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from assistants.models import (
    Assistant,
    VapiImport,
    VapiObject,
    Voice,
    VoiceClip,
    VoiceMapping,
    VoiceRecording,
)
from assistants.tests.factories import make_assistant, make_voice
from assistants.voices import recording, services
from assistants.voices.recording import ClipRefusedError, Patience
from assistants.voices.selectors import (
    INTERRUPTED_AFTER,
    candidate_reasons,
    stale_reasons,
    uploads,
    vapi_voice,
    voice_rows,
)
from assistants.voices.services import (
    recording_take,
    recordings_ask,
    recordings_give_up,
    upload_keep,
    voice_choose,
    voice_record,
)
from assistants.voices.tasks import voices_record
from assistants.voices.wav import UploadRefusedError, wav
from simulator.clips import clip_of
from simulator.harness import Faults, Simulator

QUICK = Patience(open_s=60, answer_s=60, total_s=300, pause_s=0.01)
NAMES = ("marin", "cedar", "ash", "coral", "echo")


@pytest.fixture
def assistant(db: None) -> Assistant:
    for name in NAMES:
        make_voice(name=name)
    return make_assistant(first_message="Alder Street Bike Repair, how can I help?")


def record(assistant: Assistant, voice: str = "cedar", *, patience: Patience = QUICK) -> VoiceClip:
    return voice_record(assistant_id=assistant.pk, voice=voice, patience=patience)


def import_with(assistant: Assistant, raw: Any) -> None:
    run = VapiImport.objects.create(source="test")
    VapiObject.objects.create(
        kind="assistant", key="1", raw=raw, assistant=assistant, last_import=run, imported_at=timezone.now()
    )


# --- Recording


def test_a_clip_is_stored_with_all_that_it_was_made_of(outside: Simulator, assistant: Assistant) -> None:
    record(assistant)

    clip = VoiceClip.objects.get()
    assert (clip.voice_id, clip.text, clip.said) == (
        "cedar",
        assistant.first_message,
        assistant.first_message,
    )
    assert (clip.model, str(clip.speed), clip.sample) == ("gpt-realtime-2.1", "1.00", False)
    with wave.open(io.BytesIO(bytes(clip.sound))) as reader:
        seconds = reader.getnframes() / reader.getframerate()
    spoken = clip_of(assistant.first_message, "assistant")
    assert seconds == pytest.approx(min(spoken.ms, 10_000) / 1000, abs=0.001)
    assert clip.duration_ms == round(seconds * 1000)


def test_a_second_recording_takes_the_place_of_the_first(outside: Simulator, assistant: Assistant) -> None:
    first = record(assistant)
    Assistant.objects.filter(pk=assistant.pk).update(first_message="Harbour Bikes.", speed="1.20")

    record(assistant)

    clip = VoiceClip.objects.get()
    assert (clip.pk, clip.text, str(clip.speed)) == (first.pk, "Harbour Bikes.", "1.20")
    assert clip.created_at > first.created_at


def test_a_long_first_message_becomes_a_clip_of_ten_seconds_at_most(
    outside: Simulator, assistant: Assistant
) -> None:
    Assistant.objects.update(first_message="Thank you for calling our little shop by the sea today. " * 12)

    clip = record(assistant)

    assert 6000 <= (clip.duration_ms or 0) <= 10_000


def test_a_refusal_keeps_the_old_clip_and_says_why(outside: Simulator, assistant: Assistant) -> None:
    before = record(assistant)
    outside.realtime.faults = Faults(fail_responses=9, fail_code="insufficient_quota")

    with pytest.raises(ClipRefusedError):
        record(assistant)

    assert VoiceClip.objects.get().created_at == before.created_at
    failed = VoiceRecording.objects.get()
    assert (failed.status, failed.code) == ("failed", "insufficient_quota")
    assert "no credit left" in failed.error


@pytest.mark.parametrize(
    "faults",
    [
        Faults(close_mid_response=1006, close_times=9),
        Faults(mute="after_updated"),
        Faults(reject_update=True),
    ],
    ids=["dropped", "silent", "rejected"],
)
def test_nothing_is_stored_of_a_recording_that_broke_off(
    outside: Simulator, assistant: Assistant, faults: Faults
) -> None:
    outside.realtime.faults = faults

    with pytest.raises(ClipRefusedError):
        record(assistant, patience=replace(QUICK, answer_s=1.0) if faults.mute else QUICK)

    assert not VoiceClip.objects.exists()


def test_success_takes_an_old_failure_away(outside: Simulator, assistant: Assistant) -> None:
    VoiceRecording.objects.create(assistant=assistant, voice_id="cedar", status="failed", error="Before.")

    record(assistant)

    assert not VoiceRecording.objects.exists()


def test_an_assistant_that_is_deleted_meanwhile_leaves_nothing(
    outside: Simulator, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak = recording.speak

    def slowly(*args: Any, **kwargs: Any) -> Any:
        spoken = speak(*args, **kwargs)
        Assistant.objects.all().delete()
        return spoken

    monkeypatch.setattr(services, "speak", slowly)

    with pytest.raises(ClipRefusedError, match="deleted meanwhile"):
        record(assistant)
    with pytest.raises(ClipRefusedError, match="deleted meanwhile"):
        record(assistant)

    connection.check_constraints()
    assert not VoiceClip.objects.exists()


def test_a_voice_that_is_taken_out_meanwhile_leaves_nothing(
    outside: Simulator, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak = recording.speak

    def slowly(*args: Any, **kwargs: Any) -> Any:
        spoken = speak(*args, **kwargs)
        VoiceMapping.objects.all().delete()
        Voice.objects.filter(pk="cedar").delete()
        return spoken

    monkeypatch.setattr(services, "speak", slowly)

    with pytest.raises(ClipRefusedError, match="taken out"):
        record(assistant)

    connection.check_constraints()
    assert not VoiceClip.objects.exists()


# --- What waits and what runs


def test_asking_twice_makes_one_recording(assistant: Assistant) -> None:
    assert recordings_ask(assistant=assistant, voices=["marin", "cedar", "nobody"]) == ["cedar", "marin"]
    recordings_ask(assistant=assistant, voices=["cedar"])

    assert VoiceRecording.objects.count() == 2


def test_at_most_two_recordings_of_an_assistant_run_at_a_time(assistant: Assistant) -> None:
    recordings_ask(assistant=assistant, voices=NAMES)

    taken = [recording_take(assistant_id=assistant.pk) for _ in range(4)]

    assert [row is not None for row in taken] == [True, True, False, False]
    assert VoiceRecording.objects.filter(status="running").count() == 2


def test_what_runs_is_not_asked_for_again_until_it_must_have_died(assistant: Assistant) -> None:
    recordings_ask(assistant=assistant, voices=["cedar"])
    recording_take(assistant_id=assistant.pk)

    assert recordings_ask(assistant=assistant, voices=["cedar"]) == []
    VoiceRecording.objects.update(changed_at=timezone.now() - INTERRUPTED_AFTER)
    assert recording_take(assistant_id=assistant.pk) is not None


def test_a_failed_recording_is_not_taken_by_itself(assistant: Assistant) -> None:
    recordings_ask(assistant=assistant, voices=["cedar"])
    recordings_give_up(assistant=assistant, voices=["cedar"], code="queue_away", why="No queue.")

    assert recording_take(assistant_id=assistant.pk) is None
    assert VoiceRecording.objects.get().error == "No queue."


@pytest.mark.django_db(transaction=True)
def test_the_task_records_all_that_waits_and_one_refusal_stops_no_other(
    outside: Simulator, assistant: Assistant
) -> None:
    make_voice(name="fable")
    recordings_ask(assistant=assistant, voices=[*NAMES, "fable"])

    voices_record(assistant_id=str(assistant.pk))
    voices_record(assistant_id=str(assistant.pk))

    assert set(VoiceClip.objects.values_list("voice_id", flat=True)) == set(NAMES)
    left = VoiceRecording.objects.get()
    assert (left.voice_id, left.status, left.code) == ("fable", "failed", "voice_refused")
    assert len(outside.realtime.sessions) == 6
    asked = [session.settings["audio"]["output"]["voice"] for session in outside.realtime.sessions]
    assert sorted(asked) == sorted([*NAMES, "alloy"])  # the session that refused `fable` kept its own


@pytest.mark.django_db(transaction=True)
def test_the_task_for_an_assistant_that_is_gone_does_nothing() -> None:
    voices_record(assistant_id="00000000-0000-0000-0000-000000000001")


# --- Candidates and staleness


def test_the_candidates_are_the_drafts_voice_the_mapped_ones_and_the_recommended(
    assistant: Assistant,
) -> None:
    Assistant.objects.update(voice="ash")
    assistant.refresh_from_db()
    import_with(assistant, {"voice": {"provider": "11Labs", "voiceId": "Rachel"}})
    VoiceMapping.objects.all().delete()
    VoiceMapping.objects.create(provider="11labs", vapi_voice="", voice_id="echo")
    VoiceMapping.objects.create(provider="11labs", vapi_voice="rachel", voice_id="coral")
    VoiceMapping.objects.create(provider="openai", vapi_voice="rachel", voice_id="verse")

    reasons = candidate_reasons(assistant)

    assert list(reasons) == ["ash", "coral", "echo", "marin", "cedar"]
    assert reasons["coral"] == ("Stands in for 11Labs Rachel",)
    assert str(vapi_voice(assistant)) == "11Labs Rachel"


def test_a_voice_that_is_openais_at_vapi_too_is_a_candidate_itself(assistant: Assistant) -> None:
    import_with(assistant, {"voice": {"provider": "OpenAI", "voiceId": "Echo"}})
    VoiceMapping.objects.exclude(voice="echo").delete()

    reasons = candidate_reasons(assistant)

    assert list(reasons) == ["marin", "echo", "cedar"]
    assert reasons["echo"] == ("The same as at Vapi",)


@pytest.mark.parametrize(
    "raw", [{}, [], "x", {"voice": None}, {"voice": "jennifer-playht"}, {"voice": {"provider": 7}}]
)
def test_an_import_of_any_shape_has_a_voice_or_none(assistant: Assistant, raw: Any) -> None:
    import_with(assistant, raw)

    assert vapi_voice(assistant) is None
    assert list(candidate_reasons(assistant)) == ["marin", "cedar"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"first_message": "Other words."}, ("the first message",)),
        ({"first_message_mode": Assistant.FirstMessageMode.WAITS}, ("the first message",)),
        ({"speed": "1.10"}, ("the speed",)),
        ({"model": "gpt-realtime-2.1-mini"}, ("the model",)),
        ({"instructions": "Other."}, ()),
    ],
)
def test_a_clip_is_out_of_date_when_the_draft_would_sound_otherwise(
    outside: Simulator, assistant: Assistant, change: dict[str, Any], what: tuple[str, ...]
) -> None:
    clip = record(assistant)

    Assistant.objects.update(**change)

    assert stale_reasons(clip, Assistant.objects.get()) == what


def test_a_message_that_holds_the_date_is_not_out_of_date_the_next_day(
    outside: Simulator, assistant: Assistant
) -> None:
    Assistant.objects.update(first_message="Today is {{ 'now' | date: '%A, %H:%M:%S' }}.")
    clip = record(assistant)
    yesterday: datetime = clip.created_at - timedelta(days=1)

    assert stale_reasons(clip, Assistant.objects.get()) == ()
    clip.created_at = yesterday
    assert stale_reasons(clip, Assistant.objects.get()) == ("the first message",)


def test_the_rows_tell_of_recordings_that_nobody_takes_and_of_those_that_died(assistant: Assistant) -> None:
    recordings_ask(assistant=assistant, voices=["marin", "cedar"])
    recording_take(assistant_id=assistant.pk)
    now = timezone.now()

    def told(later: timedelta) -> dict[str, tuple[bool, str]]:
        rows = voice_rows(assistant, now=now + later)
        return {row.voice.pk: (row.is_pending, row.trouble) for row in rows[:2]}

    assert told(timedelta()) == {"marin": (True, ""), "cedar": (True, "")}
    assert {trouble for _, trouble in told(timedelta(minutes=1)).values()} == {
        "",
        "No worker has taken it yet. Is one running?",
    }
    assert (False, "The recording was interrupted. Record it again.") in told(timedelta(minutes=5)).values()


def test_reading_the_rows_loads_no_sound_and_takes_few_queries(
    outside: Simulator, assistant: Assistant, django_assert_num_queries: Any
) -> None:
    for name in NAMES:
        record(assistant, name)
    fresh = Assistant.objects.get()

    with django_assert_num_queries(5) as queries:
        voice_rows(fresh, now=timezone.now())

    assert not any('"sound"' in query["sql"] for query in queries.captured_queries)


# --- Uploading and choosing


def test_several_uploads_are_kept_side_by_side(assistant: Assistant) -> None:
    upload_keep(assistant=assistant, data=wav(b"\x10" * 8000), label="Vapi, morning")
    upload_keep(assistant=assistant, data=wav(b"\x20" * 4000), label="Vapi, evening")

    assert [(clip.label, clip.duration_ms, clip.voice) for clip in uploads(assistant)] == [
        ("Vapi, evening", 500, None),
        ("Vapi, morning", 1000, None),
    ]


def test_there_is_an_end_to_the_uploads_of_an_assistant(
    assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_UPLOADS", 1)
    upload_keep(assistant=assistant, data=wav(b"\x10" * 80), label="Vapi")

    with pytest.raises(UploadRefusedError, match="Delete one first"):
        upload_keep(assistant=assistant, data=wav(b"\x10" * 80), label="Vapi")
    assert uploads(assistant).count() == 1


def test_choosing_a_voice_changes_the_draft_and_nothing_that_callers_hear(assistant: Assistant) -> None:
    published = make_assistant(name="Other", published=True)

    assert voice_choose(assistant=published, voice=Voice.objects.get(pk="coral"))
    assert not voice_choose(assistant=published, voice=Voice.objects.get(pk="coral"))

    changed = Assistant.objects.get(pk=published.pk)
    assert changed.voice_id == "coral"
    assert changed.live_version is not None
    assert changed.live_version.snapshot["voice"] == "marin"
