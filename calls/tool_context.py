"""What a customer's server is told about the call beside the tool call itself, in Vapi's shapes. Pure."""

from datetime import datetime
from typing import Any

from assistants.snapshots import Snapshot
from calls.live.entering import monitor_urls
from calls.selectors import StreamCall


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
    call_id, on_socket = str(call.call_id), not (call.did or call.call_sid)
    created = _moment(call.created_at)
    assistant_id, number_id, squad_id = (
        call.known_ids.get(pk, pk)
        for pk in (call.snapshot.known_id or "", call.phone_number_id, call.squad_id)
    )
    # Of somebody who was called, what was given with the call is known.
    known = call.variables.get("customer") if call.outbound else None
    customer = {
        **(known if isinstance(known, dict) else {}),
        **({} if on_socket else {"number": call.caller}),
    }
    return {
        "call": {
            "id": call_id,
            "orgId": org_id,
            "type": _type(call, on_socket=on_socket),
            # Vapi sends the call as of its creation.
            "status": "ringing",
            "createdAt": created,
            "updatedAt": created,
            "assistantId": assistant_id or None,
            **({"squadId": squad_id} if squad_id else {}),
            **({"phoneNumberId": number_id} if number_id else {}),
            **_overrides(call),
            **({} if on_socket else _line(call)),
            "customer": customer,
            **({"metadata": call.metadata} if call.metadata is not None else {}),
            "monitor": monitor_urls(call_id, call.snapshot.monitor_plan, public_origin=public_origin),
        },
        "assistant": {
            "orgId": org_id,
            **assistant_told(call.snapshot),
            **({"id": assistant_id} if assistant_id else {}),
        },
        **({"phoneNumber": _number(call, number_id, org_id)} if call.did else {}),
        "customer": customer,
        "messages": messages,
        "variableValues": {**call.variables, **learnt},
        "assistantVersion": f"v{call.version_number}",
    }


def _type(call: StreamCall, *, on_socket: bool) -> str:
    if on_socket:
        return "vapi.websocketCall"
    return "outboundPhoneCall" if call.outbound else "inboundPhoneCall"


def _line(call: StreamCall) -> dict[str, Any]:
    return {
        "phoneCallProvider": "twilio",
        "phoneCallProviderId": call.call_sid,
        "phoneCallTransport": "pstn",
    }


def _number(call: StreamCall, number_id: str, org_id: str) -> dict[str, Any]:
    known = {"id": number_id} if number_id else {}
    return {**known, "orgId": org_id, "provider": "twilio", "number": call.did}


def _overrides(call: StreamCall) -> dict[str, Any]:
    """The settings and the values that came with the call, where servers look for them."""
    name = "squadOverrides" if call.squad_id else "assistantOverrides"
    told = {**call.overrides, **({"variableValues": call.given_told} if call.given_told else {})}
    return {name: told} if told else {}


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
