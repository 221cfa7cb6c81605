"""Where a call may be transferred to, read from Vapi's words, and how. Pure.

Lenient as Vapi is: what cannot be used is left out, and `faults` says so, for ops staff to see.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from calls.tool_messages import tool_message
from tools.destinations import (
    BLIND,
    is_e164,
    is_extension,
    is_mode,
    number_dialled,
    says_message,
    says_summary,
    sip_uri_dialled,
    text_at,
)

STOCK_WHISPER = "You are being connected to a caller."
# Vapi's default is 60 s; Twilio takes 1 to 600.
RINGS_S = 60
LONGEST_RING_S = 600
SUMMARY_WITHIN_S = 5.0
_SIP_CALLER = re.compile(r"[A-Za-z0-9+*#._-]{1,40}", re.ASCII)
_SIP_HEADER = re.compile(r"(X-[A-Za-z0-9-]{1,60}|User-to-User)", re.ASCII | re.IGNORECASE)
_SIP_LONGEST = 1000

_WAITS = "warm-transfer-wait-for-operator"


@dataclass(frozen=True, slots=True)
class SummaryPlan:
    """How the operator is told what the call was about."""

    messages: tuple[dict[str, Any], ...] = ()
    within_s: float = SUMMARY_WITHIN_S


@dataclass(frozen=True, slots=True)
class Fallback:
    """What happens when nobody picks up: these words, and the end of the call or the assistant again."""

    message: str
    ends_call: bool


@dataclass(frozen=True, slots=True)
class Destination:
    """Somebody to whom a call can go. ``message`` None: a stock sentence is due; empty: silence."""

    name: str  # what the model calls it
    address: str  # a number, or a SIP address with its headers
    sip: bool = False
    message: str | None = None
    extension: str = ""
    caller_id: str = ""
    mode: str = BLIND
    rings_s: int = RINGS_S
    says: str = ""  # to the operator, before they are connected
    waits: bool = False  # lets the operator say hello first
    summary: SummaryPlan | None = None
    fallback: Fallback | None = None
    faults: tuple[str, ...] = field(default=())

    @property
    def whispers(self) -> bool:
        """Whether the operator hears something before they are connected."""
        return bool(self.says) or self.summary is not None


def destinations_read(settings: Mapping[str, Any], *, language: str) -> tuple[Destination, ...]:
    """The destinations of a tool that can be dialled, in their order."""
    listed = settings.get("destinations")
    found = [destination_read(one, language=language) for one in (listed if isinstance(listed, list) else [])]
    return tuple({one.name: one for one in found if one is not None}.values())


def destination_read(stored: object, *, language: str) -> Destination | None:
    """One destination in Vapi's words; None for one that cannot be dialled."""
    if not isinstance(stored, Mapping):
        return None
    faults: list[str] = []
    address = _sip_address(stored, faults) if stored.get("type") == "sip" else number_dialled(stored)
    if not address:
        return None
    sip = stored.get("type") == "sip"
    plan = _mapping(stored, "transferPlan")
    mode = text_at(plan, "mode") or BLIND
    if not is_mode(mode):
        faults.append(f"The mode {mode} is not carried out; the caller is connected without further words.")
    words = spoken_message(plan.get("message"), language) or ""
    return Destination(
        name=text_at(stored, "sipUri") if sip else text_at(stored, "number"),
        address=address,
        sip=sip,
        message=spoken_message(stored.get("message"), language),
        extension="" if sip else _extension(stored, faults),
        caller_id=text_at(stored, "callerId"),
        mode=mode[:80],
        rings_s=_rings_s(plan),
        says=words or STOCK_WHISPER if says_message(mode) or says_summary(mode) else "",
        waits=mode.startswith(_WAITS),
        summary=_summary(plan) if says_summary(mode) else None,
        fallback=_fallback(plan, language),
        faults=tuple(faults),
    )


def destination_stored(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The destination of that name in Vapi's words; empty where there is none."""
    listed = settings.get("destinations")
    found = [
        dict(one)
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, Mapping) and name in (text_at(one, "number"), text_at(one, "sipUri"))
    ]
    return found[-1] if found else {}  # as in destinations_read, the last of one name counts


def destination_chosen(output: str) -> dict[str, Any]:
    """The destination in Vapi's words that a server has named, with the message it gave; empty where there is none."""
    try:
        answer = json.loads(output)
    except ValueError:
        return {}
    named = answer.get("destination") if isinstance(answer, Mapping) else None
    if isinstance(named, str):
        named = (
            {"type": "sip", "sipUri": named}
            if named.startswith("sip")
            else {"type": "number", "number": named}
        )
    if not isinstance(named, Mapping):
        return {}
    message = answer.get("message")
    return {**named, "message": message} if isinstance(message, str | Mapping) else dict(named)


def caller_id_shown(destination: Destination, *, caller: str, did: str) -> str:
    """The number that the operator sees: the one that was set, else the caller's, else the number they called.

    A withheld number cannot be shown. Twilio takes the caller's and our own; of others only those it has verified.
    """
    wanted = destination.caller_id
    if is_e164(wanted) or (destination.sip and _SIP_CALLER.fullmatch(wanted)):
        return wanted
    return caller if is_e164(caller) else did


def _sip_address(stored: Mapping[str, Any], faults: list[str]) -> str:
    uri = sip_uri_dialled(stored)
    if not uri:
        return ""
    pairs = []
    for name, value in _mapping(stored, "sipHeaders").items():
        if _SIP_HEADER.fullmatch(str(name)) and isinstance(value, str | int | float):
            pairs.append(f"{name}={quote(_header_value(value), safe='')}")
        else:
            faults.append(f"Twilio passes on no SIP header named {str(name)[:60]}.")
    address = f"{uri}?{'&'.join(pairs)}" if pairs else uri
    if len(address) > _SIP_LONGEST:
        faults.append("The SIP headers are too long for Twilio and were left out.")
        return uri
    return address


def _header_value(value: str | float) -> str:
    """On one line: what a caller has said may stand in it, and is to begin no header of its own."""
    return "".join(one if one.isprintable() else " " for one in str(value))


def _extension(stored: Mapping[str, Any], faults: list[str]) -> str:
    extension = text_at(stored, "extension")
    if extension and not is_extension(extension):
        faults.append("The extension holds more than keys of a telephone and was left out.")
        return ""
    return extension


def _rings_s(plan: Mapping[str, Any]) -> int:
    given = plan.get("dialTimeout")
    if isinstance(given, bool) or not isinstance(given, int | float):
        return RINGS_S
    return max(1, min(LONGEST_RING_S, round(given)))


def _summary(plan: Mapping[str, Any]) -> SummaryPlan | None:
    stored = _mapping(plan, "summaryPlan")
    if stored.get("enabled") is False:
        return None
    messages = stored.get("messages")
    given = stored.get("timeoutSeconds")
    within_s = float(given) if isinstance(given, int | float) and not isinstance(given, bool) else 0.0
    return SummaryPlan(
        messages=tuple(
            {"role": str(one["role"]), "content": one["content"]}
            for one in (messages if isinstance(messages, list) else [])
            if isinstance(one, Mapping) and isinstance(one.get("content"), str) and one.get("role")
        ),
        within_s=min(within_s, 60.0) if within_s > 0 else SUMMARY_WITHIN_S,
    )


def _fallback(plan: Mapping[str, Any], language: str) -> Fallback | None:
    stored = plan.get("fallbackPlan")
    if not isinstance(stored, Mapping):
        return None
    return Fallback(
        spoken_message(stored.get("message"), language) or "", stored.get("endCallEnabled") is not False
    )


def spoken_message(message: object, language: str) -> str | None:
    """The words of a message that is a text or an object; None for neither."""
    if isinstance(message, str):
        return message.strip()
    return tool_message(message, language=language).text if isinstance(message, Mapping) else None


def _mapping(stored: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = stored.get(key)
    return value if isinstance(value, Mapping) else {}
