"""Which kinds of tools Tandem carries out itself, and why it leaves the others out of a session."""

from tools.models import Tool
from tools.snapshots import ToolSnapshot, is_unlisted

Kind = Tool.Kind

RUNS = frozenset(
    {Kind.FUNCTION, Kind.API_REQUEST, Kind.END_CALL, Kind.TRANSFER, Kind.MCP, Kind.SMS, Kind.VOICEMAIL}
)

_WHY_NOT: dict[str, str] = {
    Kind.HANDOFF: "Handing over to another assistant is not carried out yet.",
    Kind.DTMF: "Pressing keys is not carried out yet.",
    Kind.QUERY: "It searches files that only Vapi holds. Put such a search behind a webhook of your own.",
    Kind.OTHER: "It runs on Vapi's own servers, with credentials that only Vapi holds. Put it behind a webhook of your own.",
}


def runs(tool: ToolSnapshot) -> bool:
    """Whether a frozen tool can be offered to the model."""
    return tool.kind in RUNS and not is_unlisted(tool)


def why_not(kind: str) -> str:
    """Why tools of this kind are not offered to the model, in a sentence; empty where they are."""
    return "" if kind in RUNS else _WHY_NOT.get(kind, _WHY_NOT[Kind.OTHER])
