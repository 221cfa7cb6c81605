"""What customers' servers are sent, and what of their answers counts. That bodies are as they are described here is tested with real ones."""

from typing import Final

from assistants.vapi.defaults import SERVER_MESSAGES
from calls.api.described import ARTIFACT, CALL_FIELDS
from calls.messages import kinds
from calls.messages.bodies import AT_FIRST, REPORTED
from tools.access.described import (
    Part,
    Schema,
    Webhook,
    anything,
    array,
    flag,
    integer,
    mapping,
    nullable,
    number,
    one_of,
    record,
    ref,
    text,
)

_TEXT_BODIES: Final = "An answer is not read. Any 2xx says that the message was taken."
_FREE: Final = mapping(description="As it was given.")

# --- What goes with every message -----------------------------------------------------------------------------------

CALL: Final = record(
    {
        **{name: CALL_FIELDS[name] for name in AT_FIRST},
        "updatedAt": CALL_FIELDS["updatedAt"],
        "status": one_of(("queued", "ringing")),
        "assistantId": nullable(
            text("Null while nobody is to take the call, and for an assistant that came with it.")
        ),
        "customer": record({"number": text()}, "Who is at the other end.", more=True),
    },
    "The call as it was when it was made, as at Vapi. What became of it, the message's own fields tell.",
    required="id orgId createdAt updatedAt type status",
)
ASSISTANT: Final = record(
    {
        "id": text("Not there for an assistant that came with the call."),
        "orgId": text(),
        "name": text(),
        "firstMessage": text(),
        "firstMessageMode": text(),
        "model": record(
            {
                "provider": one_of(("openai",)),
                "model": text(),
                "messages": array(record({"role": one_of(("system",)), "content": text()})),
            }
        ),
        "voice": record({"provider": one_of(("openai",)), "voiceId": text()}),
        "transcriber": record({"provider": one_of(("openai",)), "model": text(), "language": text()}),
        "maxDurationSeconds": number(),
        "silenceTimeoutSeconds": number(),
        "metadata": _FREE,
    },
    "The assistant as it was published.",
    required="orgId name model voice transcriber",
)
NUMBER: Final = record(
    {
        "id": text(),
        "orgId": text(),
        "provider": one_of(("twilio",)),
        "number": text("In E.164 form."),
        "name": text(),
    },
    "Our number, without what opens its account.",
    required="orgId provider number",
)
_SURROUNDINGS: Final[dict[str, Schema]] = {
    "timestamp": number("When it became true, in milliseconds since 1970."),
    "call": ref("MessageCall"),
    "assistant": ref("MessageAssistant"),
    "phoneNumber": ref("MessageNumber"),
    "customer": record({"number": text()}, "Who is at the other end.", more=True),
    "assistantVersion": nullable(text("The published version that has the call.")),
}
_HISTORY: Final[dict[str, Schema]] = {
    "messages": array(ref("Message"), "What was said and done until then."),
    "messagesOpenAIFormatted": array(mapping(), "The same as a chat model is given them."),
}
_DESTINATION: Final = mapping(description="As the tool, the handoff or the server named it.")


def _message(types: tuple[str, ...], own: dict[str, Schema], *, always: str = "") -> Schema:
    """The body of a message with these fields of its own, of which some are ``always`` there."""
    inner = record(
        {"type": one_of(types), **_SURROUNDINGS, **own},
        required=f"type timestamp call {always}",
    )
    return record({"message": inner}, required="message")


# --- Tools ----------------------------------------------------------------------------------------------------------

_FUNCTION: Final[dict[str, Schema]] = {
    "name": text(),
    "arguments": mapping(description="An object, as on Vapi's wire."),
    "parameters": mapping(description="The same."),
}
TOOL_CALL: Final = record(
    {
        "id": text("`toolCallId` of the result."),
        "type": one_of(("function",)),
        **_FUNCTION,
        "function": record(_FUNCTION, required="name arguments"),
    },
    "What the model asks for; in each of the forms in which servers have read it.",
    required="id type function",
)
TOOL_ASKED: Final = record(
    {
        "id": text(),
        "orgId": text(),
        "type": one_of(("function",)),
        "async": flag(),
        "function": record(
            {"name": text(), "description": text(), "parameters": mapping(), "strict": flag()},
            required="name parameters",
        ),
        "messages": array(mapping()),
        "server": record({"url": text(), "timeoutSeconds": number(), "backoffPlan": mapping()}),
        "parameters": anything("What is added to the arguments."),
        "variableExtractionPlan": mapping(),
        "rejectionPlan": mapping(),
        "toolCall": ref("ToolCall"),
    },
    "The tool as it was published, and the call of it.",
    required="type function toolCall",
)
_SPOKEN: Final = record(
    {
        "type": one_of(("request-complete", "request-failed")),
        "content": text("Said instead of what the model would say."),
        "role": one_of(("assistant", "system")),
        "endCallAfterSpokenEnabled": flag(),
    },
    more=True,
)
RESULTS: Final[Schema] = {
    "anyOf": [
        record(
            {
                "results": array(
                    record(
                        {
                            "toolCallId": text("`id` of the tool call."),
                            "name": text("Not needed."),
                            "result": anything("What the model is told; what is no text, as JSON."),
                            "error": text("Where there is no result."),
                            "message": {"anyOf": [_SPOKEN, array(_SPOKEN)]},
                            "metadata": anything("Not used."),
                        },
                        more=True,
                    )
                ),
                "error": text("Of the whole request."),
            },
            more=True,
        ),
        record({"result": anything()}, "Where one tool call was sent.", required="result", more=True),
        text("Where one tool call was sent: the result."),
    ],
    "description": "The results. Anything else is told to the model as no result.",
}

# --- Questions ------------------------------------------------------------------------------------------------------

DESTINATION: Final = record(
    {
        "type": one_of(("number", "sip")),
        "number": text("In E.164 form."),
        "sipUri": text(),
        "message": text("Said to the caller first."),
    },
    "Where the call goes.",
    required="type",
    more=True,
)
TAKES_CALL: Final = record(
    {
        "assistantId": text(),
        "assistant": mapping(),
        "assistantOverrides": mapping(),
        "squadId": text(),
        "squad": mapping(),
        "squadOverrides": mapping(),
        "destination": ref("MessageDestination"),
        "error": text("Said to the caller, who is hung up on then."),
    },
    "Who takes the call. `error` counts before `destination`, and that before the others.",
    more=True,
)
TRANSFERS_TO: Final = record(
    {
        "destination": ref("MessageDestination"),
        "message": anything("Said to the caller, where the destination has none of its own."),
        "error": text("Told to the model; nothing is transferred."),
    },
    more=True,
)

# --- The messages ---------------------------------------------------------------------------------------------------

_HISTORY_OF_TOOLS: Final = record(
    {
        **_HISTORY,
        "transcript": ARTIFACT["properties"]["transcript"],
        "variableValues": ARTIFACT["properties"]["variableValues"],
    },
    required="messages messagesOpenAIFormatted",
)


def _told(kind: str, summary: str, own: dict[str, Schema], about: str = "", *, always: str = "") -> Webhook:
    types = (kind, kinds.FINAL_TRANSCRIPT) if kind == kinds.TRANSCRIPT else (kind,)
    listed = (
        "Sent unless `serverMessages` leaves it out."
        if kind in SERVER_MESSAGES
        else "Sent where `serverMessages` lists it."
    )
    return Webhook(
        kind, summary, _message(types, own, always=always), description=f"{listed} {about}".strip()
    )


WEBHOOKS: Final = (
    _told(
        kinds.STATUS, "How a call stands",
        {
            "status": one_of(("scheduled", "queued", "ringing", "in-progress", "forwarding", "ended")),
            "endedReason": text("Of `ended`."),
            "artifact": ref("Artifact"),
            "destination": _DESTINATION,
            **_HISTORY,
            "transcript": text(),
            "inboundPhoneCallDebuggingArtifacts": record(
                {"error": text(), "assistantRequestError": text()}, "Why nobody took the call."
            ),
        },
        "`forwarding` comes with the history so far, `ended` with the artifact.",
        always="status",
    ),
    _told(
        kinds.REPORT, "What a call was",
        {
            **{name: CALL_FIELDS[name] for name in REPORTED},
            "endedReason": text("In Vapi's words."),
            "analysis": ref("Analysis"),
            "durationMs": integer(),
            "durationSeconds": number(),
            "durationMinutes": number(),
            "destination": _DESTINATION,
        },
        "Once for each call, when words, tool calls, costs, analysis and recording are written.",
        always="endedReason artifact analysis",
    ),
    _told(
        kinds.CONVERSATION, "The conversation so far", {**_HISTORY, "conversation": _HISTORY["messagesOpenAIFormatted"]},
        "After each turn.", always="messages messagesOpenAIFormatted",
    ),
    _told(
        kinds.SPEECH, "Somebody begins or stops speaking",
        {"status": one_of(("started", "stopped")), "role": one_of(("assistant", "user")), "turn": integer("From 0.")},
        "In passing: at once, or not at all.",
        always="status role",
    ),
    _told(
        kinds.TRANSCRIPT, "What somebody says",
        {
            "role": one_of(("assistant", "user")),
            "transcriptType": one_of(("partial", "final")),
            "transcript": text("All that is known so far of what is said in the turn."),
            "assistantId": text(),
            "assistantName": text(),
        },
        "Final texts for certain, partial ones in passing: at once, or not at all. Whoever lists "
        f"`{kinds.FINAL_TRANSCRIPT}` alone gets final texts under that type.",
        always="role transcriptType transcript",
    ),
    _told(
        kinds.INTERRUPTED, "The caller has cut the assistant off", {"turnId": text("The item that was cut off.")},
        always="turnId",
    ),
    _told(kinds.STARTED, "An assistant has the call", {"newAssistant": ref("MessageAssistant")}),
    _told(
        kinds.SPEECH_STARTED, "What the assistant says in a turn",
        {"text": text(), "turn": integer(), "source": one_of(("model",))}, always="text",
    ),
    _told(
        kinds.TRANSFER, "The call goes to somebody else",
        {"destination": _DESTINATION, "toAssistant": ref("MessageAssistant"), "fromAssistant": ref("MessageAssistant")},
    ),
    _told(
        kinds.MODEL_OUTPUT, "What the model has written in a turn", {"output": text(), "turnId": text()},
        "Once for each turn.", always="output",
    ),
    _told(kinds.HANG, "The model owes an answer", {}),
    Webhook(
        "tool-calls", "A tool is to do its work",
        _message(
            ("tool-calls",),
            {
                "toolCalls": array(ref("ToolCall")),
                "toolCallList": array(ref("ToolCall")),
                "toolWithToolCallList": array(ref("ToolAsked")),
                "artifact": _HISTORY_OF_TOOLS,
            },
            always="toolCallList toolWithToolCallList",
        ),
        answer=RESULTS,
        description="Sent whatever `serverMessages` says, to the tool's server first. The conversation goes on meanwhile.",
    ),
    Webhook(
        "function-call", "A tool is to do its work, in Vapi's first form",
        _message(
            ("function-call",),
            {
                "functionCall": record({"name": text(), "parameters": mapping()}, required="name parameters"),
                "artifact": _HISTORY_OF_TOOLS,
                "timestamp": text("ISO 8601."),
            },
            always="functionCall",
        ),
        answer=RESULTS,
        description="For functions out of `model.functions` of assistants that list it, and not `tool-calls`.",
    ),
    Webhook(
        "transfer-destination-request", "Where is the call to be transferred?",
        _message(("transfer-destination-request",), {"artifact": _HISTORY_OF_TOOLS}),
        answer=ref("MessageTransferAnswer"),
        description="For a `transferCall` tool without destinations.",
    ),
    Webhook(
        kinds.ASSISTANT_REQUEST, "Who takes the call?",
        _message((kinds.ASSISTANT_REQUEST,), {}),
        answer={
            "anyOf": [
                ref("MessageAssistantAnswer"),
                record({"messageResponse": ref("MessageAssistantAnswer")}, required="messageResponse", more=True),
            ]
        },
        description="For a call on a number with neither assistant nor squad. The caller hears it ring; after 7.5 seconds it is too late.",
    ),
)  # fmt: skip

MESSAGES: Final = Part(
    "Server messages",
    "What is sent to the server of the assistant, else of the number, else of the organisation, by `POST`, and to the server of a "
    "tool. The secret of the server goes along as it is set up: `X-Vapi-Secret`, headers, a bearer or OAuth2 token, or a signature "
    "over the exact bytes. `Idempotency-Key` is the same in every attempt to send a message.",
    (),
    {
        "MessageCall": CALL,
        "MessageAssistant": ASSISTANT,
        "MessageNumber": NUMBER,
        "MessageDestination": DESTINATION,
        "MessageAssistantAnswer": TAKES_CALL,
        "MessageTransferAnswer": TRANSFERS_TO,
        "ToolCall": TOOL_CALL,
        "ToolAsked": TOOL_ASKED,
    },
    webhooks=WEBHOOKS,
)
