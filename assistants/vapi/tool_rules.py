"""The table of what becomes of each setting of a tool of Vapi's, of whatever kind."""

from typing import Final

from assistants.vapi.assistant_rules import BOOKKEEPING, ENCRYPTED
from assistants.vapi.drafts import Verdict
from assistants.vapi.rules import Origin, Rule, Rules, Type, rules_for

KEPT, CONVERTED, DECISION, DROPPED = Verdict.KEPT, Verdict.CONVERTED, Verdict.DECISION, Verdict.DROPPED
LEGACY, SEEN = Origin.LEGACY, Origin.SEEN
TEXT, NUMBER, FLAG, OBJECT, ANY = Type.TEXT, Type.NUMBER, Type.FLAG, Type.OBJECT, Type.ANY

STORED: Final = "Stored with the tool. Calls do not use it."

_FUNCTION = [
    *rules_for(KEPT, "id", "By it the next import finds this tool again.", type=TEXT),
    *rules_for(KEPT, "orgId createdAt updatedAt latestVersion", BOOKKEEPING),
    *rules_for(KEPT, "type", "The kind of the tool.", field="kind", type=TEXT),
    *rules_for(KEPT, "function.name", "What the model calls the tool.", field="name", type=TEXT),
    *rules_for(
        KEPT, "function.description", "Tells the model when to use the tool.", field="description", type=TEXT
    ),
    *rules_for(
        KEPT,
        "function.parameters",
        "The arguments. Where OpenAI does not take a schema of this form, the model is shown a simpler one; your server gets "
        "the arguments in the form that stands here.",
        field="parameters",
        type=OBJECT,
        whole=True,
    ),
    *rules_for(
        CONVERTED,
        "function.strict",
        "OpenAI's voice models have no strict mode. Tandem checks the arguments of every call against the schema before it is sent.",
        type=FLAG,
    ),
    *rules_for(
        KEPT,
        "async",
        "Whether the assistant goes on without waiting for the answer.",
        field="asynchronous",
        type=FLAG,
    ),
    *rules_for(
        KEPT, "parameters[].key", "A fixed value that is sent along.", field="static_parameters", type=TEXT
    ),
    *rules_for(
        KEPT,
        "parameters[].value",
        "A fixed value that is sent along.",
        field="static_parameters",
        type=ANY,
        whole=True,
    ),
    *rules_for(
        KEPT,
        "variableExtractionPlan.schema",
        "Which parts of the answer become variables.",
        field="variable_extraction",
        type=OBJECT,
        whole=True,
    ),
    *rules_for(
        KEPT,
        "variableExtractionPlan.aliases[].key variableExtractionPlan.aliases[].value",
        "A variable that is made of the answer.",
        field="variable_extraction",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "rejectionPlan.conditions[].**",
        "When the tool is refused to the model.",
        field="rejection_plan",
    ),
]

_SERVER = [
    *rules_for(KEPT, "server.url", "Where the webhook is sent.", field="server_url", type=TEXT),
    *rules_for(
        KEPT,
        "server.timeoutSeconds timeoutSeconds",
        "How long to wait for the answer.",
        field="timeout_s",
        type=NUMBER,
    ),
    *rules_for(
        KEPT,
        "server.secret",
        "Sent as X-Vapi-Secret, and stored encrypted.",
        field="server_secret",
        type=TEXT,
        origin=LEGACY,
    ),
    *rules_for(
        DECISION,
        "server.credentialId credentialId",
        "Vapi signs its requests to this server with a credential that it does not give back. Enter it on the credential's page.",
        code="missing_credential",
        field="credential",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "server.headers.*",
        "Sent with the webhook, and stored encrypted.",
        field="server_headers",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "server.backoffPlan.type backoffPlan.type",
        "Whether and how a failed request is sent again.",
        field="backoff_plan",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "server.backoffPlan.maxRetries server.backoffPlan.baseDelaySeconds server.backoffPlan.excludedStatusCodes[] "
        "backoffPlan.maxRetries backoffPlan.baseDelaySeconds backoffPlan.excludedStatusCodes[]",
        "Whether and how a failed request is sent again.",
        field="backoff_plan",
        type=NUMBER,
    ),
    *rules_for(
        KEPT, "server.staticIpAddressesEnabled", "Your server does not expect fixed addresses.", type=FLAG
    ),
    *rules_for(
        DECISION,
        "server.encryptedPaths[] encryptedPaths[]",
        ENCRYPTED,
        code="encrypted_arguments",
        field="encrypted_paths",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "isServerUrlSecretSet",
        "No secret is set at Vapi, and none is sent here.",
        type=FLAG,
        origin=SEEN,
    ),
]

_MESSAGES = [
    *rules_for(
        KEPT,
        "type content role contents[].type contents[].text contents[].language conditions[].param conditions[].operator",
        "What the caller hears, and when.",
        under="messages[]",
        field="messages",
        type=TEXT,
    ),
    *rules_for(KEPT, "messages[].conditions[].value", "What the caller hears, and when.", field="messages"),
    *rules_for(
        KEPT,
        "messages[].blocking messages[].endCallAfterSpokenEnabled",
        "What the caller hears, and when.",
        field="messages",
        type=FLAG,
    ),
    *rules_for(KEPT, "messages[].timingMilliseconds", "After so long a wait.", field="messages", type=NUMBER),
]

_KINDS = [
    *rules_for(KEPT, "name", "What the model calls the tool.", field="name", type=TEXT),
    *rules_for(KEPT, "description", "Tells the model when to use the tool.", field="description", type=TEXT),
    *rules_for(KEPT, "url method verb code subType", STORED, field="settings", type=TEXT),
    *rules_for(KEPT, "headers", STORED, field="settings", type=OBJECT, whole=True),
    *rules_for(
        KEPT,
        "body",
        "What is sent. Where it is a schema, it is also what the model fills in.",
        field="settings",
        type=ANY,
        whole=True,
    ),
    *rules_for(KEPT, "defaultResult knowledgeBaseId", STORED, field="settings", type=TEXT),
    *rules_for(
        KEPT,
        "sipInfoDtmfEnabled beepDetectionEnabled",
        STORED,
        field="settings",
        type=FLAG,
    ),
    *rules_for(KEPT, "displayWidthPx displayHeightPx displayNumber", STORED, field="settings", type=NUMBER),
    *rules_for(KEPT, "environmentVariables[].name environmentVariables[].value", STORED, field="settings"),
    *rules_for(KEPT, "knowledgeBases[].**", STORED, field="settings"),
    *rules_for(KEPT, "toolMessages[].**", STORED, field="settings"),
    *rules_for(KEPT, "metadata.**", STORED, field="settings"),
    *rules_for(
        KEPT,
        "type number extension callerId sipUri assistantName transferMode description assistantId squadId entryAssistantName "
        "numberE164CheckEnabled contextEngineeringPlan.type contextEngineeringPlan.maxMessages",
        STORED,
        under="destinations[]",
        field="settings",
    ),
    *rules_for(
        KEPT,
        "message message.** transferPlan.** sipHeaders.* server.** variableExtractionPlan.aliases[].**",
        STORED,
        under="destinations[]",
        field="settings",
    ),
    *rules_for(
        KEPT,
        "variableExtractionPlan.schema assistantOverrides squadOverrides",
        STORED,
        under="destinations[]",
        field="settings",
        type=OBJECT,
        whole=True,
    ),
    *rules_for(
        DECISION,
        "destinations[].assistant destinations[].squad",
        "This destination holds whole assistants instead of naming them. They are stored with the tool, but are no assistants "
        "here. Save them as assistants at Vapi and import again, or make them here.",
        field="settings",
        code="inline_destination",
        type=OBJECT,
        whole=True,
    ),
]

TABLE: Final[tuple[Rule, ...]] = (*_FUNCTION, *_SERVER, *_MESSAGES, *_KINDS)
TOOL: Final = Rules(TABLE)

# One of `model.functions`, as Vapi had them until 2024.
FUNCTION: Final = Rules(
    rules_for(KEPT, "name", "What the model calls the tool.", field="name", type=TEXT, origin=LEGACY),
    rules_for(
        KEPT,
        "description",
        "Tells the model when to use the tool.",
        field="description",
        type=TEXT,
        origin=LEGACY,
    ),
    rules_for(
        KEPT,
        "parameters",
        "The arguments. Where OpenAI does not take a schema of this form, the model is shown a simpler one.",
        field="parameters",
        type=OBJECT,
        whole=True,
        origin=LEGACY,
    ),
    rules_for(
        CONVERTED,
        "strict",
        "Tandem checks the arguments of every call against the schema before it is sent.",
        type=FLAG,
        origin=LEGACY,
    ),
    rules_for(
        KEPT,
        "async",
        "Whether the assistant goes on without waiting for the answer.",
        field="asynchronous",
        type=FLAG,
        origin=LEGACY,
    ),
    rules_for(
        CONVERTED, "serverUrl", "Where the webhook is sent.", field="server_url", type=TEXT, origin=LEGACY
    ),
    rules_for(
        CONVERTED,
        "serverUrlSecret",
        "Sent as X-Vapi-Secret, and stored encrypted.",
        field="server_secret",
        type=TEXT,
        origin=LEGACY,
    ),
    _SERVER,
    _MESSAGES,
)

# What a tool is made of that only a setting of the assistant stands for.
IMPLICIT: Final = Rules(
    rules_for(
        CONVERTED,
        "endCallFunctionEnabled dialKeypadFunctionEnabled",
        "The assistant has this tool because of its setting of this name.",
        type=FLAG,
        origin=LEGACY,
    ),
    rules_for(
        CONVERTED,
        "forwardingPhoneNumber",
        "The number to which the call is transferred.",
        field="settings",
        type=TEXT,
        origin=LEGACY,
    ),
    rules_for(
        CONVERTED,
        "forwardingPhoneNumbers[]",
        "A place to which the call is transferred.",
        field="settings",
        type=OBJECT,
        whole=True,
        origin=LEGACY,
    ),
)
