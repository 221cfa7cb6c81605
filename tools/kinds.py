"""Which kinds of tools Tandem carries out itself, and why it leaves the others out of a session."""

from tools.models import Tool

Kind = Tool.Kind

RUNS = frozenset({Kind.FUNCTION, Kind.END_CALL})

_WHY_NOT: dict[str, str] = {
    Kind.API_REQUEST: "HTTP requests without Vapi's envelope are not carried out yet.",
    Kind.TRANSFER: "Transfers are not carried out yet.",
    Kind.HANDOFF: "Handing over to another assistant is not carried out yet.",
    Kind.DTMF: "Pressing keys is not carried out yet.",
    Kind.SMS: "Text messages are not sent yet.",
    Kind.VOICEMAIL: "Messages on a voicemail are not left yet.",
    Kind.MCP: "MCP servers are not called yet.",
    Kind.QUERY: "It searches files that only Vapi holds. Put such a search behind a webhook of your own.",
    Kind.OTHER: "It runs on Vapi's own servers, with credentials that only Vapi holds. Put it behind a webhook of your own.",
}


def why_not(kind: str) -> str:
    """Why tools of this kind are not offered to the model, in a sentence; empty where they are."""
    return "" if kind in RUNS else _WHY_NOT.get(kind, _WHY_NOT[Kind.OTHER])
