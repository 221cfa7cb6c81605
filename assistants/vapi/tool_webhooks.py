"""What a tool's server is sent, what the caller hears meanwhile, and what is made of the answer."""

import math
from typing import Any, Final

from assistants.vapi import defaults
from assistants.vapi.drafts import Verdict
from assistants.vapi.hiding import HIDDEN
from assistants.vapi.ledger import Ledger, holds
from assistants.vapi.paths import Path
from assistants.vapi.servers import Server, backoff_read, encrypted_paths_read
from tools.patterns import pattern_problem

_DEEPEST_CONDITION: Final = 40
_MESSAGES: Final = frozenset(
    {"request-start", "request-response-delayed", "request-complete", "request-failed"}
)


def webhook_fields(ledger: Ledger, server: Server) -> dict[str, Any]:
    """The columns of a tool that its webhook is made of."""
    return {
        "server_url": server.url,
        "timeout_s": _timeout(ledger),
        "encrypted_paths": list(
            dict.fromkeys([*server.encrypted_paths, *encrypted_paths_read(ledger, "encryptedPaths")])
        ),
        "backoff_plan": server.backoff_plan or backoff_read(ledger, ("backoffPlan",)),
        "static_parameters": _static_parameters(ledger),
        "messages": _messages(ledger),
        "variable_extraction": _extraction(ledger),
        "rejection_plan": _rejection(ledger),
    }


def _static_parameters(ledger: Ledger) -> list[dict[str, Any]]:
    parameters = []
    for number, item in enumerate(ledger.items("parameters")):
        if not isinstance(item, dict) or not isinstance(item.get("key"), str):
            continue
        if holds(item.get("value"), HIDDEN):
            ledger.say(
                ("parameters", number, "value"),
                Verdict.DECISION,
                "Part of this value looks like a secret by its name and was not taken over. Your server would get a mark instead "
                "of it: enter the value on the tool's page.",
                field="static_parameters",
                code="secret_value",
            )
        parameters.append({"key": item["key"], "value": item.get("value")})
    return parameters


def _timeout(ledger: Ledger) -> int:
    for path in (("server", "timeoutSeconds"), ("timeoutSeconds",)):
        given = ledger.number(*path)
        if given is None:
            continue
        seconds = min(max(math.ceil(given), 1), 300)
        if seconds != given:
            reason = "Tandem waits whole seconds, from 1 to 300."
            ledger.say(path, Verdict.CONVERTED, reason, field="timeout_s", ours=seconds)
        return seconds
    return defaults.TOOL_TIMEOUT_S


def _messages(ledger: Ledger) -> list[dict[str, Any]]:
    messages = []
    for number, message in enumerate(ledger.items("messages")):
        if not isinstance(message, dict):
            continue
        kind = message.get("type")
        if kind in _MESSAGES if isinstance(kind, str) else False:
            messages.append(message)
        elif kind is not None:
            ledger.say(
                ("messages", number),
                Verdict.DROPPED,
                "Part of a message whose kind is unknown; it is never said.",
            )
            ledger.say(
                ("messages", number, "type"),
                Verdict.DECISION,
                "Vapi has no message of this kind and says it when the tool has failed. Tandem leaves it out: set the kind that was meant.",
                code="unknown_message_type",
            )
    return messages


def _extraction(ledger: Ledger) -> dict[str, Any]:
    plan = ledger.mapping("variableExtractionPlan")
    read: dict[str, Any] = {}
    if isinstance(plan.get("schema"), dict) and plan["schema"]:
        read["schema"] = plan["schema"]
    aliases = [
        alias
        for alias in ledger.items("variableExtractionPlan", "aliases")
        if isinstance(alias, dict)
        and isinstance(alias.get("key"), str)
        and isinstance(alias.get("value"), str)
    ]
    return read | ({"aliases": aliases} if aliases else {})


def _rejection(ledger: Ledger) -> dict[str, Any]:
    conditions = [one for one in ledger.items("rejectionPlan", "conditions") if isinstance(one, dict)]
    _say_conditions(ledger, ("rejectionPlan", "conditions"))
    return {**ledger.mapping("rejectionPlan"), "conditions": conditions} if conditions else {}


def _say_conditions(ledger: Ledger, path: Path) -> None:
    """Asks about patterns that cannot be held against what was said, in groups of conditions too."""
    for number, condition in enumerate(ledger.items(*path)):
        if not isinstance(condition, dict) or len(path) > _DEEPEST_CONDITION:
            continue
        here: Path = (*path, number)
        pattern = ledger.text(*here, "regex")
        why = pattern_problem(pattern) if pattern is not None else ""
        if why:
            reason = (
                f"This pattern cannot be used: {why}. The condition counts as not met until it is corrected."
            )
            ledger.say(
                (*here, "regex"), Verdict.DECISION, reason, field="rejection_plan", code="rejection_not_done"
            )
        _say_conditions(ledger, (*here, "conditions"))
