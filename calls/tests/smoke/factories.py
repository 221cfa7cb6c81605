"""Makers of scenarios, of calls at Vapi, and of runs."""

import copy
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from assistants.models import Assistant
from assistants.tests.factories import make_assistant
from calls.models import Call, PhoneNumber, Scenario, ScenarioVersion, SmokeRun
from calls.smoke.planning import Wish, run_create
from calls.tests.factories import make_call, make_phone_number
from tools.models import Tool, ToolCall
from tools.tests.factories import make_tool
from transcripts.models import Transcript, Utterance

SCRIPT: dict[str, Any] = {
    "goal": "Wants to know whether the bike is ready.",
    "turns": [
        {
            "caller": "Hi, is my bike ready? The ticket is four eight one.",
            "assistant": [
                {"say": "Let me check that ticket."},
                {"call": "get_repair_status", "arguments": {"ticket": "481"}},
                {"say": "It should be ready on Tuesday."},
            ],
        },
        {
            "caller": "Great, thank you, goodbye.",
            "assistant": [{"say": "Thank you for calling, goodbye."}, {"call": "end_call", "arguments": {}}],
        },
    ],
    "mocks": [
        {"tool": "get_repair_status", "arguments": {"ticket": "481"}, "result": {"ready_on": "Tuesday"}}
    ],
}
CALLED = [("get_repair_status", {"ticket": "481"}), ("end_call", {})]


def make_desk(**fields: Any) -> tuple[PhoneNumber, Assistant]:
    """A number with a published assistant that has two tools: a webhook, and hanging up."""
    webhook = make_tool(name="get_repair_status", server_url="https://tools.example.com/repairs")
    end_call = make_tool(kind=Tool.Kind.END_CALL, name="end_call", server_url="")
    assistant = make_assistant(tools=[webhook, end_call], published=True, **fields)
    return make_phone_number(assistant=assistant), assistant


def make_scenario(
    assistant: Assistant,
    *,
    script: dict[str, Any] | None = None,
    references: list[Call] | None = None,
    **fields: Any,
) -> Scenario:
    """A scenario with one version."""
    name = fields.pop("name", f"Scenario {Scenario.objects.count() + 1}")
    scenario = Scenario.objects.create(assistant=assistant, name=name, **fields)
    ScenarioVersion.objects.create(scenario=scenario, number=1, script=copy.deepcopy(script or SCRIPT))
    scenario.references.set(references or [])
    return scenario


def make_spoken_call(
    *,
    called: list[tuple[str, dict[str, Any]]] | None = None,
    said: list[tuple[str, str]] | None = None,
    latency_ms: int | None = None,
    **fields: Any,
) -> Call:
    """A call that ended well, with these tools called in this order, and these words, a turn every three seconds."""
    began: datetime = fields.pop("started_at", timezone.now() - timedelta(minutes=5))
    call = make_call(**{"started_at": began, "ended_at": began + timedelta(seconds=40), **fields})
    for n, (name, arguments) in enumerate(CALLED if called is None else called):
        ToolCall.objects.create(
            call_id=call.id,
            item_id=f"call_{n}",
            name=name,
            arguments=arguments,
            status=ToolCall.Status.ANSWERED,
            outcome='{"ready_on": "Tuesday"}',
            requested_at=began + timedelta(seconds=4 + 6 * n),
        )
    turns = said if said is not None else [("caller", "Is it ready?"), ("assistant", "On Tuesday.")]
    transcript = Transcript.objects.create(call_id=call.id, started_at=began, closed_at=call.ended_at)
    for n, (speaker, text) in enumerate(turns):
        is_ours = speaker == "assistant"
        Utterance.objects.create(
            transcript=transcript,
            item_id=f"item_{n}",
            speaker=speaker,
            text=text,
            heard_text=text,
            began_ms=3000 * n,
            ended_ms=3000 * n + 2000,
            generated_ms=2000 if is_ours else 0,
            heard_ms=2000 if is_ours else 0,
            latency_ms=latency_ms if is_ours else None,
        )
    return call


def make_vapi_call(assistant: Assistant, **fields: Any) -> Call:
    """A call that ran at Vapi."""
    return make_spoken_call(stack=Call.Stack.VAPI, assistant=assistant, **fields)


def make_run(number: PhoneNumber, *, runs: int = 1, **wish: Any) -> SmokeRun:
    """A planned run of the number's assistant."""
    assert number.assistant is not None
    return run_create(Wish(assistant=number.assistant, number=number, runs=runs, **wish))


def new_call_sid() -> str:
    """A call SID that no other call has."""
    return f"CA{uuid.uuid4().hex}"
