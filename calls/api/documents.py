"""From a call's rows to Vapi's call object. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from calls.api.chosen import chosen
from calls.api.messages import plain_number
from calls.api.money import call_money
from calls.api.records import Head, OnSocket, Ordered, Record, Transferred
from calls.api.written import written_of
from calls.live.entering import monitor_urls
from calls.models import AHEAD, LIVE, Call, SocketCall
from tools.access.lists import moment_text

_STATUSES: dict[str, str] = {Call.Status.REFUSED: "ended"}
_TYPES: dict[str, str] = {
    Call.Direction.INBOUND: "inboundPhoneCall",
    Call.Direction.OUTBOUND: "outboundPhoneCall",
}
_GOES_ON = frozenset((*AHEAD, *LIVE))
_DIALLED = {
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no-answer",
    "failed": "failed",
    "canceled": "cancelled",
}
_NOT_REACHED = frozenset(_DIALLED) - {"completed"}
# Vapi's fields of a destination but the headers, in which passwords may stand. A server that names one may send others besides.
_DESTINATION = (
    *("type", "number", "extension", "numberE164CheckEnabled", "sipUri", "callerId"),
    *("message", "description", "transferPlan"),
)


class Talk(NamedTuple):
    """What was said and done, in the three forms of `written_of`, as values."""

    messages: Any
    formatted: Any
    transcript: Any


def call_document(
    record: Record, *, org_id: str, public_origin: str, talk: Talk | None = None
) -> dict[str, Any]:
    """The whole object, as GET answers it: what is not known is left out. ``talk`` stands in it instead of the record's own."""
    call, vapi = record.call, record.vapi
    talk = talk or talk_of(record)
    analysis = _analysis(record)
    artifact = _artifact(record, talk, public_origin)
    ended = moment_text(call.ended_at) if call.ended_at else None
    document: dict[str, Any] = {
        "id": id_of(record),
        "orgId": (vapi.org_id if vapi is not None else "") or org_id,
        "createdAt": moment_text(call.created_at),
        "updatedAt": ended
        if ended is not None and call.updated_at == call.ended_at
        else moment_text(call.updated_at),
        "startedAt": moment_text(call.started_at) if call.started_at else None,
        "endedAt": ended,
        "type": (vapi.call_type if vapi is not None else "") or _TYPES[call.direction],
        "status": _STATUSES.get(call.status, call.status),
        "endedReason": call.ended_reason or None,
        "destination": _destination(record) or None,
        "endedMessage": (vapi.ended_message if vapi is not None else call.refused_because) or None,
        "name": call.name or (vapi.name if vapi is not None else "") or None,
        **_who(record),
        **(_placing(call, record.ordered) if record.ordered is not None else {}),
        **_line(call),
        **(_socket(call, record.socket) if record.socket is not None else {}),
        "monitor": _monitor(record, public_origin) if call.status in _GOES_ON else None,
        **call_money(record),
        "analysis": analysis or None,
        "artifact": artifact,
        # Once more where programs of former years look for them.
        "messages": talk.messages,
        "transcript": talk.transcript,
        "summary": analysis.get("summary"),
        "recordingUrl": artifact.get("recordingUrl"),
        "stereoRecordingUrl": artifact.get("stereoRecordingUrl"),
    }
    return {name: value for name, value in document.items() if value is not None}


def talk_of(record: Record) -> Talk:
    """What was said and done in a call."""
    return Talk(*map(orjson.loads, written_of(record)))


def id_of(record: Record) -> str:
    """The id that programs know the call by."""
    return record.vapi.vapi_id if record.vapi is not None and record.vapi.vapi_id else record.call.id


def _who(record: Record) -> dict[str, Any]:
    call = record.call
    told = record.vapi.phone_number_id if record.vapi is not None else ""
    return {
        **chosen(record),
        "phoneNumberId": told or record.phone_number_id,
        "customer": {"number": call.caller} if call.caller else None,
    }


def _placing(call: Head, found: Ordered) -> dict[str, Any]:
    """What was given with a call that we place."""
    plan = {"earliestAt": found.earliest_at, "latestAt": found.latest_at}
    moments = {name: moment_text(at) for name, at in plan.items() if at is not None}
    return {
        "customer": {**found.customer, "number": call.caller} if call.caller else None,
        "metadata": found.metadata,
        "schedulePlan": moments if found.earliest_at is not None else None,
    }


def _socket(call: Head, found: OnSocket) -> dict[str, Any]:
    """What is told of a call that is not ours to dial, in the place of what is told of others."""
    told: dict[str, Any] = {
        "customer": dict(found.customer) or None,
        "metadata": found.metadata,
        # Nobody rings: the other side is to come.
        **({"status": "queued"} if call.status == Call.Status.RINGING else {}),
    }
    if found.kind == SocketCall.Kind.WEBSOCKET:
        told |= {"type": "vapi.websocketCall", "transport": transport_document(found)}
    elif not call.call_sid:
        told |= {"phoneCallProvider": "twilio", "phoneCallTransport": "pstn"}
    return told


def transport_document(found: SocketCall | OnSocket) -> dict[str, Any]:
    """Vapi's `transport` of a call on a program's socket."""
    form = {"format": found.encoding, "container": "raw", "sampleRate": found.sample_rate}
    return {"provider": "vapi.websocket", "conversationType": "voice", "audioFormat": form}


def _line(call: Head) -> dict[str, Any]:
    if not call.call_sid:
        return {}
    return {
        "phoneCallProvider": "twilio",
        "phoneCallProviderId": call.call_sid,
        "phoneCallTransport": "pstn",
        "transport": {
            "provider": "twilio",
            "conversationType": "voice",
            "callSid": call.call_sid,
            **({"accountSid": call.account_sid} if call.account_sid else {}),
        },
    }


def _monitor(record: Record, public_origin: str) -> dict[str, str] | None:
    if record.call.stack == Call.Stack.VAPI:
        return None
    plan = record.monitor_plan if isinstance(record.monitor_plan, Mapping) else {}
    return monitor_urls(record.call.id, plan, public_origin=public_origin) or None


def _artifact(record: Record, talk: Talk, public_origin: str) -> dict[str, Any]:
    artifact: dict[str, Any] = {
        "messages": talk.messages,
        "messagesOpenAIFormatted": talk.formatted,
        "transcript": talk.transcript,
        "transfers": [_transfer(one) for one in record.transfers],
        "performanceMetrics": _metrics(record),
        "variableValues": _variables(record),
    }
    if record.parts:
        artifact["assistantActivations"] = [
            {
                "assistantName": part.assistant.name,
                "assistantId": part.assistant.known_id,
                "assistantVersion": f"v{part.version}",
            }
            for part in record.parts
        ]
    artifact |= _recording(record, public_origin)
    return artifact


def _recording(record: Record, public_origin: str) -> dict[str, Any]:
    """Where a program that has a key finds the sound of the call."""
    kept = record.recording
    if kept is None:
        return {}
    base = f"{public_origin}/call/{id_of(record)}/"
    two_sided = kept.channels == 2 and kept.content_type == "audio/wav"
    sides = {"customerUrl": "customer", "assistantUrl": "assistant"} if two_sided else {}
    mono = {name: f"{base}{side}-recording" for name, side in {"combinedUrl": "mono", **sides}.items()}
    stereo = f"{base}stereo-recording"
    return {
        "recording": {"mono": mono, "stereoUrl": stereo},
        "recordingUrl": mono["combinedUrl"],
        "stereoRecordingUrl": stereo,
    }


def _transfer(one: Transferred) -> dict[str, Any]:
    return {
        "destination": _without_headers(one.destination),
        "mode": one.mode,
        "status": _DIALLED.get(one.dial_status, one.dial_status or "failed" if one.error else "connected"),
    }


def _without_headers(destination: Any) -> Any:
    """A destination as it was used, but for what goes with it to another switch, in which passwords may stand."""
    if not isinstance(destination, Mapping):
        return destination
    return {name: value for name, value in destination.items() if name != "sipHeaders"}


def _destination(record: Record) -> dict[str, Any]:
    """Who has the call, or had it last, besides its assistants."""
    gone = [one for one in record.transfers if _is_connected(one) and isinstance(one.destination, Mapping)]
    stored = gone[-1].destination if gone else {}
    return {name: stored[name] for name in _DESTINATION if name in stored}


def _is_connected(one: Transferred) -> bool:
    """Whether the call went there and has not come back. Until the dialling has ended, it counts as gone."""
    return one.dialled and not one.error and not one.resumed and one.dial_status not in _NOT_REACHED


def _metrics(record: Record) -> dict[str, Any]:
    turns = record.spoken.latencies_ms
    return {
        "turnLatencies": [{"turnLatency": turn} for turn in turns],
        **({"turnLatencyAverage": plain_number(round(sum(turns) / len(turns), 1))} if turns else {}),
        "numUserInterrupted": 0,
        "numAssistantInterrupted": record.call.barge_ins,
    }


def _variables(record: Record) -> dict[str, Any]:
    values = dict(record.values)
    for one in record.tool_calls:
        values |= one.variables
    return values


def _analysis(record: Record) -> dict[str, Any]:
    if record.vapi is not None and record.call.stack == Call.Stack.VAPI:
        return dict(record.vapi.analysis)
    found = record.analysis
    if found is None:
        return {}
    told = {
        "summary": found.summary or None,
        "structuredData": found.structured_data,
        "structuredDataMulti": found.structured_data_multi or None,
        "successEvaluation": found.success_evaluation or None,
    }
    return {name: value for name, value in told.items() if value is not None}
