"""Whether the database, the queues, the broker, the beat and the spool do their part."""

import time
from typing import Any

import pytest
import redis
from django.db import OperationalError
from pytest_django import Settings

from calls.doctor.checks import stores
from calls.doctor.report import Verdict
from tools.shared_state import key


@pytest.mark.django_db
def test_a_database_with_all_its_tables_is_well() -> None:
    assert stores.database().verdict in (Verdict.OK, Verdict.WARNING)  # a busy machine is slow


@pytest.mark.django_db
def test_a_database_that_is_away_is_told_without_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("connection to postgresql://user:password@host failed")

    monkeypatch.setattr("calls.doctor.checks.stores.connection.cursor", away)
    found = stores.database()

    assert found.verdict is Verdict.FAILED
    assert "password" not in found.found


def test_a_queue_without_a_worker_is_told(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PING_WITHIN_S", 0.5)

    found = stores.queue("tools")

    assert found.verdict is Verdict.FAILED
    assert "-Q tools" in found.what_to_do
    assert found.facts["waiting"] >= 1


def test_a_job_that_is_carried_out_is_timed(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(name: str, *, kwargs: dict[str, str], **_: Any) -> None:
        stores.ping_answer(kwargs["token"])

    monkeypatch.setattr("calls.doctor.checks.stores.current_app.send_task", at_once)

    assert stores.queue("records").facts["waited_ms"] < 60_000


def test_a_broker_that_is_away_is_told(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert stores.broker().verdict is Verdict.FAILED
    assert stores.beat().verdict is Verdict.FAILED


def test_a_broker_that_answers_is_well(redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_SLOW_REDIS_MS", 60_000)  # a busy machine is slow

    assert "Redis answers" in stores.broker().found


def test_a_beat_is_heard_of_missed_and_called_silent(redis_client: "redis.Redis") -> None:
    assert stores.beat().verdict is Verdict.WARNING
    stores.beat_mark()
    assert stores.beat().verdict is Verdict.OK
    redis_client.set(key(*stores.BEAT_KEY), f"{time.time() - 600:.0f}")
    assert stores.beat().verdict is Verdict.FAILED


def test_the_spool_is_written_to_and_nothing_stays_in_it(settings: Settings, tmp_path: Any) -> None:
    settings.SPOOL_DIR = tmp_path / "spool"

    assert stores.spool().verdict is Verdict.OK
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_journal_that_goes_while_it_is_looked_at_is_no_trouble(settings: Settings, tmp_path: Any) -> None:
    settings.SPOOL_DIR = tmp_path
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "not here")

    assert stores.spool().verdict is Verdict.OK


def test_a_spool_that_is_a_file_is_told(settings: Settings, tmp_path: Any) -> None:
    settings.SPOOL_DIR = tmp_path / "file"
    settings.SPOOL_DIR.write_text("")

    assert stores.spool().verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("journals", "verdict"),
    [
        ([], Verdict.OK),
        ([(0, 9000.0)], Verdict.OK),
        ([(500, 1.0)], Verdict.OK),
        ([(500, 90.0)], Verdict.WARNING),
        ([(100_000_000, 1.0)], Verdict.WARNING),
    ],
)
def test_what_waits_in_the_spool_is_judged_by_age_and_size(
    journals: list[tuple[int, float]], verdict: Verdict
) -> None:
    assert stores.spool_told(journals).verdict is verdict
