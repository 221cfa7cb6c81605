"""Why calls end, in plain words. Pure.

Vapi's reasons are an open list of hundreds, most of them made of a few parts; what is not known is shown as it is.
"""

import re
from typing import Final

_WORDS: Final = {
    "assistant-ended-call": "The assistant hung up.",
    "assistant-ended-call-after-message-spoken": "The assistant hung up after a message that was to be its last.",
    "assistant-ended-call-with-hangup-task": "The assistant hung up.",
    "assistant-said-end-call-phrase": "The assistant said one of its goodbye phrases, which ends the call.",
    "assistant-forwarded-call": "The call was transferred. Whether anybody answered stands with the transfer.",
    "assistant-not-found": "There was no such assistant.",
    "assistant-not-valid": "The assistant could not take calls: look at what it lacks.",
    "assistant-join-timed-out": "The assistant did not come in time.",
    "call-start-error-neither-assistant-nor-server-set": "Nobody was named who answers this number.",
    "customer-ended-call": "The caller hung up.",
    "customer-busy": "The line was busy.",
    "customer-did-not-answer": "Nobody picked up.",
    "customer-did-not-give-microphone-permission": "The caller's browser gave no microphone.",
    "customer-ended-call-before-warm-transfer": "The caller hung up before the operator was there.",
    "customer-ended-call-after-warm-transfer-attempt": "The caller hung up after a transfer that nobody took.",
    "customer-ended-call-during-transfer": "The caller hung up during the transfer.",
    "exceeded-max-duration": "The call was as long as its assistant allows.",
    "silence-timed-out": "Nobody spoke for as long as its assistant waits.",
    "voicemail": "A voicemail answered.",
    "manually-canceled": "Somebody ended it, by the API or in the admin.",
    "scheduled-call-deleted": "The call was planned, and the plan was deleted.",
    "call-deleted": "The call was deleted.",
    "twilio-failed-to-connect-call": "Twilio could not connect the call.",
    "twilio-reported-customer-misdialed": "Twilio says that the number was dialled wrongly.",
    "phone-call-provider-closed-websocket": "The socket that carried the sound was closed, and the call did not come back.",
    "phone-call-provider-bypass-enabled-but-no-call-received": "The call was made for a Twilio flow, and no stream came.",
    "call.in-progress.error-vapifault-transport-never-connected": "The call was made for a WebSocket, and nobody opened it.",
    "call.in-progress.twilio-completed-call": "Twilio says that the call is over; nobody told us who hung up.",
    "worker-shutdown": "Our server was stopped in the middle of the call.",
    "call.in-progress.error-vapifault-worker-died": "The process that held the call died.",
    "call.in-progress.error-transfer-failed": "The transfer failed.",
    "call.in-progress.error-assistant-did-not-receive-customer-audio": "Not a sound came from the caller.",
    "call.forwarding.operator-busy": "The call was transferred, and the operator's line was busy.",
    "call.forwarding.operator-no-answer": "The call was transferred, and the operator did not pick up.",
    "call.start.error-subscription-concurrency-limit-reached": "As many calls as allowed were under way already.",
    "call.start.error-subscription-insufficient-credits": "The account had no credit left.",
    "call.start.error-subscription-frozen": "The account was frozen.",
    "keys-pressed": "The call was away for Twilio to press keys.",
}
# Of the parts that the long ones are made of, the first that fits.
_PARTS: Final = (
    (
        r"429|exceeded-quota|insufficient-quota",
        "{who} refused it: the account's limit or credit was used up.",
    ),
    (r"401|403|unauthorized|invalid-api-key", "{who} refused the key."),
    (r"hook-executed-say", "A hook said its words and ended the call."),
    (r"hook-executed-transfer", "A hook transferred the call."),
    (r"warm-transfer", "The transfer to an operator did not come about."),
    (r"llm-failed", "The model ({who}) failed."),
    (r"voice-failed|tts", "The voice ({who}) failed."),
    (r"transcriber-failed|stt", "The transcription ({who}) failed."),
    (r"providerfault", "{who} failed."),
    (r"vapifault|pipeline", "The machinery of the call failed."),
)
_PROVIDER: Final = re.compile(r"(?:providerfault|pipeline-error)-([a-z0-9]+)")
_NAMES: Final = {"openai": "OpenAI", "azure": "Azure", "11labs": "ElevenLabs", "eleven": "ElevenLabs"}
GOOD: Final = frozenset(
    {
        "assistant-ended-call",
        "assistant-ended-call-after-message-spoken",
        "assistant-ended-call-with-hangup-task",
        "assistant-said-end-call-phrase",
        "assistant-forwarded-call",
        "customer-ended-call",
    }
)


def ending_words(reason: str) -> str:
    """What a reason means, in a sentence; empty for one that nobody here knows."""
    if reason in _WORDS:
        return _WORDS[reason]
    named = _PROVIDER.search(reason)
    who = _NAMES.get(named[1], named[1].capitalize()) if named else "A provider"
    for pattern, words in _PARTS:
        if re.search(pattern, reason):
            return words.format(who=who)
    return ""
