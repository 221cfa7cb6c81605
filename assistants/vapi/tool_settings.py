"""What becomes of the settings that only tools of one kind have, told by what a call does with them."""

from typing import Final

from assistants.vapi.drafts import Verdict
from assistants.vapi.inline import overrides_left
from assistants.vapi.ledger import Ledger
from assistants.vapi.paths import Path
from assistants.vapi.tool_kinds import Kind
from tools.kinds import why_not

_USED: Final[dict[Kind, dict[Path, str]]] = {
    Kind.API_REQUEST: {
        ("url",): "Where the request is sent.",
        ("method",): "The method of the request.",
        ("headers",): "Sent with the request.",
    },
    Kind.SMS: {("metadata", "from"): "The number that the text message is sent from."},
    Kind.MCP: {
        ("metadata", "protocol"): "How the server is talked to.",
        ("toolMessages",): "What the caller hears while one of the server's tools is at work.",
    },
}
_NOT_DONE: Final[dict[Kind, dict[Path, str]]] = {
    Kind.DTMF: {
        (
            "sipInfoDtmfEnabled",
        ): "Twilio presses the keys, as events beside the audio (RFC 4733); it sends no SIP INFO.",
    },
    Kind.VOICEMAIL: {
        (
            "beepDetectionEnabled",
        ): "Tandem does not listen for the beep of an answering machine: the message is spoken as soon as the model uses the tool.",
    },
}
_DESTINATION_USED: Final[dict[Path, str]] = {
    ("type",): "Whether a telephone or a SIP address is called.",
    ("number",): "The number that is called.",
    ("numberE164CheckEnabled",): "Whether only full numbers with + and country code are called.",
    ("sipUri",): "The SIP address that is called.",
    ("sipHeaders",): "Sent with the call to the SIP address.",
    ("extension",): "Keyed in as soon as the call is answered.",
    ("callerId",): "The number that whoever answers gets to see.",
    ("description",): "Tells the model when to transfer a call there.",
    ("message",): "What the caller hears before the transfer.",
    ("transferPlan", "mode"): "What whoever answers hears before they are connected.",
    ("transferPlan", "message"): "Said to whoever answers, where the way of transferring has it said.",
    ("transferPlan", "dialTimeout"): "For how long it rings, in seconds.",
    ("transferPlan", "summaryPlan", "enabled"): "Whether whoever answers is told what the call was about.",
    (
        "transferPlan",
        "summaryPlan",
        "messages",
    ): "Tells the model how to sum the call up for whoever answers.",
    ("transferPlan", "summaryPlan", "timeoutSeconds"): "For how long the summary is waited for.",
    ("transferPlan", "fallbackPlan", "message"): "What the caller hears when nobody answers.",
    ("transferPlan", "fallbackPlan", "endCallEnabled"): "Whether the call ends when nobody answers.",
}
_CONTEXT: Final = (
    "It says how much of the conversation an assistant that takes over gets to read. Here a person takes the call, and hears "
    "what the way of transferring says."
)
_DESTINATION_NOT_DONE: Final[dict[Path, str]] = {
    ("contextEngineeringPlan",): _CONTEXT,
    ("transferPlan",): "Tandem's transfers have no such setting.",
    (
        "transferPlan",
        "holdAudioUrl",
    ): "Tandem plays no recording to callers while they wait to be connected.",
    ("transferPlan", "transferCompleteAudioUrl"): "Tandem plays no recording when the two are connected.",
    (
        "transferPlan",
        "sipVerb",
    ): "Tandem always calls the destination and connects the two calls; it sends no SIP REFER or BYE instead.",
    (
        "transferPlan",
        "transferAssistant",
    ): "At Vapi an assistant speaks with whoever answers before they are connected. Tandem has none for that.",
    ("transferPlan", "contextEngineeringPlan"): _CONTEXT,
    ("transferPlan", "twiml"): "Tandem does not carry out instructions for Twilio of your own.",
    (
        "transferPlan",
        "voicemailDetectionType",
    ): "Tandem does not notice when an answering machine takes a transferred call.",
}


_HANDOFF_USED: Final[dict[Path, str]] = {
    ("type",): "Who takes the call over: another assistant, or a member of a squad.",
    ("assistantName",): "The assistant that takes the call over.",
    ("assistantId",): "The assistant that takes the call over.",
    ("squadId",): "The squad that takes the call over.",
    ("entryAssistantName",): "The member of the squad that takes the call over.",
    ("description",): "Tells the model when to hand a call over.",
    ("message",): "What the caller hears before, in the voice of the assistant that hands over.",
    ("transferMode",): "What of the conversation the next assistant gets to read.",
    ("contextEngineeringPlan",): "What of the conversation the next assistant gets to read.",
    (
        "variableExtractionPlan",
    ): "What the model is asked for when it hands over: the next assistant's templates can use it.",
}


def _handoff_say(ledger: Ledger, base: Path) -> None:
    for path, reason in _HANDOFF_USED.items():
        ledger.say((*base, *path), Verdict.KEPT, reason, field="settings")
    overrides_say(ledger, base)


def overrides_say(ledger: Ledger, base: Path) -> None:
    """Tells what a handoff's destination changes of the assistant, and asks about what is not carried out."""
    for name in ("assistantOverrides", "squadOverrides"):
        given = ledger.mapping(*base, name)
        left = overrides_left(given)
        if left:
            reason = (
                f"Of what this handoff changes of the assistant, Tandem takes over the first message and variables, and not: "
                f"{', '.join(left)[:200]}. Make an assistant with these settings, and hand the call over to that."
            )
            ledger.say((*base, name), Verdict.DECISION, reason, field="settings", code="handoff_overrides")
        elif given:
            reason = "Changed for the part of the call that begins with this handoff."
            ledger.say((*base, name), Verdict.KEPT, reason, field="settings")


def settings_say(ledger: Ledger, kind: str) -> None:
    """Tells of each setting whether calls use it, before anything in particular is said of its value."""
    if why_not(kind):
        return  # tool_uses tells of all of it
    for path, reason in _USED.get(Kind(kind), {}).items():
        ledger.say(path, Verdict.KEPT, reason, field="settings")
    for path, reason in _NOT_DONE.get(Kind(kind), {}).items():
        ledger.say(path, Verdict.DROPPED, reason)
    if kind == Kind.HANDOFF:
        ledger.say(
            ("defaultResult",),
            Verdict.KEPT,
            "What the model reads once the call was handed over.",
            field="settings",
        )
    if kind not in (Kind.TRANSFER, Kind.HANDOFF):
        return
    for number, _ in enumerate(ledger.items("destinations")):
        base: Path = ("destinations", number)
        if kind == Kind.HANDOFF or ledger.text(*base, "type") == "assistant":
            _handoff_say(ledger, base)
            continue
        for path, reason in _DESTINATION_USED.items():
            ledger.say((*base, *path), Verdict.KEPT, reason, field="settings")
        for path, reason in _DESTINATION_NOT_DONE.items():
            ledger.say((*base, *path), Verdict.DROPPED, reason)
