"""What calls cost, and what a month would, beside Vapi."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from calls.costs.assumed import AssumedCall
from calls.costs.report import ARTICLE, CostReport, cost_report

STACKS = {"direct": "Tandem", "vapi": "Vapi"}


def day_of(text: str) -> datetime:
    """The beginning of a day in UTC. Raises ArgumentTypeError."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as exc:
        raise ArgumentTypeError(f"{text} is not a day. Write it as 2026-11-22.") from exc


def minutes_of(text: str) -> int:
    """A number of minutes. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 0 < int(text) < 1_000_000_000:
        raise ArgumentTypeError(f"{text} is not a number of minutes. Write it as 50000.")
    return int(text)


class Command(BaseCommand):
    help = (
        "What the calls of a period cost, by what it was for, and what a month of so many minutes would cost here and at "
        "Vapi. Where there are too few calls to measure, a month is reckoned by the price list, and the assumptions are "
        "printed. Example: manage.py cost_report --from 2026-11-01 --minutes 50000 --json"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from",
            dest="begin",
            type=day_of,
            metavar="DAY",
            help="the first day, in UTC; by default 30 days ago",
        )
        parser.add_argument(
            "--to", dest="end", type=day_of, metavar="DAY", help="the last day, in UTC; by default today"
        )
        parser.add_argument(
            "--minutes", type=minutes_of, default=50_000, help="minutes of the month; by default 50000"
        )
        parser.add_argument(
            "--model", default=AssumedCall().model, help="the model to assume where nothing is measured"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        last: datetime | None = options["end"]
        end = min(last + timedelta(days=1), now) if last is not None else now
        begin: datetime = options["begin"] or end - timedelta(days=30)
        if begin >= end:
            raise CommandError("The period is empty: its first day is after its last, or has not come yet.")
        assumed = AssumedCall(model=options["model"])
        report = cost_report(begin=begin, end=end, minutes=options["minutes"], assumed=assumed)
        if options["json"]:
            self.stdout.write(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2).decode())
        else:
            self._print(report)

    def _print(self, report: CostReport) -> None:
        console = Console(file=self.stdout, soft_wrap=True, highlight=False)  # type: ignore[arg-type]  # it writes
        console.print(
            f"Calls from {report.begin:%Y-%m-%d %H:%M} to {report.end:%Y-%m-%d %H:%M} UTC", style="bold"
        )
        console.print(_measured(report))
        if report.rows:
            console.print(_parts(report))
        console.print(_months(report))
        if report.saving_percent is not None:
            console.print(f"Tandem instead of Vapi: {report.saving_percent:.1f} % less for such a month.")
        console.print(
            f"The article: {ARTICLE['minutes']:,} minutes for ${ARTICLE['vapi_usd']} at Vapi and "
            f"${ARTICLE['realtime_usd']} for the model. {ARTICLE['note']}"
        )
        for title, lines in (
            ("Notes", report.notes),
            ("Assumed", [f"{name}: {value}" for name, value in report.assumptions.items()]),
            ("Prices from", report.sources),
        ):
            if lines:
                console.print(f"{title}:")
                for line in lines:
                    console.print(f"  {line}", markup=False)


def _measured(report: CostReport) -> Table:
    table = Table("", "Calls", "Minutes", "US dollars", "A minute")
    table.add_row(
        "Tandem",
        f"{report.calls_n:,}",
        f"{report.minutes:,.1f}",
        _usd(report.usd),
        _each(report.usd, report.minutes),
    )
    table.add_row(
        "Vapi, as charged", f"{report.vapi_calls_n:,}", f"{report.vapi_minutes:,.1f}", _usd(report.vapi_usd),
        _each(report.vapi_usd, report.vapi_minutes),
    )  # fmt: skip
    return table


def _parts(report: CostReport) -> Table:
    table = Table("For", "Item", "US dollars", "A minute", "Lines without an amount")
    for row in report.rows:
        unknown = f"{row.unknown_n:,}" if row.unknown_n else ""
        table.add_row(row.what, row.item, _usd(row.usd), _each(row.usd, report.minutes), unknown)
    return table


def _months(report: CostReport) -> Table:
    table = Table(f"A month of {report.month_minutes:,} minutes", "A minute", "US dollars", "How")
    for month in report.months:
        table.add_row(STACKS[month.stack], f"${month.usd_per_minute:.4f}", f"${month.usd:,.2f}", month.how)
    return table


def _usd(amount: Decimal) -> str:
    return f"${amount:,.4f}"


def _each(amount: Decimal, minutes: Decimal) -> str:
    return f"${amount / minutes:.4f}" if minutes else "-"


def as_json(report: CostReport) -> dict[str, Any]:
    """The report as JSON. Amounts are texts, so that nothing is lost on the way."""
    saving = report.saving_percent
    return {
        "from": report.begin.isoformat(),
        "to": report.end.isoformat(),
        "measured": {
            "calls": report.calls_n,
            "minutes": f"{report.minutes:.3f}",
            "usd": str(report.usd),
            "usd_per_minute": f"{report.usd_per_minute:.6f}" if report.usd_per_minute is not None else None,
            "lines_without_an_amount": report.unknown_n,
            "calls_without_lines": report.unpriced_calls_n,
            "by_item": [
                {
                    "provider": row.provider,
                    "for": row.what,
                    "item": row.item,
                    "usd": str(row.usd),
                    "unknown": row.unknown_n,
                }
                for row in report.rows
            ],
        },
        "vapi": {
            "calls": report.vapi_calls_n,
            "minutes": f"{report.vapi_minutes:.3f}",
            "usd": str(report.vapi_usd),
        },
        "month": {
            "minutes": report.month_minutes,
            "numbers": report.numbers_n,
            **{
                one.stack: {
                    "usd_per_minute": f"{one.usd_per_minute:.6f}",
                    "usd": f"{one.usd:.2f}",
                    "how": one.how,
                }
                for one in report.months
            },
            "saving_percent": f"{saving:.2f}" if saving is not None else None,
        },
        "article": ARTICLE,
        "notes": list(report.notes),
        "assumptions": report.assumptions,
        "sources": list(report.sources),
    }
