"""Metabase with our connection, questions and dashboards."""

from argparse import ArgumentParser
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from calls.reporting.metabase import Metabase, MetabaseError
from calls.reporting.provisioning import Change, Reach, provision
from calls.reporting.questions import dashboards

_TLS = {"require", "verify-ca", "verify-full"}


class Command(BaseCommand):
    help = (
        "Give the Metabase at METABASE_URL the connection, the questions and the dashboards of this release. A fresh one is set "
        "up with METABASE_USER as its administrator. Run again, it changes only what is new; what people added stays. Run "
        "reporting_role first. Example: manage.py provision_metabase --check"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="write nothing; exit status 1 if something would be changed"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of prose")
        parser.add_argument(
            "--database-host",
            metavar="HOST",
            help="PostgreSQL as Metabase reaches it (default: that of DATABASE_URL)",
        )
        parser.add_argument(
            "--database-port", metavar="PORT", type=int, help="its port (default: that of DATABASE_URL)"
        )
        parser.add_argument(
            "--wait",
            metavar="SECONDS",
            type=float,
            default=180.0,
            help="how long Metabase may take to start (default: 180)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _refuse_the_incomplete()
        reach = _reach(options["database_host"], options["database_port"])
        metabase = Metabase(settings.METABASE_URL, dry=options["check"])
        if not options["json"]:
            self.stdout.write(f"Waiting for Metabase at {metabase.url}.", self.style.MIGRATE_LABEL)
        try:
            metabase.await_health(within_s=options["wait"])
            fresh = metabase.log_in(settings.METABASE_USER, settings.METABASE_PASSWORD)
            changes = provision(metabase, reach, dashboards())
            metabase.log_out()
        except MetabaseError as exc:
            raise CommandError(str(exc)) from exc
        self._tell(changes, fresh=fresh, as_json=options["json"], checked=options["check"])
        if options["check"] and any(one.verb != "left" for one in changes):
            raise SystemExit(1)

    def _tell(self, changes: list[Change], *, fresh: bool, as_json: bool, checked: bool) -> None:
        if as_json:
            content = {"set_up": fresh, "changes": [{"verb": one.verb, "what": one.what} for one in changes]}
            self.stdout.write(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
            return
        if fresh:
            self.stdout.write(f"Set up, with {settings.METABASE_USER} as its administrator.")
        for one in changes:
            self.stdout.write(
                f"{'would be ' if checked and one.verb != 'left' else ''}{one.verb}: {one.what}"
            )
        if not changes:
            self.stdout.write("Nothing to do: everything is as it should be.")


def _refuse_the_incomplete() -> None:
    needed = ("METABASE_USER", "METABASE_PASSWORD", "REPORTING_PASSWORD")
    missing = [name for name in needed if not getattr(settings, name)]
    if missing:
        raise CommandError(f"Set {', '.join(missing)} first; .env.example says what they are.")


def _reach(host: str | None, port: int | None) -> Reach:
    ours = settings.DATABASES["default"]
    host = host or ours["HOST"]
    if not host or host.startswith("/"):
        raise CommandError(
            "Our PostgreSQL listens on a Unix socket only, where Metabase does not reach it. Use a PostgreSQL with an address "
            "(DATABASE_URL), or name one with --database-host."
        )
    return Reach(
        host=host,
        port=port or int(ours["PORT"] or 5432),
        dbname=ours["NAME"],
        user=settings.REPORTING_ROLE,
        password=settings.REPORTING_PASSWORD,
        ssl=ours["OPTIONS"].get("sslmode") in _TLS,
    )
