"""The warehouse: its tables, what waits to be sent, and calls of earlier days."""

from argparse import ArgumentParser
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from calls.warehouse import outbox
from calls.warehouse.choosing import writer
from calls.warehouse.delivering import deliver
from calls.warehouse.tables import UnknownTypeError, ViewsAwayError
from calls.warehouse.writers import WarehouseError, Writer

_SLICE = timedelta(seconds=20)


class Command(BaseCommand):
    help = (
        "The warehouse that WAREHOUSE names. Example: manage.py warehouse create, then "
        "manage.py warehouse backfill --from 2026-11-01 --to 2026-11-21 --send"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        orders = parser.add_subparsers(dest="order", required=True)
        orders.add_parser("check", help="say what is wrong with it; exit status 1 if anything is")
        orders.add_parser("create", help="create what is missing, add new columns; may be repeated")
        fill = orders.add_parser("backfill", help="send all finished calls of these days, again if need be")
        fill.add_argument("--from", dest="since", type=date.fromisoformat, required=True, metavar="DAY")
        fill.add_argument("--to", dest="until", type=date.fromisoformat, required=True, metavar="DAY")
        fill.add_argument(
            "--send", action="store_true", help="send them now, and not by the worker in the background"
        )
        status = orders.add_parser("status", help="how many calls wait, since when, what failed")
        status.add_argument("--json", action="store_true", help="print one JSON object instead of prose")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["order"]:
                case "check":
                    self._check(writer())
                case "create":
                    self._create(writer())
                case "backfill":
                    self._backfill(writer(), options["since"], options["until"], now=options["send"])
                case _:
                    self._status(as_json=options["json"])
        except (WarehouseError, ViewsAwayError, UnknownTypeError) as exc:
            raise CommandError(str(exc)) from exc

    def _check(self, warehouse: Writer) -> None:
        problems = warehouse.check()
        if problems:
            raise CommandError("\n".join(problems))
        self.stdout.write(f"All is well with {warehouse.place}.")

    def _create(self, warehouse: Writer) -> None:
        done = warehouse.create()
        for sentence in done:
            self.stdout.write(sentence)
        if not done:
            self.stdout.write(f"Nothing to do: {warehouse.place} has everything.")

    def _backfill(self, warehouse: Writer, since: date, until: date, *, now: bool) -> None:
        if not warehouse.receives:
            raise CommandError(
                "WAREHOUSE is postgres: every call is in its views already, there is nothing to send."
            )
        if until < since:
            raise CommandError("--to lies before --from.")
        found = outbox.calls_put(
            since=datetime.combine(since, time(), UTC),
            until=datetime.combine(until + timedelta(days=1), time(), UTC),
        )
        self.stdout.write(f"{found} call{'' if found == 1 else 's'} to be sent.")
        sent = 0
        while now:
            done = deliver(warehouse, until=timezone.now() + _SLICE)
            sent += done.sent
            if done.away:
                raise CommandError(f"{done.away} {sent} were sent; the worker goes on with the rest.")
            if not done.sent and not done.unchanged:
                break
            self.stdout.write(f"{sent} sent, {outbox.standing().waiting} waiting.")
        if not now:
            self.stdout.write(
                "The worker sends them in the background; manage.py warehouse status tells how far it is."
            )

    def _status(self, *, as_json: bool) -> None:
        stands = outbox.standing()
        if as_json:
            names = stands.__dataclass_fields__
            self.stdout.write(orjson.dumps({name: getattr(stands, name) for name in names}).decode())
            return
        oldest = f", the oldest since {stands.oldest_at:%Y-%m-%d %H:%M} UTC" if stands.oldest_at else ""
        self.stdout.write(f"{stands.waiting} waiting, {stands.erasing} to be erased{oldest}.")
        last = f", the last at {stands.last_sent_at:%Y-%m-%d %H:%M} UTC" if stands.last_sent_at else ""
        self.stdout.write(f"{stands.sent} there{last}. {stands.dead} given up.")
        if stands.last_error:
            self.stdout.write(f"What failed last: {stands.last_error}")
        if not outbox.is_on() and (stands.waiting or stands.erasing):
            self.stdout.write(
                "WAREHOUSE is postgres, so nothing of this is done. Erased calls are still in BigQuery."
            )
