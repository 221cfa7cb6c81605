"""What is kept of a call, and what becomes of it afterwards."""

from typing import Final

from assistants.vapi.rules import rules_for
from assistants.vapi.tables.words import (
    ANY,
    CONVERTED,
    DECISION,
    DROPPED,
    FLAG,
    KEPT,
    LEGACY,
    NUMBER,
    TEXT,
    not_yet,
)

_OFF: Final = "Off at Vapi. There is nothing to do."
_ANALYSED: Final = (
    "Kept as it is. Calls are analysed by it once that is switched on for the assistant: every answer of the model is paid for, "
    "so nothing switches it on by itself."
)

AFTER: Final = [
    *rules_for(KEPT, "analysisPlan.**", _ANALYSED, field="analysis_plan"),
    *rules_for(
        KEPT,
        "analysisPlan.structuredDataPlan.schema analysisPlan.structuredDataMultiPlan[].plan.schema",
        _ANALYSED,
        field="analysis_plan",
        type=ANY,
        whole=True,
    ),
    *rules_for(
        KEPT,
        "analysisPlan.structuredDataSchema",
        _ANALYSED,
        field="analysis_plan",
        type=ANY,
        whole=True,
        origin=LEGACY,
    ),
    *rules_for(
        DROPPED,
        "analysisPlan.outcomeIds[]",
        "It names something that Vapi holds and that is no part of an assistant's export.",
        field="analysis_plan",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "artifactPlan.recordingEnabled",
        "Whether calls are recorded, by Twilio, both sides.",
        field="recording_enabled",
        type=FLAG,
    ),
    *rules_for(
        CONVERTED,
        "recordingEnabled",
        "Whether calls are recorded, by Twilio, both sides.",
        field="recording_enabled",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(
        DROPPED,
        "recordingFormat recordingPath recordingUseCustomStorageEnabled",
        "Tandem keeps every recording as it comes from Twilio, in its own storage: a folder, or a bucket of yours.",
        under="artifactPlan",
        field="plans",
    ),
    *rules_for(
        DROPPED,
        "videoRecordingEnabled pcapEnabled pcapS3PathPrefix pcapUseCustomStorageEnabled scorecardIds[] scorecards[].** "
        "loggingUseCustomStorageEnabled loggingPath",
        "Tandem makes no such files: no video, no network captures, no score cards.",
        under="artifactPlan",
    ),
    *rules_for(
        DROPPED, "videoRecordingEnabled", "There is no video on a telephone.", type=FLAG, origin=LEGACY
    ),
    *rules_for(
        DROPPED,
        "artifactPlan.structuredOutputIds[]",
        "It names a form for facts about the call that Vapi holds and that is no part of an assistant's export. Export it from Vapi as well, for when Tandem can fill it in.",
        field="plans",
        type=TEXT,
    ),
    *rules_for(
        DROPPED, "artifactPlan.structuredOutputs[].**", not_yet("fill in forms after a call"), field="plans"
    ),
    *rules_for(
        DROPPED,
        "artifactPlan.structuredOutputs[].schema",
        not_yet("fill in forms after a call"),
        field="plans",
        type=ANY,
        whole=True,
    ),
    *rules_for(
        DROPPED,
        "artifactPlan.loggingEnabled artifactPlan.fullMessageHistoryEnabled artifactPlan.transcriptPlan.**",
        "Tandem always keeps the whole transcript of a call, in its own form.",
        field="plans",
    ),
    *rules_for(
        KEPT,
        "listenEnabled controlEnabled listenAuthenticationEnabled controlAuthenticationEnabled",
        "Who may listen to a running call over the network, and steer it.",
        under="monitorPlan",
        field="monitor_plan",
        type=FLAG,
    ),
    *rules_for(
        DROPPED,
        "monitorPlan.**",
        "Nothing but listening in and control is offered over the network. The setting is stored and does nothing.",
        field="monitor_plan",
    ),
    *rules_for(KEPT, "compliancePlan.hipaaEnabled", _OFF, field="hipaa", type=FLAG),
    *rules_for(KEPT, "compliancePlan.pciEnabled", _OFF, field="redact", type=FLAG),
    *rules_for(KEPT, "hipaaEnabled", _OFF, field="hipaa", type=FLAG, origin=LEGACY),
    *rules_for(KEPT, "compliancePlan.securityFilterPlan.enabled", _OFF, field="plans", type=FLAG),
    *rules_for(
        DROPPED,
        "compliancePlan.securityFilterPlan.**",
        "Part of a filter that Tandem does not have.",
        field="plans",
    ),
    *rules_for(
        DECISION,
        "compliancePlan.recordingConsentPlan.type",
        "At Vapi callers were asked to agree to the recording. Tandem does not ask, so recording was left off. Before you switch "
        "it on, put the question into the first message.",
        field="recording_enabled",
        code="recording_consent",
        type=TEXT,
    ),
    *rules_for(
        DROPPED,
        "compliancePlan.recordingConsentPlan.**",
        "Part of the question whether the caller agrees to a recording, which Tandem does not ask.",
        field="plans",
    ),
    *rules_for(
        DROPPED,
        "compliancePlan.recordingConsentPlan.declineTool",
        "What was to be done when the caller does not agree to a recording, which Tandem does not ask about.",
        field="plans",
        type=ANY,
        whole=True,
    ),
    *rules_for(
        DROPPED,
        "transportConfigurations[].**",
        "Of these options Tandem uses one when it places a call: for how long it rings (`timeout`).",
        field="plans",
    ),
    *rules_for(
        CONVERTED,
        "transportConfigurations[].timeout",
        "How long a call rings that Tandem places.",
        field="plans",
        type=NUMBER,
    ),
    *rules_for(DROPPED, "observabilityPlan.**", "Tandem does not report to Langfuse."),
    *rules_for(
        DROPPED,
        "observabilityPlan.metadata",
        "Tandem does not report to Langfuse.",
        type=ANY,
        whole=True,
    ),
    *rules_for(
        DROPPED,
        "modelOutputInMessagesEnabled",
        "The transcript holds what was said on the line, and never what was only thought of.",
        type=FLAG,
    ),
    *rules_for(
        DROPPED,
        "liveTranscriptsEnabled customerJoinTimeoutSeconds",
        "It concerns calls in a browser. Tandem answers telephones.",
        origin=LEGACY,
    ),
]
