"""What `/call` takes and answers. That a call is told in these words and no others is tested with real rows."""

from typing import Final

from calls.api.selectors import FILTERS
from calls.api.views import MOST_ERASED, NAME_MAX
from tools.access.described import (
    Operation,
    Parameter,
    Part,
    Schema,
    anything,
    array,
    flag,
    integer,
    list_parameters,
    mapping,
    moment,
    nullable,
    number,
    one_of,
    record,
    ref,
    text,
)

_FILTERS: Final = {
    "id": "The call of this id, ours or Vapi's.",
    "assistantId": "Calls of this assistant, by its id or Vapi's.",
    "phoneNumberId": "Calls of this number, by its id or Vapi's.",
}
_TOKENS: Final[dict[str, Schema]] = {
    "promptTokens": integer(),
    "completionTokens": integer(),
    "cachedPromptTokens": integer(),
}
_SPOKEN: Final[dict[str, Schema]] = {
    "message": text("What was said; of the assistant's words those that were heard."),
    "time": number("When it began, in milliseconds since 1970."),
    "secondsFromStart": number(),
}

MESSAGE: Final = record(
    {
        "role": one_of(("bot", "user", "tool_calls", "tool_call_result")),
        **_SPOKEN,
        "endTime": number("Milliseconds since 1970."),
        "duration": number("Milliseconds."),
        "assistantName": text("Who of a squad said it."),
        "toolCalls": array(
            record(
                {
                    "id": text(),
                    "type": one_of(("function",)),
                    "function": record({"name": text(), "arguments": text("JSON text.")}),
                }
            )
        ),
        "toolCallId": text(),
        "name": text("The tool that answered."),
        "result": text("What the tool answered."),
    },
    "One thing that was said or done.",
    required="role time secondsFromStart",
)
COST: Final = record(
    {
        "type": text("`transport`, `transcriber`, `model`, `analysis` or `vapi`."),
        "subType": text(),
        "provider": text(),
        "analysisType": text(),
        "minutes": number(),
        "transcriber": record({"provider": text(), "model": text()}),
        "model": record({"provider": text(), "model": text()}),
        **_TOKENS,
        "cost": number("US dollars."),
    },
    "One part of what the call cost. Of a call that ran at Vapi, as Vapi told it.",
    required="type",
    more=True,
)
COSTS: Final = record(
    {
        **{
            name: number(about)
            for name, about in {
                "transport": "Twilio.",
                "stt": "Transcription.",
                "llm": "The voice model, which hears, thinks and speaks.",
                "tts": "Always 0: the voice model speaks itself.",
                "vapi": "Always 0: there is no fee of a platform.",
                "total": "US dollars.",
            }.items()
        },
        "analysisCostBreakdown": mapping(),
        "llmPromptTokens": integer(),
        "llmCompletionTokens": integer(),
        "llmCachedPromptTokens": integer(),
        "ttsCharacters": integer(),
    },
    "Of a call that ran at Vapi, as Vapi told it.",
    more=True,
)
ARTIFACT: Final = record(
    {
        "messages": array(ref("Message"), "In the order of their times, without the system message."),
        "messagesOpenAIFormatted": array(mapping(), "The same as a chat model is given them."),
        "transcript": text("The conversation as lines of `AI:` and `User:`."),
        "transfers": array(record({"destination": mapping(), "mode": text(), "status": text()})),
        "performanceMetrics": record(
            {
                "turnLatencies": array(record({"turnLatency": number("Milliseconds.")})),
                "turnLatencyAverage": number("Milliseconds."),
                "numUserInterrupted": integer(),
                "numAssistantInterrupted": integer(),
            },
            "Of whole turns: one model hears, thinks and speaks.",
        ),
        "variableValues": mapping(description="What tools' answers and the call's start set."),
        "assistantActivations": array(
            record({"assistantName": text(), "assistantId": nullable(text()), "assistantVersion": text()}),
            "Which assistants of a squad had the call.",
        ),
        "recording": record(
            {
                "mono": record({"combinedUrl": text(), "customerUrl": text(), "assistantUrl": text()}),
                "stereoUrl": text(),
            },
            "Each leads, with a key, to a link that is good for half an hour.",
        ),
        "recordingUrl": text(),
        "stereoRecordingUrl": text(),
    }
)
ANALYSIS: Final = record(
    {
        "summary": text(),
        "structuredData": anything("As the assistant's analysis plan asks for it."),
        "structuredDataMulti": array(anything()),
        "successEvaluation": anything(),
    },
    more=True,
)
DESTINATION: Final = record(
    {
        "type": text("`number` or `sip`."),
        "number": text("In E.164 form."),
        "extension": text(),
        "numberE164CheckEnabled": flag(),
        "sipUri": text(),
        "callerId": text("What was to be shown."),
        "message": anything("Said to the caller before."),
        "description": text(),
        "transferPlan": anything("How it was to be done."),
    },
    "Where the call was transferred to, the last time; not told while nobody was reached, nor once an assistant has the call again.",
)
CALL_FIELDS: Final[dict[str, Schema]] = {
    "id": text("Of an imported call, Vapi's."),
    "orgId": text(),
    "createdAt": moment(),
    "updatedAt": moment(),
    "startedAt": moment(),
    "endedAt": moment(),
    "type": one_of(("inboundPhoneCall", "outboundPhoneCall", "webCall", "vapi.websocketCall")),
    "status": one_of(("scheduled", "queued", "ringing", "in-progress", "forwarding", "ended")),
    "endedReason": text("In Vapi's words."),
    "endedMessage": text(),
    "destination": DESTINATION,
    "name": text(maxLength=NAME_MAX),
    "assistantId": text(),
    "assistant": mapping(description="The assistant that came with the call."),
    "assistantOverrides": mapping(
        description="What came with the call, without secrets; `variableValues` among it."
    ),
    "assistantVersion": text("The published version that the call ran on."),
    "squadId": text(),
    "squad": mapping(description="The squad that came with the call."),
    "squadOverrides": mapping(description="What came with the call, without secrets."),
    "phoneNumberId": text(),
    "customer": record(
        {
            "number": text("In E.164 form."),
            "name": text(),
            "email": text(),
            "externalId": text(),
            "extension": text(),
            "numberE164CheckEnabled": flag(),
        }
    ),
    "metadata": anything("What came with the call."),
    "schedulePlan": record({"earliestAt": moment(), "latestAt": moment()}),
    "phoneCallProvider": one_of(("twilio",)),
    "phoneCallProviderId": text("Twilio's sid of the call."),
    "phoneCallTransport": one_of(("pstn", "sip")),
    "transport": record(
        {
            "provider": text(),
            "conversationType": text(),
            "callSid": text(),
            "accountSid": text(),
            "audioFormat": record({"format": text(), "container": text(), "sampleRate": integer()}),
            "websocketCallUrl": text("Where a program talks; told when the call is made, and never again."),
        }
    ),
    "monitor": record(
        {
            "listenUrl": text("A WebSocket with the sound of the call."),
            "controlUrl": text("Takes orders for the running call."),
        },
        "While the call goes on.",
    ),
    "cost": number("US dollars."),
    "costs": array(ref("Cost")),
    "costBreakdown": ref("CostBreakdown"),
    "analysis": ref("Analysis"),
    "artifact": ref("Artifact"),
    "messages": array(ref("Message"), "Those of the artifact once more, for programs of former years."),
    "transcript": text("That of the artifact once more."),
    "summary": text("That of the analysis once more."),
    "recordingUrl": text("That of the artifact once more."),
    "stereoRecordingUrl": text("That of the artifact once more."),
}
CALL: Final = record(
    CALL_FIELDS,
    "A call. What is not known is left out.",
    required="id orgId createdAt updatedAt type status cost artifact messages transcript",
)
_ERASES: Final = record(
    {"ids": nullable(array(text(), "More calls to erase.", maxItems=MOST_ERASED))},
    "Nothing needs to be sent.",
)
CALLS: Final = Part(
    "Calls",
    "A call is told as its rows know it, of Tandem and of Vapi alike. What the assistant said is what the caller heard of it.",
    (
        Operation(
            "GET", "/call", "call_list", "List calls", "call:read", array(ref("Call")),
            query=list_parameters(*(Parameter(name, text(), _FILTERS[name]) for name in FILTERS)),
        ),
        Operation("GET", "/call/{id}", "call_get", "Read a call", "call:read", ref("Call")),
        Operation(
            "PATCH", "/call/{id}", "call_update", "Name a call", "call:write", ref("Call"),
            body=record({"name": nullable(text(maxLength=NAME_MAX))}), body_required=False,
            example={"name": "The one about the brakes"},
        ),
        Operation(
            "DELETE", "/call/{id}", "call_delete", "Erase a call", "call:write", ref("Call"),
            description="Erases what was said, sent and recorded. A call that has not ended is refused, and then none is erased.",
            body=_ERASES, body_required=False,
        ),
    ),
    {
        "Call": CALL,
        "Message": MESSAGE,
        "Cost": COST,
        "CostBreakdown": COSTS,
        "Artifact": ARTIFACT,
        "Analysis": ANALYSIS,
    },
)  # fmt: skip
