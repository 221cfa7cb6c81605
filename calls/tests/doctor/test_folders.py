"""Room on the disks, recordings that web and workers both see, and credentials that may go to where they are used."""

import json
from typing import Any

import pytest
from celery import current_app
from django.core.files.storage import storages
from pytest_django import Settings

from calls.doctor.checks import folders, hosts
from calls.doctor.report import Verdict
from tools.models import Credential
from tools.shared_state import key, store
from tools.tests.factories import make_tool


@pytest.fixture
def kept_in(settings: Settings, tmp_path: Any) -> Any:
    place = tmp_path / "recordings"
    settings.STORAGES = {
        **settings.STORAGES,
        "recordings": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(place)},
        },
    }
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.RECORDINGS_S3_BUCKET = ""
    return place


def worker(monkeypatch: pytest.MonkeyPatch, *, finds: bool | None) -> None:
    """A worker that takes the job, of which the folder may be another; None: there is none."""

    def send_task(name: str, *, kwargs: dict[str, str], **_: Any) -> None:
        assert name == folders.SEEN_TASK
        if finds is not None:
            with monkeypatch.context() as there:
                if not finds:
                    there.setattr(storages["recordings"], "exists", lambda _: False)
                folders.recording_seen(**kwargs)

    monkeypatch.setattr(current_app, "send_task", send_task)
    monkeypatch.setattr(folders, "SEEN_WITHIN_S", 0.01 if finds is None else 30)


@pytest.mark.usefixtures("redis_client")
@pytest.mark.parametrize(
    ("finds", "verdict", "says"),
    [
        (True, Verdict.OK, "a worker finds them"),
        (False, Verdict.FAILED, "a worker does not find"),
        (None, Verdict.WARNING, "no worker said"),
    ],
)
def test_what_web_keeps_a_worker_must_find(
    kept_in: Any, monkeypatch: pytest.MonkeyPatch, finds: bool | None, verdict: Verdict, says: str
) -> None:
    worker(monkeypatch, finds=finds)
    monkeypatch.setattr(folders, "free_mib", lambda _: 100_000)

    found = folders.recordings()

    assert (found.verdict, says in found.found) == (verdict, True)
    assert list(kept_in.iterdir()) == []


def test_a_folder_that_cannot_be_written_costs_recordings(kept_in: Any) -> None:
    kept_in.write_text("a file where the folder should be")

    assert folders.recordings().verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("free", "verdict"), [(None, Verdict.OK), (2048, Verdict.OK), (2047, Verdict.WARNING)]
)
def test_little_room_for_recordings_is_worth_a_word(free: int | None, verdict: Verdict) -> None:
    assert folders.recordings_told(True, free).verdict is verdict  # of three values


def test_little_room_for_the_spool_is_worth_a_word(
    kept_in: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folders.free_mib(kept_in / "not" / "there") > 0
    monkeypatch.setattr(folders, "free_mib", lambda _: settings.SPOOL_LIMIT_MB - 1)

    found = folders.spool_with_room()

    assert (found.verdict, found.facts["free_mib"]) == (Verdict.WARNING, settings.SPOOL_LIMIT_MB - 1)
    settings.SPOOL_DIR.rmdir()
    settings.SPOOL_DIR.write_text("")
    assert folders.spool_with_room().verdict is Verdict.FAILED


@pytest.mark.usefixtures("redis_client")
def test_a_worker_tells_of_no_other_file(kept_in: Any) -> None:
    (kept_in).mkdir()
    (kept_in / "call.mp3").write_bytes(b"x")

    folders.recording_seen(name="call.mp3", token="t1")

    assert store().blpop([key("doctor", "seen", "t1")], timeout=60)[1] == "no"  # type: ignore[index]


@pytest.mark.django_db
def test_credentials_that_may_not_go_where_they_are_to_are_named() -> None:
    assert "no credentials" in hosts.credential_hosts().found
    credential = Credential.objects.create(
        name="Booking", kind="bearer", settings=json.dumps({"token": "t0ken"}), hosts="api.example.com"
    )
    make_tool(credential=credential, server_url="https://api.example.com/a")
    make_tool(
        name="templated",
        kind="apiRequest",
        server_url="",
        credential=credential,
        settings={"url": "https://{{ x }}/"},
    )
    assert hosts.credential_hosts().verdict is Verdict.OK

    make_tool(name="elsewhere", credential=credential, server_url="https://new.example.com/a")
    found = hosts.credential_hosts()

    assert found.verdict is Verdict.WARNING
    assert "Booking to new.example.com" in found.found
    assert "t0ken" not in f"{found}"


@pytest.mark.django_db
def test_a_credential_that_may_go_nowhere_is_named_where_only_calls_know_the_host() -> None:
    credential = Credential.objects.create(name="Booking", kind="bearer", settings="{}")
    make_tool(kind="apiRequest", server_url="", credential=credential, settings={"url": "https://{{ x }}/"})

    assert "Booking to a host that only a call knows" in hosts.credential_hosts().found
