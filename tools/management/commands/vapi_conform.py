"""Whether Tandem's webhooks are what Vapi really sends, by the requests that were captured."""

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from tools.captures.conform import Difference, NotComparableError, differences
from tools.captures.store import token_hash
from tools.commandkit import ExampleCommand
from tools.encryption import SecretUnreadableError
from tools.models import Capture
from tools.snapshots import tool_snapshot_take

DIFFERENT = 1
NOTHING_COMPARED = 2
EXAMPLES = """\
examples:
  manage.py vapi_conform                       all captured requests
  manage.py vapi_conform --token kFJ3…         those of one capture point
  manage.py vapi_conform --json                for a script

exit status: 0 nothing differs but what Tandem wants so, 1 something else does, 2 there was nothing to compare
"""


class Command(ExampleCommand):
    help = (
        "Render the webhook of each captured request by our own code, and print in which fields it differs from "
        "what Vapi sent. Ids and moments are left out of the comparison."
    )
    examples = EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--token", help="of one capture point, as it stands in its URL")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, token: str | None, **options: Any) -> None:
        captures = (
            Capture.objects.select_related("point__tool")
            .defer("answer", "point__tool__server_secret", "point__tool__server_headers")
            .order_by("received_at", "id")
        )
        if token:
            captures = captures.filter(point__token_hash=token_hash(token))
        compared, skipped = 0, Counter[str]()
        found: dict[tuple[str, str, str], tuple[Difference, int]] = {}
        for pk in list(captures.values_list("pk", flat=True)):
            capture = _opened(captures, pk)
            tool = capture.point.tool
            snapshot = tool_snapshot_take(tool, server_url="", backoff_plan={})
            try:
                different = differences(_json(capture), snapshot)
            except NotComparableError as exc:
                skipped[str(exc)] += 1
                continue
            compared += 1
            for one in different:
                key = (tool.name, one.path, one.kind)
                found[key] = (one, found[key][1] + 1 if key in found else 1)
        if options["json"]:
            self._print_json(compared, skipped, found)
        else:
            self._print(compared, skipped, found)
        if not compared:
            sys.exit(NOTHING_COMPARED)
        if any(not one.on_purpose for one, _ in found.values()):
            sys.exit(DIFFERENT)

    def _print_json(
        self, compared: int, skipped: Counter[str], found: dict[tuple[str, str, str], tuple[Difference, int]]
    ) -> None:
        rows = [{"tool": key[0], "captures": count, **asdict(one)} for key, (one, count) in found.items()]
        self.stdout.write(
            json.dumps({"compared": compared, "skipped": dict(skipped), "differences": rows}, indent=2)
        )

    def _print(
        self, compared: int, skipped: Counter[str], found: dict[tuple[str, str, str], tuple[Difference, int]]
    ) -> None:
        self.stdout.write(f"{compared} captured requests compared.")
        for why, count in skipped.items():
            self.stdout.write(f"{count} left out: {why}")
        wanted = sum(one.on_purpose for one, _ in found.values())
        for (tool, _, _), (one, count) in found.items():
            if not one.on_purpose:
                self.stdout.write(f"  {tool}: {_sentence(one)} ({count} times)")
        if compared and len(found) == wanted:
            self.stdout.write("No field differs.")
        if wanted:
            self.stdout.write(
                f"{wanted} more are on purpose: other spellings of the call that some servers read, and secrets left out."
            )


def _sentence(one: Difference) -> str:
    match one.kind:
        case "missing":
            return f"{one.path} is missing; Vapi sends {one.vapi}"
        case "extra":
            return f"{one.path} is only ours: {one.tandem}"
        case "type":
            return f"{one.path} is {one.tandem}; at Vapi it is {one.vapi}"
        case "value":
            return f"{one.path} is {one.tandem!r}; at Vapi it is {one.vapi!r}"


def _opened(captures: QuerySet[Capture], pk: int) -> Capture:
    try:
        return captures.get(pk=pk)
    except SecretUnreadableError as exc:
        raise CommandError(str(exc)) from exc


def _json(capture: Capture) -> Any:
    try:
        return json.loads(capture.body)
    except (ValueError, RecursionError):
        raise NotComparableError("It is not JSON.") from None
