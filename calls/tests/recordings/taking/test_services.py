"""A recording of our own from the spool into the storage: once, unless its call was erased, and with what is missing told."""

import io
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import Storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.erasing.erasing import call_erase
from calls.models import Call, CallProblem, Recording, SocketCall
from calls.recordings import services
from calls.recordings.services import KeepingError, recording_start, recordings_open
from calls.recordings.taking import services as taking
from calls.recordings.taking.services import take_keep, takes_give_up
from calls.recordings.taking.tracks import ASSISTANT, CALLER, Facts, Tracks, tracks_make, tracks_orphaned
from calls.recordings.taking.writer import Ended
from calls.tests.factories import make_call
from calls.tests.recordings.factories import wav_bytes

pytestmark = pytest.mark.django_db

State = Recording.State


class EndpointConnectionError(Exception):
    """As botocore has it: no OSError."""


@pytest.fixture
def call() -> Call:
    made = make_call(call_sid="", did="", caller="", ended_at=timezone.now())
    SocketCall.objects.create(call=made, kind=SocketCall.Kind.WEBSOCKET)
    return made


def tracks_of(root: Path, call_id: uuid.UUID, *, ms: int = 500) -> Tracks:
    made = tracks_make(root, Facts(call_id, timezone.now() - timedelta(minutes=1), 24_000))
    made.write(CALLER, 0, b"\x00\x10" * (24 * ms))
    made.write(ASSISTANT, 0, b"\x00\x20" * (12 * ms))
    made.end(0)
    return made


def ended(root: Path, call: Call, **more: Any) -> Ended:
    tracks = tracks_of(root, call.pk)
    return Ended(tracks.facts, tracks, **more)


@pytest.fixture
def files() -> Callable[[], list[str]]:
    """What the storage holds now and did not before; tests of this process share it."""
    storage = Recording(created_at=timezone.now()).file.storage

    def walked() -> list[str]:
        found, folders = list[str](), [""]
        while folders:
            here = folders.pop()
            below, names = storage.listdir(here)
            folders += [f"{here}/{one}".strip("/") for one in below]
            found += [f"{here}/{one}" for one in names]
        return found

    before = walked()
    return lambda: [one for one in walked() if one not in before]


def test_a_call_on_a_socket_is_recorded_here_and_kept_when_it_is_over(tmp_path: Path, call: Call) -> None:
    Call.objects.filter(pk=call.pk).update(status=Call.Status.IN_PROGRESS)
    begun = recording_start(call_id=call.pk)
    assert begun is not None
    assert (begun.source, begun.state) == (Recording.Source.TANDEM, State.RECORDING)
    assert recording_start(call_id=call.pk) == begun

    done = ended(tmp_path, call)
    take_keep(done)

    kept = Recording.objects.get(call=call)
    assert kept.pk == begun.pk
    assert (kept.state, kept.channels, kept.duration_ms, kept.content_type) == (
        State.STORED,
        2,
        500,
        "audio/wav",
    )
    assert kept.began_at == done.facts.began_at.replace(
        microsecond=kept.began_at.microsecond if kept.began_at else 0
    )
    assert max(kept.peaks[: len(kept.peaks) // 2]) == 0x10 << 1
    assert kept.file.size == kept.size == 44 + 500 * 24 * 4
    assert list(tmp_path.iterdir()) == []
    assert not CallProblem.objects.exists()


def test_it_is_kept_once_although_nobody_had_said_that_it_began(
    tmp_path: Path, call: Call, files: Callable[[], list[str]]
) -> None:
    take_keep(ended(tmp_path, call))
    again = ended(tmp_path, call)
    take_keep(again)

    assert Recording.objects.get(call=call).state == State.STORED
    assert len(files()) == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_an_erased_call_is_kept_nor_of_one_that_is_gone(
    tmp_path: Path, call: Call, files: Callable[[], list[str]]
) -> None:
    gone = make_call(call_sid="")
    left = [ended(tmp_path, call), ended(tmp_path, gone)]
    call_erase(call.pk)
    gone.delete()

    for one in left:
        take_keep(one)

    assert not Recording.objects.exists()
    assert files() == []
    assert list(tmp_path.iterdir()) == []


def test_a_call_that_is_erased_while_its_sound_is_kept_leaves_none(
    tmp_path: Path, call: Call, files: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Storage.save

    def erased_meanwhile(self: Storage, name: str, content: Any) -> str:
        call_erase(call.pk)
        return save(self, name, content)

    monkeypatch.setattr(Storage, "save", erased_meanwhile)
    take_keep(ended(tmp_path, call))

    assert not Recording.objects.exists()
    assert files() == []
    assert list(tmp_path.iterdir()) == []


def test_what_a_try_that_died_has_left_in_the_storage_is_replaced(
    tmp_path: Path, call: Call, files: Callable[[], list[str]]
) -> None:
    row = Recording.objects.create(call=call, source=Recording.Source.TANDEM, state=State.WAITING)
    place = row.file.field.generate_filename(row, ".wav")
    services.recording_keep(row, io.BytesIO(wav_bytes(seconds=0.1)), content_type="audio/wav")
    Recording.objects.filter(pk=row.pk).update(state=State.WAITING, file=place)

    take_keep(ended(tmp_path / "sound", call))

    kept = Recording.objects.get(pk=row.pk)
    assert kept.duration_ms == 500
    assert files() == [place]


@pytest.mark.parametrize("fault", [OSError("full"), EndpointConnectionError("no such host")])
def test_a_storage_that_is_away_is_told_of_and_nothing_is_deleted(
    fault: Exception, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> str:
        raise fault

    one = ended(tmp_path, call)
    with monkeypatch.context() as patched:
        patched.setattr(Storage, "save", away)
        with pytest.raises(KeepingError):
            take_keep(one)
    waiting = Recording.objects.get(call=call)
    assert waiting.state == State.WAITING
    assert waiting.error == (
        f"The sound could not be kept: {type(fault).__name__}. Look at the storage. It is tried again."
    )

    take_keep(one)

    waiting.refresh_from_db()
    assert (waiting.state, waiting.error) == (State.STORED, "")


@pytest.mark.parametrize(
    ("more", "state", "problem"),
    [
        ({"lost_ms": 1500, "why": "No space left on device."}, State.STORED, "recording_gaps"),
        ({"died": True}, State.STORED, "recording_cut_short"),
        ({"tracks": None, "lost_ms": 900, "why": "Permission denied."}, State.FAILED, "recording_gaps"),
        ({"tracks": None}, State.ABSENT, ""),
    ],
    ids=["gaps", "died", "nothing-written", "nothing-heard"],
)
def test_what_is_missing_is_told(
    more: dict[str, Any], state: Recording.State, problem: str, tmp_path: Path, call: Call
) -> None:
    facts = Facts(call.pk, timezone.now(), 24_000)
    given = {"tracks": None if "tracks" in more else tracks_of(tmp_path, call.pk), **more}

    take_keep(Ended(facts, **given))

    assert Recording.objects.get(call=call).state == state
    assert [one.code for one in CallProblem.objects.filter(call=call)] == ([problem] if problem else [])


def test_sound_that_never_comes_is_told_of_and_kept_should_it_come_after_all(
    tmp_path: Path, call: Call
) -> None:
    now = timezone.now()
    Recording.objects.create(call=call, source=Recording.Source.TANDEM, state=State.RECORDING)
    assert takes_give_up(now=now) == 0
    assert recordings_open(now=now + timedelta(days=1)).ask == []

    assert takes_give_up(now=now + timedelta(hours=3)) == 1
    failed = Recording.objects.get(call=call)
    assert failed.state == State.FAILED
    assert "SPOOL_DIR" in failed.error

    take_keep(ended(tmp_path, call))
    failed.refresh_from_db()
    assert failed.state == State.STORED


def test_the_list_of_recordings_names_calls_that_have_no_number(admin_client: Client, call: Call) -> None:
    Recording.objects.create(call=call, source=Recording.Source.TANDEM, state=State.RECORDING)

    html = admin_client.get(reverse("admin:calls_recording_changelist")).content.decode()

    assert "Without a number" in html


def test_a_storage_that_is_away_for_hours_is_not_taken_for_a_lost_disk(call: Call) -> None:
    now = timezone.now()
    Recording.objects.create(
        call=call, source=Recording.Source.TANDEM, state=State.WAITING, error="Look at the storage."
    )

    assert takes_give_up(now=now + timedelta(hours=47)) == 0
    assert takes_give_up(now=now + timedelta(hours=49)) == 1


def test_erasing_a_call_takes_what_a_dead_process_has_left_of_it(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "sound_folder", lambda: tmp_path)
    for one in (call.pk, uuid.UUID(int=7)):
        tracks_of(tmp_path, one).close()

    receipt = call_erase(call.pk)

    assert receipt.counts["sound in the spool"] == 1
    (left,) = tracks_orphaned(tmp_path)
    assert left.facts.call_id == uuid.UUID(int=7)
    left.close()
