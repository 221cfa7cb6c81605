# ruff: noqa: S608 - names of our own views
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assistants.models import Assistant
from assistants.tests.factories import make_realtime_model, make_transcription_model, make_voice
from calls.models import Call, CallCost, CallDay, CostDay, CostLine, DayChanged, DaysKept, SpeedDay, VapiCall
from calls.models.counting import counts_on
from calls.reporting import building, keeping
from calls.reporting.keeping import days_forget, days_keep, days_waiting, definition
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

VIEWS = (
    "v_costs_daily",
    "v_calls_daily",
    "v_latency_daily",
    "v_answer_times",
    "v_minutes_daily",
    "v_outcomes_daily",
    "v_stacks",
)
TODAY = datetime.now(UTC).date()
DAYS = [TODAY - timedelta(days=n) for n in (3, 2, 1, 0)]


def answers() -> dict[str, list[Any]]:
    found = {}
    with connection.cursor() as cursor:
        for view in VIEWS:
            cursor.execute(f"SELECT to_jsonb(v)::text FROM reporting.{view} v")
            rows = [json.loads(row, parse_float=Decimal, parse_int=Decimal) for (row,) in cursor.fetchall()]
            found[view] = sorted(rows, key=lambda row: json.dumps(row, default=float, sort_keys=True))
    return found


def reckoned() -> dict[str, list[Any]]:
    """The same with nothing kept."""
    with undone():
        days_forget()
        return answers()


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def assistant(n: int) -> Assistant:
    return Assistant.objects.get_or_create(name=f"Desk {n}", defaults={"instructions": "Help."})[0]


def call_on(day: date, n: int = 0, **fields: Any) -> Call:
    came = datetime(day.year, day.month, day.day, 0, 1, n % 60, tzinfo=UTC)
    usual = {
        "status": Call.Status.ENDED,
        "ended_reason": "customer-ended-call",
        "started_at": came,
        "ended_at": came + timedelta(seconds=61, milliseconds=n),
        "did": f"+1202555000{n % 2}",
        "assistant": assistant(n % 2),
        "first_sound_ms": 300 + n,
    }
    call = Call.objects.create(**{**usual, **fields})
    Call.objects.filter(pk=call.pk).update(created_at=came)
    call.created_at = came
    return call


def line_on(call: Call, usd: str | None, item: str = "gpt-realtime-2.1") -> CostLine:
    return CostLine.objects.create(
        call=call,
        provider="openai",
        kind="response",
        item=item,
        part="audio_in",
        amount_usd=Decimal(usd) if usd is not None else None,
        note="" if usd is not None else "no price",
        written_at=call.created_at,
    )


_numbers = itertools.count()


def said_on(call: Call, *latencies: int | None) -> Transcript:
    transcript, _ = Transcript.objects.get_or_create(
        call_id=call.pk, defaults={"started_at": call.created_at}
    )
    Utterance.objects.bulk_create(
        Utterance(
            transcript=transcript,
            item_id=f"item_{next(_numbers)}",
            speaker="assistant",
            began_ms=n * 1000,
            ended_ms=n * 1000 + 10,
            latency_ms=latency,
        )
        for n, latency in enumerate(latencies)
    )
    return transcript


# --- Exact whatever happens


def _some_call(n: int) -> Call | None:
    calls = list(Call.objects.order_by("created_at", "pk"))
    return calls[n % len(calls)] if calls else None


def _add(n: int) -> None:
    call = call_on(DAYS[n % 4], n, smoke_test=n % 7 == 0)
    line_on(call, f"0.{n:010}")
    CallCost.objects.create(call=call, day=DAYS[n % 4], total_usd=Decimal(n) / 7, priced_at=call.created_at)


def _reckon_again(n: int) -> None:
    call = _some_call(n)
    if call is not None:
        CostLine.objects.filter(call=call, superseded_at=None).update(superseded_at=datetime.now(UTC))
        line_on(call, None if n % 5 == 0 else f"{n}.0000000001", f"model-{n % 3}")
        CallCost.objects.filter(call=call).update(total_usd=n)


def _at_vapi(n: int) -> None:
    call = call_on(DAYS[n % 4], n, stack=Call.Stack.VAPI, assistant=None if n % 2 else assistant(0))
    cost = Decimal("0.1234567890123456789") * n
    VapiCall.objects.create(
        call=call,
        vapi_id=str(call.pk),
        source=VapiCall.Source.FILES,
        assistant_name=f"Theirs {n % 2}",
        cost=cost,
        cost_breakdown={"llm": 0.0123456789012345, "stt": 0.001 * n},
        imported_at=call.created_at,
    )


def _say(n: int) -> None:
    if (call := _some_call(n)) is not None:
        said_on(call, n * 13 % 900, None)


def _use_a_tool(n: int) -> None:
    if (call := _some_call(n)) is not None:
        asked = call.created_at + timedelta(milliseconds=n)
        ToolCall.objects.create(
            call_id=call.pk,
            item_id=f"call_{next(_numbers)}",
            name="look",
            status="failed" if n % 2 else "answered",
            requested_at=asked,
            told_at=asked + timedelta(milliseconds=50),
        )


def _change(n: int) -> None:
    if (call := _some_call(n)) is not None:
        Call.objects.filter(pk=call.pk).update(
            ended_reason=f"reason-{n % 3}", barge_ins=n, assistant=None if n % 3 else assistant(1)
        )


def _order(n: int) -> None:
    """A call to come: nothing of it has run yet."""
    fields = {"direction": "outbound", "status": Call.Status.SCHEDULED, "started_at": None, "ended_at": None}
    line_on(call_on(DAYS[n % 4], n, **fields), f"0.{n:04}")


def _run_what_was_ordered(n: int) -> None:
    """A call that was ordered runs on another day, or is over without a conversation."""
    at = datetime.combine(DAYS[n // 2 % 4], time(23, 59, n % 60), UTC)
    ordered = Call.objects.filter(direction="outbound", status=Call.Status.SCHEDULED).first()
    if ordered is not None:
        Call.objects.filter(pk=ordered.pk).update(
            status=Call.Status.ENDED, started_at=at if n % 2 else None, ended_at=at + timedelta(seconds=n)
        )


def _erase(n: int) -> None:
    if (call := _some_call(n)) is not None:
        Utterance.objects.filter(transcript__call_id=call.pk).delete()
        call.delete()


def _keep(n: int) -> None:
    days_keep(seconds=60, patient=False, until=DAYS[n % 3])


OPERATIONS: tuple[Callable[[int], None], ...] = (
    _add, _add, _keep, _keep, _reckon_again, _at_vapi, _say, _use_a_tool, _change, _erase, _order, _run_what_was_ordered,
)  # fmt: skip


@pytest.mark.django_db
# Nothing is made smaller: an example takes a quarter of a second.
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 40)), min_size=6, max_size=14))
def test_what_is_kept_is_what_the_calls_sum_up_to(done: list[tuple[Callable[[int], None], int]]) -> None:
    with undone():
        for operation, n in [(_add, 1), (_at_vapi, 1), (_say, 0), *done]:
            operation(n)
        kept = answers()

        assert kept == reckoned()
        plain = CostLine.objects.filter(
            superseded_at=None, call__smoke_test=False, call__stack="direct"
        ).select_related("call")
        ours: dict[str, Decimal] = {}
        for row in kept["v_costs_daily"]:
            if row["stack"] == "direct":
                ours[row["day"]] = ours.get(row["day"], Decimal(0)) + row["usd"]
        wanted: dict[str, Decimal] = {}
        for line in plain:
            day = counts_on(line.call).isoformat()
            wanted[day] = wanted.get(day, Decimal(0)) + (line.amount_usd or 0)
        assert ours == wanted
        days_keep(seconds=60, patient=False, until=DAYS[2])
        assert answers() == kept
        until = DaysKept.objects.values_list("until", flat=True).first()  # none as long as there was no call
        assert until is None or not DayChanged.objects.filter(day__lte=until).exists()


# --- Each thing that it rests on


@pytest.mark.django_db
def test_a_day_that_is_kept_is_not_read_from_its_calls() -> None:
    line_on(call_on(DAYS[0]), "1.5")
    days_keep(seconds=60, until=DAYS[2])
    CostDay.objects.update(usd=7)

    (row,) = answers()["v_costs_daily"]

    assert (row["day"], row["usd"]) == (DAYS[0].isoformat(), 7)
    assert days_waiting() == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    "operation", [_reckon_again, _say, _use_a_tool, _change, _erase], ids=lambda one: one.__name__
)
def test_whoever_changes_a_day_that_is_over_marks_it(operation: Callable[[int], None]) -> None:
    call = call_on(DAYS[0])
    line_on(call, "1")
    said_on(call, 5)
    DayChanged.objects.all().delete()

    operation(0)

    assert set(DayChanged.objects.values_list("day", flat=True)) == {DAYS[0]}


@pytest.mark.django_db
@pytest.mark.parametrize("begins", [True, False], ids=["answered", "not answered"])
def test_a_call_that_was_scheduled_moves_from_the_day_of_its_order_to_that_on_which_it_ran(
    begins: bool,
) -> None:  # of a table
    _order(0)
    days_keep(seconds=60, patient=False, until=DAYS[2])
    assert {row["day"] for view in answers().values() for row in view} == {DAYS[0].isoformat()}

    _run_what_was_ordered(5 if begins else 4)

    assert {row["day"] for view in answers().values() for row in view} == {DAYS[2].isoformat()}
    with connection.cursor() as cursor:
        for view in ("v_calls", "v_cost_lines"):
            cursor.execute(f"SELECT DISTINCT day FROM reporting.{view}")
            assert cursor.fetchall() == [(DAYS[2],)]
    assert answers() == reckoned()


@pytest.mark.django_db
def test_a_day_that_goes_on_is_never_marked_nor_kept() -> None:
    today = datetime.now(UTC).date()  # not when this module was read: a run may go on past midnight
    call = call_on(today)
    line_on(call, "1")
    said_on(call, 5)
    call.delete()
    call_on(today)

    days_keep(seconds=60)

    assert not DayChanged.objects.exists()
    assert not CallDay.objects.exists()


@pytest.mark.django_db
def test_a_day_that_is_still_being_changed_is_left_alone_for_a_while_and_exact_meanwhile() -> None:
    call = call_on(DAYS[0])
    line_on(call, "1")
    days_keep(seconds=60, patient=False, until=DAYS[2])
    line_on(call, "2", "another")

    assert days_keep(seconds=60, until=DAYS[2]) == 0
    assert sum(row["usd"] for row in answers()["v_costs_daily"]) == 3
    DayChanged.objects.update(at=datetime.now(UTC) - timedelta(minutes=3))
    assert days_keep(seconds=60, until=DAYS[2]) == 1
    assert sum(CostDay.objects.values_list("usd", flat=True)) == 3


@pytest.mark.django_db
def test_figures_that_were_reckoned_in_another_way_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    line_on(call_on(DAYS[0]), "1")
    days_keep(seconds=60, until=DAYS[2])
    CostDay.objects.update(usd=7)
    monkeypatch.setattr(keeping, "definition", lambda: "another")

    days_keep(seconds=0, until=DAYS[2])
    assert [row["usd"] for row in answers()["v_costs_daily"]] == [1]
    days_keep(seconds=60, until=DAYS[2])

    assert [one.usd for one in CostDay.objects.all()] == [1]
    assert DaysKept.objects.get().definition == "another"


def test_another_comment_is_no_other_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    before = definition()
    files = building.view_files()
    other = [type(one)(one.name, one.text.replace("'The call.'", "'The telephone call.'")) for one in files]
    monkeypatch.setattr(keeping, "view_files", lambda: other)

    assert definition() == before
    other.append(type(files[0])("v_cost_lines", "CREATE VIEW something else"))
    assert definition() != before


@pytest.mark.django_db
def test_the_command_begins_anew_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    call = call_on(DAYS[0])
    said_on(call, 30, 10, 20)
    call_command("daily_figures")
    SpeedDay.objects.update(p50_ms=7)

    call_command("daily_figures", "--rebuild")

    (speed,) = SpeedDay.objects.all()
    assert (speed.p50_ms, speed.latencies) == (20, [10, 20, 30])
    assert "days were reckoned" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_committed_after_its_day_was_reckoned_is_not_lost() -> None:
    # Tests that commit, as this one does, leave tables empty that a migration had filled.
    make_realtime_model()
    make_transcription_model()
    make_voice()
    call = call_on(DAYS[0])
    line_on(call, "1")
    days_keep(seconds=60, patient=False, until=DAYS[2])
    written, reckoned_meanwhile = threading.Event(), threading.Event()

    def late() -> None:
        with transaction.atomic():
            line_on(call, "2", "late")
            written.set()
            reckoned_meanwhile.wait(120)
        connection.close()

    thread = threading.Thread(target=late)
    thread.start()
    assert written.wait(120)
    line_on(call, "4", "in time")
    days_keep(seconds=60, patient=False, until=DAYS[2])
    kept = sum(CostDay.objects.values_list("usd", flat=True))
    reckoned_meanwhile.set()
    thread.join()

    assert kept == 5
    assert sum(row["usd"] for row in answers()["v_costs_daily"]) == 7
    days_keep(seconds=60, patient=False, until=DAYS[2])
    assert sum(CostDay.objects.values_list("usd", flat=True)) == 7
