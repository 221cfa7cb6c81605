"""The names that templates of a call have by themselves, as Vapi has them. Pure data."""

from typing import Final

BUILT_IN: Final = frozenset(
    {
        "now", "currentDateTime", "date", "time", "month", "day", "year",
        "customer.number", "phoneNumber.number", "phoneNumber.name", "phoneNumber.id",
        "call.id", "call.type", "call.status", "call.startedAt", "call.assistantId",
        "assistant.id", "assistant.name",
        "transport.callSid", "transport.conversationType", "transport.provider",
    }
)  # fmt: skip
# Known only once something was said, or the call is over: to what is made of it then.
LATE: Final = frozenset(
    {"transcript", "messages", "prompt", "structuredOutputs", "endedReason", "systemPrompt"}
)
# What stands before the first dot.
ROOTS: Final = frozenset(name.partition(".")[0] for name in BUILT_IN)
