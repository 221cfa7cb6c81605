"""A call as its page shows it: what was said and which tools were asked, in the order of the call."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString

from calls.models import Call, CallPart, CallTransfer
from calls.page.clock import ms_since
from calls.page.order_lines import OrderLine, order_lines
from tools.admin import status_badge
from tools.adminkit import Tone, badge, duration_text, json_pretty, ms_text, object_link
from tools.models import ToolCall
from tools.selectors import tool_calls_of
from transcripts.admin import SpokenLine, clock_text, spoken_line
from transcripts.models import Utterance
from transcripts.selectors import transcript_of_call


@dataclass(frozen=True, slots=True)
class ToolLine:
    """One tool call for the page."""

    at_ms: int
    name: str
    status: SafeString
    took: str
    error: str
    arguments: str
    outcome: str
    url: str
    speaker = "tool"
    template = "admin/tandem/line_tool.html"


@dataclass(frozen=True, slots=True)
class TransferLine:
    """One transfer for the page: to whom, and what became of it."""

    at_ms: int
    address: str
    outcome: SafeString
    facts: list[tuple[str, str]]
    told: str
    error: str
    speaker = "tool"
    template = "admin/tandem/line_transfer.html"


@dataclass(frozen=True, slots=True)
class HandoffLine:
    """The call goes to another assistant."""

    at_ms: int
    assistant: str
    version: SafeString
    speaker = "tool"
    template = "admin/tandem/line_handoff.html"


Line: TypeAlias = SpokenLine | ToolLine | TransferLine | HandoffLine | OrderLine

# Twilio's words for how dialling ended, and ours.
_OUTCOMES: dict[str, tuple[str, Tone]] = {
    "completed": ("Connected", "good"),
    "answered": ("Connected", "good"),
    "busy": ("Busy", "warn"),
    "no-answer": ("Nobody answered", "warn"),
    "canceled": ("Cancelled", "warn"),
    "failed": ("Failed", "bad"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What the rows of a call tell: its lines for the page, and of what they were made. ``zero`` is their clock's."""

    zero: datetime
    lines: list[tuple[str, str, Line]]
    utterances: list[Utterance]
    tool_calls: list[ToolCall]


def call_lines(call: Call) -> list[tuple[str, str, Line]]:
    """Clock, template and content of each line, oldest first. Six queries, however long the call was."""
    return call_told(call).lines


def call_told(call: Call) -> Told:
    """The same with the rows behind it."""
    transcript = transcript_of_call(call.id)
    zero = transcript.started_at if transcript else call.started_at or call.created_at
    utterances = list(transcript.utterances.all()) if transcript else []
    tool_calls = list(tool_calls_of(call_id=call.id).defer("tool__server_secret"))
    spoken: list[Line] = [spoken_line(one) for one in utterances]
    asked: list[Line] = [_tool_line(one, zero) for one in tool_calls]
    away: list[Line] = [_transfer_line(one, zero) for one in call.transfers.defer("history", "destination")]
    handed: list[Line] = [_handoff_line(one, zero) for one in _parts(call)]
    ordered: list[Line] = [*order_lines(call, zero)]
    lines = sorted(spoken + asked + away + handed + ordered, key=lambda line: line.at_ms)
    shown = [(clock_text(line.at_ms), line.template, line) for line in lines]
    return Told(zero, shown, utterances, tool_calls)


def _parts(call: Call) -> QuerySet[CallPart]:
    parts = call.parts.filter(n__gt=0).select_related("assistant", "version")
    return parts.only("call", "n", "began_at", "assistant__name", "version__number")


def _handoff_line(part: CallPart, zero: datetime) -> HandoffLine:
    version = object_link("assistants_assistantversion", part.version_id, f"Version {part.version.number}")
    return HandoffLine(
        at_ms=ms_since(zero, part.began_at),
        assistant=part.assistant.name,
        version=version,
    )


def _tool_line(tool_call: ToolCall, zero: datetime) -> ToolLine:
    return ToolLine(
        at_ms=ms_since(zero, tool_call.requested_at),
        name=tool_call.name,
        status=status_badge(tool_call),
        took=ms_text(tool_call.duration_ms) if tool_call.duration_ms is not None else "",
        error=tool_call.error,
        arguments=json_pretty(tool_call.arguments),
        outcome=tool_call.outcome,
        url=reverse("admin:tools_toolcall_change", args=[tool_call.pk]),
    )


def _transfer_line(transfer: CallTransfer, zero: datetime) -> TransferLine:
    facts = [
        ("Shown as", transfer.caller_id),
        ("Mode", transfer.mode),
        ("Talked for", duration_text(transfer.duration_s) if transfer.duration_s is not None else ""),
        ("Afterwards", "Back to the assistant" if transfer.resumed_at else ""),
        ("SID of the dialled leg", transfer.child_sid),
    ]
    return TransferLine(
        at_ms=ms_since(zero, transfer.requested_at),
        address=transfer.address,
        outcome=_outcome(transfer),
        facts=[(label, value) for label, value in facts if value],
        told=transfer.summary,
        error=transfer.error,
    )


def _outcome(transfer: CallTransfer) -> SafeString:
    if transfer.error:
        return badge("Not dialled", "bad")
    if not transfer.dial_status:
        return badge("Under way" if transfer.ended_at is None else "Unknown", "info")
    words, tone = _OUTCOMES.get(transfer.dial_status, (transfer.dial_status, "warn"))
    return badge(words, tone, title=f"In Twilio's words: {transfer.dial_status}")
