"""How the API compares with Vapi's."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.openapi.compatibility.outline import FILE as OUTLINE
from config.openapi.compatibility.outline import outline_of, outline_text
from config.openapi.compatibility.page import FILE, page_text
from config.openapi.compatibility.rows import UnexplainedError

WITHIN = ("/assistant", "/tool", "/squad", "/phone-number", "/call", "/analytics")


class Command(BaseCommand):
    help = (
        "Print docs/vapi-compatibility.md as the code has it. Example: manage.py vapi_compatibility --write. With --outline "
        "openapi.json --date 2026-08-18, take in Vapi's OpenAPI document of that date first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", action="store_true", help="write the page instead of printing it")
        parser.add_argument(
            "--check", action="store_true", help="change nothing; exit status 1 where the page is stale"
        )
        parser.add_argument(
            "--outline", type=Path, metavar="FILE", help="Vapi's OpenAPI document, to be taken in"
        )
        parser.add_argument("--date", help="of which day that document is")

    def handle(
        self, *args: Any, write: bool, check: bool, outline: Path | None, date: str | None, **options: Any
    ) -> None:
        if outline is not None:
            if not date:
                raise CommandError("Say with --date of which day that document is.")
            document = json.loads(outline.read_text(encoding="utf-8"))
            OUTLINE.write_text(outline_text(outline_of(document, date=date, within=WITHIN)), encoding="utf-8")
            self.stdout.write(f"Wrote {OUTLINE.name}. Look at the page again with --write.")
            return
        try:
            text = page_text()
        except UnexplainedError as exc:
            raise CommandError(
                f"Vapi has what has no note in config/openapi/compatibility/notes.py: {exc}"
            ) from exc
        if check and (not FILE.exists() or FILE.read_text(encoding="utf-8") != text):
            raise CommandError(
                "docs/vapi-compatibility.md is stale. Run manage.py vapi_compatibility --write."
            )
        if write:
            FILE.write_text(text, encoding="utf-8")
        if not (write or check):
            self.stdout.write(text, ending="")
