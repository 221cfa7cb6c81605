"""What is in the database: making assistants that answer a number, and reading calls back."""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assistants.models import Assistant
from assistants.tests.factories import make_assistant, make_version
from calls.models import Call, CallProblem, PhoneNumber
from calls.tests.factories import make_phone_number
from simulator.rest import Failure
from tests.integration.stack import Stack, eventually
from tools.models import Tool, ToolCall
from tools.tests.factories import make_tool
from transcripts.models import Transcript, Utterance

GREETING = "Alder Street Bike Repair, how can I help?"
SECRET = "the-tool-server's-secret"
PARAMETERS = {
    "type": "object",
    "properties": {"ticket": {"type": "string"}, "include_price": {"type": "boolean"}},
    "required": ["ticket"],
}
_numbers = itertools.count(os.getpid() % 1000 * 1000)


@dataclass(frozen=True, slots=True)
class Desk:
    """A number, and who answers it."""

    did: str
    number: PhoneNumber
    assistant: Assistant
    tool: Tool


def make_desk(
    stack: Stack,
    *,
    behaviour: str = "",
    tool: dict[str, Any] | None = None,
    number: dict[str, Any] | None = None,
    transfer: dict[str, Any] | None = None,
    other: dict[str, Any] | None = None,
    published: bool = True,
    **assistant: Any,
) -> Desk:
    """A number of its own with a published assistant, whose tool asks the simulated server; ``transfer`` and ``other`` are tools too."""
    serial = next(_numbers)
    usual_tool = {
        "name": "get_repair_status",
        "description": "Look up a repair by its ticket number.",
        "parameters": PARAMETERS,
        "server_url": stack.outside.tool_url("get_repair_status", behaviour=behaviour),
        "server_secret": SECRET,
    }
    webhook = make_tool(**{**usual_tool, **(tool or {})})
    end_call = make_tool(kind=Tool.Kind.END_CALL, name="end_call", server_url="")
    tools = [webhook, end_call]
    if transfer is not None:
        tools.append(
            make_tool(**{"kind": Tool.Kind.TRANSFER, "name": "transfer_call", "server_url": "", **transfer})
        )
    if other is not None:
        tools.append(make_tool(**{"server_url": "", **other}))
    answering = make_assistant(
        tools=tools, **{"name": f"Desk {serial}", "first_message": GREETING, **assistant}
    )
    if published:
        make_version(assistant=answering)
    did = f"+1415{serial:07}"
    row = make_phone_number(**{"did": did, "assistant": answering, **(number or {})})
    return Desk(did, row, answering, webhook)


def in_trouble(failure: Failure, **desk: Any) -> Callable[[Stack], Desk]:
    """Makes a desk with these settings, one request about whose call Twilio's REST will fail."""

    def makes(stack: Stack) -> Desk:
        made = make_desk(stack, **desk)
        stack.outside.trouble(made.did, failure)
        return made

    makes.__qualname__ = f"in_trouble({failure}, {desk})"
    return makes


@dataclass(frozen=True, slots=True)
class Written:
    """A call as its rows tell it."""

    call: Call
    transcript: Transcript | None
    utterances: list[Utterance]
    tool_calls: list[ToolCall]
    problems: list[CallProblem]

    def said(self, speaker: str) -> list[str]:
        """What one side is written to have said, in order."""
        return [one.text for one in self.utterances if one.speaker == speaker]

    def heard(self) -> list[str]:
        """What the caller is written to have heard, in order."""
        return [one.heard_text for one in self.utterances if one.speaker == "assistant" and one.heard_text]

    def codes(self) -> list[str]:
        """What went wrong and was noticed, by code."""
        return [one.code for one in self.problems if not one.benign]


def read(call_sid: str) -> Written | None:
    """The call's rows as they are now."""
    call = Call.objects.select_related("version").filter(call_sid=call_sid).first()
    if call is None:
        return None
    transcript = Transcript.objects.filter(call_id=call.id).first()
    return Written(
        call=call,
        transcript=transcript,
        utterances=list(transcript.utterances.all()) if transcript else [],
        tool_calls=list(ToolCall.objects.filter(call_id=call.id)),
        problems=list(call.problems.order_by("at", "id")),
    )


def written(call_sid: str, *, within_s: float = 180.0, settled: bool = True) -> Written:
    """The call's rows once all of it is written down, the outcomes of its tool calls too unless ``settled`` is off."""

    def look() -> Written | None:
        rows = read(call_sid)
        if rows is None or rows.call.status not in (Call.Status.ENDED, Call.Status.REFUSED):
            return None
        if rows.call.status == Call.Status.REFUSED:
            return rows
        if rows.transcript is None or rows.transcript.closed_at is None or not rows.call.frames_in:
            return None
        unsettled = (ToolCall.Status.REQUESTED, ToolCall.Status.SENT)
        return None if settled and any(one.status in unsettled for one in rows.tool_calls) else rows

    found = eventually(look, f"call {call_sid} is written down", within_s=within_s)
    assert found is not None
    return found
