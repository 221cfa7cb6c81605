"""Who is told of a call and asked for its tools, and what is done of itself."""

from typing import Final

from assistants.vapi.rules import rules_for
from assistants.vapi.tables.customer_server import SENT_AS_HEADER, server_rules
from assistants.vapi.tables.words import (
    CONVERTED,
    DROPPED,
    FLAG,
    KEPT,
    LEGACY,
    NUMBER,
    OBJECT,
    TEXT,
    not_yet,
)

_HOOK: Final = not_yet("act on this event")

SERVER: Final = [
    *rules_for(
        KEPT,
        "server.url",
        "Where the webhooks of tools without a URL of their own are sent.",
        field="server_url",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "server.timeoutSeconds",
        "How long an answer to a message about a call is waited for.",
        field="plans",
        type=NUMBER,
    ),
    *server_rules(
        headers="Sent with every webhook to this server, and stored encrypted.",
        plan="server_backoff_plan",
        paths="server_encrypted_paths",
    ),
    *rules_for(
        CONVERTED,
        "serverUrl",
        "Where the webhooks of tools without a URL of their own are sent.",
        field="server_url",
        type=TEXT,
        origin=LEGACY,
    ),
    *rules_for(
        CONVERTED,
        "serverUrlSecret",
        SENT_AS_HEADER,
        field="server_secret",
        type=TEXT,
        origin=LEGACY,
    ),
    *rules_for(
        CONVERTED,
        "serverMessages[]",
        "Events of which a call here has something to tell are sent to the server as at Vapi.",
        field="server_messages",
        type=TEXT,
    ),
    *rules_for(
        DROPPED,
        "clientMessages[]",
        "It is meant for Vapi's libraries in browsers and apps. Tandem answers telephones.",
        type=TEXT,
    ),
    *rules_for(
        DROPPED,
        "credentialIds[]",
        "A key for another company's service, held by Vapi. Tandem uses OpenAI with its own key.",
        type=TEXT,
    ),
    *rules_for(
        DROPPED,
        "credentials[]",
        "A key for another company's service. Tandem uses OpenAI with its own key; the secret parts are not stored.",
        type=OBJECT,
        whole=True,
    ),
]

HOOKS: Final = [
    *rules_for(DROPPED, "hooks[].on hooks[].name", _HOOK, field="plans", type=TEXT),
    *rules_for(DROPPED, "hooks[].options.** hooks[].filters[].**", _HOOK, field="plans"),
    *rules_for(
        DROPPED, "type toolId prompt exact exact[]", _HOOK, under="hooks[].do[]", field="plans", type=TEXT
    ),
    *rules_for(DROPPED, "hooks[].do[].triggerResponseEnabled", _HOOK, field="plans", type=FLAG),
    *rules_for(DROPPED, "hooks[].do[].message.** hooks[].do[].prompt[].**", _HOOK, field="plans"),
    *rules_for(
        DROPPED,
        "hooks[].do[].tool",
        "Stored as a tool with a report of its own. The model is not offered it: the hook would use it.",
        type=OBJECT,
        whole=True,
    ),
    *rules_for(
        DROPPED,
        "hooks[].do[].function hooks[].do[].destination",
        _HOOK,
        field="plans",
        type=OBJECT,
        whole=True,
        origin=LEGACY,
    ),
]
