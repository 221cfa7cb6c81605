"""The web role: admin, webhooks and API."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.module_loading import import_string

from config.web_server import web_server
from tools.commandkit import ExampleCommand

EXAMPLES = """\
example:
  manage.py web --host 0.0.0.0 --port 8000

Bodies over 4 MiB are refused with 413 before they are taken in, under /admin/ and /vapi/events/ over
24 MiB.
There is no access log: a query string may hold a token.
"""


class Command(ExampleCommand):
    help = "Serve the admin, the webhooks and the API until told to stop."
    examples = EXAMPLES
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="the port (8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        application = import_string("config.asgi.application")
        server = web_server(application, host=options["host"], port=options["port"])
        server.run()
        if server.failure:
            raise CommandError(
                f"Nothing is served: {server.failure.removesuffix('.')}. Stop what uses the port, or choose another by --port."
            )
