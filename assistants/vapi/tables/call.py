"""How a call begins and ends, who the assistant is, and what overrides may hold besides."""

from typing import Final

from assistants.vapi.rules import rules_for
from assistants.vapi.tables.words import (
    BOOKKEEPING,
    CONVERTED,
    FLAG,
    KEPT,
    LEGACY,
    NUMBER,
    OBJECT,
    SEEN,
    TEXT,
)

_MACHINES: Final = (
    "On calls that Tandem places, Twilio recognises answering machines, whoever does it at Vapi. Twilio's own options carry over; the "
    "others have no counterpart."
)

IDENTITY: Final = [
    *rules_for(KEPT, "id", "By it the next import finds this assistant again.", type=TEXT),
    *rules_for(KEPT, "orgId createdAt updatedAt latestVersion", BOOKKEEPING),
    *rules_for(KEPT, "name", "The name of the assistant.", field="name", type=TEXT),
    *rules_for(
        KEPT,
        "metadata",
        "Your own notes. They go along with the assistant in every webhook.",
        field="metadata",
        type=OBJECT,
        whole=True,
    ),
    *rules_for(
        KEPT,
        "isServerUrlSecretSet",
        "No secret is set at Vapi, and none is sent here.",
        type=FLAG,
        origin=SEEN,
    ),
]

FIRST_AND_LAST: Final = [
    *rules_for(
        KEPT,
        "firstMessage",
        "Said word for word when the call is answered.",
        field="first_message",
        type=TEXT,
    ),
    *rules_for(KEPT, "firstMessageMode", "How the call begins.", field="first_message_mode", type=TEXT),
    *rules_for(
        KEPT,
        "firstMessageInterruptionsEnabled",
        "Whether the caller can cut the first message short.",
        field="first_message_interruptible",
        type=FLAG,
    ),
    *rules_for(
        KEPT, "endCallMessage", "Said before the assistant hangs up.", field="end_call_message", type=TEXT
    ),
    *rules_for(
        KEPT,
        "endCallPhrases[]",
        "When the assistant has said this, it hangs up.",
        field="end_call_phrases",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "voicemailMessage",
        "Left on an answering machine that a call of ours has reached.",
        field="voicemail_message",
        type=TEXT,
    ),
    *rules_for(
        CONVERTED,
        "voicemailDetection voicemailDetection.**",
        _MACHINES,
        field="plans",
    ),
    *rules_for(
        CONVERTED,
        "voicemailDetectionEnabled",
        _MACHINES,
        field="plans",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(KEPT, "maxDurationSeconds", "The longest call.", field="max_duration_s", type=NUMBER),
    *rules_for(
        KEPT,
        "silenceTimeoutSeconds",
        "After so long a silence the call is ended.",
        field="silence_timeout_s",
        type=NUMBER,
        origin=LEGACY,
    ),
]

IMPLICIT_TOOLS: Final = [
    *rules_for(
        CONVERTED,
        "endCallFunctionEnabled",
        "Off at Vapi: the assistant cannot hang up by itself.",
        field="tools",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(
        CONVERTED,
        "dialKeypadFunctionEnabled",
        "Off at Vapi: the assistant cannot press keys.",
        field="tools",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(
        CONVERTED,
        "forwardingPhoneNumber",
        "Became a tool that transfers the call to this number; it has a report of its own.",
        field="tools",
        type=TEXT,
        origin=LEGACY,
    ),
    *rules_for(
        CONVERTED,
        "forwardingPhoneNumbers[]",
        "Became a destination of a tool that transfers the call; it has a report of its own.",
        field="tools",
        type=OBJECT,
        whole=True,
        origin=LEGACY,
    ),
]

# Only in overrides, and so in the copies of assistants that squads make.

OVERRIDES: Final = [
    *rules_for(
        KEPT,
        "variableValues",
        "Values for {{ names }} in the prompt and in what is said.",
        field="variables",
        type=OBJECT,
        whole=True,
    ),
    *rules_for(
        KEPT,
        "tools:append[]",
        "Imported as a tool with a report of its own.",
        field="tools",
        type=OBJECT,
        whole=True,
    ),
]
