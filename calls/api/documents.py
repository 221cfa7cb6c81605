"""From a call's rows to Vapi's call object. Pure."""

import uuid
from collections.abc import Mapping
from typing import Any

from assistants.models import Assistant, Squad
from calls.api.messages import messages_of, openai_messages, transcript_text
from calls.api.money import call_money
from calls.api.selectors import Record
from calls.live.entering import monitor_urls
from calls.models import LIVE, Call, CallAnalysis, CallTransfer, Recording, VapiCall
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
    zero = call.started_at or call.created_at
    messages = messages_of(record.transcript, record.tool_calls, zero=zero)
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
        **_line(call),
        "monitor": _monitor(call, public_origin),
        **call_money(call, vapi),
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


def recording_path(call_id: uuid.UUID | str) -> str:
    """Where a program that has a key finds the sound of a call."""
    return f"/call/{call_id}/stereo-recording"


def _vapi(call: Call) -> VapiCall | None:
    found: VapiCall | None = getattr(call, "vapi_call", None)
    return found


def _who(call: Call, vapi: VapiCall | None) -> dict[str, Any]:
    number = call.phone_number
    told = vapi.phone_number_id if vapi is not None else ""
    parts = list(call.parts.all())
    version = call.version
    return {
        "assistantId": (vapi.assistant_id if vapi is not None else "") or _id(call.assistant),
        "assistantVersion": f"v{version.number}" if version is not None and not parts else None,
        "squadId": (vapi.squad_id if vapi is not None else "") or _id(call.squad),
        "phoneNumberId": told or (number.vapi_id or str(number.pk) if number is not None else None),
        "customer": {"number": call.caller} if call.caller else None,
    }


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
    if call.status not in LIVE or call.stack == Call.Stack.VAPI:
        return None
    plan = call.api_monitor  # type: ignore[attr-defined]  # an annotation
    return (
        monitor_urls(call.pk, plan if isinstance(plan, Mapping) else {}, public_origin=public_origin) or None
    )


def _artifact(record: Record, messages: list[dict[str, Any]], public_origin: str) -> dict[str, Any]:
    call = record.call
    parts = list(call.parts.all())
    artifact: dict[str, Any] = {
        "messages": messages,
        "messagesOpenAIFormatted": openai_messages(messages),
        "transcript": transcript_text(messages),
        "transfers": [_transfer(one) for one in call.transfers.all()],
        "performanceMetrics": _metrics(record),
        "variableValues": _variables(record),
    }
    if parts:
        artifact["assistantActivations"] = [
            {
                "assistantName": part.assistant.name,
                "assistantId": _id(part.assistant),
                "assistantVersion": f"v{part.version.number}",
            }
            for part in parts
        ]
    if any(one.state == Recording.State.STORED for one in call.recordings.all()):
        url = public_origin + recording_path(id_of(call, _vapi(call)))
        artifact |= {"recording": {"stereoUrl": url}, "recordingUrl": url, "stereoRecordingUrl": url}
    return artifact


def _transfer(one: CallTransfer) -> dict[str, Any]:
    return {
        "destination": one.destination,
        "mode": one.mode,
        "status": _DIALLED.get(one.dial_status, one.dial_status or "failed" if one.error else "connected"),
    }


def _metrics(record: Record) -> dict[str, Any]:
    spoken = record.transcript.utterances.all() if record.transcript is not None else ()
    turns = [one.latency_ms for one in spoken if one.latency_ms is not None]
    return {
        "turnLatencies": [{"turnLatency": turn} for turn in turns],
        **({"turnLatencyAverage": round(sum(turns) / len(turns), 1)} if turns else {}),
        "numUserInterrupted": 0,
        "numAssistantInterrupted": record.call.barge_ins,
    }


def _variables(record: Record) -> dict[str, Any]:
    values: dict[str, Any] = {}
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


def _id(row: Assistant | Squad | None) -> str | None:
    """Vapi's id of it, where it was imported with one."""
    if row is None:
        return None
    keys = [one.key for one in sorted(row.vapi_objects.all(), key=lambda one: one.pk)]
    named = next((key for key in keys if ":" not in key and "#" not in key and "/" not in key), "")
    return named or str(row.pk)
