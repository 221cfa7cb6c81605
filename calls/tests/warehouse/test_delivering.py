"""The way from finished calls to BigQuery, by Google's own client, to a stand-in for its REST API."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from calls.erasing.stripping import calls_strip
from calls.models import Call, CallStripped, LiveOrder, WarehouseDelivery
from calls.services import call_finish
from calls.tests.factories import make_call, make_refused_call
from calls.tests.warehouse.bigquery_stand_in import PROJECT, StandIn, bigquery_stand_in
from calls.warehouse import outbox
from calls.warehouse.bigquery import BigQueryWriter, bigquery_writer, view_sql
from calls.warehouse.choosing import writer
from calls.warehouse.delivering import Delivered, deliver
from calls.warehouse.rows import calls_read
from calls.warehouse.tables import CALLS, columns, tables
from calls.warehouse.writers import PostgresWriter, WarehouseError
from transcripts.models import Transcript, Utterance

pytestmark = pytest.mark.django_db
State = WarehouseDelivery.State


@pytest.fixture(scope="module")
def google() -> Iterator[StandIn]:
    with bigquery_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def bigquery(google: StandIn, settings: Any) -> StandIn:
    url = google.url
    google.__init__()  # type: ignore[misc]  # as new for each test, at the same address
    google.url = url
    settings.WAREHOUSE = "bigquery"
    settings.BIGQUERY_PROJECT = PROJECT
    settings.BIGQUERY_API_URL = url
    bigquery_writer().create()
    return google


def make_told_call(*texts: str, **fields: Any) -> Call:
    """A finished call with a closed transcript of these turns."""
    call = make_call(**fields)
    now = timezone.now()
    transcript = Transcript.objects.create(call_id=call.pk, started_at=now, closed_at=now)
    for n, text in enumerate(texts):
        Utterance.objects.create(
            transcript=transcript, item_id=f"item_{n}", speaker="caller", text=text, heard_text=text,
            began_ms=n * 1000, ended_ms=n * 1000 + 800,
        )  # fmt: skip
    outbox.call_changed(call.pk)
    return call


def make_orders(call: Call) -> list[LiveOrder]:
    """What was ordered of it: something to be said, a message, and what was refused."""
    now = timezone.now()
    told: dict[str, Any] = {"call": call, "by": "user", "by_label": "maria", "asked_at": now}
    taken = {**told, "result": "taken", "taken_at": now, "done_at": now}
    return [
        LiveOrder.objects.create(order_id="o1", kind="say", words="We call you back.", **taken),
        LiveOrder.objects.create(
            order_id="o2", kind="add-message", role="system", words="A regular.", **taken
        ),
        LiveOrder.objects.create(order_id="o3", kind="end-call", result="refused", why="It is over.", **told),
    ]


def send(*, after: timedelta = timedelta()) -> Delivered:
    at = timezone.now() + after + timedelta(milliseconds=5)
    ticks = iter(at + timedelta(milliseconds=n) for n in range(1000))
    return deliver(bigquery_writer(), until=at + timedelta(seconds=60), clock=lambda: next(ticks))


def delivery(call: Call) -> WarehouseDelivery:
    return WarehouseDelivery.objects.get(call_id=call.pk)


def seen(stand_in: StandIn, table: str) -> list[dict[str, Any]]:
    """What the view shows: its query, run by PostgreSQL over the rows that BigQuery took."""
    (spec,) = [one for one in tables() if one.name == table]
    types = {"row_id": "text", "revision": "bigint", "sent_at": "timestamptz", "erased": "boolean"}
    with connection.cursor() as cursor:
        for one in {spec, CALLS}:
            held = {**types, **{column.name: column.type for column in columns(one)}}
            held["call_id"] = "text"
            fields = ", ".join(f"{name} {type_}" for name, type_ in held.items())
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.raw_{one.name}")
            cursor.execute(f"CREATE TEMP TABLE raw_{one.name} ({fields})")
            for row in stand_in.rows[f"tandem.raw_{one.name}"]:
                fields, marks = ", ".join(row), ", ".join(["%s"] * len(row))
                cursor.execute(f"INSERT INTO raw_{one.name} ({fields}) VALUES ({marks})", list(row.values()))  # noqa: S608
        cursor.execute(view_sql(spec, lambda name: name))
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


# --- Sending


def test_what_was_ordered_of_a_call_goes_out_without_words_and_what_was_added_with_them(
    bigquery: StandIn,
) -> None:
    call = make_told_call("Hello there.")
    say, note, refused = make_orders(call)

    send()

    orders = {one["order_id"]: one for one in seen(bigquery, "orders")}
    assert set(orders) == {say.order_id, note.order_id, refused.order_id}
    assert (orders[say.order_id]["kind"], orders[say.order_id]["done"]) == ("say", True)
    assert (orders[refused.order_id]["result"], orders[refused.order_id]["done"]) == ("refused", False)
    (added,) = seen(bigquery, "messages_added")
    assert (added["order_id"], added["role"], added["text"]) == (note.order_id, "system", "A regular.")
    assert "maria" not in str(bigquery.rows)
    assert "call you back" not in str(bigquery.rows)

    calls_strip([call.pk], why=CallStripped.Why.ERASED)
    send()
    assert (seen(bigquery, "orders"), seen(bigquery, "messages_added")) == ([], [])
    assert "A regular." not in str(bigquery.rows)


def test_a_dataset_of_before_takes_calls_without_orders_and_gets_the_rest_by_create(
    bigquery: StandIn,
) -> None:
    for name in ("orders", "messages_added"):
        for place in (f"tandem.raw_{name}", f"tandem.{name}"):
            del bigquery.tables[place]
    without, call = make_told_call("One."), make_told_call("Two.")
    make_orders(call)

    assert "The table raw_orders is missing: run manage.py warehouse create." in bigquery_writer().check()
    send()
    assert delivery(call).state == State.WAITING
    bigquery_writer().create()
    send(after=timedelta(minutes=5))

    assert {delivery(one).state for one in (without, call)} == {State.SENT}
    assert len(seen(bigquery, "orders")) == 3
    assert bigquery_writer().check() == []


def test_a_finished_call_arrives_with_its_turns_and_is_seen_once(bigquery: StandIn) -> None:
    call = make_told_call("Is my bicycle ready?", "Thank you.")

    done = send()

    assert (done.sent, done.refused, done.away) == (1, 0, "")
    (row,) = seen(bigquery, "calls")
    assert (row["call_id"], row["outcome"], row["caller"]) == (str(call.pk), "caller hung up", call.caller)
    turns = sorted(seen(bigquery, "turns"), key=lambda one: one["turn_n"])  # a view has no order
    assert [one["generated_text"] for one in turns] == ["Is my bicycle ready?", "Thank you."]
    sent = delivery(call)
    assert (sent.state, sent.rows_n, sent.error) == (State.SENT, 3, "")
    assert row["revision"] == sent.sent_revision == sent.revision


def test_the_end_of_a_call_puts_it_into_the_outbox_in_the_same_transaction(bigquery: StandIn) -> None:
    call = make_call(status=Call.Status.IN_PROGRESS, ended_at=None, ended_reason="")

    call_finish(call_id=call.pk, ended_at=timezone.now(), ended_reason="customer-ended-call", facts={})

    assert delivery(call).state == State.WAITING


def test_without_a_warehouse_nothing_is_put_in_and_nothing_is_sent() -> None:
    make_told_call("Hello.")

    assert not WarehouseDelivery.objects.exists()
    assert writer() == PostgresWriter()
    assert writer().check() == []


def test_a_call_waits_for_its_transcript_but_not_for_ever(bigquery: StandIn) -> None:
    call = make_call()
    outbox.call_changed(call.pk)

    first, later = send(), send(after=outbox.TRANSCRIPT_WITHIN)

    assert (first.sent, first.waiting, later.sent) == (0, 1, 1)


def test_a_call_that_nobody_answered_is_found_by_the_sweep(bigquery: StandIn) -> None:
    call = make_refused_call(ended_at=timezone.now() - timedelta(minutes=11))

    assert outbox.calls_sweep() == 1
    assert outbox.calls_sweep() == 0
    send()

    assert seen(bigquery, "calls")[0]["call_id"] == str(call.pk)


# --- Once, whatever happens


def test_rows_whose_answer_was_lost_are_sent_again_and_seen_once(bigquery: StandIn) -> None:
    call = make_told_call("Hello.")
    bigquery.lost = 1

    first = send()
    bigquery.forget_ids()
    second = send(after=timedelta(minutes=2))

    assert "could not be reached" in first.away
    assert second.sent == 1
    assert len(bigquery.rows["tandem.raw_turns"]) == 2
    assert len(seen(bigquery, "turns")) == len(seen(bigquery, "calls")) == 1
    assert delivery(call).attempts_n == 0


def test_the_same_rows_twice_are_seen_once_though_no_insert_id_is_remembered(bigquery: StandIn) -> None:
    make_told_call("Hello.")
    bigquery.remembers_ids = False
    send()

    for rows in bigquery.rows.values():
        rows += [dict(row) for row in rows]

    assert len(seen(bigquery, "turns")) == len(seen(bigquery, "calls")) == 1


def test_a_late_change_is_found_by_a_later_look_and_replaces_what_was_sent(bigquery: StandIn) -> None:
    call = make_told_call("Hello.", "It is Marta.")
    send()
    Utterance.objects.filter(transcript__call_id=call.pk, item_id="item_1").delete()
    Utterance.objects.filter(transcript__call_id=call.pk).update(text="Hello there.")

    unchanged, changed = send(), send(after=outbox.LOOKS[0])

    assert (unchanged.handled, changed.sent) == (0, 1)
    assert [one["generated_text"] for one in seen(bigquery, "turns")] == ["Hello there."]
    assert len(seen(bigquery, "calls")) == 1


def test_a_call_that_stays_as_it_is_is_looked_at_three_times_and_sent_once(bigquery: StandIn) -> None:
    call = make_told_call("Hello.")
    looks = [send(after=sum(outbox.LOOKS[:n], timedelta(seconds=n))) for n in range(5)]

    assert [one.sent for one in looks] == [1, 0, 0, 0, 0]
    assert [one.unchanged for one in looks] == [0, 1, 1, 1, 0]
    assert delivery(call).due_at is None


def test_half_a_revision_is_never_seen(bigquery: StandIn) -> None:
    make_told_call("Hello.")
    bigquery.poison = {"+13125550177": "invalid"}

    send()

    assert len(bigquery.rows["tandem.raw_turns"]) == 1
    assert seen(bigquery, "turns") == []


def test_a_change_while_it_is_being_sent_is_sent_after_it(bigquery: StandIn) -> None:
    call = make_told_call("Hello.")
    (claimed,) = outbox.claim(most=5, now=timezone.now() + timedelta(seconds=1))
    outbox.call_changed(call.pk)

    outbox.sent(claimed, digest="x", rows_n=1, now=timezone.now())

    after = delivery(call)
    assert (after.sent_digest, after.due_at is not None, after.state) == ("x", True, State.WAITING)
    assert send().sent == 1


def test_two_workers_never_have_the_same_call_and_the_slow_one_has_no_say(bigquery: StandIn) -> None:
    call = make_told_call("Hello.")
    now = timezone.now() + timedelta(seconds=1)

    (slow,) = outbox.claim(most=5, now=now)
    assert outbox.claim(most=5, now=now) == []
    (quick,) = outbox.claim(most=5, now=now + outbox.LEASE)
    outbox.sent(quick, digest="quick", rows_n=2, now=now)
    outbox.refused(slow, why="late", now=now)

    assert quick.revision > slow.revision
    assert (delivery(call).sent_digest, delivery(call).error) == ("quick", "")


# --- Trouble


@pytest.mark.parametrize("answer", [(429, "rateLimitExceeded"), (503, "backendError"), (403, "quotaExceeded"), (403, "accessDenied"), (401, "authError"), (404, "notFound")])  # fmt: skip
def test_while_bigquery_is_away_calls_wait_and_none_is_given_up(
    bigquery: StandIn, answer: tuple[int, str]
) -> None:
    call = make_told_call("Hello.")
    for n in range(outbox.MOST_ATTEMPTS + 1):
        bigquery.answers = [answer]
        assert send(after=timedelta(minutes=2 * n)).away

    assert (delivery(call).state, delivery(call).attempts_n) == (State.WAITING, 0)
    assert send(after=timedelta(hours=1)).sent == 1
    assert delivery(call).error == ""


def test_a_refused_row_holds_up_its_own_call_only_and_is_given_up_visibly(bigquery: StandIn) -> None:
    bad, good = make_told_call("My number is POISON."), make_told_call("Hello.")
    bigquery.poison = {"POISON": "invalid"}

    done = [send(after=timedelta(hours=2 * n)) for n in range(outbox.MOST_ATTEMPTS)]

    assert sum(one.sent for one in done) == 1
    assert [one["call_id"] for one in seen(bigquery, "calls")] == [str(good.pk)]
    given_up = delivery(bad)
    assert (given_up.state, given_up.due_at, given_up.attempts_n) == (State.DEAD, None, outbox.MOST_ATTEMPTS)
    assert given_up.error == "turns: generated_text is invalid, heard_text is invalid"
    assert "POISON" not in given_up.error


def test_what_was_given_up_can_be_sent_again(bigquery: StandIn) -> None:
    call = make_told_call("POISON")
    WarehouseDelivery.objects.update(state=State.DEAD, due_at=None, attempts_n=6, error="turns: x is invalid")

    assert outbox.deliveries_retry([delivery(call).pk]) == 1

    assert send().sent == 1
    assert (delivery(call).state, delivery(call).error) == (State.SENT, "")


def test_a_request_that_is_refused_as_a_whole_is_taken_apart_call_by_call(bigquery: StandIn) -> None:
    make_told_call("Hello."), make_told_call("Good morning.")
    bigquery.answers = [(400, "invalid")]

    assert (send().sent, len(seen(bigquery, "calls"))) == (2, 2)


# --- Erasing


def test_an_erased_call_is_out_of_sight_at_once_and_deleted_when_bigquery_lets_us(bigquery: StandIn) -> None:
    gone, kept = make_told_call("My card is 4111."), make_told_call("Hello.")
    send()
    bigquery.streamed_lately = True
    gone_id = gone.pk
    outbox.calls_forget([gone_id])
    Transcript.objects.filter(call_id=gone_id).delete()
    gone.delete()

    send()

    assert [one["call_id"] for one in seen(bigquery, "calls")] == [str(kept.pk)]
    assert len(seen(bigquery, "turns")) == 1
    waiting = WarehouseDelivery.objects.get(call_id=gone_id)
    assert (waiting.state, waiting.task) == (State.WAITING, "erase")
    assert "too short a while ago" in waiting.error
    bigquery.streamed_lately = False
    for n in range(1, 4):
        send(after=n * outbox.DELETABLE_AGAIN + timedelta(minutes=n))
    held = [row for rows in bigquery.rows.values() for row in rows if row["call_id"] == str(gone_id)]
    assert [set(row) for row in held] == [{"row_id", "call_id", "day", "revision", "sent_at", "erased"}]
    assert WarehouseDelivery.objects.get(call_id=gone_id).state == State.ERASED


def test_an_erased_call_is_never_sent_again(bigquery: StandIn) -> None:
    call = make_told_call("Hello.")
    send()
    outbox.calls_forget([call.pk])
    outbox.call_changed(call.pk)
    outbox.calls_put(since=datetime(2020, 1, 1, tzinfo=UTC), until=timezone.now() + timedelta(days=1))

    send()

    assert (seen(bigquery, "calls"), seen(bigquery, "turns")) == ([], [])


def test_a_call_that_was_never_sent_leaves_nothing_to_erase(bigquery: StandIn) -> None:
    call = make_told_call("Hello.")

    assert outbox.calls_forget([call.pk]) == 0
    assert not WarehouseDelivery.objects.exists()


def test_a_call_that_was_deleted_without_a_word_is_taken_out_too(bigquery: StandIn) -> None:
    call = make_told_call("Hello.")
    send()
    call_id = call.pk
    Transcript.objects.filter(call_id=call_id).delete()
    call.delete()

    send(after=outbox.LOOKS[0])
    send(after=outbox.LOOKS[1])

    assert seen(bigquery, "calls") == []


# --- Tables


def test_creating_twice_changes_nothing_and_the_check_is_content(bigquery: StandIn) -> None:
    warehouse = bigquery_writer()

    assert warehouse.create() == []
    assert warehouse.check() == []
    table = bigquery.tables["tandem.raw_turns"]
    assert table["timePartitioning"] == {"type": "DAY", "field": "day"}
    assert table["clustering"] == {"fields": ["call_id"]}
    assert bigquery.datasets["tandem"]["maxTimeTravelHours"] == 48


def test_a_new_column_is_added_and_an_old_one_stays(bigquery: StandIn) -> None:
    fields = bigquery.tables["tandem.raw_calls"]["schema"]["fields"]
    fields[:] = [one for one in fields if one["name"] != "barge_ins"] + [
        {"name": "of_an_earlier_release", "type": "STRING"}
    ]

    assert bigquery_writer().check() == ["raw_calls lacks barge_ins: run manage.py warehouse create."]
    assert bigquery_writer().create() == ["Added to raw_calls: barge_ins."]

    names = [one["name"] for one in bigquery.tables["tandem.raw_calls"]["schema"]["fields"]]
    assert {"of_an_earlier_release", "barge_ins"} <= set(names)
    assert bigquery_writer().check() == []


def test_every_table_names_its_rows_by_a_column_that_it_has() -> None:
    for table in tables():
        names = {one.name for one in columns(table)}
        assert {table.key or "call_id", "call_id", "day"} <= names, table.name
    assert tables()[-1] == CALLS


def test_rows_that_are_too_large_refuse_their_call(
    bigquery: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calls.warehouse.bigquery.MOST_BYTES", 2_000)
    call = make_told_call("word " * 500)

    assert send().refused == 1
    assert delivery(call).error == "A row is larger than 2 kB."


def test_without_a_project_or_with_nonsense_for_credentials_it_says_what_to_set(settings: Any) -> None:
    settings.WAREHOUSE = "bigquery"
    with pytest.raises(WarehouseError, match="BIGQUERY_PROJECT"):
        writer()
    settings.BIGQUERY_PROJECT = PROJECT
    settings.BIGQUERY_CREDENTIALS = "{}"
    with pytest.raises(WarehouseError, match="BIGQUERY_CREDENTIALS"):
        writer()


def test_all_rows_of_a_call_fit_the_schema_that_is_made_for_them() -> None:
    call = make_told_call("Hello.")

    rows = calls_read([call.pk, uuid.uuid4()])

    assert set(rows) == {call.pk}
    assert rows[call.pk].by_table["calls"][0]["row_id"] == str(call.pk)


# --- The command


def test_the_command_creates_checks_fills_and_tells(
    bigquery: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    make_told_call("Hello.")
    WarehouseDelivery.objects.all().delete()
    day = timezone.now().date()

    call_command("warehouse", "check")
    call_command("warehouse", "backfill", "--from", str(day), "--to", str(day), "--send")
    call_command("warehouse", "status")

    told = capsys.readouterr().out
    assert "1 call to be sent" in told
    assert "1 sent" in told
    assert len(seen(bigquery, "calls")) == 1


def test_the_check_fails_where_something_is_missing(bigquery: StandIn) -> None:
    del bigquery.tables["tandem.raw_turns"]

    with pytest.raises(CommandError, match="raw_turns is missing"):
        call_command("warehouse", "check")


def test_with_postgres_there_is_nothing_to_send(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("warehouse", "check")
    with pytest.raises(CommandError, match="nothing to send"):
        call_command("warehouse", "backfill", "--from", "2026-11-01", "--to", "2026-11-02")


def test_the_writer_is_bigquerys(bigquery: StandIn) -> None:
    assert isinstance(writer(), BigQueryWriter)
    assert writer().place == f"BigQuery {PROJECT}.tandem"
