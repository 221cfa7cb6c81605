"""One call as Vapi tells of it, of any age: a `GET /call` object or an end-of-call report, in one normal form. Pure.

Nothing here raises on what a body holds. What is not understood is left out and told in the record's notes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from calls.history.messages import Conversation, Speaker, conversation_read, transcript_read
from calls.history.times import epoch_ms, moment, moment_of
from calls.history.values import (
    MAX_TEXT,
    Notes,
    dollars_of,
    json_kept,
    listed,
    number_of,
    part,
    text_in,
    word,
)

Shape = Literal["call", "report"]

REPORT: Final = "end-of-call-report"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_URL: Final = re.compile(r"https?://\S{1,2000}")
_RUNNING: Final = frozenset({"scheduled", "queued", "ringing", "in-progress", "forwarding"})
_ONLY_CALLS_HAVE: Final = frozenset(
    {"endedReason", "startedAt", "phoneCallProviderId", "customer", "transport", "artifact", "messages"}
    | {"transcript", "costBreakdown", "monitor", "webCallUrl"}
)
_LIST_KEYS: Final = ("results", "calls", "data", "items")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that is no call. ``why`` is a sentence for people."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call that ran at Vapi. Empty texts, objects and None are what its body did not tell.

    ``seen_ms`` is when Vapi wrote this body, in ms of the epoch: of two bodies the later knows better.
    """

    vapi_id: str
    shape: Shape
    finished: bool
    seen_ms: int
    org_id: str = ""
    call_type: str = ""
    name: str = ""
    assistant_id: str = ""
    assistant_name: str = ""
    assistant_version: str = ""
    squad_id: str = ""
    phone_number_id: str = ""
    did: str = ""
    caller: str = field(default="", repr=False)
    call_sid: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended_reason: str = ""
    ended_message: str = field(default="", repr=False)
    cost: Decimal | None = None
    cost_breakdown: dict[str, Any] = field(default_factory=dict)
    costs: list[Any] = field(default_factory=list)
    analysis: dict[str, Any] = field(default_factory=dict, repr=False)
    structured_outputs: dict[str, Any] = field(default_factory=dict, repr=False)
    metrics: dict[str, Any] = field(default_factory=dict)
    recordings: dict[str, str] = field(default_factory=dict, repr=False)
    transfers: list[dict[str, str]] = field(default_factory=list, repr=False)
    activations: list[dict[str, str]] = field(default_factory=list)
    conversation: Conversation = field(default_factory=Conversation, repr=False)
    notes: tuple[str, ...] = ()


def records_read(value: Any, *, where: str) -> Iterator[CallRecord | Unreadable]:
    """The calls in a JSON value: one of either shape, or a list of them, also as the field of an object."""
    if isinstance(value, dict) and not _is_call(value):
        for key in _LIST_KEYS:
            if isinstance(value.get(key), list):
                value = value[key]
                break
    if isinstance(value, list):
        for n, one in enumerate(value, start=1):
            yield record_read(one, where=f"{where}, item {n}")
    else:
        yield record_read(value, where=where)


def record_read(value: Any, *, where: str) -> CallRecord | Unreadable:
    """The call behind one JSON value, or why there is none."""
    if not isinstance(value, dict):
        return Unreadable(where, f"{word(value).capitalize()} stands where a call is due.")
    # A server that keeps what it was sent keeps the request around it.
    request = part(value, "body") if not _is_call(value) else {}
    message = part(request or value, "message") or request or value
    kind = message.get("type")
    if kind == REPORT or (part(message, "call") and "endedReason" in message):
        call, shape = part(message, "call"), "report"
    elif part(message, "call") and isinstance(kind, str):
        return Unreadable(
            where, f"It is a {word(kind)} message; only {REPORT} messages tell of a whole call."
        )
    else:
        call, shape = message, "call"
    vapi_id = text_in([call], "id", most=101)
    if not _ID.fullmatch(vapi_id):
        return Unreadable(
            where, "It has no id of a call, so this is neither a call nor an end-of-call report."
        )
    if shape == "call" and not _is_call(call):
        return Unreadable(where, "It has an id, but nothing else that a call has.")
    return _Body(vapi_id, "report" if shape == "report" else "call", message, call).record()


def _is_call(value: dict[str, Any]) -> bool:
    """Whether an object is itself a call: assistants and numbers have ids too."""
    return "id" in value and not _ONLY_CALLS_HAVE.isdisjoint(value)


class _Body:
    """One body, looked at from its outermost object inwards: a report's own fields before the call's of its beginning."""

    def __init__(self, vapi_id: str, shape: Shape, message: dict[str, Any], call: dict[str, Any]) -> None:
        self._id = vapi_id
        self._shape = shape
        self._message = message
        self._call = call
        self._artifact = part(message, "artifact") or part(call, "artifact")
        self._sources = [message, self._artifact, call] if message is not call else [call, self._artifact]
        self._notes = Notes()

    def record(self) -> CallRecord:
        """The call in normal form."""
        started, ended = self._at("startedAt"), self._at("endedAt")
        conversation = self._conversation(started)
        if started is None and conversation.zero_ms is not None:
            started = moment_of(conversation.zero_ms)
            self._notes.add("When it started is not told; taken from the first message.")
        ended = self._ended(started, ended, conversation)
        created = moment(self._call.get("createdAt")) or started
        return CallRecord(
            vapi_id=self._id,
            shape=self._shape,
            finished=self._finished(),
            seen_ms=self._seen_ms(),
            org_id=self._text("orgId", most=100),
            call_type=text_in([self._call], "type", most=40),
            name=text_in([self._call], "name", most=100),
            created_at=created,
            started_at=started,
            ended_at=ended,
            ended_reason=self._text("endedReason", most=120),
            ended_message=self._text("endedMessage", most=2000),
            **self._parties(),
            **self._money(),
            analysis=self._analysis(),
            structured_outputs=self._json("structuredOutputs", "structured outputs"),
            metrics=self._json("performanceMetrics", "performance metrics"),
            recordings=self._recordings(),
            transfers=self._transfers(),
            activations=[
                {key: text_in([one], key, most=200) for key in ("assistantId", "assistantName")}
                for one in listed(self._artifact, "assistantActivations")[:200]
                if isinstance(one, dict)
            ],
            conversation=conversation,
            notes=self._notes.told(),
        )

    # --- Looking things up

    def _text(self, *keys: str, most: int = MAX_TEXT) -> str:
        return text_in(self._sources, *keys, most=most)

    def _at(self, key: str) -> datetime | None:
        return next((at for one in self._sources if (at := moment(one.get(key))) is not None), None)

    def _json(self, key: str, what: str) -> dict[str, Any]:
        found = next((part(one, key) for one in self._sources if part(one, key)), {})
        kept = json_kept(found, what=what, notes=self._notes)
        return kept if isinstance(kept, dict) else {}

    # --- Times

    def _finished(self) -> bool:
        if self._shape == "report":
            return True
        status = text_in([self._call], "status", most=40)
        over = bool(self._text("endedReason")) or self._at("endedAt") is not None
        return status == "ended" or (over and status not in _RUNNING)

    def _seen_ms(self) -> int:
        own = [self._message.get("timestamp")] if self._shape == "report" else [self._call.get("updatedAt")]
        told = [*own, *(one.get("endedAt") for one in self._sources), self._call.get("createdAt")]
        return next((ms for value in told if (ms := epoch_ms(value)) is not None), 0)

    def _ended(
        self, started: datetime | None, ended: datetime | None, conversation: Conversation
    ) -> datetime | None:
        if ended is not None and started is not None and ended < started:
            self._notes.add("It ends before it starts; its end was left out.")
            ended = None
        if ended is not None or started is None or not self._finished():
            return ended
        lasted_ms = self._duration_ms()
        if lasted_ms is None:
            ends = [one.ended_ms for one in conversation.said]
            lasted_ms = max([*ends, *(one.asked_ms for one in conversation.steps), 0])
        self._notes.add("When it ended is not told; taken from how long it lasted.")
        return started + timedelta(milliseconds=lasted_ms)

    def _duration_ms(self) -> int | None:
        for key, unit in (("durationMs", 1), ("durationSeconds", 1000), ("durationMinutes", 60_000)):
            lasted = number_of(self._message.get(key))
            if lasted is not None and 0 <= lasted * unit <= 7 * 24 * 3_600_000:
                return round(lasted * unit)
        return None

    # --- Who

    def _parties(self) -> dict[str, Any]:
        number = part(self._message, "phoneNumber") or part(self._call, "phoneNumber")
        variables = part(self._artifact, "variableValues")
        assistant = part(self._message, "assistant") or part(self._call, "assistant")
        customer = part(self._message, "customer") or part(self._call, "customer")
        known = part(variables, "customer")
        activated = [one for one in listed(self._artifact, "assistantActivations") if isinstance(one, dict)]
        return {
            "assistant_id": self._text("assistantId", most=100)
            or text_in([assistant], "id", most=100)
            or text_in(activated[:1], "assistantId", most=100),
            "assistant_name": text_in([assistant], "name", most=200)
            or text_in(activated[:1], "assistantName", most=200),
            "assistant_version": self._text("assistantVersion", most=100),
            "squad_id": self._text("squadId", most=100)
            or text_in([part(self._call, "squad")], "id", most=100),
            "phone_number_id": self._text("phoneNumberId", most=100) or text_in([number], "id", most=100),
            "did": text_in([number], "number", "twilioPhoneNumber", "sipUri", most=40)
            or text_in([part(variables, "phoneNumber")], "number", most=40),
            "caller": text_in([customer, known], "number", "sipUri", most=80),
            "call_sid": text_in([part(self._call, "transport")], "callSid", most=64)
            or text_in([self._call], "phoneCallProviderId", most=64),
        }

    # --- What it cost

    def _money(self) -> dict[str, Any]:
        breakdown = self._json("costBreakdown", "cost breakdown")
        costs = next((found for one in self._sources if (found := listed(one, "costs"))), [])
        parts = [
            amount for one in costs if (amount := dollars_of(part({"": one}, "").get("cost"))) is not None
        ]
        told = [one.get("cost") for one in self._sources] + [breakdown.get("total")]
        known = [amount for value in told if (amount := dollars_of(value)) is not None]
        if not known and any(value is not None for value in told):
            self._notes.add("The cost is no amount of money and was left out.")
        # A body from the beginning says 0 before anything was added up.
        cost = next((amount for amount in known if amount), known[0] if known else None)
        kept = json_kept(costs, what="list of costs", notes=self._notes)
        return {
            "cost": cost if cost or not parts else sum(parts, Decimal(0)),
            "cost_breakdown": breakdown,
            "costs": kept if isinstance(kept, list) else [],
        }

    # --- What came of it

    def _analysis(self) -> dict[str, Any]:
        analysis = self._json("analysis", "analysis")
        summary = self._text("summary", most=20_000)
        return {"summary": summary, **analysis} if summary and not analysis.get("summary") else analysis

    def _recordings(self) -> dict[str, str]:
        recording = part(self._artifact, "recording")
        mono = part(recording, "mono")
        found = {
            "mono": text_in([mono], "combinedUrl") or self._text("recordingUrl"),
            "stereo": text_in([recording], "stereoUrl") or self._text("stereoRecordingUrl"),
            "assistant": text_in([mono], "assistantUrl"),
            "caller": text_in([mono], "customerUrl"),
            "log": self._text("logUrl"),
        }
        return {name: url for name, url in found.items() if _URL.fullmatch(url)}

    def _transfers(self) -> list[dict[str, str]]:
        found = [
            {
                "to": _address(one.get("destination")),
                "mode": text_in([one], "mode", most=100),
                "status": text_in([one], "status", most=40),
                "transcript": text_in([one], "transcript", most=20_000),
            }
            for one in listed(self._artifact, "transfers")[:100]
            if isinstance(one, dict)
        ]
        to = next((to for one in self._sources if (to := _address(one.get("destination")))), "")
        if not found and to:
            found = [{"to": to, "mode": "", "status": "", "transcript": ""}]
        return found

    # --- What was said

    def _conversation(self, started: datetime | None) -> Conversation:
        """The fullest of the lists that the body holds; without any, what its transcript tells."""
        zero_ms = round(started.timestamp() * 1000) if started else None
        best, best_notes = Conversation(), Notes()
        keys = ("messages", "messagesOpenAIFormatted", "conversation")
        lists: list[list[Any]] = []
        for messages in (found for one in self._sources for key in keys if (found := listed(one, key))):
            if messages in lists:
                continue  # most bodies hold the same list twice
            lists.append(messages)
            notes = Notes()
            read = conversation_read(messages, zero_ms=zero_ms, notes=notes)
            if read.richness > best.richness:
                best, best_notes = read, notes
        for note in best_notes.told():
            self._notes.add(note)
        text = self._text("transcript")
        if not best.said and text:
            said = transcript_read(text, labels=self._labels())
            note = "There are no messages, only a transcript: what was said has no times, and tools cannot be seen."
            self._notes.add(
                note if said else "The transcript has no lines of assistant and caller and was left out."
            )
            best = Conversation(said, best.steps, best.zero_ms, best.timed)
        return best

    def _labels(self) -> tuple[tuple[str, Speaker], ...]:
        assistant = part(self._message, "assistant") or part(self._call, "assistant")
        plans = [
            part(part(one, "artifactPlan"), "transcriptPlan")
            for one in (assistant, part(self._call, "assistantOverrides"), self._call)
        ]
        return (
            (text_in(plans, "assistantName", most=100), "assistant"),
            (text_in(plans, "userName", most=100), "caller"),
        )


def _address(destination: Any) -> str:
    if isinstance(destination, str):
        return text_in([{"": destination}], "", most=200)
    return text_in([destination], "number", "sipUri", "assistantName", "phoneNumber", most=200)
