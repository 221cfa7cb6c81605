"""What a customer's server is told about the call beside the tool call itself, in Vapi's shapes. Pure."""

import uuid
from datetime import datetime
from typing import Any

from assistants.snapshots import Snapshot
from calls.live.entering import monitor_urls
from calls.selectors import StreamCall


def organisation_id(configured: str, public_origin: str) -> str:
    """The id that stands where Vapi has its customer's: the configured one, else one that this installation keeps."""
    return configured or str(uuid.uuid5(uuid.NAMESPACE_URL, public_origin))


def tool_context(
    call: StreamCall,
    *,
    public_origin: str,
    org_id: str,
    messages: list[dict[str, Any]],
    learnt: dict[str, Any],
) -> dict[str, Any]:
    """The ``call``, ``assistant``, ``phoneNumber``, ``customer``, ``messages`` and ``variableValues`` of a tool webhook.

    ``learnt`` are the variables that tools have set in this call; they win.
    """
    call_id = str(call.call_id)
    created = _moment(call.created_at)
    # Of somebody who was called, what was given with the call is known.
    known = call.variables.get("customer") if call.outbound else None
    customer = {**(known if isinstance(known, dict) else {}), "number": call.caller}
    return {
        "call": {
            "id": call_id,
            "orgId": org_id,
            "type": "outboundPhoneCall" if call.outbound else "inboundPhoneCall",
            # Vapi sends the call as of its creation.
            "status": "ringing",
            "createdAt": created,
            "updatedAt": created,
            "assistantId": call.snapshot.known_id,
            **({"squadId": call.squad_id} if call.squad_id else {}),
            **({"phoneNumberId": call.phone_number_id} if call.phone_number_id else {}),
            "phoneCallProvider": "twilio",
            "phoneCallProviderId": call.call_sid,
            "phoneCallTransport": "pstn",
            "customer": customer,
            "monitor": monitor_urls(call_id, call.snapshot.monitor_plan, public_origin=public_origin),
        },
        "assistant": {"orgId": org_id, **assistant_told(call.snapshot)},
        "phoneNumber": {
            **({"id": call.phone_number_id} if call.phone_number_id else {}),
            "orgId": org_id,
            "provider": "twilio",
            "number": call.did,
        },
        "customer": customer,
        "messages": messages,
        "variableValues": {**call.variables, **learnt},
        "assistantVersion": f"v{call.version_number}",
    }


def assistant_told(snapshot: Snapshot) -> dict[str, Any]:
    """An assistant as it was published, in Vapi's shape; nothing in it is secret."""
    return {
        **({"id": snapshot.known_id} if snapshot.known_id else {}),
        "name": snapshot.name,
        "firstMessage": snapshot.first_message,
        "firstMessageMode": snapshot.first_message_mode,
        "model": {
            "provider": "openai",
            "model": snapshot.model,
            "messages": [{"role": "system", "content": snapshot.instructions}],
        },
        "voice": {"provider": "openai", "voiceId": snapshot.voice},
        "transcriber": {
            "provider": "openai",
            "model": snapshot.transcription_model,
            "language": snapshot.language,
        },
        "maxDurationSeconds": snapshot.max_duration_s,
        "silenceTimeoutSeconds": snapshot.silence_timeout_s,
        **({"metadata": snapshot.metadata} if snapshot.metadata else {}),
    }


def _moment(moment: datetime) -> str:
    """ISO 8601 with milliseconds and Z, as Vapi writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
