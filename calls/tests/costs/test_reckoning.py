"""Costs of calls as rows: once, in whatever order, and never overwritten."""

import itertools
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import ProtectedError, Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from calls import tasks as call_tasks
from calls.costs import tasks, together
from calls.costs.reckoning import call_reckon, calls_to_reckon, cost_day, cost_so_far
from calls.costs.selectors import call_costs
from calls.erasing.erasing import caller_erase
from calls.lines.breaks import lost_begin
from calls.models import STREAM_CLOSED, Call, CallCost, CallUsage, CarrierCall, CostLine, Price
from calls.tests.costs.factories import MODEL, make_price, make_usage, make_vapi_call, placed
from calls.tests.costs.test_usage import EXAMPLE
from calls.tests.factories import make_call, make_transfer

pytestmark = pytest.mark.django_db

ANSWER = Decimal("0.0074848")
LINE = Decimal("0.0255") + Decimal("0.012")  # three started minutes of the line and of the stream


def report(call: Call, item: str = "resp_1", **fields: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "call_id": str(call.pk),
        "kind": "response",
        "session": "0",
        "item": item,
        "model": MODEL,
        "status": "completed",
        "usage": EXAMPLE,
        "at": timezone.now().isoformat(),
    }
    return {**usual, **fields}


def reckon(call: Call) -> None:
    assert call_reckon(call_id=call.pk, now=timezone.now())


def lines(call: Call) -> list[CostLine]:
    return list(CostLine.objects.filter(call=call, superseded_at=None))


def test_a_call_costs_what_its_lines_sum_up_to() -> None:
    call = make_call()
    make_usage(call)
    make_usage(call)
    make_usage(call, kind="transcription", model="gpt-transcribe", usage={"type": "duration", "seconds": 4.7})

    reckon(call)

    cost = CallCost.objects.get(call=call)
    assert cost.total_usd == ANSWER * 2 + Decimal("0.0003525") + LINE
    assert cost.total_usd == CostLine.objects.filter(call=call).aggregate(usd=Sum("amount_usd"))["usd"]
    assert (cost.unpriced_n, cost.priced_at is None) == (0, False)
    assert all(line.price_id for line in lines(call))
    sheet = call_costs(call.pk)
    assert (sheet.total_usd, sheet.final, sheet.complete) == (cost.total_usd, True, True)


def test_reports_come_twice_and_in_any_order_and_after_the_end() -> None:
    costs = set()
    for order in itertools.permutations(range(3)):
        call = make_call()
        reports = [report(call, "a"), report(call, "b"), report(call, "a", usage=None, status="unfinished")]
        for n in (*order, *order):
            tasks.usage_write(**reports[n])
        costs.add(CallCost.objects.get(call=call).total_usd)
        assert call.usages.count() == 2

    assert costs == {ANSWER * 2 + LINE}


def test_the_same_id_in_two_sessions_is_two_things() -> None:
    call = make_call()
    tasks.usage_write(**report(call))
    tasks.usage_write(**report(call, session="1:0"))
    tasks.usage_write(**report(call, kind="summary"))

    assert CallCost.objects.get(call=call).total_usd == ANSWER * 3 + LINE


def test_a_report_on_an_unknown_call_is_nothing() -> None:
    tasks.usage_write(**report(Call(pk=uuid.uuid4())))

    assert not CallUsage.objects.exists()


def test_nothing_told_and_no_price_are_shown_and_make_the_sum_a_part_of_it() -> None:
    call = make_call(smoke_test=True)  # on no line
    make_usage(call, usage={}, status="unfinished")
    make_usage(call, model="gpt-realtime-9")

    reckon(call)

    cost = CallCost.objects.get(call=call)
    assert (cost.total_usd, cost.unpriced_n) == (Decimal(0), 7)
    sheet = call_costs(call.pk)
    assert not sheet.complete
    assert sheet.saved_usd is None
    assert all(line.note for line in sheet.lines)


def test_reckoning_again_changes_nothing_where_nothing_is_new() -> None:
    call = make_call()
    make_usage(call)
    reckon(call)
    before = list(CostLine.objects.values())

    reckon(call)

    assert list(CostLine.objects.values()) == before


def test_a_later_price_leaves_old_calls_as_they_are_also_when_they_are_reckoned_again() -> None:
    call = make_call()
    make_usage(call)
    reckon(call)
    make_price("640", since=timezone.now())

    reckon(call)

    assert CallCost.objects.get(call=call).total_usd == ANSWER + LINE
    later = make_call()
    make_usage(later)
    reckon(later)
    assert CallCost.objects.get(call=later).total_usd == ANSWER + LINE + Decimal(80) * 576 / 1_000_000


def test_a_price_that_was_missing_is_a_new_line_beside_the_old_one() -> None:
    call = make_call(smoke_test=True)
    make_usage(
        call, model="gpt-new", usage={"output_tokens": 10, "output_token_details": {"audio_tokens": 10}}
    )
    reckon(call)
    (old,) = lines(call)

    make_price("64", since=call.created_at - timedelta(days=1), item="gpt-new")
    reckon(call)

    (new,) = lines(call)
    old.refresh_from_db()
    assert (old.amount_usd, old.superseded_at is None) == (None, False)
    assert (new.amount_usd, CallCost.objects.get(call=call).unpriced_n) == (Decimal("0.00064"), 0)
    assert call_costs(call.pk).superseded_n == 1


def test_a_price_is_never_changed_and_one_that_was_used_never_goes() -> None:
    call = make_call()
    make_usage(call)
    reckon(call)
    used = Price.objects.filter(lines__isnull=False).distinct().first()
    assert used is not None

    with pytest.raises(IntegrityError, match="a price is not changed"), transaction.atomic():
        Price.objects.filter(pk=used.pk).update(usd=0)
    with pytest.raises(ProtectedError):
        used.delete()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; DELETE FROM calls_price WHERE id = %s", [used.pk])


def test_a_line_is_never_changed_but_goes_with_its_call() -> None:
    call = make_call()
    make_usage(call)
    reckon(call)

    with pytest.raises(IntegrityError, match="a cost line is not changed"), transaction.atomic():
        CostLine.objects.filter(call=call).update(amount_usd=0)
    call.delete()

    assert not CostLine.objects.exists()


def test_two_lines_of_the_same_thing_are_not_in_force_together() -> None:
    call = make_call()
    make_usage(call)
    reckon(call)
    line = lines(call)[0]
    line.pk = None

    with pytest.raises(IntegrityError, match="cost_line_once"), transaction.atomic():
        line.save(force_insert=True)


def test_a_call_that_runs_shows_what_it_has_used_so_far_and_has_no_lines() -> None:
    call = make_call(status=Call.Status.IN_PROGRESS, ended_at=None)
    tasks.usage_write(**report(call))

    assert not call_reckon(call_id=call.pk, now=timezone.now())
    assert not CallCost.objects.exists()  # nobody has set a limit
    sheet = call_costs(call.pk)
    assert (sheet.final, sheet.total_usd > ANSWER) == (False, True)


def test_the_end_of_a_call_writes_its_lines() -> None:
    call = make_call(status=Call.Status.IN_PROGRESS, ended_at=None)
    make_usage(call)

    call_tasks.call_finish(
        call_id=str(call.pk),
        ended_at=timezone.now().isoformat(),
        ended_reason="customer-ended-call",
        facts={},
    )

    assert CallCost.objects.get(call=call).total_usd > ANSWER


def test_calls_that_ended_without_anybodys_telling_are_caught_up_with() -> None:
    call = make_call()
    old = make_call()
    Call.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=9))
    make_call(status=Call.Status.IN_PROGRESS, ended_at=None)
    make_vapi_call("0.30")

    tasks.costs_catch_up()

    assert list(CallCost.objects.values_list("call", flat=True)) == [call.pk]
    assert not calls_to_reckon(since=timezone.now() - timedelta(days=1)).exists()


def test_one_that_cannot_be_reckoned_keeps_nobody_from_being_caught_up_with(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = make_call(), make_call()
    really = call_reckon

    def reckon_unless(*, call_id: uuid.UUID, now: datetime) -> bool:
        if call_id == bad.pk:
            raise DataError("numeric field overflow")
        return really(call_id=call_id, now=now)

    monkeypatch.setattr(tasks, "call_reckon", reckon_unless)

    tasks.costs_catch_up()

    assert list(CallCost.objects.values_list("call", flat=True)) == [good.pk]
    assert "could not be reckoned" in caplog.text


def test_use_that_is_told_in_the_moment_in_which_the_call_ends_is_in_its_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = make_call(status=Call.Status.IN_PROGRESS, ended_at=None)
    write = together._write

    def ends_meanwhile(fullest: Any) -> None:
        """Another worker writes the end and the cost, and does not see yet what is written here."""
        Call.objects.filter(pk=call.pk).update(status=Call.Status.ENDED, ended_at=timezone.now())
        reckon(call)
        write(fullest)

    monkeypatch.setattr(together, "_write", ends_meanwhile)

    tasks.usage_write(**report(call))

    cost = CallCost.objects.get(call=call)
    assert cost.total_usd >= ANSWER
    assert (
        cost.total_usd
        == CostLine.objects.filter(call=call, superseded_at=None).aggregate(usd=Sum("amount_usd"))["usd"]
    )


def test_what_a_call_has_cost_so_far_does_not_replace_what_it_cost_when_it_is_over() -> None:
    call = make_call(status=Call.Status.IN_PROGRESS, ended_at=None)
    make_usage(call)
    as_it_was = Call.objects.get(pk=call.pk)
    Call.objects.filter(pk=call.pk).update(status=Call.Status.ENDED, ended_at=timezone.now())
    reckon(call)
    cost = CallCost.objects.get(call=call).total_usd

    told = cost_so_far(as_it_was, now=timezone.now() + timedelta(hours=1))

    assert told == CallCost.objects.get(call=call).total_usd == cost


def test_two_reckonings_at_once_may_read_their_clocks_in_one_order_and_write_in_the_other() -> None:
    call = make_call()
    now = timezone.now()
    assert call_reckon(call_id=call.pk, now=now + timedelta(milliseconds=5))
    tasks.carrier_call_write(call_sid=call.call_sid, duration_s=59)

    CarrierCall.objects.filter(call=call).update(duration_s=300)
    assert call_reckon(call_id=call.pk, now=now)

    (line,) = [one for one in lines(call) if one.kind == "line"]
    assert line.quantity == 5


def test_a_call_that_went_on_after_it_was_priced_is_priced_again() -> None:
    call = make_call(ended_reason=STREAM_CLOSED)
    reckon(call)
    assert lost_begin(call=call) is not None
    # It ends without anybody's telling the workers, as by the reaper.
    Call.objects.filter(pk=call.pk).update(
        status=Call.Status.ENDED, ended_at=timezone.now() + timedelta(minutes=10)
    )

    tasks.costs_catch_up()

    (line,) = [one for one in lines(call) if one.kind == "line"]
    assert line.quantity == 13


def test_a_call_that_we_placed_costs_from_its_answer_on_and_nothing_where_nobody_answered() -> None:
    asked_at = timezone.now() - timedelta(hours=30)
    answered = make_call(direction=Call.Direction.OUTBOUND)
    rang = make_call(direction=Call.Direction.OUTBOUND, started_at=None)
    Call.objects.filter(pk__in=[answered.pk, rang.pk]).update(created_at=asked_at)

    for call in (answered, rang):
        reckon(call)
        reckon(call)

    (line,) = [one for one in lines(answered) if one.kind == "line"]
    assert line.quantity == 3
    assert answered.started_at is not None
    assert CallCost.objects.get(call=answered).day == cost_day(answered) == answered.started_at.date()
    assert lines(rang) == []
    tasks.carrier_call_write(call_sid=rang.call_sid, duration_s=0)
    assert CallCost.objects.get(call=rang).total_usd == 0


def test_what_an_erased_call_has_cost_stays_whatever_comes_late() -> None:
    call, unpriced = make_call(), make_call()
    for one in (call, unpriced):
        make_usage(one)
        make_transfer(call=one, dialled_at=timezone.now(), duration_s=70)
    reckon(call)
    before = CallCost.objects.get(call=call).total_usd

    caller_erase(call.caller)
    tasks.usage_write(**report(call))
    tasks.costs_catch_up()

    assert (
        CallCost.objects.get(call=call).total_usd == CallCost.objects.get(call=unpriced).total_usd == before
    )


def test_twilios_own_count_and_price_take_the_place_of_ours() -> None:
    call = make_call()
    reckon(call)
    assert CallCost.objects.get(call=call).total_usd == LINE

    tasks.carrier_call_write(call_sid=call.call_sid, duration_s=59)
    assert CallCost.objects.get(call=call).total_usd == Decimal("0.0085") + Decimal("0.012")

    CarrierCall.objects.filter(call=call).update(price_usd=Decimal("0.0068"))
    reckon(call)
    assert CallCost.objects.get(call=call).total_usd == Decimal("0.0068") + Decimal("0.012")
    (line,) = [one for one in lines(call) if one.kind == "line"]
    assert line.note == "As Twilio charged it."


def test_looking_for_answering_machines_costs_once_for_each_call_that_was_answered() -> None:
    made = {}
    for name, answered, options in [
        ("looked", True, {"machine_detection": "Enable"}), ("plain", True, {}), ("rang", False, {"machine_detection": "Enable"}),
    ]:  # fmt: skip
        call = made[name] = make_call(direction=Call.Direction.OUTBOUND, started_at=None)
        placed(call, machine={"options": options}, answered_at=call.created_at if answered else None)
        reckon(call)
        reckon(call)

    found = {name: {one.kind: one.amount_usd for one in lines(call)} for name, call in made.items()}

    # The machine was hung up on before the sound was connected, and the first minute counts all the same.
    assert found["looked"].keys() == {"line", "machine"}
    assert found["looked"]["machine"] == Decimal("0.0075")
    assert (set(found["plain"]), found["rang"]) == ({"line"}, {})
    sheet = call_costs(made["looked"].pk)
    assert "Looking for answering machines" in [one.what for one in sheet.lines]


def test_a_scheduled_call_is_priced_by_the_day_on_which_it_ran_and_counts_for_that() -> None:
    call = make_call(direction=Call.Direction.OUTBOUND, started_at=None, status=Call.Status.RINGING, ended_at=None)  # fmt: skip
    Call.objects.filter(pk=call.pk).update(created_at=timezone.now() - timedelta(days=30))
    answered_at = timezone.now() - timedelta(minutes=2)
    placed(call, earliest_at=answered_at, claimed_at=answered_at)
    make_price("64", since=answered_at - timedelta(days=1), item="gpt-new")
    make_price("16", since=answered_at - timedelta(days=60), item="gpt-new")
    make_usage(call, model="gpt-new")
    call.refresh_from_db()
    # Its sum may be kept before anybody has answered.
    assert cost_so_far(call, now=timezone.now()) >= 0
    Call.objects.filter(pk=call.pk).update(
        started_at=answered_at, ended_at=timezone.now(), status=Call.Status.ENDED
    )

    tasks.costs_catch_up()  # nobody has told of its end

    row = CallCost.objects.get(call=call)
    assert (row.day, row.priced_at is not None) == (answered_at.date(), True)
    prices = {one.price.usd for one in lines(call) if one.item == "gpt-new" and one.price is not None}
    assert prices == {Decimal(64)}


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"duration_s": 70, "dial_status": "completed"}, {"minutes"}),
        ({"dial_status": "completed"}, {"times"}),
        ({"dial_status": ""}, {"times"}),  # the word of its end was lost
        ({"dial_status": "busy"}, set()),
        ({"dial_status": "no-answer", "duration_s": 0}, set()),
    ],
)
def test_a_dialled_leg_of_unknown_length_is_a_line_without_an_amount_and_never_nothing(
    fields: dict[str, Any], parts: set[str]
) -> None:
    call = make_call()
    make_transfer(call=call, dialled_at=timezone.now(), **fields)

    reckon(call)

    found = [one for one in lines(call) if one.kind == "transfer"]
    assert {one.part for one in found} == parts
    assert CallCost.objects.get(call=call).unpriced_n == len([one for one in found if one.amount_usd is None])
    assert all(one.note for one in found if one.part == "times")


def test_a_transfer_is_a_second_leg_and_the_stream_does_not_run_through_it() -> None:
    call = make_call()
    make_transfer(call=call, dialled_at=timezone.now(), duration_s=70)

    reckon(call)

    by_kind = {line.kind: (line.quantity, line.amount_usd) for line in lines(call)}
    assert by_kind["transfer"] == (Decimal(2), Decimal("0.028"))
    assert by_kind["stream"] == (Decimal(1), Decimal("0.004"))


def test_what_it_would_have_cost_at_vapi_is_measured_on_comparable_calls() -> None:
    call = make_call()
    assert "No calls at Vapi to compare with" in call_costs(call.pk).vapi_how
    assert call_costs(call.pk).vapi_usd == Decimal("0.12") * 125 / 60

    for _ in range(5):
        make_vapi_call("0.25")  # each of 125 seconds
    make_vapi_call(None)
    now = timezone.now()
    for began, ended in ((now, now), (now, None), (None, now)):
        make_vapi_call("9.99", started_at=began, ended_at=ended)

    with CaptureQueriesContext(connection) as queries:
        sheet = call_costs(call.pk)
    assert sheet.vapi_usd == Decimal("0.25")
    assert sheet.vapi_how == "As the newest 5 calls (10.4 minutes) at Vapi were charged."
    # Which would have the planner read every call at Vapi.
    of_vapi = [one["sql"] for one in queries if "calls_vapicall" in one["sql"]]
    assert of_vapi
    assert not any('"ended_at" >' in sql for sql in of_vapi)


def test_a_call_at_vapi_shows_its_own_parts_and_their_sum_is_what_was_charged() -> None:
    call = make_vapi_call("0.30", cost_breakdown={"transport": 0.05, "vapi": 0.1, "llm": "odd", "total": 0.3})

    sheet = call_costs(call.pk)

    assert [(line.item, line.usd) for line in sheet.lines] == [
        ("Telephone line", Decimal("0.05")),
        ("Vapi's fee", Decimal("0.1")),
        ("Everything else", Decimal("0.15")),
    ]
    assert sheet.total_usd == sheet.vapi_usd == Decimal("0.30")
    assert not call_costs(make_vapi_call(None).pk).complete
