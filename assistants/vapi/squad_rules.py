"""The tables of what becomes of each setting of a squad and of a phone number of Vapi's."""

from typing import Final

from assistants.vapi.drafts import Verdict
from assistants.vapi.rules import Origin, Rules, Type, rules_for
from assistants.vapi.tables.words import BOOKKEEPING, ENCRYPTED

KEPT, CONVERTED, DECISION, DROPPED = Verdict.KEPT, Verdict.CONVERTED, Verdict.DECISION, Verdict.DROPPED
LEGACY, SEEN = Origin.LEGACY, Origin.SEEN
TEXT, NUMERIC, FLAG, OBJECT, ANY = Type.TEXT, Type.NUMBER, Type.FLAG, Type.OBJECT, Type.ANY

_MERGED = "Merged into the member's own copy of the assistant, whose report says what became of it."
_HANDOFF = "Became part of a tool of the member that hands the call over; the tool has a report of its own."

SQUAD: Final = Rules(
    rules_for(KEPT, "id", "By it the next import finds this squad again.", type=TEXT),
    rules_for(KEPT, "orgId createdAt updatedAt", BOOKKEEPING),
    rules_for(KEPT, "latestVersion", BOOKKEEPING, origin=SEEN),
    rules_for(KEPT, "name", "The name of the squad.", field="name", type=TEXT),
    rules_for(KEPT, "members[].assistantId", "A member of the squad.", field="members", type=TEXT),
    rules_for(
        KEPT,
        "members[].assistant",
        "Imported as an assistant with a report of its own.",
        field="members",
        type=OBJECT,
        whole=True,
    ),
    rules_for(
        CONVERTED,
        "members[].assistantVersion",
        "A version that Tandem has published, by its number, where a program names one. What is imported runs as it is in the export: "
        "Vapi does not give its versions back. So does a stored member that the squad changes besides.",
        type=TEXT,
    ),
    rules_for(CONVERTED, "members[].assistantOverrides membersOverrides", _MERGED, type=OBJECT, whole=True),
    rules_for(
        CONVERTED,
        "type assistantName assistantId description transferMode",
        _HANDOFF,
        under="members[].assistantDestinations[]",
        field="tools",
        type=TEXT,
    ),
    rules_for(
        CONVERTED,
        "message message.** "
        "contextEngineeringPlan.type contextEngineeringPlan.maxMessages variableExtractionPlan.aliases[].**",
        _HANDOFF,
        under="members[].assistantDestinations[]",
        field="tools",
    ),
    rules_for(
        CONVERTED,
        "squadId entryAssistantName",
        _HANDOFF,
        under="members[].assistantDestinations[]",
        field="tools",
        type=TEXT,
        origin=SEEN,
    ),
    rules_for(
        CONVERTED,
        "server.**",
        _HANDOFF,
        under="members[].assistantDestinations[]",
        field="tools",
        origin=SEEN,
    ),
    rules_for(
        CONVERTED,
        "variableExtractionPlan.schema assistant assistantOverrides",
        _HANDOFF,
        under="members[].assistantDestinations[]",
        field="tools",
        type=OBJECT,
        whole=True,
    ),
    rules_for(
        CONVERTED,
        "squad squadOverrides",
        _HANDOFF,
        under="members[].assistantDestinations[]",
        field="tools",
        type=OBJECT,
        whole=True,
        origin=SEEN,
    ),
)

_SERVER: Final = (
    "Asked for tools that have no server, and told of calls, where the assistant has no server either. If it checks a secret, enter "
    "that on the number's page."
)
_OWN_ACCOUNT = (
    "Tandem reaches Twilio with the account in its own settings. The number has to belong to that account."
)

NUMBER: Final = Rules(
    rules_for(KEPT, "id", "By it the next import finds this number again.", type=TEXT),
    rules_for(KEPT, "orgId createdAt updatedAt", BOOKKEEPING),
    rules_for(KEPT, "latestVersion", BOOKKEEPING, origin=SEEN),
    rules_for(KEPT, "name", "What the number is called.", field="label", type=TEXT),
    rules_for(
        KEPT, "provider", "The number belongs to Twilio, which can send its calls to Tandem.", type=TEXT
    ),
    rules_for(KEPT, "number", "The number that callers dial.", field="did", type=TEXT),
    rules_for(KEPT, "assistantId", "This assistant answers the number.", field="assistant", type=TEXT),
    rules_for(KEPT, "squadId", "This squad answers the number.", field="squad", type=TEXT),
    rules_for(
        DECISION,
        "workflowId",
        "A workflow of Vapi's answers this number. Tandem cannot run workflows: choose an assistant for it.",
        code="workflow",
        type=TEXT,
    ),
    rules_for(DROPPED, "status", "How the number stands at Vapi. It does not matter here.", type=TEXT),
    rules_for(
        DROPPED, "twilioAccountSid twilioAuthToken twilioApiKey twilioApiSecret", _OWN_ACCOUNT, type=TEXT
    ),
    rules_for(DROPPED, "twilioOutgoingCallerId", _OWN_ACCOUNT, origin=LEGACY),
    rules_for(
        DROPPED,
        "smsEnabled",
        "Tandem leaves the number's text messages as they are set at Twilio.",
        type=FLAG,
    ),
    rules_for(
        DROPPED,
        "numberDesiredAreaCode sipUri authentication.** credentialId numberE164CheckEnabled",
        "It belongs to a way of getting numbers that Tandem does not use: it answers numbers at Twilio.",
    ),
    rules_for(
        DROPPED,
        "stripeSubscriptionId stripeSubscriptionStatus stripeSubscriptionCurrentPeriodStart",
        "It concerns what Vapi charges for the number.",
        origin=LEGACY,
    ),
    rules_for(KEPT, "server.url", _SERVER, field="server", type=TEXT),
    rules_for(
        KEPT,
        "secret",
        "Sent as X-Vapi-Secret to the number's server, and stored encrypted.",
        under="server",
        field="server",
        type=TEXT,
        origin=LEGACY,
    ),
    rules_for(
        KEPT,
        "server.timeoutSeconds",
        "How long an answer to a message about a call is waited for.",
        field="server",
        type=NUMERIC,
    ),
    rules_for(
        DECISION,
        "server.credentialId",
        "Vapi signs its requests to this server with a credential that it does not give back. Enter it on the credential's page.",
        code="missing_credential",
        field="server",
        type=TEXT,
    ),
    rules_for(
        KEPT, "server.staticIpAddressesEnabled", "Your server does not expect fixed addresses.", type=FLAG
    ),
    rules_for(
        DECISION,
        "server.encryptedPaths[]",
        ENCRYPTED,
        code="encrypted_arguments",
        field="server",
        type=TEXT,
    ),
    rules_for(
        KEPT,
        "server.headers.*",
        "Sent to the number's server, and stored encrypted.",
        field="server",
        type=TEXT,
    ),
    rules_for(
        KEPT,
        "server.backoffPlan.type",
        "Whether and how a failed request is sent again.",
        field="server",
        type=TEXT,
    ),
    rules_for(
        KEPT,
        "server.backoffPlan.maxRetries server.backoffPlan.baseDelaySeconds server.backoffPlan.excludedStatusCodes[]",
        "Whether and how a failed request is sent again.",
        field="server",
        type=NUMERIC,
    ),
    rules_for(KEPT, "serverUrl", _SERVER, field="server", type=TEXT, origin=LEGACY),
    rules_for(
        KEPT,
        "serverUrlSecret",
        "Sent as X-Vapi-Secret to the number's server, and stored encrypted.",
        field="server",
        type=TEXT,
        origin=LEGACY,
    ),
    rules_for(KEPT, "isServerUrlSecretSet", "No secret is set at Vapi.", type=FLAG, origin=SEEN),
    rules_for(
        CONVERTED,
        "fallbackDestination.**",
        "Where a call goes when the number's server, asked who is to answer, names nobody. A number that has neither an assistant "
        "nor a server plays the apology.",
        type=ANY,
    ),
    rules_for(
        DROPPED,
        "fallbackForwardingPhoneNumber",
        "Where a call goes when Vapi finds nobody to answer it. Tandem has no such second choice.",
        type=TEXT,
        origin=LEGACY,
    ),
    rules_for(
        DECISION,
        "hooks[].on",
        "At Vapi something is done here besides the assistant's own work: it speaks or forwards the call when this number rings "
        "or hangs up. Tandem does not do it.",
        code="number_hook",
        type=TEXT,
    ),
    rules_for(
        DROPPED,
        "hooks[].do.** hooks[].do[].** hooks[].filters[].**",
        "Part of the hook above, which Tandem does not carry out.",
    ),
    rules_for(
        DROPPED,
        "hooks[].name hooks[].options.**",
        "Part of the hook above, which Tandem does not carry out.",
        origin=SEEN,
    ),
)
