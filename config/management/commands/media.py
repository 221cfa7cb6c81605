"""The media role: carries the calls' sound, and lets calls end before it does."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from config.observing.traces import traces_observe
from config.serving import media_server
from tools.commandkit import ExampleCommand

EXAMPLES = """\
example:
  manage.py media --host 0.0.0.0 --port 8000

SIGTERM: new calls are no longer wanted (/readyz says 503), the others may go on for MEDIA_DRAIN_S seconds.
A second one ends the process at once; what calls are left then go on in another process.
"""


class Command(ExampleCommand):
    help = "Serve the media streams until told to stop, and then until the calls have ended."
    examples = EXAMPLES
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8001, help="the port (8001)")
        parser.add_argument(
            "--grace",
            type=int,
            default=10,
            help="seconds for calls that are cut short to be written down (10)",
        )

        parser.add_argument(
            "--application",
            default="config.asgi:application",
            help="the ASGI application (config.asgi:application)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        traces_observe("tandem-media")
        media_server(
            options["application"],
            host=options["host"],
            port=options["port"],
            grace_s=options["grace"],
            drain_s=settings.MEDIA_DRAIN_S,
        ).run()
