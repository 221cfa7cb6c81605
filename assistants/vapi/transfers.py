"""What of a tool's transfers cannot be carried out as at Vapi, and what to do about it."""

from collections.abc import Mapping
from typing import Any, Final

from assistants.vapi.drafts import Verdict
from assistants.vapi.ledger import Ledger
from assistants.vapi.paths import Path
from assistants.vapi.tool_kinds import Kind
from tools.destinations import is_extension, is_mode, number_dialled, sip_uri_dialled, text_at
from tools.kinds import why_not


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
    if kind != "sip" and extension and not is_extension(extension.strip()):
        reason = "An extension can hold only keys of a telephone: 0 to 9, *, # and w. It is not keyed in: correct it."
        _decide(ledger, (*path, "extension"), reason, "bad_extension")
    mode = (ledger.text(*path, "transferPlan", "mode") or "").strip()
    if mode and not is_mode(mode):
        reason = (
            "Tandem does not transfer calls in this way: the caller is connected without further words. Choose another way if the "
            "person who answers must be told something first."
        )
        _decide(ledger, (*path, "transferPlan", "mode"), reason, "transfer_mode")


def address_fault(destination: Mapping[str, Any]) -> tuple[str, str]:
    """Which part of a destination keeps calls from ever going there, and what to do; empty texts where none does."""
    # A template is filled in during the call, and looked at then.
    if destination.get("type") == "sip":
        dialled = "{{" in text_at(destination, "sipUri") or sip_uri_dialled(destination)
        return ("", "") if dialled else ("sipUri", _NO_SIP)
    dialled = "{{" in text_at(destination, "number") or number_dialled(destination)
    return ("", "") if dialled else ("number", _NO_NUMBER)


_NO_SIP: Final = (
    "This is no SIP address (sip:name@host), so calls are never transferred there. Enter the right one, or take the "
    "destination out."
)
_NO_NUMBER: Final = (
    "This is no full telephone number with + and country code, so calls are never transferred there. Enter the full number, or "
    "take the destination out. Where a short number is meant, switch the check of the number off."
)


def _decide(ledger: Ledger, path: Path, reason: str, code: str) -> None:
    ledger.decide(path, reason, field="settings", code=code)
