"""The table of what becomes of each setting of a tool of Vapi's, of whatever kind."""

from typing import Final

from assistants.vapi.rules import Rule, Rules, rules_for
from assistants.vapi.tables.customer_server import SENT_AS_HEADER, server_rules
from assistants.vapi.tables.words import (
    ANY,
    BOOKKEEPING,
    CONVERTED,
    FLAG,
    KEPT,
    LEGACY,
    NUMBER,
    OBJECT,
    SEEN,
    TEXT,
)

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
    *server_rules(
        headers="Sent with the webhook, and stored encrypted.",
        plan="backoff_plan",
        paths="encrypted_paths",
        at_top=True,
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
        "assistantName assistantId squadId entryAssistantName",
        STORED,
        under="destinations[]",
        field="settings",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "type number extension callerId sipUri transferMode description "
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
        "variableExtractionPlan.schema assistant assistantOverrides squad squadOverrides",
        STORED,
        under="destinations[]",
        field="settings",
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
        SENT_AS_HEADER,
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
