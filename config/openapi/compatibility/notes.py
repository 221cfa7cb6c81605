"""What the code cannot say of itself: why a path or field of Vapi's is missing, or what is different about it.

KEPT stands for the same, CONVERTED for different, DROPPED for absent.
"""

from typing import Final

from assistants.vapi.drafts import Verdict
from assistants.vapi.rules import Rules, rules_for

SAME, DIFFERENT, ABSENT = Verdict.KEPT, Verdict.CONVERTED, Verdict.DROPPED

# By method, and the steps of the path.
PATHS: Final = Rules(
    rules_for(
        ABSENT, "*.chat.** *.session.**", "Tandem answers telephones; it holds no conversations in writing."
    ),
    rules_for(
        ABSENT,
        "*.campaign.** *.v2.campaign.**",
        "There are no campaigns. A list of numbers is called with `customers` of POST /call.",
    ),
    rules_for(
        ABSENT,
        "*.file.** *.v2.knowledge-base.**",
        "There are no files. Put the search behind a webhook tool, or the facts into the prompt.",
    ),
    rules_for(
        ABSENT,
        "*.structured-output.**",
        "What is to be found out after a call stands in the assistant's `analysisPlan`.",
    ),
    rules_for(ABSENT, "*.eval.**", "Assistants are tried by smoke tests, which people start in the admin."),
    rules_for(ABSENT, "*.reporting.**", "Reports are SQL views, for Metabase and its like."),
    rules_for(ABSENT, "*.observability.**", "There are no scorecards."),
    rules_for(ABSENT, "*.provider.**", "Tandem has one provider, OpenAI, and keeps no resources at others."),
    rules_for(ABSENT, "*.call.{id}.video-recording", "A telephone has no picture."),
    rules_for(ABSENT, "*.call.{id}.pcap", "Twilio carries the call; there is nothing to capture here."),
    rules_for(ABSENT, "*.call.{id}.call-logs", "Logs are written for whoever runs Tandem, not for programs."),
    rules_for(
        DIFFERENT,
        "DELETE.assistant.{id} DELETE.tool.{id}",
        "What calls ran on is kept for their records, switched off, and given to no program. 409 while something uses it.",
    ),
    rules_for(
        DIFFERENT,
        "POST.assistant PATCH.assistant.{id}",
        "In force at once: it is published. What cannot be published is refused with 400.",
    ),
    rules_for(
        DIFFERENT,
        "PATCH.tool.{id}",
        "Assistants that offer it are published with it, where they hold no other changes.",
    ),
    rules_for(
        DIFFERENT,
        "POST.phone-number",
        "Twilio alone. The number is registered; its calls come here only by a cutover, which people order.",
    ),
    rules_for(
        DIFFERENT,
        "DELETE.phone-number.{id}",
        "409 while its calls come here. A number with a history is kept, switched off.",
    ),
    rules_for(
        DIFFERENT,
        "DELETE.call.{id}",
        "Erases what was said, sent and recorded; times, counts and costs stay. Calls off one that nobody has answered yet.",
    ),
    rules_for(
        DIFFERENT,
        "POST.call",
        "Dialled by a worker. The same body again within seconds is the same request, so that a client's retry dials nobody twice.",
    ),
)
_OF_OTHERS: Final = "It belongs to another carrier than Twilio."
_NO_WORKFLOWS: Final = "Tandem runs no workflows; refused with 400."
_NUMBER_SENT: Final = "The number must be known here, with its Twilio account: only which one it is, is read."
_IN_WRITING: Final = "There are no sessions and no chats: Tandem answers telephones."
# Of messages to servers: by kind, or by kind and field.
MESSAGES: Final[dict[str, tuple[Verdict, str]]] = {
    "chat": (ABSENT, _IN_WRITING),
    "artifact": (SAME, "Where a kind has one of its own."),
    "assistant": (
        DIFFERENT,
        "As it was published, without secrets; variables in its texts are not filled in.",
    ),
    "call": (SAME, "As it was when it was made."),
    "phoneNumber": (DIFFERENT, "Without what opens its account."),
    "assistant.speechStarted": (DIFFERENT, "Once the turn is over, with its whole text."),
    "assistant.speechStarted timing": (ABSENT, "When each word is heard is not known."),
    "assistant.started": (
        DIFFERENT,
        "Vapi's document lists it without a schema; `newAssistant` as its clients get it.",
    ),
    "call.artifact.upload": (ABSENT, "Nothing is uploaded to storage of the customer's."),
    "call.delete.failed": (ABSENT, "Erasing leaves a receipt in the admin."),
    "call.deleted": (ABSENT, "Erasing leaves a receipt in the admin, and tells nothing that names the call."),
    "call.endpointing.request": (ABSENT, "The model itself hears when somebody has finished."),
    "campaign.predial": (ABSENT, "There are no campaigns."),
    "chat.created": (ABSENT, _IN_WRITING),
    "chat.deleted": (ABSENT, _IN_WRITING),
    "conversation-update": (DIFFERENT, "`conversation` besides, as on Vapi's wire."),
    "end-of-call-report": (
        DIFFERENT,
        "Tried again for hours; with the fields besides that Vapi's wire has and its document has not.",
    ),
    "end-of-call-report compliance": (ABSENT, "It stands with the assistant."),
    "function-call": (SAME, ""),
    "handoff-destination-request": (ABSENT, "Destinations of a handover are fixed when a call begins."),
    "knowledge-base-request": (
        ABSENT,
        "There is no custom knowledge base; put the search behind a webhook tool.",
    ),
    "language-change-detected": (ABSENT, "The model follows the caller's language without saying so."),
    "language-changed": (ABSENT, "The model follows the caller's language without saying so."),
    "model-output": (DIFFERENT, "Once for each turn, with its whole text, and not of tool calls."),
    "phone-call-control": (ABSENT, "Tandem itself hangs up and forwards."),
    "session.created": (ABSENT, _IN_WRITING),
    "session.deleted": (ABSENT, _IN_WRITING),
    "session.updated": (ABSENT, _IN_WRITING),
    "speech-update": (SAME, "In passing: at once, or, where the server is slow, not at all."),
    "status-update status": (DIFFERENT, "Never `not-found` or `deletion-failed`."),
    "status-update summary": (ABSENT, "No summary is made in the middle of a call."),
    "tool-calls": (DIFFERENT, "`toolCalls` besides, as on Vapi's wire."),
    "transcript": (SAME, "Partial texts in passing."),
    "transcript isFiltered": (ABSENT, "There is no security filter."),
    "transcript detectedThreats": (ABSENT, "There is no security filter."),
    "transcript originalTranscript": (ABSENT, "There is no security filter."),
    'transcript[transcriptType="final"]': (SAME, "Who lists `transcript` as well gets that."),
    "transfer-update fromStepRecord": (ABSENT, "There are no workflows."),
    "transfer-update toStepRecord": (ABSENT, "There are no workflows."),
    "user-interrupted turnId": (DIFFERENT, "The id of the item that was cut off."),
    "voice-input": (ABSENT, "A speech-to-speech model has no text that goes into a voice."),
    "voice-request": (ABSENT, "A speech-to-speech model has no text that goes into a voice."),
}
# By the title of the section.
NOTES: Final[dict[str, Rules]] = {
    "Placing calls": Rules(
        rules_for(DIFFERENT, "workflowId workflow workflowOverrides", _NO_WORKFLOWS, whole=True),
        rules_for(
            DIFFERENT,
            "customerId",
            "Refused with 400: customers that are stored at Vapi are unknown here.",
        ),
        rules_for(DIFFERENT, "phoneNumber.**", _NUMBER_SENT),
        rules_for(
            DIFFERENT,
            "customer.sipUri customers[].sipUri",
            "Refused with 400: calls are placed to telephone numbers only.",
        ),
        rules_for(
            DIFFERENT,
            "customer.numberE164CheckEnabled customers[].numberE164CheckEnabled",
            "Off: spaces and brackets are taken out first. A number without its country is refused all the same.",
        ),
        rules_for(
            DIFFERENT,
            "assistantOverrides squadOverrides customer.assistantOverrides customer.squadOverrides "
            "customers[].assistantOverrides customers[].squadOverrides assistant squad",
            "Each field as in the tables of assistants and squads.",
            whole=True,
        ),
        rules_for(SAME, "transport.provider transport.audioFormat.**", "For calls over a WebSocket."),
        rules_for(ABSENT, "transport.**", _OF_OTHERS),
        rules_for(
            DIFFERENT,
            "metadata",
            "Not in Vapi's document, but sent by clients: given back with the call, and told to servers in `message.call`.",
        ),
        rules_for(
            DIFFERENT,
            "phoneCallProviderBypassEnabled",
            "Not in Vapi's document, but in its guides: answered as there.",
        ),
    ),
    "Reading calls": Rules(
        rules_for(
            ABSENT,
            "messages[].** artifact.messages[].**",
            "Nothing of the kind is known of what was said here.",
        ),
        rules_for(
            DIFFERENT,
            "messages[].message artifact.messages[].message",
            "What the assistant said is what the caller heard of it. The system message is not among the messages.",
        ),
        rules_for(
            ABSENT,
            "costs[].**",
            "One model hears, thinks and speaks, and has one price for each kind of token.",
        ),
        rules_for(
            DIFFERENT,
            "costs[].type",
            "`model` is all of the speech-to-speech model; there is no `voice`, and `vapi` is 0.",
        ),
        rules_for(ABSENT, "costBreakdown.**", "There is no such part of what a call costs."),
        rules_for(
            DIFFERENT,
            "costBreakdown.llm",
            "All of the speech-to-speech model: hearing, thinking and speaking.",
        ),
        rules_for(DIFFERENT, "costBreakdown.tts costBreakdown.vapi costBreakdown.ttsCharacters", "Always 0."),
        rules_for(
            ABSENT,
            "destination.sipHeaders",
            "Passwords may stand in it.",
        ),
        rules_for(ABSENT, "transport.**", _OF_OTHERS),
        rules_for(ABSENT, "artifactPlan.** compliance.**", "It stands with the assistant."),
        rules_for(ABSENT, "campaignId", "There are no campaigns."),
        rules_for(ABSENT, "workflowId workflow workflowOverrides", "There are no workflows.", whole=True),
        rules_for(ABSENT, "customerId", "Customers are not stored."),
        rules_for(ABSENT, "phoneNumber.**", "The number is told by `phoneNumberId`."),
        rules_for(
            DIFFERENT,
            "assistant assistantOverrides squad squadOverrides",
            "What came with the call, without secrets.",
            whole=True,
        ),
        rules_for(
            ABSENT,
            "customer.sipUri customer.assistantOverrides customer.squadOverrides",
            "Calls go to telephone numbers.",
            whole=True,
        ),
        rules_for(
            DIFFERENT,
            "monitor.listenUrl monitor.controlUrl",
            "While the call goes on, with a token of that one call. Two channels at 16 kHz, the caller left.",
        ),
        rules_for(
            ABSENT,
            "monitor.monitors[].**",
            "There are no monitors of Vapi's kind; error budgets watch calls.",
        ),
        rules_for(SAME, "analysis.structuredDataMulti[].**", "As the plan asks for it."),
        rules_for(SAME, "analysis.structuredData.**", "As the plan asks for it."),
        rules_for(
            ABSENT,
            "artifact.skippedStructuredOutputs artifact.structuredOutputs.** artifact.structuredOutputsLastUpdatedAt "
            "artifact.scorecards.** artifact.skippedStructuredOutputs[].**",
            "What is found out after a call stands in `analysis`.",
        ),
        rules_for(
            ABSENT,
            "artifact.videoRecordingUrl artifact.videoRecordingStartDelaySeconds artifact.recording.videoUrl "
            "artifact.recording.videoRecordingStartDelaySeconds artifact.presignedVideoUrl",
            "A telephone has no picture.",
        ),
        rules_for(
            ABSENT,
            "artifact.pcapUrl artifact.presignedPcapUrl",
            "Twilio carries the call; there is nothing to capture here.",
        ),
        rules_for(
            ABSENT, "artifact.logUrl artifact.presignedLogUrl", "Logs are written for whoever runs Tandem."
        ),
        rules_for(ABSENT, "artifact.nodes[].**", "There are no workflows."),
        rules_for(
            ABSENT,
            "artifact.presignedMonoUrl artifact.presignedStereoUrl artifact.presignedAssistantUrl "
            "artifact.presignedCustomerUrl artifact.presignedUrlsExpiresAt",
            "Ask `/call/{id}/mono-recording` and its like: they lead to links that are good for half an hour.",
        ),
        rules_for(ABSENT, "artifact.transfers[].**", "Who was reached is not listened to."),
        rules_for(
            ABSENT,
            "artifact.performanceMetrics.**",
            "One model hears, thinks and speaks: there is the latency of whole turns alone.",
        ),
        rules_for(
            DIFFERENT,
            "transcript summary recordingUrl stereoRecordingUrl",
            "Once more, for programs of former years.",
        ),
        rules_for(DIFFERENT, "metadata", "What came with the call."),
    ),
    "Naming and erasing calls": Rules(),
    "Listing": Rules(),
    "Analytics": Rules(
        rules_for(DIFFERENT, "queries[].table", "`call` alone: there are no subscriptions."),
    ),
    "Answers of analytics": Rules(),
}
