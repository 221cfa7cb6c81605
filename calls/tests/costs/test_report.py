"""The report: with many calls, with few, with none."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from calls.costs.assumed import AssumedCall, assumed_lines
from calls.costs.pricing import PriceBook, total
from calls.costs.reckoning import call_reckon, price_book
from calls.models import Price
from calls.tests.costs.factories import make_usage, make_vapi_call
from calls.tests.factories import make_call, make_phone_number

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("midday")]


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("cost_report", *arguments, stdout=out)
    return out.getvalue()


def told(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed("--json", *arguments))
    return found


def calls_of(n: int, minutes: int = 3) -> None:
    now = timezone.now()
    for _ in range(n):
        call = make_call(started_at=now - timedelta(minutes=minutes), ended_at=now)
        make_usage(call)
        call_reckon(call_id=call.pk, now=now)


def test_without_any_call_a_month_is_reckoned_by_the_list_and_says_what_it_assumes() -> None:
    report = told()

    assert report["measured"]["calls"] == 0
    assert report["measured"]["usd_per_minute"] is None
    month = report["month"]
    assert month["vapi"] == {
        "usd_per_minute": "0.120000",
        "usd": "6000.00",
        "how": "No calls at Vapi to compare with. The lower end of the $0.12 to $0.33 a minute that users report, everything included.",
    }
    assert 0 < Decimal(month["direct"]["usd"]) < 6000
    assert report["assumptions"]["model"] == "gpt-realtime-2.1"
    assert "OpenAI's price list, November 2026." in report["sources"]
    assert "Only 0.0 minutes were measured" in report["notes"][0]


def test_measured_minutes_take_the_place_of_assumptions() -> None:
    make_phone_number()
    calls_of(5)
    for _ in range(5):
        make_vapi_call("0.25")

    report = told("--minutes", "1000")

    each = Decimal("0.0074848") + Decimal("0.0125") * 3
    assert report["measured"]["usd"] == str((each * 5).quantize(Decimal("1e-10")))
    assert report["month"]["direct"]["usd"] == f"{each / 3 * 1000 + Decimal('1.15'):.2f}"
    assert report["month"]["vapi"]["usd"] == "120.00"
    assert report["assumptions"] == {}
    assert {row["item"] for row in report["measured"]["by_item"]} == {
        "gpt-realtime-2.1", "inbound local, US", "media streams",
    }  # fmt: skip
    assert sum(Decimal(row["usd"]) for row in report["measured"]["by_item"]) == Decimal(
        report["measured"]["usd"]
    )


def test_what_is_not_known_is_said() -> None:
    call = make_call()
    make_usage(call, model="gpt-realtime-9")
    call_reckon(call_id=call.pk, now=timezone.now())
    make_call()

    report = told()

    assert report["measured"]["lines_without_an_amount"] == 6
    assert report["measured"]["calls_without_lines"] == 1
    assert len(report["notes"]) == 3


def test_a_model_without_prices_gives_no_month() -> None:
    report = told("--model", "gpt-realtime-9")

    assert "direct" not in report["month"]
    assert report["month"]["saving_percent"] is None
    assert "No price known for gpt-realtime-9" in " ".join(report["notes"])


def test_it_is_printed_for_people() -> None:
    calls_of(5)

    text = printed()

    for part in ("Tandem", "Vapi", "Telephone line", "50,000 minutes", "The article", "Prices from"):
        assert part in text


def test_only_the_calls_of_the_period_count() -> None:
    calls_of(1)

    assert told("--from", "2025-01-01", "--to", "2025-01-31")["measured"]["calls"] == 0
    assert told("--from", f"{timezone.now():%Y-%m-%d}")["measured"]["calls"] == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--from", "yesterday"], "not a day"),
        (["--minutes", "many"], "not a number of minutes"),
        (["--minutes", "0"], "not a number of minutes"),
        (["--from", "2026-02-02", "--to", "2026-02-01"], "period is empty"),
        (["--from", "2999-01-01"], "period is empty"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        printed(*arguments)


def test_an_assumed_call_costs_more_a_minute_the_longer_it_is() -> None:
    book, now = price_book(), datetime(2026, 11, 22, tzinfo=UTC)

    each = [total(assumed_lines(AssumedCall(minutes=n), book, now)) / n for n in (1, 3, 10)]

    assert each == sorted(each)
    assert Decimal("0.04") < each[1] < Decimal("0.12")


def test_without_a_price_list_there_is_no_month_and_no_failure() -> None:
    assert all(line.usd is None for line in assumed_lines(AssumedCall(), PriceBook([]), timezone.now()))

    Price.objects.all().delete()

    assert set(told()["month"]) == {"minutes", "numbers", "saving_percent"}
