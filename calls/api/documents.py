"""From a call's rows to Vapi's call object. Pure."""

from collections.abc import Mapping
from typing import Any

from calls.api.chosen import chosen, variables_given
from calls.api.chosen import id_of as id_of_row
from calls.api.messages import messages_of, openai_messages, transcript_text
from calls.api.money import call_money
from calls.api.selectors import Record
from calls.live.entering import monitor_urls
from calls.models import (
    AHEAD,
    LIVE,
    Call,
    CallAnalysis,
    CallPart,
    CallTransfer,
    Placing,
    Recording,
    SocketCall,
    VapiCall,
)
from tools.access.lists import moment_text

_STATUSES = {Call.Status.REFUSED: "ended"}
_TYPES = {Call.Direction.INBOUND: "inboundPhoneCall", Call.Direction.OUTBOUND: "outboundPhoneCall"}
_DIALLED = {
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no-answer",
    "failed": "failed",
    "canceled": "cancelled",
}


def call_document(record: Record, *, org_id: str, public_origin: str) -> dict[str, Any]:
    """The whole object, as GET answers it: what is not known is left out."""
    call, vapi = record.call, _vapi(record.call)
    zero = record.transcript.started_at if record.transcript else call.started_at or call.created_at
    messages = messages_of(record.said, record.tool_calls, zero=zero)
    analysis = _analysis(call, vapi)
    artifact = _artifact(record, messages, public_origin)
    document: dict[str, Any] = {
        "id": id_of(call, vapi),
        "orgId": (vapi.org_id if vapi is not None else "") or org_id,
        "createdAt": moment_text(call.created_at),
        "updatedAt": moment_text(call.api_updated),  # type: ignore[attr-defined]  # an annotation
        "startedAt": moment_text(call.started_at) if call.started_at else None,
        "endedAt": moment_text(call.ended_at) if call.ended_at else None,
        "type": (vapi.call_type if vapi is not None else "") or _TYPES[Call.Direction(call.direction)],
        "status": _STATUSES.get(Call.Status(call.status), call.status),
        "endedReason": call.ended_reason or None,
        "endedMessage": (vapi.ended_message if vapi is not None else call.refused_because) or None,
        "name": call.name or (vapi.name if vapi is not None else "") or None,
        **_who(call, vapi),
        **_placing(call),
        **_line(call),
        **_socket(call),
        "monitor": _monitor(call, public_origin),
        **call_money(call, vapi, record.priced),
        "analysis": analysis or None,
        "artifact": artifact,
        # Once more where programs of former years look for them.
        "messages": messages,
        "transcript": artifact["transcript"],
        "summary": analysis.get("summary"),
        "recordingUrl": artifact.get("recordingUrl"),
        "stereoRecordingUrl": artifact.get("stereoRecordingUrl"),
    }
    return {name: value for name, value in document.items() if value is not None}


def id_of(call: Call, vapi: VapiCall | None) -> str:
    """The id that programs know the call by."""
    return vapi.vapi_id if vapi is not None and vapi.vapi_id else str(call.pk)


def _vapi(call: Call) -> VapiCall | None:
    found: VapiCall | None = getattr(call, "vapi_call", None)
    return found


def _who(call: Call, vapi: VapiCall | None) -> dict[str, Any]:
    number = call.phone_number
    told = vapi.phone_number_id if vapi is not None else ""
    return {
        **chosen(call, vapi),
        "phoneNumberId": told or (number.vapi_id or str(number.pk) if number is not None else None),
        "customer": {"number": call.caller} if call.caller else None,
    }


def _placing(call: Call) -> dict[str, Any]:
    """What was given with a call that we place."""
    found: Placing | None = getattr(call, "placing", None)
    if found is None:
        return {}
    plan = {"earliestAt": found.earliest_at, "latestAt": found.latest_at}
    moments = {name: moment_text(at) for name, at in plan.items() if at is not None}
    return {
        "customer": {**found.customer, "number": call.caller} if call.caller else None,
        "metadata": found.metadata,
        "schedulePlan": moments if found.earliest_at is not None else None,
    }


def _socket(call: Call) -> dict[str, Any]:
    """What is told of a call that is not ours to dial, in the place of what is told of others."""
    found: SocketCall | None = getattr(call, "socket", None)
    if found is None:
        return {}
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


def transport_document(found: SocketCall) -> dict[str, Any]:
    """Vapi's `transport` of a call on a program's socket."""
    form = {"format": found.encoding, "container": "raw", "sampleRate": found.sample_rate}
    return {"provider": "vapi.websocket", "conversationType": "voice", "audioFormat": form}


def _line(call: Call) -> dict[str, Any]:
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


def _monitor(call: Call, public_origin: str) -> dict[str, str] | None:
    if call.status not in (*AHEAD, *LIVE) or call.stack == Call.Stack.VAPI:
        return None
    plan = call.api_monitor  # type: ignore[attr-defined]  # an annotation
    return (
        monitor_urls(call.pk, plan if isinstance(plan, Mapping) else {}, public_origin=public_origin) or None
    )


def _artifact(record: Record, messages: list[dict[str, Any]], public_origin: str) -> dict[str, Any]:
    call = record.call
    parts: list[CallPart] = call.api_parts  # type: ignore[attr-defined]  # an annotation, as those below
    artifact: dict[str, Any] = {
        "messages": messages,
        "messagesOpenAIFormatted": openai_messages(messages),
        "transcript": transcript_text(messages),
        "transfers": [_transfer(one) for one in call.api_transfers],  # type: ignore[attr-defined]
        "performanceMetrics": _metrics(record),
        "variableValues": _variables(record),
    }
    if parts:
        artifact["assistantActivations"] = [
            {
                "assistantName": part.assistant.name,
                "assistantId": id_of_row(part.assistant),
                "assistantVersion": f"v{part.version.number}",
            }
            for part in parts
        ]
    artifact |= _recording(call, public_origin)
    return artifact


def _recording(call: Call, public_origin: str) -> dict[str, Any]:
    """Where a program that has a key finds the sound of the call."""
    rows: list[Recording] = call.api_recordings  # type: ignore[attr-defined]
    kept = next((one for one in rows if one.state == Recording.State.STORED), None)
    if kept is None:
        return {}
    base = f"{public_origin}/call/{id_of(call, _vapi(call))}/"
    two_sided = kept.channels == 2 and kept.content_type == "audio/wav"
    sides = {"customerUrl": "customer", "assistantUrl": "assistant"} if two_sided else {}
    mono = {name: f"{base}{side}-recording" for name, side in {"combinedUrl": "mono", **sides}.items()}
    stereo = f"{base}stereo-recording"
    return {
        "recording": {"mono": mono, "stereoUrl": stereo},
        "recordingUrl": mono["combinedUrl"],
        "stereoRecordingUrl": stereo,
    }


def _transfer(one: CallTransfer) -> dict[str, Any]:
    return {
        "destination": one.destination,
        "mode": one.mode,
        "status": _DIALLED.get(one.dial_status, one.dial_status or "failed" if one.error else "connected"),
    }


def _metrics(record: Record) -> dict[str, Any]:
    turns = [one.latency_ms for one in record.said if one.latency_ms is not None]
    return {
        "turnLatencies": [{"turnLatency": turn} for turn in turns],
        **({"turnLatencyAverage": round(sum(turns) / len(turns), 1)} if turns else {}),
        "numUserInterrupted": 0,
        "numAssistantInterrupted": record.call.barge_ins,
    }


def _variables(record: Record) -> dict[str, Any]:
    values = variables_given(record.call)
    for one in record.tool_calls:
        values |= one.variables
    return values


def _analysis(call: Call, vapi: VapiCall | None) -> dict[str, Any]:
    if vapi is not None and call.stack == Call.Stack.VAPI:
        return dict(vapi.analysis)
    found: CallAnalysis | None = getattr(call, "analysis", None)
    if found is None:
        return {}
    told = {
        "summary": found.summary or None,
        "structuredData": found.structured_data,
        "structuredDataMulti": found.structured_data_multi or None,
        "successEvaluation": found.success_evaluation or None,
    }
    return {name: value for name, value in told.items() if value is not None}
