"""Erase everything that a caller has left, and print the receipt."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError

from calls.erasing.erasing import Receipt, StillTalkingError, caller_erase
from calls.erasing.numbers import NotANumberError
from tools.commandkit import ExampleCommand

EXAMPLES = """\
examples:
  manage.py erase_caller "+1 415 555 0132" --dry-run     what would be deleted
  manage.py erase_caller "+1 415 555 0132"
  manage.py erase_caller "(415) 555-0132" --region US --json

exit status: 0 erased (or counted), 1 not a number, or the caller is still on the line
"""


class Command(ExampleCommand):
    help = "Delete what was said, sent and recorded in all calls of a number, and the number itself. Times and costs stay."
    examples = EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "number", metavar="NUMBER", help="in any form; without a country code give --region"
        )
        parser.add_argument(
            "--region", default="", metavar="CC", help="two letters of the country of a national number"
        )
        parser.add_argument("--dry-run", action="store_true", help="count, and delete nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            receipt = caller_erase(options["number"], region=options["region"], dry_run=options["dry_run"])
        except (NotANumberError, StillTalkingError) as exc:
            raise CommandError(str(exc)) from exc
        except OperationalError as exc:
            raise CommandError(
                "The database did not let it be done just now: somebody writes to one of these calls, or it is away. What was "
                "deleted before stays deleted. Do it again in a minute."
            ) from exc
        if options["json"]:
            self.stdout.write(json.dumps(receipt.to_json()))
            return
        self._tell(receipt)

    def _tell(self, receipt: Receipt) -> None:
        calls = f"{receipt.calls_n} call{'' if receipt.calls_n == 1 else 's'}"
        if receipt.dry_run:
            self.stdout.write(f"Nothing was deleted. {calls} would be stripped:")
        else:
            self.stdout.write(f"Receipt {receipt.id}: {calls} stripped.")
        width = max((len(name) for name in receipt.counts), default=0)
        for name, count in receipt.counts.items():
            self.stdout.write(f"  {name:<{width}}  {count}")
        if not receipt.counts:
            self.stdout.write("  Nothing was found.")
        for note in receipt.notes:
            self.stdout.write(f"- {note}")
