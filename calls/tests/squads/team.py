"""Two assistants that hand calls over to each other, and calls to them."""

import uuid
from datetime import UTC, datetime
from typing import Any

from assistants.models import Assistant, Squad
from assistants.tests.factories import make_assistant, make_squad, make_voice
from calls.bridge.commands import PrepareMember
from calls.models import Call
from calls.selectors import StreamCall, call_for_stream
from calls.services import Answered, Refused, call_start
from calls.squads import Prepared, member_prepare
from calls.tests.factories import make_phone_number
from calls.variables import call_rendered
from tools.models import Tool
from tools.tests.factories import make_tool

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CALLER = "+13125550177"
ACCOUNT = "AC" + "1" * 32
INVOICE = {
    "schema": {"type": "object", "properties": {"invoice": {"type": "string"}}, "required": ["invoice"]}
}


def to(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "assistant", "assistantName": name, **more}


def handoff(*destinations: dict[str, Any], **fields: Any) -> Tool:
    """A tool that hands calls over."""
    given: dict[str, Any] = {
        "kind": Tool.Kind.HANDOFF,
        "name": "hand_over",
        "server_url": "",
        "parameters": {"type": "object", "properties": {}},
        "settings": {"destinations": list(destinations)},
    }
    return make_tool(**{**given, **fields})


def team(*destinations: dict[str, Any], name: str = "Team", **billing: Any) -> Squad:
    """Triage, which hands over to these destinations, and Billing, which speaks in another voice."""
    make_voice(name="shimmer")
    triage = make_assistant(name="Triage", tools=[handoff(*destinations)], published=True)
    other = make_assistant(
        **{
            "name": "Billing",
            "voice_id": "shimmer",
            "first_message": "Billing here.",
            "published": True,
            **billing,
        }
    )
    return make_squad(triage, other, name=name)


def ring(**number: Any) -> Answered | Refused:
    """A call to a number of its own."""
    row = make_phone_number(**number)
    return call_start(call_sid=f"CA{uuid.uuid4().hex}", account_sid=ACCOUNT, did=row.did, caller=CALLER)


def answered(**number: Any) -> Call:
    result = ring(**number)
    assert isinstance(result, Answered), result
    return result.call


def streamed(call: Call) -> StreamCall:
    found = call_for_stream(call.pk)
    assert found is not None
    return call_rendered(found, now=NOW)


def asks(
    destination: str = "Billing", *, key: str, tool: str = "hand_over", **arguments: Any
) -> PrepareMember:
    return PrepareMember("h1", tool, destination, key, arguments)


def prepared(call: StreamCall, command: PrepareMember, **learnt: Any) -> Prepared:
    ready = member_prepare(call, command, learnt=learnt, now=NOW)
    assert isinstance(ready, Prepared), ready
    return ready


def billing_id() -> str:
    return str(Assistant.objects.get(name="Billing").pk)
