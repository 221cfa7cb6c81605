"""A call that assistants hand over to each other: an imported squad, one voice each, and nobody hears a gap."""

import json
import uuid
from pathlib import Path
from typing import Any

from assistants.imports.writing import import_apply
from assistants.models import Assistant, Squad, VapiImport
from assistants.selectors import translated
from assistants.services import assistant_publish
from assistants.tests.factories import make_assistant
from assistants.vapi.exports import Export, Item
from calls.models import PhoneNumber
from simulator import scenario as scenarios
from simulator.scenario import Request, Rule, Step, ToolAnswer, When
from tests.integration.rows import GREETING, Desk, make_desk, written
from tests.integration.stack import Stack
from tests.integration.stories import (
    Told,
    assert_nobody_complained,
    assert_written_as_heard,
    assert_written_as_said,
    story,
)
from tools.models import Tool, ToolCall
from tools.tests.factories import make_tool

FIXTURES = Path(__file__).parents[2] / "fixtures" / "vapi"
SQUAD_DID = "+12125550190"
HELLO = "Riverbend, hello. Is this about a visit or a bill?"
BRINGS_IN = "I'll bring in billing."
BILLING = "Billing here. What is the invoice number?"
DUE = "Invoice four one two is due on Friday."
GOODBYE = "Goodbye, take care."
ASKS_BILL = "I have a question about my bill."
ASKS_INVOICE = "It is number four one two."
ASKS_VISIT = "I also need an appointment."
LEAVES = "That is all, goodbye."


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


def imported_squad(stack: Stack) -> Squad:
    """The squad of the fixtures, imported with its number, and published."""
    squad = fixture("assistant-squad.json")
    invoices = squad["members"][1]["assistant"]["model"]["tools"][0]
    invoices["server"]["url"] = stack.outside.tool_url("get_invoice")
    number = {"id": "n-squad", "provider": "twilio", "number": SQUAD_DID, "squadId": squad["id"]}
    tools = fixture("tools.json")
    export = Export(
        assistants=(Item("assistant", fixture("assistant-clinic.json"), "test"),),
        tools=tuple(
            Item("tool", raw, "test") for raw in (tools if isinstance(tools, list) else tools["tools"])
        ),
        squads=(Item("squad", squad, "test"),),
        phone_numbers=(Item("phone-number", number, "test"),),
    )
    import_apply(translated(export), run=VapiImport.objects.create(source="the fixtures"))
    row = Squad.objects.get(name="Riverbend squad")
    for assistant in row.members.all():
        assistant_publish(assistant=assistant)
    return row


def there_and_back(forth: str, back: str) -> scenarios.Scenario:
    """Triage hands the caller to billing, and billing, once that is done, back."""
    return scenarios.load("greeting").but(
        caller=(
            Step(When(quiet_ms=600), say=ASKS_BILL),
            Step(When(quiet_ms=600, heard="invoice number"), say=ASKS_INVOICE),
            Step(When(quiet_ms=600, heard="due on"), say=ASKS_VISIT),
            Step(When(quiet_ms=600, heard="visit or a bill"), say=LEAVES),
        ),
        assistant=(
            Rule(caller="about my bill", call=(Request((forth,), {"destination": "Riverbend billing"}),)),
            Rule(caller="four one two", call=(Request(("get_invoice",), {"ref": {"invoiceNumber": "412"}}),)),
            Rule(tool="get_invoice", say=(DUE,)),
            Rule(caller="appointment", call=(Request((back,), {"invoiceNumber": "412"}),)),
            Rule(caller="goodbye", call=(Request(("endCall", "end_call")),)),
        ),
        tools={"get_invoice": ToolAnswer({"due": "Friday"})},
    )


def test_an_imported_squad_hands_a_caller_to_billing_and_back(alone: Stack) -> None:
    squad = imported_squad(alone)
    assert PhoneNumber.objects.get(did=SQUAD_DID).squad == squad
    billing = Assistant.objects.get(name="Riverbend billing")
    first = Assistant.objects.get(squads=squad, squadmember__position=0)
    (forth,), (back,) = ([tool.name for tool in one.tools.filter(kind="handoff")] for one in (first, billing))

    report = alone.call(there_and_back(forth, back), SQUAD_DID).report()

    rows = written(report.call_sid)
    assert [line.text for line in report.heard] == [HELLO, BRINGS_IN, BILLING, DUE, HELLO, GOODBYE], (
        report.events
    )
    assert report.realtime_sessions == 3
    assert not report.violations
    assert report.realtime_errors == []
    assert report.realtime_warnings == []
    assert report.unknown_audio_ms < 60
    assert rows.codes() == []
    assert rows.said("caller") == [ASKS_BILL, ASKS_INVOICE, ASKS_VISIT, LEAVES]
    spoke = [one.assistant for one in rows.utterances if one.speaker == "assistant" and one.heard_text]
    assert spoke == [first.name, first.name, billing.name, billing.name, first.name, first.name]
    parts = [(one.n, one.assistant.name, one.version) for one in rows.call.parts.all()]
    assert parts == [
        (0, first.name, first.live_version),
        (1, billing.name, billing.live_version),
        (2, first.name, first.live_version),
    ]
    handed = {one.name: (one.status, one.outcome) for one in rows.tool_calls}
    assert handed[forth] == (ToolCall.Status.ANSWERED, "Success.")
    assert handed[back] == (ToolCall.Status.ANSWERED, "Success.")
    voices = [
        event["session"]["audio"]["output"]["voice"]
        for event in report.realtime_events
        if event["type"] == "session.update" and "voice" in event["session"]["audio"].get("output", {})
    ]
    assert voices == [first.voice_id, "shimmer", first.voice_id]
    assert rows.call.frames_dropped == 0
    assert rows.call.ended_reason == "assistant-ended-call"


# --- One voice


WISH = "I have a question about my bill."
BILLS = "Billing speaking, how can I help?"


def one_voice(stack: Stack) -> Desk:
    """Two assistants of the same voice, of which the first hands over to the second."""
    ends = make_tool(kind=Tool.Kind.END_CALL, name="end_call", server_url="")
    name = f"Bills {uuid.uuid4().hex[:8]}"
    make_assistant(name=name, first_message=BILLS, tools=[ends], published=True, end_call_message=DONE)
    destination = {"type": "assistant", "assistantName": name, "message": ""}
    other = {
        "kind": Tool.Kind.HANDOFF,
        "name": "hand_over",
        "parameters": {"type": "object", "properties": {}},
        "settings": {"destinations": [destination]},
    }
    return make_desk(stack, other=other)


DONE = "Thank you for calling, goodbye."


def one_way() -> scenarios.Scenario:
    return scenarios.load("greeting").but(
        caller=(
            Step(When(quiet_ms=600), say=WISH),
            Step(When(quiet_ms=600, heard="Billing speaking"), say=LEAVES),
        ),
        assistant=(
            Rule(caller="about my bill", call=(Request(("hand_over",)),)),
            Rule(caller="goodbye", call=(Request(("end_call",)),)),
        ),
    )


@story(one_way(), makes=one_voice)
def test_an_assistant_of_the_same_voice_takes_the_running_session_over(told: Told) -> None:
    assert told.heard() == [GREETING, BILLS, DONE]
    assert told.report.realtime_sessions == 1
    assert [part.n for part in told.rows.call.parts.all()] == [0, 1]
    (handed, ended) = told.rows.tool_calls
    assert (handed.name, handed.outcome, ended.name) == ("hand_over", "Success.", "end_call")
    assert_nobody_complained(told)
    assert_written_as_heard(told)
    assert_written_as_said(told)
