"""The table of what assistants and tools have alike: a customer's server, and what convinces it."""

from typing import Final

from assistants.vapi.rules import Rule, rules_for
from assistants.vapi.tables.words import DECISION, ENCRYPTED, FLAG, KEPT, LEGACY, NUMBER, TEXT

SENT_AS_HEADER: Final = "Sent as X-Vapi-Secret, and stored encrypted."
_AGAIN: Final = "Whether and how a failed request is sent again."


def server_rules(*, headers: str, plan: str, paths: str, at_top: bool = False) -> list[Rule]:
    """The rules below ``server``, but for its address and its patience. ``headers`` is the reason given for those.

    ``plan`` and ``paths`` are our fields. ``at_top``: credential, plan and paths may stand beside ``server``, too.
    """

    def places(*names: str) -> str:
        return " ".join([*(f"server.{name}" for name in names), *(names if at_top else ())])

    return [
        *rules_for(KEPT, "server.secret", SENT_AS_HEADER, field="server_secret", type=TEXT, origin=LEGACY),
        *rules_for(
            DECISION,
            places("credentialId"),
            "Vapi signs its requests to this server with a credential that it does not give back. Enter it on the credential's "
            "page.",
            code="missing_credential",
            field="credential",
            type=TEXT,
        ),
        *rules_for(KEPT, "server.headers.*", headers, field="server_headers", type=TEXT),
        *rules_for(KEPT, places("backoffPlan.type"), _AGAIN, field=plan, type=TEXT),
        *rules_for(
            KEPT,
            places(
                "backoffPlan.maxRetries",
                "backoffPlan.baseDelaySeconds",
                "backoffPlan.excludedStatusCodes[]",
            ),
            _AGAIN,
            field=plan,
            type=NUMBER,
        ),
        *rules_for(
            KEPT,
            "server.staticIpAddressesEnabled",
            "Your server does not expect fixed addresses.",
            type=FLAG,
        ),
        *rules_for(
            DECISION,
            places("encryptedPaths[]"),
            ENCRYPTED,
            code="encrypted_arguments",
            field=paths,
            type=TEXT,
        ),
    ]
