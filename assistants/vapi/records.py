"""What of an assistant's calls is kept, from Vapi's settings: recordings, and its switches for health and card data."""

from typing import Any

from assistants.vapi.drafts import Verdict
from assistants.vapi.ledger import Ledger

_RECORDING = ("artifactPlan", "recordingEnabled")
_CONSENT = ("compliancePlan", "recordingConsentPlan", "type")


def records_fields(ledger: Ledger) -> dict[str, Any]:
    """Whether calls are recorded, and what must not be written down of them."""
    pci = _pci(ledger)
    _say_security(ledger)
    return {
        # Under the HIPAA switch nothing is recorded whatever stands here.
        "recording_enabled": _recording(ledger, pci=pci),
        "hipaa": _hipaa(ledger),
        # Where Vapi says nothing of it, nothing is said here either: what people have chosen on the page stays.
        **({"redact": ["card"]} if pci else {}),
    }


def _recording(ledger: Ledger, *, pci: bool) -> bool:
    older = ledger.flag("recordingEnabled")
    given = ledger.flag(*_RECORDING)
    wanted = given if given is not None else older
    why = _barred(ledger, pci=pci)
    if wanted is None:
        reason = "Vapi records every call unless told not to. " + (
            why or "So does Tandem now, by Twilio, both sides."
        )
        ledger.missing(_RECORDING, reason, field="recording_enabled", ours=not why)
        return not why
    if wanted and why:
        for path in (_RECORDING, ("recordingEnabled",)):
            if ledger.flag(*path):
                ledger.say(path, Verdict.CONVERTED, why, field="recording_enabled", ours=False)
    return wanted and not why


def _barred(ledger: Ledger, *, pci: bool) -> str:
    """Why calls are not recorded, whatever is said of recording; empty where nothing speaks against it."""
    if pci:
        return "Recording is off here: a recording would hold the card numbers (PCI)."
    if ledger.text(*_CONSENT):
        return "Recording is off here until you have settled how callers are asked for it."
    return ""


def _hipaa(ledger: Ledger) -> bool:
    found = False
    for path in (("compliancePlan", "hipaaEnabled"), ("hipaaEnabled",)):
        if ledger.flag(*path):
            found = True
            ledger.say(
                path,
                Verdict.DECISION,
                "The HIPAA switch is on here, too: nothing that is said is kept, no sound, and no argument or answer of a tool; who "
                "opens a call is written down. Settle with whoever is responsible that your agreements with OpenAI and Twilio "
                "cover health information: at Vapi only approved providers were used.",
                field="hipaa",
                ours=True,
                code="hipaa",
            )
    return found


def _pci(ledger: Ledger) -> bool:
    if not ledger.flag("compliancePlan", "pciEnabled"):
        return False
    ledger.say(
        ("compliancePlan", "pciEnabled"),
        Verdict.DECISION,
        "At Vapi nothing of this assistant's calls is written down, for the sake of card numbers (PCI). Tandem takes card numbers "
        "out of transcripts and tool calls before they are stored, and records nothing; the rest of the transcript is kept, and "
        "a number that is misheard is not recognised. Settle whether that is enough; with the HIPAA switch nothing is kept.",
        field="redact",
        ours=["card"],
        code="pci",
    )
    return True


def _say_security(ledger: Ledger) -> None:
    if ledger.flag("compliancePlan", "securityFilterPlan", "enabled"):
        ledger.say(
            ("compliancePlan", "securityFilterPlan", "enabled"),
            Verdict.DECISION,
            "At Vapi what the caller says is searched for attacks before the model gets it. Tandem has no such filter: the model "
            "hears everything. Make sure that tools do nothing a caller may not ask for.",
            field="plans",
            code="security_filter",
        )
