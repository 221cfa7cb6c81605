"""What a customer's server is told about the call beside the tool call itself, in Vapi's shapes. Pure."""

from datetime import datetime
from typing import Any

from assistants.snapshots import Snapshot
from calls.selectors import StreamCall


def tool_context(call: StreamCall, *, public_origin: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The ``call``, ``assistant``, ``phoneNumber``, ``customer`` and ``messages`` of a tool webhook."""
    call_id = str(call.call_id)
    created = _moment(call.created_at)
    customer = {"number": call.caller}
    return {
        "call": {
            "id": call_id,
            "type": "inboundPhoneCall",
            # Vapi sends the call as of its creation.
            "status": "ringing",
            "createdAt": created,
            "updatedAt": created,
            "assistantId": call.snapshot.assistant_id,
            "phoneNumberId": call.phone_number_id or None,
            "phoneCallProvider": "twilio",
            "phoneCallProviderId": call.call_sid,
            "phoneCallTransport": "pstn",
            "customer": customer,
            "monitor": {
                "listenUrl": f"{public_origin.replace('http', 'ws', 1)}/call/{call_id}/listen",
                "controlUrl": f"{public_origin}/call/{call_id}/control",
            },
        },
        "assistant": _assistant(call.snapshot),
        "phoneNumber": {"id": call.phone_number_id or None, "provider": "twilio", "number": call.did},
        "customer": customer,
        "messages": messages,
        "assistantVersion": f"v{call.version_number}",
    }


def _assistant(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.assistant_id,
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
    }


def _moment(moment: datetime) -> str:
    """ISO 8601 with milliseconds and Z, as Vapi writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
