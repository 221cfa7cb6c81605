"""Which settings of a tool no call makes use of, since its kind has no use for them: told from the table of the kinds."""

from typing import Any, Final

from assistants.vapi.drafts import Verdict
from assistants.vapi.ledger import Ledger
from assistants.vapi.paths import Path
from assistants.vapi.tool_kinds import Kind
from assistants.vapi.tool_rules import STORED, TOOL
from tools.kinds import says, uses, why_not

LATER: Final = "Stored with the tool. It matters once tools of this kind are carried out."
NEVER: Final = "Stored with the tool, which is not offered to the model."
# They work with what only Vapi has, and never will here.
_NEVER: Final = frozenset({Kind.QUERY.value, Kind.OTHER.value})

_NO_SERVER: Final = "Tandem carries out tools of this kind itself. No server is asked, so this is not used."
_NO_ARGUMENTS: Final = "It concerns arguments that are sent to a server. Those of this tool go to none."
# Where each column of ours stands at Vapi, and why a kind may have no use for it.
_COLUMNS: Final[dict[str, tuple[tuple[Path, ...], str]]] = {
    "server_url": ((("server", "url"), ("server", "staticIpAddressesEnabled")), _NO_SERVER),
    "server_secret": ((("server", "secret"), ("isServerUrlSecretSet",)), _NO_SERVER),
    "server_headers": ((("server", "headers"),), _NO_SERVER),
    "credential": ((("server", "credentialId"), ("credentialId",)), _NO_SERVER),
    "timeout_s": (
        (("server", "timeoutSeconds"), ("timeoutSeconds",)),
        "Tools of this kind wait for no answer, so there is nothing to wait for.",
    ),
    "backoff_plan": (
        (("server", "backoffPlan"), ("backoffPlan",)),
        "Tandem sends requests of this kind once, whatever comes of them.",
    ),
    "static_parameters": ((("parameters",),), _NO_ARGUMENTS),
    "encrypted_paths": ((("server", "encryptedPaths"), ("encryptedPaths",)), _NO_ARGUMENTS),
    "variable_extraction": (
        (("variableExtractionPlan",),),
        "Variables are taken from the answers of servers, and a tool of this kind gets none that has any.",
    ),
    "arguments_checked": (
        (("function", "strict"),),
        "OpenAI's voice models have no strict mode, and the arguments of this tool go to no server.",
    ),
}
_OF_A_SERVER: Final = ("server_url", "server_secret", "server_headers", "credential", "timeout_s")
_OF_THE_MODEL: Final = frozenset({"", "name", "description", "parameters", "kind"})
_NOT_SAID: Final = "No call says a message of this type for such a tool."


def asks_server(kind: str, settings: dict[str, Any]) -> bool:
    """Whether calls ask a server of the customer's for such a tool: for its answer, or for where a transfer goes."""
    if kind == Kind.TRANSFER and settings.get("destinations"):
        return False
    return uses(kind, "server_url")


def unused_say(ledger: Ledger, kind: str, settings: dict[str, Any]) -> None:
    """Tells of everything that was taken over for nothing, over whatever was said of it before."""
    if why_not(kind):
        _say_not_run(ledger, kind)
        return
    asked = asks_server(kind, settings)
    dropped: list[tuple[Path, str]] = []
    for column, (places, reason) in _COLUMNS.items():
        if uses(kind, column) and (asked or column not in _OF_A_SERVER or kind == Kind.SMS):
            continue
        dropped += [(place, reason) for place in places]
    for number, message in enumerate(ledger.items("messages")):
        type_ = message.get("type") if isinstance(message, dict) else None
        if isinstance(type_, str) and not says(kind, type_, asks_server=asked):
            dropped.append((("messages", number), _NOT_SAID))
    if dropped:
        _drop(ledger, dropped)


def _drop(ledger: Ledger, dropped: list[tuple[Path, str]]) -> None:
    """Say of all that stands at these places, or below them, why it is dropped; the last reason counts."""
    for path, value in TOOL.leaves(ledger.raw):
        reasons = [reason for place, reason in dropped if path[: len(place)] == place]
        rule = TOOL.match(path) if reasons else None
        if rule is not None and rule.accepts(value):
            ledger.say(path, Verdict.DROPPED, reasons[-1])


def _say_not_run(ledger: Ledger, kind: str) -> None:
    """What only matters in calls: it is kept, and no call has it."""
    reason = NEVER if kind in _NEVER else LATER
    for path, value in TOOL.leaves(ledger.raw):
        rule = TOOL.match(path)
        if rule is None or rule.verdict is not Verdict.KEPT or not rule.accepts(value):
            continue
        matters = rule.reason == STORED or rule.field not in _OF_THE_MODEL
        if matters and not ledger.is_decided(path):
            ledger.say(path, Verdict.KEPT, reason, field=rule.field)
