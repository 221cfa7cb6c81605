"""Records written together: the same rows as one by one, and what cannot be written is kept where people see it."""

import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from celery import current_app
from django.db import DataError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from psycopg import errors

from calls.costs import together
from calls.costs.reckoning import call_reckon
from calls.lasting import records
from calls.lasting.outbox import Outbox
from calls.lasting.receipts import HEADER, Workers, receipt_give
from calls.lasting.receipts_given import receipts_connect
from calls.lasting.records import (
    AHEAD,
    GATHERING,
    SORTING,
    TOGETHER,
    Record,
    rank_of,
    records_write,
    unwritten_write,
)
from calls.lasting.sorting import Rank
from calls.models import Call, CallCost, CallProblem, CallUsage, UnwrittenRecord
from calls.tests.factories import make_call
from transcripts.models import Transcript, Utterance

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def spoken(item_id: str, **fields: Any) -> dict[str, Any]:
    usual = {
        "item_id": item_id, "speaker": "caller", "text": "Hello?", "heard_text": "Hello?", "began_ms": 0, "ended_ms": 900,
        "generated_ms": 0, "heard_ms": 0, "interrupted": False, "latency_ms": None, "transcribed": True, "assistant": "",
    }  # fmt: skip
    return {**usual, **fields}


def said(call_id: uuid.UUID, *items: dict[str, Any], closed_at: datetime | None = None) -> Record:
    return Record(
        records.UTTERANCES,
        {
            "call_id": str(call_id),
            "started_at": NOW.isoformat(),
            "utterances": list(items),
            "closed_at": closed_at.isoformat() if closed_at else None,
        },
    )


def problem(call_id: uuid.UUID, key: str = "1", **fields: Any) -> Record:
    usual = {
        "call_id": str(call_id), "key": key, "source": "openai", "code": "late", "message": "", "benign": False,
        "at": NOW.isoformat(),
    }  # fmt: skip
    return Record("calls.tasks.problem_write", {**usual, **fields})


def lines(*wanted: Record) -> str:
    return b"".join(orjson.dumps({"task": one.task, "kwargs": one.kwargs}) + b"\n" for one in wanted).decode()


@pytest.mark.django_db
def test_records_of_many_calls_are_written_in_a_handful_of_statements() -> None:
    calls = [uuid.uuid4() for _ in range(50)]
    everything = [said(id_, spoken(f"item_{n}", began_ms=n, ended_ms=n)) for n in range(4) for id_ in calls]

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert records_write(lines(*everything)) == 0
    with CaptureQueriesContext(connection) as again:
        records_write(lines(*everything))

    assert Utterance.objects.count() == 200
    assert Transcript.objects.count() == 50
    assert len(queries) <= 10
    assert len(again) <= 8


@pytest.mark.django_db
def test_the_closing_word_wins_in_the_same_message_too() -> None:
    call_id = uuid.uuid4()

    records_write(
        lines(
            said(call_id, spoken("a", text="Hel")),
            said(call_id, spoken("a", text="Nobody")),
            said(call_id, spoken("a", text="Hello"), spoken("b", began_ms=5), closed_at=NOW),
        )
    )

    assert list(Utterance.objects.values_list("item_id", "text")) == [("a", "Hello"), ("b", "Hello?")]
    assert Transcript.objects.get().closed_at == NOW


@pytest.mark.django_db
def test_one_that_cannot_be_written_is_put_aside_and_the_others_are_written() -> None:
    call = make_call()
    bad = said(call.pk, spoken("worse", began_ms=9, ended_ms=1))
    message = lines(problem(call.pk), bad, said(call.pk, spoken("good")), problem(call.pk, "2"))

    assert records_write(message) == 1
    assert records_write(message) == 1

    assert [one.item_id for one in Utterance.objects.all()] == ["good"]
    assert CallProblem.objects.count() == 2
    kept = UnwrittenRecord.objects.get()
    assert (kept.task, kept.call_id, kept.error) == (records.UTTERANCES, call.pk, "IntegrityError 23514")
    assert orjson.loads(kept.content) == bad.kwargs
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM calls_unwrittenrecord")
        assert "Hello" not in cursor.fetchone()[0]


@pytest.mark.django_db
def test_a_task_that_nobody_knows_is_put_aside() -> None:
    assert records_write(lines(Record("calls.tasks.gone", {"call_id": "nonsense"}))) == 1

    assert UnwrittenRecord.objects.get().call_id is None


@pytest.mark.django_db
def test_while_the_database_is_away_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(records, "utterances_write_many", away)

    with pytest.raises(OperationalError):
        records_write(lines(said(uuid.uuid4(), spoken("a"))))

    assert not UnwrittenRecord.objects.exists()


def test_what_postgres_will_never_take_is_no_outage() -> None:
    too_large = OperationalError("index row too large")
    too_large.__cause__ = errors.ProgramLimitExceeded()
    deadlock = OperationalError("deadlock")
    deadlock.__cause__ = errors.DeadlockDetected()

    assert [records.database_away(one) for one in (too_large, deadlock, OperationalError(), DataError())] == [
        False, True, True, False,
    ]  # fmt: skip


@pytest.mark.django_db
def test_what_was_put_aside_can_be_written_once_its_cause_is_gone() -> None:
    call = make_call()
    records_write(lines(problem(call.pk, source="x" * 30)))
    kept = UnwrittenRecord.objects.get()

    assert not unwritten_write(kept)
    kept.refresh_from_db()
    assert kept.tries == 2
    kept.content = orjson.dumps(problem(call.pk).kwargs).decode()
    kept.save()

    assert unwritten_write(kept)
    assert not UnwrittenRecord.objects.exists()
    assert CallProblem.objects.get().code == "late"


@pytest.mark.django_db
def test_ops_see_what_was_put_aside_and_write_it_again(admin_client: Client) -> None:
    call = make_call()
    records_write(lines(problem(call.pk, source="x" * 30), problem(call.pk, "2", source="y" * 30)))
    fixed = UnwrittenRecord.objects.order_by("id")[0]
    fixed.content = orjson.dumps(problem(call.pk).kwargs).decode()
    fixed.save()
    url = reverse("admin:calls_unwrittenrecord_changelist")

    page = admin_client.get(url).content.decode()
    chosen = {
        "action": "write_again",
        "_selected_action": list(UnwrittenRecord.objects.values_list("pk", flat=True)),
    }
    answer = admin_client.post(url, chosen, follow=True).content.decode()

    assert "DataError 22001" in page
    assert str(call.pk) in page
    assert "1 record was written" in answer
    assert "1 could not be written" in answer
    assert (
        admin_client.get(reverse("admin:calls_unwrittenrecord_change", args=[fixed.pk + 1])).status_code
        == 200
    )


@pytest.mark.django_db
def test_ops_who_write_again_are_told_when_there_is_too_much_or_the_database_is_busy(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = make_call()
    records_write(lines(*(problem(call.pk, str(n), source="x" * 30) for n in range(4))))
    tried: list[int] = []

    def write(kept: UnwrittenRecord) -> bool:
        tried.append(kept.pk)
        if len(tried) == 2:
            raise OperationalError("deadlock detected")
        return False

    monkeypatch.setattr("calls.lasting.admin.unwritten_write", write)
    monkeypatch.setattr("calls.lasting.admin.MOST_AT_ONCE", 3)
    oldest = list(UnwrittenRecord.objects.order_by("created_at", "pk").values_list("pk", flat=True))

    answer = admin_client.post(
        reverse("admin:calls_unwrittenrecord_changelist"),
        {"action": "write_again", "_selected_action": oldest},
        follow=True,
    ).content.decode()

    assert tried == oldest[:2]
    assert "The database is busy" in answer
    assert "These were the 3 oldest" in answer


# What the outbox knows of tasks


def test_every_task_that_travels_is_known_to_the_workers() -> None:
    current_app.loader.import_default_modules()

    assert {*TOGETHER, *AHEAD, GATHERING} <= set(current_app.tasks)


def test_words_are_kept_longer_than_news_and_the_last_word_longest() -> None:
    call_id = uuid.uuid4()
    early, last = said(call_id, spoken("a")), said(call_id, spoken("a"), closed_at=NOW)

    assert rank_of(*SORTING.lost(str(call_id), 3)) is Rank.NEWS  # type: ignore[misc]
    assert rank_of(early.task, early.kwargs) is Rank.EARLY
    assert rank_of(last.task, last.kwargs) is Rank.LAST
    assert rank_of("calls.tasks.call_finish", {}) is Rank.LAST


@pytest.mark.django_db
def test_ops_learn_of_a_call_whose_records_were_dropped() -> None:
    call = make_call()

    records_write(lines(Record(*records.lost_told(str(call.pk), 12))))

    assert "12 records of this call were not kept" in CallProblem.objects.get().message


# Receipts, on a real Redis


def test_a_receipt_comes_back_once_and_an_emptied_redis_is_noticed(
    redis_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(current_app, "send_task", lambda _task, **options: sent.append(options))
    workers = Workers()
    for number in (1, 2):
        workers.send("task", {}, outbox="o", number=number)

    for options in sent:
        receipt_give(options["headers"][HEADER])

    first, second = workers.receipts("o"), workers.receipts("o")
    assert (list(first.done), first.remembers) == ([1, 2], True)
    assert (list(second.done), second.remembers) == ([], True)
    redis_client.flushdb()
    assert not workers.receipts("o").remembers
    assert workers.receipts("o").remembers  # said once: from here on it counts anew
    workers.send("task", {}, outbox="o", number=3)
    assert workers.receipts("o").remembers


def test_a_message_that_is_sent_before_anybody_looks_does_not_hide_that_redis_was_emptied(
    redis_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_app, "send_task", lambda *_, **__: None)
    workers = Workers()
    workers.send("task", {}, outbox="o", number=1)
    redis_client.flushdb()

    workers.send("task", {}, outbox="o", number=2)

    assert not workers.receipts("o").remembers
    assert workers.receipts("o").remembers


@pytest.mark.django_db
def test_a_worker_gives_a_receipt_for_what_it_did_and_for_what_was_put_aside(
    redis_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr("calls.lasting.receipts_given.receipt_give", given.append)
    receipts_connect()
    call = make_call()
    current_app.loader.import_default_modules()
    task = current_app.tasks["calls.tasks.problem_write"]

    for number, record in enumerate([problem(call.pk), problem(call.pk, "2", source="x" * 30)]):
        task.apply(kwargs=record.kwargs, headers={HEADER: f"o:{number}"})
    task.apply(kwargs=problem(call.pk, "3").kwargs)

    assert given == ["o:0", "o:1"]
    assert UnwrittenRecord.objects.get().error == "DataError 22001"


def test_an_outbox_with_all_of_this_starts(tmp_path: Any) -> None:
    outbox = Outbox(tmp_path, Workers(), SORTING)
    outbox.start()

    assert outbox.settle(60)
    outbox.close()


# Use


def used(call_id: uuid.UUID, item: str = "resp_1", **fields: Any) -> Record:
    usual = {
        "call_id": str(call_id), "kind": "response", "session": "0", "item": item, "model": "gpt-realtime-2.1",
        "status": "completed", "usage": {"total_tokens": 5, "output_tokens": 5}, "at": NOW.isoformat(),
    }  # fmt: skip
    return Record(records.USAGE, {**usual, **fields})


@pytest.mark.django_db
def test_reports_of_use_are_kept_together_as_one_by_one() -> None:
    together, alone = make_call(), make_call()
    reports: list[dict[str, Any]] = [
        {"item": "a", "usage": None},
        {"item": "a"},
        {"item": "b"},
        {"item": "b", "usage": {}},
        {"item": "c"},
    ]

    for _ in range(2):
        records_write(lines(*(used(together.pk, **one) for one in reports), used(uuid.uuid4())))
        for one in reports:
            records.record_write(used(alone.pk, **one))

    seen = [
        list(CallUsage.objects.filter(call=call).order_by("item").values_list("item", "status", "usage"))
        for call in (together, alone)
    ]
    assert seen[0] == seen[1]
    assert [item for item, *_ in seen[0]] == ["a", "b", "c"]


@pytest.mark.django_db
def test_a_call_that_cannot_be_reckoned_is_put_aside_and_its_use_and_the_others_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good, bad = make_call(), make_call()
    really = call_reckon

    def reckon_unless(*, call_id: uuid.UUID, now: datetime) -> bool:
        if call_id == bad.pk:
            raise DataError("numeric field overflow")
        return really(call_id=call_id, now=now)

    monkeypatch.setattr(together, "call_reckon", reckon_unless)
    monkeypatch.setattr("calls.costs.tasks.call_reckon", reckon_unless)

    assert records_write(lines(used(good.pk), used(bad.pk))) == 1

    assert CallUsage.objects.count() == 2
    assert CallCost.objects.get().call_id == good.pk
    kept = UnwrittenRecord.objects.get()
    assert (kept.task, kept.call_id) == (records.COST, bad.pk)
    monkeypatch.undo()
    assert unwritten_write(kept)
    assert CallCost.objects.filter(call=bad, priced_at__isnull=False).exists()


@pytest.mark.django_db
def test_reports_of_many_live_calls_cost_a_handful_of_statements() -> None:
    calls = [make_call(status=Call.Status.IN_PROGRESS, ended_at=None) for _ in range(30)]

    with CaptureQueriesContext(connection) as queries:
        records_write(lines(*(used(call.pk) for call in calls)))

    assert CallUsage.objects.count() == 30
    assert len(queries) <= 8
