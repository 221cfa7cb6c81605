"""Which kinds of tools Tandem carries out itself, why it leaves the others out of a session, and what each makes use of."""

from typing import Final

from tools.models import Tool
from tools.snapshots import ToolSnapshot, is_unlisted

Kind = Tool.Kind

RUNS = frozenset(
    {
        Kind.FUNCTION,
        Kind.API_REQUEST,
        Kind.END_CALL,
        Kind.TRANSFER,
        Kind.HANDOFF,
        Kind.DTMF,
        Kind.MCP,
        Kind.SMS,
        Kind.VOICEMAIL,
    }
)

_WHY_NOT: dict[str, str] = {
    Kind.QUERY: "It searches files that only Vapi holds. Put such a search behind a webhook of your own.",
    Kind.OTHER: "It runs on Vapi's own servers, with credentials that only Vapi holds. Put it behind a webhook of your own.",
}


_REQUESTS: Final = frozenset({Kind.FUNCTION, Kind.API_REQUEST, Kind.MCP})
_ASKS_A_SERVER: Final = _REQUESTS | {Kind.TRANSFER, Kind.OTHER}
_ALL: Final = frozenset(Kind)
# Which kinds make use of a column; one that stands in none of these is everybody's.
_USED_BY: Final[dict[str, frozenset[Kind]]] = {
    **dict.fromkeys(("server_url", "server_secret", "server_headers", "credential"), _ASKS_A_SERVER),
    "timeout_s": _ASKS_A_SERVER | {Kind.SMS},
    **dict.fromkeys(
        ("static_parameters", "backoff_plan", "asynchronous", "variable_extraction", "encrypted_paths"),
        _REQUESTS,
    ),
    "duplicates": _REQUESTS | {Kind.SMS},
    "wire_name": frozenset({Kind.FUNCTION}),
    "legacy_form": frozenset({Kind.FUNCTION}),
    "messages": _ALL - {Kind.VOICEMAIL},
    "settings": _ALL - {Kind.FUNCTION, Kind.END_CALL},
}
# Which of Vapi's messages a call ever says of a kind; of the others, all.
_SAYS: Final[dict[str, frozenset[str]]] = {
    Kind.END_CALL: frozenset({"request-start"}),
    Kind.VOICEMAIL: frozenset(),
    Kind.HANDOFF: frozenset({"request-start"}),
    Kind.DTMF: frozenset({"request-start", "request-complete"}),
}


def uses(kind: str, column: str) -> bool:
    """Whether tools of this kind make use of a column of theirs in a call. It holds for kinds that are not run, too:
    what is entered for them is kept."""
    used_by = _USED_BY.get(column)
    return used_by is None or kind in used_by


def users(column: str) -> frozenset[Kind] | None:
    """The kinds that make use of a column; None where all do."""
    return _USED_BY.get(column)


def says(kind: str, message_type: str, *, asks_server: bool) -> bool:
    """Whether a message of this type of Vapi's is ever said of such a tool.

    ``asks_server``: of a transfer, whether a server is asked where it goes.
    """
    if kind == Kind.TRANSFER and not asks_server:
        return message_type == "request-start"
    if kind == Kind.TRANSFER:
        return message_type != "request-complete"  # what follows is the destination's own message
    said = _SAYS.get(kind)
    return said is None or message_type in said


def runs(tool: ToolSnapshot) -> bool:
    """Whether a frozen tool can be offered to the model."""
    return tool.kind in RUNS and not is_unlisted(tool)


def why_not(kind: str) -> str:
    """Why tools of this kind are not offered to the model, in a sentence; empty where they are."""
    return "" if kind in RUNS else _WHY_NOT.get(kind, _WHY_NOT[Kind.OTHER])
