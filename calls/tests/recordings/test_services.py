"""Recordings against a Twilio that is played by the simulator: begun, told of, fetched, deleted."""

import asyncio
import itertools
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.deletion import ProtectedError
from django.utils import timezone
from pytest_django import Settings

from calls.clients import CallGoneError, TwilioRefusedError
from calls.models import Call, CallProblem, Recording
from calls.recordings import services, tasks, twilio
from calls.recordings.services import Told
from calls.tests.factories import make_call
from calls.tests.recordings.factories import make_recording, wav_bytes
from simulator.harness import CallLog, CallReport, Clock, Failure, Order, Phone, Simulator, new_sid
from simulator.listening import listening as listening_aside
from simulator.scenario import load

ACCOUNT = "AC" + "1" * 32
RE = "RE" + "2" * 32
State = Recording.State

ORDERS = sorted(set(itertools.permutations(["started", "in-progress", "completed", "completed"])))

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def listening() -> Iterator[Simulator]:
    """The simulator, listening for all tests of this module."""
    with listening_aside(Simulator(account_sid=ACCOUNT, auth_token="secret")) as simulator:
        yield simulator


@pytest.fixture
def outside(listening: Simulator, settings: Settings) -> Simulator:
    """The simulator as new, and our settings pointing at it."""
    listening.rest.reset()
    settings.TWILIO_ACCOUNT_SID = ACCOUNT
    settings.TWILIO_AUTH_TOKEN = "secret"
    settings.TWILIO_API_URL = listening.http_url
    settings.PUBLIC_ORIGIN = "http://127.0.0.1:9"  # nobody there: Twilio's word comes from the test
    return listening


def call_at_twilio(outside: Simulator, *, status: str = "in-progress") -> tuple[Call, Phone]:
    """A call that both sides know."""
    phone = Phone(
        Order(load("greeting"), to="+14155550100", caller="+13125550177"),
        outside.switchboard.account,
        log=CallLog(CallReport(call_sid=new_sid("CA"), scenario="greeting"), Clock()),
    )
    phone.status = status
    outside.switchboard.calls[phone.call_sid] = phone
    call = make_call(
        call_sid=phone.call_sid, account_sid=ACCOUNT, status=Call.Status.IN_PROGRESS, ended_at=None
    )
    return call, phone


def hang_up(phone: Phone) -> None:
    """End the call at Twilio, and let its recordings be complete."""

    async def finish() -> None:
        phone.status = "completed"
        for one in phone._recorded:
            await one()

    asyncio.run(finish())


def told(call: Call, status: str, *, sid: str = RE) -> Recording | None:
    return services.recording_told(Told(call.call_sid, sid, status))


# --- The usual way


def test_a_call_is_recorded_fetched_measured_and_deleted_at_twilio(outside: Simulator) -> None:
    call, phone = call_at_twilio(outside)

    services.recording_start(call_id=call.pk)
    begun = Recording.objects.get(call=call)
    assert (begun.state, begun.sid[:2], begun.at_twilio) == (State.RECORDING, "RE", True)
    assert not outside.rest.complaints.violations

    hang_up(phone)
    waiting = told(call, "completed", sid=begun.sid)
    assert waiting is not None
    assert services.recording_download(recording_id=waiting.pk)

    kept = Recording.objects.get(call=call)
    assert (kept.state, kept.channels, kept.content_type, kept.at_twilio) == (
        State.STORED,
        2,
        "audio/wav",
        False,
    )
    assert kept.duration_ms is not None
    assert len(kept.peaks) == 2 * max(1, kept.duration_ms // 50)
    with kept.file.open() as file:
        assert len(file.read()) == kept.size
    assert len(outside.rest.recordings) == 0
    assert not services.recording_download(recording_id=waiting.pk)  # the task came twice


def test_twilios_copy_stays_where_that_is_wanted(outside: Simulator, settings: Settings) -> None:
    settings.RECORDING_DELETE_AT_TWILIO = False
    call, phone = call_at_twilio(outside)
    services.recording_start(call_id=call.pk)
    hang_up(phone)
    sid = Recording.objects.get(call=call).sid
    told(call, "completed", sid=sid)

    assert services.recording_download(recording_id=Recording.objects.get(call=call).pk)

    assert Recording.objects.get(call=call).at_twilio
    assert len(outside.rest.recordings) > 0


def test_a_worker_that_died_after_its_request_does_not_begin_a_second_recording(outside: Simulator) -> None:
    call, _ = call_at_twilio(outside)
    services.recording_start(call_id=call.pk)
    first = Recording.objects.get(call=call).sid
    Recording.objects.filter(call=call).update(state=State.ASKED, sid="")

    services.recording_start(call_id=call.pk)

    assert Recording.objects.get(call=call).sid == first


# --- What goes wrong


@pytest.mark.parametrize("status", ["ringing", "completed"])
def test_a_call_that_cannot_be_recorded_says_so_and_goes_on(outside: Simulator, status: str) -> None:
    call, _ = call_at_twilio(outside, status=status)

    tasks.recording_start(call_id=str(call.pk))

    recording = Recording.objects.get(call=call)
    assert (recording.state, recording.error) == (
        State.FAILED,
        "The call was over before it could be recorded.",
    )
    problem = CallProblem.objects.get(call=call)
    assert (problem.code, problem.benign) == ("recording_failed", True)
    assert Call.objects.get(pk=call.pk).status == Call.Status.IN_PROGRESS


def test_a_call_that_twilio_does_not_know_is_over(outside: Simulator) -> None:
    call = make_call(account_sid=ACCOUNT, status=Call.Status.IN_PROGRESS, ended_at=None)

    with pytest.raises(CallGoneError):
        services.recording_start(call_id=call.pk)


def test_a_busy_twilio_is_asked_again(outside: Simulator) -> None:
    call, _ = call_at_twilio(outside)
    outside.rest.failures.append(Failure(503, 20503))
    with pytest.raises(TwilioRefusedError) as refused:
        services.recording_start(call_id=call.pk)
    assert refused.value.unsure

    services.recording_start(call_id=call.pk)

    assert Recording.objects.get(call=call).state == State.RECORDING


def test_sound_that_is_not_there_yet_is_fetched_later(outside: Simulator) -> None:
    call, phone = call_at_twilio(outside)
    services.recording_start(call_id=call.pk)
    recording = Recording.objects.get(call=call)
    told(call, "completed", sid=recording.sid)

    assert not services.recording_download(recording_id=recording.pk)
    recording.refresh_from_db()
    assert (recording.state, recording.attempts) == (State.WAITING, 1)
    assert recording.error == "Twilio has no sound of it (yet). It is tried again."
    assert recording.next_at is not None
    assert services.recordings_open(now=timezone.now()).fetch == []
    assert services.recordings_open(now=recording.next_at).fetch == [recording.pk]

    hang_up(phone)
    Recording.objects.update(next_at=None)
    assert services.recording_download(recording_id=recording.pk)


def test_a_recording_that_is_too_large_is_not_kept(outside: Simulator, settings: Settings) -> None:
    settings.RECORDING_MAX_MIB = 0
    call, phone = call_at_twilio(outside)
    services.recording_start(call_id=call.pk)
    hang_up(phone)
    recording = Recording.objects.get(call=call)
    told(call, "completed", sid=recording.sid)

    services.recording_download(recording_id=recording.pk)

    recording.refresh_from_db()
    assert recording.state == State.FAILED
    assert "RECORDING_MAX_MIB" in recording.error
    assert CallProblem.objects.get(call=call).code == "recording_lost"


def test_a_call_that_was_erased_while_its_sound_came_keeps_nothing(
    outside: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = make_recording(state=State.WAITING, sid=RE)

    def fetched(*, into: Any, **_: Any) -> int:
        Recording.objects.filter(pk=recording.pk).update(state=State.DELETING, call=None)
        return int(into.write(wav_bytes(seconds=0.1)))

    monkeypatch.setattr(twilio, "media_fetch", fetched)

    assert not services.recording_download(recording_id=recording.pk)

    storage = recording.file.storage
    folder = f"{recording.created_at:%Y/%m/%d}"
    names = storage.listdir(folder)[1] if storage.exists(folder) else []
    assert not [name for name in names if str(recording.pk) in name]


# --- Twilio's word, in any order


@pytest.mark.parametrize("order", ORDERS)
def test_whatever_comes_first_the_sound_is_fetched_once(order: tuple[str, ...]) -> None:
    call = make_call(status=Call.Status.IN_PROGRESS, ended_at=None)
    recording = make_recording(call=call, state=State.ASKED, sid="", began_at=None)
    wanted = 0

    for news in order:
        if news == "started":
            Recording.objects.filter(pk=recording.pk, state=State.ASKED).update(state=State.RECORDING, sid=RE)
        else:
            wanted += told(call, news) is not None

    recording.refresh_from_db()
    assert (recording.state, recording.sid, wanted) == (State.WAITING, RE, 1)


def test_a_recording_that_somebody_else_began_is_none_of_ours() -> None:
    recording = make_recording(state=State.RECORDING)
    assert recording.call is not None

    assert told(recording.call, "completed", sid="RE" + "9" * 32) is None
    assert services.recording_told(Told("", RE, "completed")) is None
    assert services.recording_told(Told("CAunknown", "../../etc", "completed")) is None

    recording.refresh_from_db()
    assert recording.state == State.RECORDING


def test_a_recording_of_nothing_says_so() -> None:
    recording = make_recording(state=State.RECORDING)
    assert recording.call is not None

    services.recording_told(Told(recording.call.call_sid, recording.sid, "absent", error_code="0"))

    recording.refresh_from_db()
    assert (recording.state, recording.at_twilio) == (State.ABSENT, False)
    assert recording.error == "Twilio recorded nothing (absent)."


@pytest.mark.parametrize(("off_s", "theirs"), [(1, False), (-2, False), (30, True)])
def test_our_clock_tells_when_it_began_unless_it_is_far_off(off_s: int, theirs: bool) -> None:  # a parameter
    ours = timezone.now().replace(microsecond=250_000)
    recording = make_recording(state=State.RECORDING, began_at=ours)
    assert recording.call is not None
    at = ours + timedelta(seconds=off_s)

    services.recording_told(
        Told(recording.call.call_sid, recording.sid, "in-progress", f"{at:%a, %d %b %Y %H:%M:%S +0000}")
    )

    recording.refresh_from_db()
    assert recording.began_at == (at.replace(microsecond=0) if theirs else ours)


# --- The beat


def test_twilio_is_asked_about_a_recording_of_which_nothing_was_told(outside: Simulator) -> None:
    call, phone = call_at_twilio(outside)
    services.recording_start(call_id=call.pk)
    hang_up(phone)
    now = timezone.now()
    Call.objects.filter(pk=call.pk).update(status=Call.Status.ENDED, ended_at=now)

    assert services.recordings_open(now=now).ask == []
    (asked,) = services.recordings_open(now=now + timedelta(minutes=11)).ask
    assert services.recording_ask(asked)

    assert Recording.objects.get(call=call).state == State.WAITING


def test_a_recording_that_twilio_never_made_is_absent(outside: Simulator) -> None:
    call, _ = call_at_twilio(outside)
    recording = make_recording(call=call, state=State.ASKED, sid="")

    assert not services.recording_ask(recording)

    recording.refresh_from_db()
    assert recording.state == State.ABSENT


# --- Deleted


def test_a_deleted_recording_leaves_nothing_here_or_at_twilio(outside: Simulator) -> None:
    call, phone = call_at_twilio(outside)
    services.recording_start(call_id=call.pk)
    hang_up(phone)
    recording = Recording.objects.get(call=call)
    kept = make_recording(sid=recording.sid + "x", at_twilio=False)
    Recording.objects.filter(pk=kept.pk).update(sid="")
    place, storage = str(kept.file.name), kept.file.storage
    assert storage.exists(place)

    assert services.recording_delete(recording)
    assert services.recording_delete(kept)

    assert not Recording.objects.exists()
    assert not storage.exists(place)
    assert len(outside.rest.recordings.of_call(phone)) == 0


def test_what_twilio_does_not_delete_yet_is_deleted_later_and_belongs_to_nobody(outside: Simulator) -> None:
    recording = make_recording(at_twilio=True, account_sid=ACCOUNT)
    outside.rest.failures.append(Failure(503, 20503))

    assert not services.recording_delete(recording)

    left = Recording.objects.get()
    assert (left.state, left.call_id, bytes(left.peaks)) == (State.DELETING, None, b"")
    assert "could not be deleted" in left.error
    Recording.objects.update(next_at=None)
    tasks.recordings_go_on()
    assert not Recording.objects.exists()


def test_a_file_that_a_bucket_does_not_delete_is_told_of_and_keeps_no_other(
    outside: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = make_recording(account_sid=ACCOUNT)
    make_recording(account_sid=ACCOUNT)
    Recording.objects.update(call=None)
    delete = type(kept.file.storage).delete

    def refuses(storage: Any, name: str) -> None:
        if name == kept.file.name:
            raise LookupError("NoSuchBucket")  # the library's own, which is no OSError
        delete(storage, name)

    monkeypatch.setattr(type(kept.file.storage), "delete", refuses)
    tasks.recordings_go_on()

    left = Recording.objects.get()
    assert left.pk == kept.pk
    assert left.error == "The file could not be deleted: LookupError. It is tried again."


def test_a_deleted_call_takes_its_sound_along(outside: Simulator) -> None:
    recording = make_recording(account_sid=ACCOUNT)
    place, storage = str(recording.file.name), recording.file.storage
    assert recording.call is not None
    try:
        recording.call.delete()
    except ProtectedError:  # pragma: no cover
        pytest.fail("a recording must not keep its call")

    tasks.recordings_go_on()

    assert not Recording.objects.exists()
    assert not storage.exists(place)


def test_a_call_that_nobody_knows_is_not_recorded(outside: Simulator) -> None:
    assert services.recording_start(call_id=uuid.uuid4()) is None
    assert services.recording_start(call_id=make_call().pk) is None
    assert not outside.rest.requests
