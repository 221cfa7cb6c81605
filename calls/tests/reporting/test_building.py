# ruff: noqa: S608 - names of our own views
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from calls.costs.reckoning import cost_day
from calls.models import Call
from calls.models.counting import COUNTS_AT, COUNTS_ON, counts_at, counts_on
from calls.reporting import building
from calls.reporting.building import SQL_FOLDER, view_files, views_current, views_drop, views_make
from calls.reporting.following import views_follow, views_step_aside
from calls.reporting.odd_seeding import odd_calls_seed
from calls.reporting.pages import described, docs_text, page_with
from calls.reporting.seeding import calls_seed
from calls.tests.factories import make_call
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

NAMES = [one.name for one in view_files()]


def rows(sql: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def of(view: str, call: Call) -> list[dict[str, Any]]:
    return rows(f"SELECT * FROM reporting.{view} WHERE call_id = '{call.pk}'")


@contextmanager
def with_files(monkeypatch: pytest.MonkeyPatch, folder: Path, **files: str) -> Iterator[None]:
    """While these are the files."""
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    with monkeypatch.context() as patch:
        patch.setattr(building, "SQL_FOLDER", folder)
        _forget()
        yield
    _forget()


def _forget() -> None:
    building.view_files.cache_clear()
    building.fingerprint.cache_clear()


# --- Made, stepped aside, made again


@pytest.mark.django_db
def test_a_migrated_database_has_all_views() -> None:
    assert views_current()
    assert {"v_calls", "v_turns", "v_tool_calls", "v_tool_attempts", "v_errors", "v_latency_daily"} <= set(
        NAMES
    )


@pytest.mark.django_db
def test_making_them_again_changes_nothing() -> None:
    views_make()
    views_make()

    assert views_current()


@pytest.mark.django_db
def test_a_column_that_a_view_uses_can_be_changed_once_they_have_stepped_aside() -> None:
    change = "ALTER TABLE calls_call ALTER COLUMN did TYPE varchar(41)"
    with connection.cursor() as cursor:
        with pytest.raises(Exception, match="used by a view"), transaction.atomic():
            cursor.execute(change)
        views_step_aside(using="default", plan=["a migration"])
        cursor.execute(change)
        views_follow(using="default")

    assert views_current()


@pytest.mark.django_db
def test_migrating_makes_them() -> None:
    views_drop()

    call_command("migrate", verbosity=0)

    assert views_current()


@pytest.mark.django_db
def test_tables_of_an_older_release_get_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("calls.reporting.following._behind", lambda: True)
    views_drop()

    views_follow(using="default")

    assert "not all migrations are applied" in caplog.text
    assert not views_current()


@pytest.mark.django_db
def test_they_stay_where_nothing_is_migrated() -> None:
    views_step_aside(using="default", plan=[])

    assert views_current()


@pytest.mark.django_db
def test_a_changed_file_makes_them_anew_and_drops_what_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with with_files(monkeypatch, tmp_path, v_new="CREATE VIEW reporting.v_new AS SELECT 1 AS one"):
        assert not views_current()
        views_follow(using="default")
        assert rows("SELECT viewname FROM pg_views WHERE schemaname = 'reporting'") == [{"viewname": "v_new"}]

    views_make()

    assert views_current()
    assert not rows("SELECT 1 FROM pg_views WHERE viewname = 'v_new'")


@pytest.mark.django_db
def test_a_broken_file_leaves_the_old_views_and_lets_the_migration_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = "CREATE VIEW reporting.v_calls AS SELECT nothing FROM calls_call"
    with with_files(monkeypatch, tmp_path, v_calls=broken), caplog.at_level(logging.ERROR):
        views_follow(using="default")
        with pytest.raises(CommandError, match='column "nothing" does not exist'):
            call_command("report_views")

    assert "could not be made" in caplog.text
    assert views_current()


@pytest.mark.django_db
def test_views_that_somebody_built_on_ours_are_not_dropped(caplog: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE VIEW reporting.mine AS SELECT call_id FROM reporting.v_calls")

    views_step_aside(using="default", plan=["a migration"])

    assert "could not step aside" in caplog.text
    assert rows("SELECT count(*) AS n FROM reporting.mine") == [{"n": 0}]


@pytest.mark.django_db
def test_the_command_tells_whether_they_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("report_views", "--check")
    views_drop()

    with pytest.raises(CommandError, match=r"Run manage\.py report_views"):
        call_command("report_views", "--check")

    call_command("report_views")
    out = capsys.readouterr().out
    assert f"All {len(NAMES)} views are current." in out
    assert f"Made {len(NAMES)} views" in out


# --- Documented


@pytest.mark.django_db
def test_every_view_and_every_column_has_a_comment() -> None:
    views = described(NAMES)

    assert [one.name for one in views] == sorted(NAMES)
    bare = [f"{one.name}.{column.name}" for one in views for column in one.columns if not column.about]
    assert bare == []
    assert all(one.about for one in views)


@pytest.mark.django_db
def test_the_docs_tell_of_every_column_as_it_is() -> None:
    page = (Path(settings.BASE_DIR) / "docs" / "reporting.md").read_text("utf-8")

    assert page_with(page, docs_text(described(NAMES))) == page, "Run manage.py report_views --docs."


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="has no lines"):
        page_with("# Reports", "part")


def test_no_view_has_what_must_not_be_seen() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SQL_FOLDER.glob("*.sql"))
    code = re.sub(r"COMMENT ON .*", "", text)

    for column in ("arguments", r"x\.answer\b", r"p\.answer\b", "outcome AS answer", "secret", "token", r"e\.before", r"e\.after", "config", "snapshot AS"):  # fmt: skip
        assert not re.search(column, code), column


@pytest.mark.django_db
@pytest.mark.parametrize("view", ["v_calls", "v_cost_lines", "v_turns"])
def test_a_day_of_a_view_is_found_by_the_index_of_days(view: str) -> None:
    # Of tables with hardly a row in them, any is the best to begin with.
    now = timezone.now()
    calls = Call.objects.bulk_create([Call(did="+14155550100", call_sid=f"CA{n:032}") for n in range(300)])
    Transcript.objects.bulk_create([Transcript(call_id=one.pk, started_at=now) for one in calls])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE calls_call, transcripts_transcript")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            f"EXPLAIN SELECT call_id FROM reporting.{view} WHERE day = '2026-11-20'"
        )  # our own names
        plan = "\n".join(row for (row,) in cursor.fetchall())

    assert "call_by_day" in plan


@pytest.mark.django_db
@pytest.mark.parametrize("direction", ["inbound", "outbound"])
@pytest.mark.parametrize("started", [None, 26, 49])
@pytest.mark.parametrize("ended", [None, 50, 73])
def test_the_day_that_a_call_counts_for_is_told_alike_everywhere(
    direction: str, started: int | None, ended: int | None
) -> None:
    ordered = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)

    def later(hours: int | None) -> datetime | None:
        return ordered + timedelta(hours=hours) if hours is not None else None

    made = make_call(direction=direction, started_at=later(started), ended_at=later(ended))
    Call.objects.filter(pk=made.pk).update(created_at=ordered)
    made.created_at = ordered
    ran = later(started) or later(ended) or ordered
    wanted = (ran if direction == "outbound" else ordered).date()

    (row,) = rows("SELECT day FROM reporting.v_calls")
    found = Call.objects.annotate(counts_at=COUNTS_AT, counts_on=COUNTS_ON).get()

    assert [row["day"], found.counts_on, counts_on(made), cost_day(made)] == [wanted] * 4
    assert found.counts_at == counts_at(made)


# --- What they tell


@pytest.fixture
def odd(db: None) -> dict[str, Call]:
    return odd_calls_seed()


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_every_view_can_be_read_without_a_single_row(name: str) -> None:
    assert rows(f"SELECT * FROM reporting.{name}") == []


@pytest.mark.parametrize("name", NAMES)
def test_every_view_can_be_read_whatever_calls_are_like(odd: dict[str, Call], name: str) -> None:
    assert rows(f"SELECT * FROM reporting.{name}")


def test_each_call_has_one_row(odd: dict[str, Call]) -> None:
    outcomes = {name: [row["outcome"] for row in of("v_calls", call)] for name, call in odd.items()}

    assert outcomes == {
        "long": ["caller hung up"],
        "empty": ["caller hung up"],
        "right_to_left": ["caller hung up"],
        "broken": ["broke"],
        "at_vapi": ["caller hung up"],
        "smoke_test": ["caller hung up"],
        "cut_short": ["caller hung up"],
        "running": ["running"],
        "ringing": ["running"],
        "refused": ["not answered"],
        "of_nobody": ["other"],
    }


def test_a_call_tells_who_when_and_how_much(odd: dict[str, Call]) -> None:
    (row,) = of("v_calls", odd["long"])

    assert (row["assistant"], row["version"], row["duration_s"]) == ("Seeded desk 0", 1, 240)
    assert (row["turns_n"], row["transfers_n"], row["transfer_status"]) == (400, 1, "busy")
    assert row["day"] == odd["long"].created_at.astimezone(UTC).date()
    assert row["admin_path"] == f"/admin/calls/call/{odd['long'].pk}/change/"
    assert of("v_calls", odd["running"])[0]["duration_s"] is None


def test_a_turn_tells_what_was_generated_what_was_heard_and_who_interrupted(odd: dict[str, Call]) -> None:
    asked, price, wait, question = sorted(of("v_turns", odd["cut_short"]), key=lambda row: row["turn_n"])

    assert asked["latency_ms"] is None
    assert asked["generated_ms"] is None
    assert price["heard_text"] == "It should be ready"
    assert price["generated_text"].startswith("It should be ready on Tuesday")
    assert (price["interrupted_by"], price["interrupted_by_turn_id"]) == ("caller", wait["turn_id"])
    assert (question["interrupted_by"], question["interrupted_by_turn_id"]) == ("end of call", None)
    assert (asked["interrupted_by"], wait["interrupted_by"]) == (None, None)


def test_a_turns_wait_is_told_in_its_parts(odd: dict[str, Call]) -> None:
    price = sorted(of("v_turns", odd["cut_short"]), key=lambda row: row["turn_n"])[1]

    assert (price["latency_ms"], price["endpointing_ms"], price["tool_ms"]) == (1400, 500, 320)
    greeting, *_ = of("v_turns", odd["at_vapi"])
    assert greeting["endpointing_ms"] is None


def test_a_turn_is_on_the_clock_of_speech(odd: dict[str, Call]) -> None:
    started_at = odd["cut_short"].started_at
    assert started_at is not None
    price = sorted(of("v_turns", odd["cut_short"]), key=lambda row: row["turn_n"])[1]

    began_at: datetime = price["began_at"]
    assert (began_at - started_at).total_seconds() == 3.0


def test_never_heard_shows_the_rest_and_whether_it_had_a_figure(odd: dict[str, Call]) -> None:
    found = {row["heard_text"]: row for row in of("v_never_heard", odd["cut_short"])}

    price, nothing = found["It should be ready"], found[""]
    assert price["unheard_text"].startswith("on Tuesday after 15:00")
    assert price["unheard_figure"]
    assert (nothing["unheard_text"], nothing["unheard_figure"]) == (nothing["generated_text"], False)
    assert of("v_never_heard", odd["right_to_left"]) == []


def test_tool_calls_show_outcomes_and_no_contents(odd: dict[str, Call]) -> None:
    found = {row["tool"]: row for row in of("v_tool_calls", odd["cut_short"])}

    assert (found["get_repair_status"]["server_ms"], found["get_repair_status"]["waited_ms"]) == (300, 320)
    assert (found["book_appointment"]["status"], found["book_appointment"]["went_wrong"]) == (
        "timed_out",
        True,
    )
    assert [row["whole_ms"] for row in of("v_tool_attempts", odd["cut_short"])] == [300]
    everything = " ".join(str(rows(f"SELECT * FROM reporting.{name}")) for name in NAMES)
    assert "hidden-" not in everything


def test_errors_come_from_all_sources_once(odd: dict[str, Call]) -> None:
    found = {(row["source"], row["code"]) for row in rows("SELECT * FROM reporting.v_errors")}

    assert found == {
        ("tandem", "worker_died"),
        ("tool", "tool_timed_out"),
        ("call", "not_answered"),
        ("transfer", "transfer_busy"),
        ("twilio", "took_the_way_back"),
    }


def test_smoke_tests_are_in_no_daily_figure(odd: dict[str, Call]) -> None:
    (minutes,) = rows("SELECT sum(calls_n) AS n, sum(minutes) AS minutes FROM reporting.v_minutes_daily")
    (outcomes,) = rows("SELECT sum(calls_n) AS n FROM reporting.v_outcomes_daily")
    (stacks,) = rows("SELECT sum(calls_n) AS n FROM reporting.v_stacks")

    assert minutes["n"] == outcomes["n"] == stacks["n"] == len(odd) - 1


def test_both_stacks_stand_side_by_side(odd: dict[str, Call]) -> None:
    found = {
        row["stack"]: row
        for row in rows("SELECT * FROM reporting.v_stacks WHERE assistant = 'Seeded desk 0'")
    }

    assert found["vapi"]["calls_n"] == 1
    assert str(found["vapi"]["vapi_cost_usd"]) == "0.000001"
    assert found["direct"]["vapi_cost_usd"] is None
    assert (found["direct"]["tool_calls_n"], found["direct"]["tool_errors_n"]) == (2, 1)


def test_a_cost_breakdown_that_is_nonsense_is_left_empty(odd: dict[str, Call]) -> None:
    (row,) = of("v_vapi_costs", odd["at_vapi"])

    assert (row["model_usd"], row["transcription_usd"], row["voice_usd"]) == (None, None, None)
    assert row["total_usd"] == row["other_usd"]


def test_drift_tells_of_runs_with_and_without_comparisons(odd: dict[str, Call]) -> None:
    compared, empty = rows("SELECT * FROM reporting.v_drift ORDER BY pair_n NULLS LAST")

    assert (compared["causes"], compared["tools"]) == ("extra, skipped", "book_appointment, end_call")
    assert (float(compared["rate"]), compared["rate_upper"]) == (0.25, None)
    assert compared["reference_call_id"] == odd["at_vapi"].pk
    assert (empty["pair_id"], empty["rate"]) == (None, None)


def test_cutover_events_name_fields_and_no_values(odd: dict[str, Call]) -> None:
    (row,) = rows("SELECT * FROM reporting.v_cutover_events")

    assert (row["changed_fields"], row["overridden_gates"], row["who"]) == (
        "voice_url",
        "doctor",
        "command line",
    )


@pytest.mark.django_db
def test_percentiles_are_those_of_the_turns() -> None:
    call = odd_calls_seed()["empty"]
    Utterance.objects.all().update(latency_ms=None)
    turns = list(Utterance.objects.filter(transcript__call_id=odd_call_of_many()).order_by("id")[:100])
    for n, turn in enumerate(turns, start=1):
        turn.latency_ms = n * 10
    Utterance.objects.bulk_update(turns, ["latency_ms"])

    (row,) = rows("SELECT * FROM reporting.v_latency_daily WHERE turns_n > 0")

    assert (row["turns_n"], row["p50_ms"], row["p95_ms"], row["p99_ms"]) == (100, 505, 950, 990)
    assert row["assistant_id"] == call.assistant_id


def odd_call_of_many() -> Any:
    return Call.objects.get(call_sid="CAoddlong").pk


# --- Seeding


@pytest.mark.django_db
def test_many_calls_are_made_as_asked_for_and_can_be_added_to() -> None:
    made = calls_seed(200, turns=6, days=5)
    more = calls_seed(50, turns=6, days=5)

    assert made.calls + more.calls == Call.objects.count() == 250
    assert made.turns + more.turns == Utterance.objects.count()
    assert made.tool_calls + more.tool_calls == ToolCall.objects.count()
    assert set(Call.objects.values_list("stack", flat=True)) == {"direct", "vapi"}
    for call in Call.objects.all()[:20]:
        call.full_clean(validate_constraints=False)
