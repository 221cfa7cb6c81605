"""Take processes out of service without cutting a call off."""

import json
import sys
import time
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import CommandError
from redis.exceptions import RedisError

from calls.draining.registry import Seen, drain_order, drain_revoke, instances
from tools.commandkit import ExampleCommand
from tools.shared_state import store

EXAMPLES = """\
examples:
  manage.py drain --list
  manage.py drain media-1-4711            wait until its calls have ended, an hour at the most
  manage.py drain --all --within 600 --json
  manage.py drain --undo media-1-4711     let it take calls again

exit status: 0 drained, 1 wrong arguments or no Redis, 4 calls were left when the time was over (it goes on draining)
"""
LEFT: Final = 4
LOOK_EVERY_S: Final = 1.0


class Command(ExampleCommand):
    help = "Have serving processes take no new calls, and wait until those that they have are over."
    examples = EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="as --list shows it")
        parser.add_argument("--all", action="store_true", help="every process that is running now")
        parser.add_argument("--list", action="store_true", help="only show them")
        parser.add_argument("--undo", action="store_true", help="let them take calls again")
        parser.add_argument(
            "--within", type=float, default=3600.0, metavar="SECONDS", help="how long to wait (3600)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            status = self._act(options)
        except (RedisError, OSError) as exc:
            raise CommandError(
                f"Redis cannot be reached ({type(exc).__name__}). Processes are told by way of it; send SIGTERM to the media "
                "process instead."
            ) from exc
        if status:
            sys.exit(status)

    def _act(self, options: dict[str, Any]) -> int:
        running = instances(store())
        if options["list"]:
            self._show(running, options)
            return 0
        names = self._named(running, options)
        for name in names:
            (drain_revoke if options["undo"] else drain_order)(store(), name)
        if options["undo"]:
            self._say(options, f"{', '.join(names)}: takes calls again within two seconds.")
            return 0
        return self._wait(names, options)

    def _named(self, running: list[Seen], options: dict[str, Any]) -> list[str]:
        known = [one.name for one in running]
        if options["all"]:
            if not known:
                raise CommandError("No serving process has told of itself in the last ten seconds.")
            return known
        if not options["names"]:
            raise CommandError("Name a process, or say --all. `manage.py drain --list` shows them.")
        unknown = [name for name in options["names"] if name not in known]
        if unknown and not options["undo"]:
            shown = ", ".join(known) or "none"
            raise CommandError(f"There is no running process {', '.join(unknown)}. Running: {shown}.")
        return list(options["names"])

    def _wait(self, names: list[str], options: dict[str, Any]) -> int:
        deadline = time.monotonic() + options["within"]
        told = ""
        while True:
            seen = [one for one in instances(store()) if one.name in names]
            waits = [one for one in seen if one.live or not one.draining]
            if not waits or time.monotonic() >= deadline:
                break
            line = ", ".join(f"{one.name}: {one.live} calls" for one in waits)
            if line != told:
                self._say(options, line)
                told = line
            time.sleep(min(LOOK_EVERY_S, max(0.0, deadline - time.monotonic())))
        if options["json"]:
            self._show(seen, options)
        elif waits:
            left = sum(one.live for one in waits)
            self._say(options, f"The time is over and {left} calls go on. No new ones are taken meanwhile.")
        else:
            self._say(options, f"{', '.join(names)}: drained. It can be stopped now.")
        return LEFT if waits else 0

    def _show(self, seen: list[Seen], options: dict[str, Any]) -> None:
        if options["json"]:
            rows = [{"name": one.name, "live": one.live, "draining": one.draining} for one in seen]
            self.stdout.write(json.dumps({"instances": rows}))
            return
        for one in seen:
            state = "draining" if one.draining else "serving"
            self.stdout.write(f"{one.name:<40}{state:<10}{one.live} calls")
        if not seen:
            self.stdout.write("No serving process has told of itself in the last ten seconds.")

    def _say(self, options: dict[str, Any], text: str) -> None:
        if not options["json"]:
            self.stdout.write(text)
