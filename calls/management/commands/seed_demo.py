"""A demo assistant with a tool and a number, so that there is something to call."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from assistants.models import Assistant, AssistantTool
from assistants.services import assistant_publish
from calls.models import PhoneNumber, Scenario, ScenarioVersion
from tools.models import Tool

DEMO_DID = "+12025550100"
INSTRUCTIONS = """\
You answer the phone for Alder Street Bike Repair. Be friendly and brief: at most two sentences at a time.

Speak English unless the caller uses another language.
Before you say anything about a repair, call get_repair_status with the ticket number.
Never invent a status, a date or a price. If the tool fails, say so and offer to take a message.
When the caller is done, say goodbye and call end_call.
"""


SCRIPT: dict[str, Any] = {
    "goal": "Wants to know whether the bike is ready, and what it costs.",
    "turns": [
        {
            "caller": "Hi, is my bike ready? The ticket is four eight one.",
            "assistant": [
                {"say": "Let me check that ticket."},
                {"call": "get_repair_status", "arguments": {"ticket": "481", "include_price": True}},
                {
                    "say": "Ticket 481 is waiting for parts and should be ready on Tuesday, November twenty-fourth."
                },
            ],
        },
        {
            "caller": "How much will it cost?",
            "assistant": [{"say": "It will cost eighty-six dollars and fifty cents."}],
        },
        {
            "caller": "Great, thank you, goodbye.",
            "assistant": [{"say": "Thank you for calling, goodbye."}, {"call": "end_call", "arguments": {}}],
        },
    ],
    "mocks": [
        {
            "tool": "get_repair_status",
            "arguments": {"ticket": "481"},
            "result": {"status": "waiting_for_parts", "ready_on": "2026-11-24", "price_usd": 86.5},
        }
    ],
}


class Command(BaseCommand):
    help = "Create the demo assistant, its tools and its number. Run twice, it changes nothing. Example: manage.py seed_demo"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--tool-url",
            default=f"{settings.SIMULATOR_URL or 'http://127.0.0.1:8002'}/tools/get_repair_status",
            help="where the demo tool's webhook is sent (default: the simulator)",
        )

    def handle(self, *args: Any, tool_url: str, **options: Any) -> None:
        with transaction.atomic():
            assistant, created = Assistant.objects.get_or_create(
                name="Demo: Alder Street Bike Repair",
                defaults={
                    "instructions": INSTRUCTIONS,
                    "first_message": "Alder Street Bike Repair, how can I help?",
                },
            )
            if created:
                self._tools(assistant, tool_url)
                assistant_publish(assistant=assistant, note="Demo")
            else:
                self._move_tool(assistant, tool_url)
            self._scenario(assistant)
            PhoneNumber.objects.get_or_create(
                did=DEMO_DID, defaults={"label": "Demo line", "assistant": assistant}
            )
        self.stdout.write(f"{'Created' if created else 'Found'} the demo assistant on {DEMO_DID}.")

    def _tools(self, assistant: Assistant, tool_url: str) -> None:
        repair = Tool.objects.create(
            name="get_repair_status",
            description="Look up a repair by its ticket number.",
            parameters={
                "type": "object",
                "properties": {
                    "ticket": {"type": "string", "description": "Ticket number, digits only."},
                    "include_price": {"type": "boolean"},
                },
                "required": ["ticket"],
            },
            server_url=tool_url,
            server_secret="demo-secret",  # noqa: S106 - the demo's, known to the simulator alone
        )
        end_call = Tool.objects.create(
            kind=Tool.Kind.END_CALL, name="end_call", description="End the call after the goodbye."
        )
        for position, tool in enumerate((repair, end_call)):
            AssistantTool.objects.create(assistant=assistant, tool=tool, position=position)

    def _scenario(self, assistant: Assistant) -> None:
        """A scenario, so that a smoke test has something to play."""
        scenario, created = Scenario.objects.get_or_create(assistant=assistant, name="Asks for a repair")
        if created:
            ScenarioVersion.objects.create(scenario=scenario, number=1, script=SCRIPT)

    def _move_tool(self, assistant: Assistant, tool_url: str) -> None:
        """Follow the simulator to its new port; a demo that somebody has edited is left alone."""
        moved = assistant.tools.filter(
            name="get_repair_status", server_url__startswith="http://127.0.0.1:"
        ).exclude(server_url=tool_url)
        if moved.update(server_url=tool_url):
            assistant_publish(assistant=assistant, note="The simulator moved to another port")
