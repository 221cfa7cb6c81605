"""From a call's rows to the body of a server message, in Vapi's shapes. Pure.

``message.call`` is the call as of its creation, as at Vapi: whoever wants to know more reads the message's own fields.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from calls.api.documents import call_document
from calls.api.messages import openai_messages, transcript_text
from calls.api.records import Head, Record
from calls.messages import kinds
from calls.models import Call, ServerMessage
from tools.envelope import epoch_ms
from transcripts.models import Utterance

# Of a call's document, what was so when it was made.
AT_FIRST: Final = (
    "id", "orgId", "createdAt", "type", "name", "assistantId", "assistantVersion", "assistantOverrides", "squadId", "phoneNumberId",
    "customer", "metadata", "schedulePlan", "phoneCallProvider", "phoneCallProviderId", "phoneCallTransport", "transport", "monitor",
)  # fmt: skip
REPORTED: Final = (
    "startedAt", "endedAt", "endedReason", "endedMessage", "cost", "costs", "costBreakdown", "transcript", "summary", "messages",
    "recordingUrl", "stereoRecordingUrl", "artifact",
)  # fmt: skip
# Why a call has ended of which no row says it: one without a reason has not been told it.
UNKNOWN_REASON: Final = "unknown-error"


@dataclass(frozen=True, slots=True)
class Subject:
    """The call that messages are about: its rows, its document made of them, and the assistants that had it."""

    record: Record
    assistants: Sequence[Mapping[str, Any]]
    versions: Sequence[int]
    org_id: str
    public_origin: str
    spoken: Mapping[str, Utterance] = field(default_factory=dict)  # by item
    document: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        record: Record,
        *,
        assistants: Sequence[Mapping[str, Any]],
        versions: Sequence[int],
        spoken: Mapping[str, Utterance],
        org_id: str,
        public_origin: str,
    ) -> "Subject":
        """The subject with its document, which all its messages share."""
        document = call_document(record, org_id=org_id, public_origin=public_origin)
        return cls(record, assistants, versions, org_id, public_origin, spoken, document)

    def assistant(self, part: int) -> dict[str, Any] | None:
        """The assistant that had this part of the call, by the id that programs know it by."""
        if not 0 <= part < len(self.assistants):
            return None
        activations = self.document["artifact"].get("assistantActivations") or []
        known = activations[part]["assistantId"] if part < len(activations) else None
        pk = known or (self.document.get("assistantId") if part == 0 else None)
        return {**self.assistants[part], "orgId": self.org_id, **({"id": pk} if pk else {})}

    def surroundings(self, part: int) -> dict[str, Any]:
        """What every message goes with while this assistant has the call."""
        call, document = self.record.call, self.document
        assistant, customer = self.assistant(part), document.get("customer")
        version = self.versions[part] if part < len(self.versions) else 0
        return {
            "call": call_at_first(document, call),
            **({"assistant": assistant} if assistant is not None else {}),
            **({"phoneNumber": number_told(document, call, self.org_id)} if call.did else {}),
            **({"customer": customer} if customer else {}),
            "assistantVersion": f"v{version}" if version else None,
        }


def message_body(row: ServerMessage, subject: Subject) -> dict[str, Any]:
    """The whole body."""
    told: dict[str, Any] = {
        "timestamp": epoch_ms(row.at),
        "type": row.kind,
        **_OWN.get(row.kind, _nothing)(row, subject),
        **subject.surroundings(row.part),
    }
    return {"message": told}


def passing_body(
    kind: str, at_ms: int, facts: Mapping[str, Any], surroundings: Mapping[str, Any]
) -> dict[str, Any]:
    """The same of what is told in passing, of which there is no row: words before they are final, and who speaks."""
    own = dict(facts)
    if kind == kinds.TRANSCRIPT:
        own = {
            "role": facts["role"],
            "transcriptType": "partial",
            "transcript": facts["transcript"],
            **(_speaker(surroundings.get("assistant")) if facts["role"] == "assistant" else {}),
        }
    return {"message": {"timestamp": at_ms, "type": kind, **own, **surroundings}}


def _speaker(assistant: Mapping[str, Any] | None) -> dict[str, Any]:
    """Who has said it; an assistant that came with the call has no id."""
    if assistant is None:
        return {}
    known = {"assistantId": assistant["id"]} if "id" in assistant else {}
    return {**known, "assistantName": assistant["name"]}


def call_at_first(document: Mapping[str, Any], call: Head) -> dict[str, Any]:
    """The call as it was when it was made."""
    outbound = call.direction == Call.Direction.OUTBOUND
    return {
        **{name: document[name] for name in AT_FIRST if name in document},
        "updatedAt": document["createdAt"],
        "status": "queued" if outbound else "ringing",
    }


def number_told(document: Mapping[str, Any], call: Head, org_id: str) -> dict[str, Any]:
    """Our number in the call, without what opens its account."""
    pk = document.get("phoneNumberId")
    return {
        **({"id": pk} if pk else {}),
        "orgId": org_id,
        "provider": "twilio",
        "number": call.did,
        **({"name": call.line_label} if call.line_label else {}),
    }


def _nothing(_row: ServerMessage, _subject: Subject) -> dict[str, Any]:
    return {}


def _status(row: ServerMessage, subject: Subject) -> dict[str, Any]:
    status = str(row.facts.get("status") or "")
    told: dict[str, Any] = {"status": status}
    if status == "ended":
        told["endedReason"] = subject.document.get("endedReason") or UNKNOWN_REASON
        told["artifact"] = subject.document["artifact"]
        because = subject.record.call.refused_because
        if because:
            asked = str(told["endedReason"]).startswith(kinds.ASSISTANT_REQUEST)
            told["inboundPhoneCallDebuggingArtifacts"] = {
                "error": because,
                **({"assistantRequestError": because} if asked else {}),
            }
    elif status == "forwarding":
        messages = _messages_until(row, subject)
        told |= {
            **_destination(row, subject),
            "messages": messages,
            "messagesOpenAIFormatted": openai_messages(messages),
            "transcript": transcript_text(messages),
        }
    return told


def _destination(row: ServerMessage, subject: Subject) -> dict[str, Any]:
    wanted = row.facts.get("transfer")
    for one in subject.record.transfers:
        if one.id == wanted and one.destination:
            return {"destination": one.destination}
    return {}


def _transfer(row: ServerMessage, subject: Subject) -> dict[str, Any]:
    part = row.facts.get("part")
    if not isinstance(part, int):
        return _destination(row, subject)
    to, whence = subject.assistant(part), subject.assistant(part - 1)
    if to is None or whence is None:
        return {}
    return {
        "destination": {"type": "assistant", "assistantName": to["name"]},
        "toAssistant": to,
        "fromAssistant": whence,
    }


def _started(row: ServerMessage, subject: Subject) -> dict[str, Any]:
    assistant = subject.assistant(row.part)
    return {"newAssistant": assistant} if assistant is not None else {}


def _conversation(row: ServerMessage, subject: Subject) -> dict[str, Any]:
    messages = _messages_until(row, subject)
    formatted = openai_messages(messages)
    return {"messages": messages, "messagesOpenAIFormatted": formatted, "conversation": formatted}


def _messages_until(row: ServerMessage, subject: Subject) -> list[dict[str, Any]]:
    """What had been said and done by then: what began later is not in it, so that a repetition tells the same."""
    until = epoch_ms(row.at)
    return [one for one in subject.document["messages"] if one["time"] <= until]


def _utterance(row: ServerMessage, subject: Subject) -> Utterance | None:
    return subject.spoken.get(str(row.facts.get("item")))


def _transcript(row: ServerMessage, subject: Subject) -> dict[str, Any]:
    one = _utterance(row, subject)
    ours = one is not None and one.speaker == Utterance.Speaker.ASSISTANT
    told: dict[str, Any] = {
        "role": "assistant" if ours else "user",
        "transcriptType": "final",
        "transcript": "" if one is None else one.heard_text if ours else one.text,
    }
    return told | _speaker(subject.assistant(row.part)) if ours else told


def _interrupted(row: ServerMessage, _subject: Subject) -> dict[str, Any]:
    return {"turnId": str(row.facts.get("item") or "")}


def _speech_started(row: ServerMessage, subject: Subject) -> dict[str, Any]:
    one = _utterance(row, subject)
    return {"text": one.text if one else "", "turn": row.facts.get("turn", 0), "source": "model"}


def _output(row: ServerMessage, subject: Subject) -> dict[str, Any]:
    one = _utterance(row, subject)
    return {"output": one.text if one else "", "turnId": str(row.facts.get("item") or "")}


def _report(_row: ServerMessage, subject: Subject) -> dict[str, Any]:
    document, call = subject.document, subject.record.call
    seconds = 0.0
    if call.started_at is not None and call.ended_at is not None:
        seconds = round((call.ended_at - call.started_at).total_seconds(), 3)
    transfers = [one for one in subject.record.transfers if one.dialled and one.destination]
    return {
        **{name: document[name] for name in REPORTED if name in document},
        "endedReason": document.get("endedReason") or UNKNOWN_REASON,
        "analysis": document.get("analysis") or {},
        "durationMs": round(seconds * 1000),
        "durationSeconds": seconds,
        "durationMinutes": round(seconds / 60, 4),
        **({"destination": transfers[-1].destination} if transfers else {}),
    }


_OWN: Final[Mapping[str, Callable[[ServerMessage, Subject], dict[str, Any]]]] = {
    kinds.STATUS: _status,
    kinds.REPORT: _report,
    kinds.CONVERSATION: _conversation,
    kinds.TRANSCRIPT: _transcript,
    kinds.FINAL_TRANSCRIPT: _transcript,
    kinds.INTERRUPTED: _interrupted,
    kinds.STARTED: _started,
    kinds.SPEECH_STARTED: _speech_started,
    kinds.TRANSFER: _transfer,
    kinds.MODEL_OUTPUT: _output,
}
