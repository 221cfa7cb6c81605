"""What of a tool's transfers cannot be carried out as at Vapi, and what to do about it."""

import re
from collections.abc import Mapping
from typing import Any, Final

from assistants.vapi.drafts import Verdict
from assistants.vapi.ledger import Ledger
from assistants.vapi.paths import Path
from assistants.vapi.tool_kinds import Kind
from tools.kinds import why_not

# What calls.transfers takes, which may not be imported from here.
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_DIALLABLE: Final = re.compile(r"\+?[0-9*#]{3,40}", re.ASCII)
_SIP_URI: Final = re.compile(r"sips?:[^\s@<>\"?]+@[^\s@<>\"?]+", re.ASCII)
_EXTENSION: Final = re.compile(r"[0-9*#wW]{1,20}", re.ASCII)
_MODE: Final = re.compile(
    r"blind-transfer|warm-transfer-(wait-for-operator-to-speak-first-and-then-)?(say|with)-(message|summary)"
)


def transfer_say(ledger: Ledger) -> None:
    """Tells what a transfer without destinations does, and asks about destinations and ways that Tandem does not have."""
    if not ledger.items("destinations"):
        reason = (
            "At Vapi your server is asked during the call where it goes (transfer-destination-request). Tandem asks it in the "
            "same way."
        )
        ledger.missing(("destinations",), reason, field="settings", ours="asked of the server")
        if ledger.has("destinations"):
            ledger.say(("destinations",), Verdict.KEPT, reason, field="settings")
    for number, destination in enumerate(ledger.items("destinations")):
        if isinstance(destination, dict):
            _destination(ledger, ("destinations", number))


def _destination(ledger: Ledger, path: Path) -> None:
    kind = ledger.text(*path, "type")
    if kind == "assistant":
        if why_not(Kind.HANDOFF):
            reason = f"This destination is another assistant. {why_not(Kind.HANDOFF)}"
            _decide(ledger, (*path, "type"), reason, "assistant_destination")
        return
    part, fault = address_fault(ledger.mapping(*path))
    if fault:
        _decide(ledger, (*path, part), fault, "bad_destination")
    extension = ledger.text(*path, "extension")
    if kind != "sip" and extension and not _EXTENSION.fullmatch(extension.strip()):
        reason = "An extension can hold only keys of a telephone: 0 to 9, *, # and w. It is not keyed in: correct it."
        _decide(ledger, (*path, "extension"), reason, "bad_extension")
    mode = (ledger.text(*path, "transferPlan", "mode") or "").strip()
    if mode and not _MODE.fullmatch(mode):
        reason = (
            "Tandem does not transfer calls in this way: the caller is connected without further words. Choose another way if the "
            "person who answers must be told something first."
        )
        _decide(ledger, (*path, "transferPlan", "mode"), reason, "transfer_mode")


def address_fault(destination: Mapping[str, Any]) -> tuple[str, str]:
    """Which part of a destination keeps calls from ever going there, and what to do; empty texts where none does."""
    if destination.get("type") == "sip":
        uri = _text(destination, "sipUri").strip()
        return ("", "") if "{{" in uri or _SIP_URI.fullmatch(uri) else ("sipUri", _NO_SIP)
    number = re.sub(r"[\s().-]", "", _text(destination, "number"))
    loose = destination.get("numberE164CheckEnabled") is False
    dialled = "{{" in number or (_DIALLABLE if loose else _E164).fullmatch(number)
    return ("", "") if dialled else ("number", _NO_NUMBER)


_NO_SIP: Final = (
    "This is no SIP address (sip:name@host), so calls are never transferred there. Enter the right one, or take the "
    "destination out."
)
_NO_NUMBER: Final = (
    "This is no full telephone number with + and country code, so calls are never transferred there. Enter the full number, or "
    "take the destination out. Where a short number is meant, switch the check of the number off."
)


def _text(destination: Mapping[str, Any], key: str) -> str:
    value = destination.get(key)
    return value if isinstance(value, str) else ""


def _decide(ledger: Ledger, path: Path, reason: str, code: str) -> None:
    ledger.decide(path, reason, field="settings", code=code)
