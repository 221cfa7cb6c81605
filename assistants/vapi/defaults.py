"""What Vapi does where an export says nothing. Vapi writes only what somebody has set, so absent means one of these."""

from typing import Final

# Reference: Vapi's OpenAPI document, and Vapi's own field notes where they contradict it.
WAIT_S: Final = 0.4
ON_PUNCTUATION_S: Final = 0.1
NUM_WORDS: Final = 0
MAX_DURATION_S: Final = 600
SILENCE_TIMEOUT_S: Final = 30
MAX_TOKENS: Final = 250
KEYPAD_TIMEOUT_S: Final = 2.0
KEYPAD_DELIMITERS: Final = "#"
TOOL_TIMEOUT_S: Final = 20
LANGUAGE: Final = "en"

# Of a hook on silence, and of the message plan that came before it.
HOOK_IDLE_S: Final = 7.5
HOOK_IDLE_COUNT: Final = 3
PLAN_IDLE_S: Final = 10.0
PLAN_IDLE_COUNT: Final = 3

SERVER_MESSAGES: Final = (
    "conversation-update",
    "end-of-call-report",
    "function-call",
    "hang",
    "speech-update",
    "status-update",
    "tool-calls",
    "transfer-destination-request",
    "handoff-destination-request",
    "user-interrupted",
    "assistant.started",
)


def messages_wanted(listed: object) -> frozenset[str]:
    """The kinds of messages that an assistant wants whose list is this; Vapi's own where it has none."""
    if not isinstance(listed, list):
        return frozenset(SERVER_MESSAGES)
    return frozenset(one for one in listed if isinstance(one, str))


# Of the events that can be listed, those that are sent. docs/server-messages.md tells why the others are not.
SENT_MESSAGES: Final = frozenset(
    {
        "assistant.speechStarted",
        "assistant.started",
        "conversation-update",
        "end-of-call-report",
        "hang",
        "model-output",
        "speech-update",
        "status-update",
        "transcript",
        'transcript[transcriptType="final"]',
        "transfer-update",
        "user-interrupted",
    }
)

# Settings that change nothing among our own: the path, our value as people read it, and what that means for a call.
UNSETTLED: Final[tuple[tuple[tuple[str, ...], str, str], ...]] = (
    (
        ("backgroundSound",),
        "off",
        "Vapi plays the sounds of an office under every call unless it is switched off. Tandem plays none.",
    ),
    (
        ("voicemailDetection",),
        "off",
        "Vapi does not look for answering machines unless told to, and neither does Tandem.",
    ),
    (
        ("serverMessages",),
        "Vapi's usual ones",
        "Vapi sends its usual events (status, conversation, end-of-call report and others) to the server URL. So does Tandem.",
    ),
    (
        ("analysisPlan", "summaryPlan", "enabled"),
        "off",
        "Vapi writes a summary of every call unless told not to. Tandem does once you switch on that finished calls are analysed.",
    ),
    (
        ("analysisPlan", "successEvaluationPlan", "enabled"),
        "off",
        "Vapi judges after every call whether it was a success, unless told not to. Tandem does once you switch on that finished calls are analysed.",
    ),
    (
        ("monitorPlan", "listenEnabled"),
        "as at Vapi",
        "Whoever has the call's listening address can listen unless that is switched off, as at Vapi.",
    ),
    (
        ("monitorPlan", "controlEnabled"),
        "as at Vapi",
        "Whoever has the call's control address can steer the call unless that is switched off, as at Vapi.",
    ),
)
