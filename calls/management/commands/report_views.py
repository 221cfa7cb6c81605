"""The views that analysts read."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from calls.reporting.building import view_files, views_current, views_make
from calls.reporting.pages import described, docs_text, page_with


class Command(BaseCommand):
    help = (
        "Make the views of the schema reporting from calls/reporting/sql. manage.py migrate does this by itself; here you "
        "see why it could not, and can do it after editing a file. Example: manage.py report_views --check"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="change nothing; exit status 1 where the views are not current",
        )
        parser.add_argument(
            "--docs", action="store_true", help="also write the columns into docs/reporting.md"
        )

    def handle(self, *args: Any, check: bool, docs: bool, **options: Any) -> None:
        names = [one.name for one in view_files()]
        if check:
            if not views_current():
                raise CommandError("The views are not as their files have them. Run manage.py report_views.")
            self.stdout.write(f"All {len(names)} views are current.")
            return
        try:
            views_make()
        except DatabaseError as exc:
            raise CommandError(
                f"The views were not made, and those of before are unharmed. PostgreSQL says: {exc}"
            ) from exc
        self.stdout.write(f"Made {len(names)} views: {', '.join(sorted(names))}.")
        if docs:
            page = Path(settings.BASE_DIR) / "docs" / "reporting.md"
            page.write_text(page_with(page.read_text("utf-8"), docs_text(described(names))), "utf-8")
            self.stdout.write("Wrote docs/reporting.md.")
