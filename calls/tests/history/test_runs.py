"""Fetching calls from Vapi: every one of them, whatever fails in between, and going on where a run was."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from assistants.vapi.client import VapiClient, VapiError
from calls.history import fetching, runs
from calls.history.fetching import Place, pages_fetch
from calls.history.tasks import vapi_calls_import
from calls.models import Call, VapiCall, VapiCallImport
from calls.tests.history.vapi_rest import CallList, call_list_running

BEGAN = datetime(2026, 6, 1, tzinfo=UTC)
LATER = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def vapi(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[CallList]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "PAUSE_S", 0.0)
    monkeypatch.setattr(fetching, "PAGE", 10)
    monkeypatch.setattr(fetching, "MAX_PAGE", 100)
    monkeypatch.setattr("assistants.vapi.rest._wait", lambda *_: 0.0)
    with call_list_running() as running:
        settings.VAPI_API_URL, settings.VAPI_API_KEY = running.url, "private-key"
        yield running


def a_call(n: int, *, at: datetime | None = None, assistant: str = "one") -> dict[str, Any]:
    made = at or BEGAN + timedelta(minutes=n)
    text = made.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": str(uuid.UUID(int=n + 1)),
        "createdAt": text,
        "startedAt": text,
        "endedAt": text,
        "status": "ended",
        "endedReason": "customer-ended-call",
        "assistantId": assistant,
        "cost": 0.05,
        "messages": [{"role": "user", "message": "Hello", "secondsFromStart": 1}],
    }


def fetched(vapi: CallList, *, assistants: tuple[str, ...] = (), place: Place | None = None) -> list[str]:
    with VapiClient(url=vapi.url, key="private-key") as client:
        pages = pages_fetch(
            client,
            date_from=None,
            date_to=LATER,
            assistant_ids=assistants,
            place=place or Place(),
            sleep=lambda _: None,
        )
        return [one.vapi_id for page in pages for one in page.read]  # type: ignore[union-attr]  # all are calls


def ids(calls: list[dict[str, Any]]) -> set[str]:
    return {one["id"] for one in calls}


def test_every_page_is_read_back_to_the_oldest_call(vapi: CallList) -> None:
    vapi.calls = [a_call(n) for n in range(25)]

    found = fetched(vapi)

    assert set(found) == ids(vapi.calls)
    assert len(vapi.asked) == 3
    assert found[0] == vapi.calls[-1]["id"]


def test_calls_of_one_millisecond_on_the_edge_of_a_page_are_not_left_out(vapi: CallList) -> None:
    same = [a_call(n, at=BEGAN) for n in range(13)]
    vapi.calls = [*same, *(a_call(n) for n in range(20, 25))]

    assert set(fetched(vapi)) == ids(vapi.calls)


def test_a_list_that_never_ends_is_told_and_not_read_for_ever(vapi: CallList) -> None:
    vapi.calls = [a_call(n, at=BEGAN) for n in range(101)]

    with pytest.raises(VapiError, match="again and again"):
        fetched(vapi)


def test_an_answer_that_is_too_large_is_asked_for_in_smaller_pages(vapi: CallList) -> None:
    vapi.largest = 3
    vapi.calls = [a_call(n) for n in range(6)]

    assert set(fetched(vapi)) == ids(vapi.calls)
    assert [one["limit"] for one in vapi.asked][:2] == ["10", "2"]


def test_one_call_that_is_too_large_ends_it_with_a_message(vapi: CallList) -> None:
    vapi.largest = 0
    vapi.calls = [a_call(1)]

    with pytest.raises(VapiError, match="larger than"):
        fetched(vapi)


def test_several_assistants_are_read_one_after_the_other(vapi: CallList) -> None:
    vapi.calls = [a_call(n, assistant=("one", "two", "three")[n % 3]) for n in range(12)]

    found = fetched(vapi, assistants=("one", "three"))

    assert set(found) == ids([one for one in vapi.calls if one["assistantId"] != "two"])


@pytest.mark.django_db
def test_a_run_outlasts_rate_limits_and_failures_that_pass(vapi: CallList) -> None:
    vapi.calls = [a_call(n) for n in range(12)]
    vapi.failures = [429, 503, "cut", 429, None, 500, 429, 500, 429, 500]
    run = runs.run_request(source="Vapi's API", date_from=BEGAN, date_to=LATER)

    runs.run_carry_out(run.pk)

    run.refresh_from_db()
    assert (run.status, run.created_n, run.error) == ("done", 12, "")
    assert run.read_n == 13  # the last of a page begins the next
    assert Call.objects.filter(stack="vapi").count() == 12
    assert {one["createdAtGe"] for one in vapi.asked} == {"2026-06-01T00:00:00.000Z"}


@pytest.mark.django_db
def test_a_run_that_fails_keeps_its_place_and_goes_on_from_there(vapi: CallList) -> None:
    vapi.calls = [a_call(n) for n in range(25)]
    run = runs.run_request(source="Vapi's API", date_to=LATER)
    pages = 0

    def fail_after_the_second(told: VapiCallImport) -> None:
        nonlocal pages
        pages += 1
        if pages == 2:
            vapi.failures = [500] * 10

    runs.run_carry_out(run.pk, tell=fail_after_the_second)
    run.refresh_from_db()
    assert (run.status, run.created_n) == ("failed", 19)
    assert "500" in run.error
    vapi.failures, vapi.asked = [], []

    assert runs.run_again(run)
    runs.run_carry_out(run.pk)

    run.refresh_from_db()
    assert (run.status, run.created_n, VapiCall.objects.count()) == ("done", 25, 25)
    assert len(vapi.asked) == 1


class KilledError(BaseException):
    """The process is gone."""


@pytest.mark.django_db
@pytest.mark.parametrize("killed_after", range(1, 4))
def test_a_run_whose_worker_was_killed_goes_on(vapi: CallList, killed_after: int) -> None:
    vapi.calls = [a_call(n) for n in range(25)]
    run = runs.run_request(source="Vapi's API", date_to=LATER)
    told = 0

    def kill(_: VapiCallImport) -> None:
        nonlocal told
        told += 1
        if told == killed_after:
            raise KilledError

    with pytest.raises(KilledError):
        runs.run_carry_out(run.pk, tell=kill)
    run.refresh_from_db()
    assert run.status == "running"
    assert runs.run_carry_out(run.pk) is None, "another worker believes that somebody works on it"
    assert run.beat_at is not None
    VapiCallImport.objects.update(beat_at=run.beat_at - runs.SILENT - timedelta(seconds=1))

    vapi_calls_import(run_id=str(run.pk))

    run.refresh_from_db()
    assert (run.status, VapiCall.objects.count(), run.created_n) == ("done", 25, 25)


@pytest.mark.django_db
def test_a_run_stops_after_its_page_and_goes_on_later(vapi: CallList) -> None:
    vapi.calls = [a_call(n) for n in range(25)]
    run = runs.run_request(source="Vapi's API", date_to=LATER)

    runs.run_carry_out(run.pk, tell=lambda told: runs.run_stop(told) if told.read_n else None)

    run.refresh_from_db()
    assert (run.status, run.created_n, run.stop_asked) == ("stopped", 10, False)
    assert runs.run_again(run)
    runs.run_carry_out(run.pk)
    run.refresh_from_db()
    assert (run.status, run.created_n) == ("done", 25)
    assert not runs.run_again(run)


@pytest.mark.django_db
def test_a_run_that_was_ended_meanwhile_writes_nothing_more(vapi: CallList) -> None:
    vapi.calls = [a_call(n) for n in range(25)]
    run = runs.run_request(source="Vapi's API", date_to=LATER)

    runs.run_carry_out(run.pk, tell=lambda told: runs.run_fail(told.pk, "Ended by a person."))

    run.refresh_from_db()
    assert (run.status, run.error) == ("failed", "Ended by a person.")
    assert run.created_n == VapiCall.objects.count() == 10


@pytest.mark.django_db
def test_a_key_that_vapi_refuses_is_told_in_one_message(vapi: CallList) -> None:
    vapi.failures = [401]
    run = runs.run_request(source="Vapi's API", api_key="public-key")

    runs.run_carry_out(run.pk)

    run.refresh_from_db()
    assert run.status == "failed"
    assert "public" in run.error
    assert "public-key" not in run.error


@pytest.mark.django_db
def test_uploads_are_read_in_the_queue_and_forgotten(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(a_call(n)) for n in range(5))
    files = [("calls.jsonl", lines.encode()), ("one.json", json.dumps(a_call(7), indent=1).encode())]
    run = runs.run_request(source="2 files", files=files)

    runs.run_carry_out(run.pk)

    run.refresh_from_db()
    assert (run.status, run.created_n, run.content) == ("done", 6, "")


@pytest.mark.django_db
def test_what_is_no_call_is_told_and_the_rest_is_written() -> None:
    lines = [
        json.dumps(a_call(1)),
        "{broken",
        json.dumps({"message": {"type": "hang", "call": {"id": "x"}}}),
        "7",
    ]
    run = runs.run_request(source="lines", files=[("calls.jsonl", "\n".join(lines).encode())])

    runs.run_carry_out(run.pk)

    run.refresh_from_db()
    assert (run.status, run.created_n, run.unreadable_n) == ("done", 1, 3)
    assert run.notes[0] == "calls.jsonl, line 2: It is no JSON."
    assert "“hang”" in run.notes[1]


def test_the_settings_of_tests_reach_no_vapi() -> None:
    assert not django_settings.VAPI_API_KEY


@pytest.mark.django_db
def test_a_run_that_breaks_off_unexpectedly_says_so_and_can_go_on() -> None:
    run = runs.run_request(source="Vapi's API", api_key="k")

    vapi_calls_import.on_failure(RuntimeError("Marta"), "task", (), {"run_id": str(run.pk)}, None)

    run.refresh_from_db()
    assert run.status == "failed"
    assert "RuntimeError" in run.error
    assert "Marta" not in run.error
    assert runs.run_can_go_on(run)
