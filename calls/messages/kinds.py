"""The kinds of server messages: which are sent, to whom who asks for what, and how much trouble each is worth. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from calls.passing import telling

STATUS: Final = "status-update"
REPORT: Final = "end-of-call-report"
CONVERSATION: Final = "conversation-update"
SPEECH: Final = telling.SPEECH
TRANSCRIPT: Final = telling.TRANSCRIPT
FINAL_TRANSCRIPT: Final = 'transcript[transcriptType="final"]'
INTERRUPTED: Final = "user-interrupted"
STARTED: Final = "assistant.started"
SPEECH_STARTED: Final = "assistant.speechStarted"
TRANSFER: Final = "transfer-update"
MODEL_OUTPUT: Final = "model-output"
HANG: Final = "hang"
ASSISTANT_REQUEST: Final = "assistant-request"


def transcript_kind(wanted: Collection[str]) -> str:
    """In which form final transcripts are wanted; empty: not at all. Both are one message, in the wider form."""
    return next((one for one in (TRANSCRIPT, FINAL_TRANSCRIPT) if one in wanted), "")


@dataclass(frozen=True, slots=True)
class Care:
    """How much trouble a kind of message is worth.

    ``pauses_s`` come after attempts that failed, beyond what the server's own plan asks for. ``thins``: while the server is
    slow, a later message of the kind takes the place of those before it.
    """

    pauses_s: tuple[float, ...] = ()
    thins: bool = False


# Whoever bills, books or cleans up by them has no other way to learn of the end: tried for some sixteen hours.
_LASTING: Final = Care((5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800))
_SOON: Final = Care((2, 8, 30))
_ONCE: Final = Care()
_PASSING: Final = Care(thins=True)


def care_for(kind: str, key: str) -> Care:
    """What this message is worth. Vapi tries each once where there is no plan."""
    if kind == REPORT or key in ENDS:
        return _LASTING
    if kind in (STATUS, STARTED, TRANSFER):
        return _SOON
    return _PASSING if kind in (CONVERSATION, MODEL_OUTPUT) else _ONCE


STATUS_ENDED: Final = "status:ended"
REPORT_KEY: Final = "report"
ENDS: Final = (STATUS_ENDED, REPORT_KEY)
