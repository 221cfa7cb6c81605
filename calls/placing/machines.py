"""Answering machines: how Twilio is to recognise them, and what is done once it has."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils import timezone

from assistants.snapshots import Snapshot, snapshot_read
from calls.models import Call
from calls.selectors import StreamCall, variables_given
from calls.variables import call_variables
from tools.liquid import render

# Vapi's default: what Twilio says when the machine's own words are over.
ENDS: Final = ("machine_end_beep", "machine_end_silence")
_STARTS: Final = ("machine_start", "fax")
# Vapi's options of Twilio's, under the names that Twilio's library has for them; with their bounds.
_OPTIONS: Final[dict[str, tuple[str, int, int]]] = {
    "machineDetectionTimeout": ("machine_detection_timeout", 3, 59),
    "machineDetectionSpeechThreshold": ("machine_detection_speech_threshold", 1000, 6000),
    "machineDetectionSpeechEndThreshold": ("machine_detection_speech_end_threshold", 500, 5000),
    "machineDetectionSilenceTimeout": ("machine_detection_silence_timeout", 2000, 10000),
}
RINGS_S: Final = 60
_RINGS_MOST_S: Final = 600


def machine_options(snapshot: Snapshot, *, extension: str = "") -> dict[str, Any]:
    """How a call of this assistant has machines recognised, as the placing row keeps it; empty: not at all.

    Whatever recognises machines at Vapi, here it is Twilio, beside the conversation and not before it. Where keys are
    pressed for an extension, Twilio looks for none. ``types`` are Twilio's words that mean a machine.
    """
    if extension:
        return {}
    plan = snapshot.placing.get("voicemailDetection")
    if plan in (None, "off") and snapshot.placing.get("voicemailDetectionEnabled") is not True:
        return {}
    plan = plan if isinstance(plan, Mapping) else {}
    if plan.get("enabled") is False:
        return {}
    listed = plan.get("voicemailDetectionTypes")
    types = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else list(ENDS)
    # A message is left after the tone; without one there is nothing to wait for.
    waits = bool(snapshot.voicemail_message) or not set(types) & set(_STARTS)
    options: dict[str, Any] = {
        "machine_detection": "DetectMessageEnd" if waits else "Enable",
        "async_amd": "true",
    }
    for name, (option, least, most) in _OPTIONS.items():
        value = plan.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            options[option] = int(min(max(value, least), most))
    return {"types": types, "options": options}


def rings_for(snapshot: Snapshot) -> int:
    """For how many seconds a call of this assistant rings."""
    listed = snapshot.placing.get("transportConfigurations")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, Mapping) and one.get("provider", "twilio") == "twilio":
            value = one.get("timeout")
            if isinstance(value, int | float) and not isinstance(value, bool):
                return int(min(max(value, 1), _RINGS_MOST_S))
    return RINGS_S


def is_machine(told: str, types: object) -> bool:
    """Whether Twilio's word means a machine for this call."""
    return isinstance(types, list) and told in types and told not in ("human", "unknown")


def message_for(call: Call) -> str:
    """What is left on a machine, with the values of this call; empty: nothing is."""
    if call.version is None:
        return ""
    snapshot = snapshot_read(call.version.snapshot)
    if not snapshot.voicemail_message:
        return ""
    now = timezone.now()
    stream = StreamCall(
        call_id=call.pk,
        call_sid=call.call_sid,
        account_sid=call.account_sid,
        did=call.did,
        caller=call.caller,
        created_at=call.created_at,
        phone_number_id=str(call.phone_number_id or ""),
        version_number=call.version.number,
        snapshot=snapshot,
        phone_number_label=call.phone_number.label if call.phone_number else "",
        outbound=True,
    )
    own: object = snapshot.variables
    given = {**(own if isinstance(own, Mapping) else {}), **variables_given(call.pk)}
    return render(snapshot.voicemail_message, call_variables(stream, now=now, given=given), now=now).text
