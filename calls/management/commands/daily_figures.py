"""The figures of whole days that reports over months are made of."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from calls.reporting.building import views_current
from calls.reporting.keeping import days_forget, days_keep, days_waiting


class Command(BaseCommand):
    help = (
        "Keep the figures of every day that is over, now. The beat does this by itself; here you can do it at once, after an "
        "import for example. Reports are exact without it, only slower. Example: manage.py daily_figures --rebuild"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rebuild", action="store_true", help="forget what is kept and reckon all days anew"
        )

    def handle(self, *args: Any, rebuild: bool, **options: Any) -> None:
        if not views_current():
            raise CommandError(
                "The views are not as their files have them. Run manage.py report_views first."
            )
        if rebuild:
            days_forget()
        done = days_keep(seconds=float("inf"), patient=False)
        self.stdout.write(
            f"{done} days were reckoned. {days_waiting()} are reckoned whenever somebody asks: those that go on."
        )
