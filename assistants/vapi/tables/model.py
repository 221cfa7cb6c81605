"""What thinks: the model, the prompt and the tools."""

from typing import Final

from assistants.vapi.rules import rules_for
from assistants.vapi.tables.words import (
    CONVERTED,
    CUSTOM_SERVER,
    DECISION,
    DROPPED,
    FALLBACK,
    FLAG,
    KEPT,
    LEGACY,
    NATIVE,
    NUMBER,
    OBJECT,
    SEEN,
    TEXT,
)

_ONE_MODEL: Final = "It belongs to a chain of transcriber, text model and voice. Here one model listens and speaks, and has no such setting."
_NO_SUCH_MODEL_SETTING: Final = (
    "OpenAI's voice models have no such setting. Answers may vary a little more or less than at Vapi."
)

MODEL: Final = [
    *rules_for(
        CONVERTED,
        "model.provider",
        "Here every assistant runs on OpenAI's voice models.",
        type=TEXT,
    ),
    *rules_for(
        CONVERTED, "model.model", "One voice model listens, thinks and speaks.", field="model", type=TEXT
    ),
    *rules_for(KEPT, "model.messages[].role", "Who says the message beside it.", type=TEXT),
    *rules_for(KEPT, "model.messages[].content", "The prompt.", field="instructions", type=TEXT),
    *rules_for(
        KEPT,
        "model.messages[].content[].text",
        "A paragraph of the prompt.",
        field="instructions",
        type=TEXT,
        origin=SEEN,
    ),
    *rules_for(
        KEPT,
        "model.messages[].content[].type",
        "What the part beside it is: a text.",
        type=TEXT,
        origin=SEEN,
    ),
    *rules_for(KEPT, "model.systemPrompt", "The prompt.", field="instructions", type=TEXT, origin=LEGACY),
    *rules_for(
        KEPT,
        "model.tools[]",
        "Imported as a tool with a report of its own.",
        field="tools",
        type=OBJECT,
        whole=True,
    ),
    *rules_for(
        KEPT,
        "model.functions[]",
        "Imported as a tool with a report of its own.",
        field="tools",
        type=OBJECT,
        whole=True,
        origin=LEGACY,
    ),
    *rules_for(
        KEPT,
        "model.toolIds[] model.toolRefs[].toolId",
        "Offers the tool of that id to the model.",
        field="tools",
        type=TEXT,
    ),
    *rules_for(
        DROPPED,
        "model.toolRefs[].version",
        "Vapi pinned a version of the tool. Tandem takes the tool as it is now; a published assistant keeps what it was published with.",
    ),
    *rules_for(
        DROPPED,
        "model.temperature",
        _NO_SUCH_MODEL_SETTING,
        type=NUMBER,
    ),
    *rules_for(CONVERTED, "model.maxTokens", "The longest answer.", field="max_output_tokens", type=NUMBER),
    *rules_for(
        KEPT,
        "model.reasoningEffort",
        "How much the model thinks before it answers, where the chosen model does so at all.",
        field="reasoning_effort",
        type=TEXT,
    ),
    *rules_for(DROPPED, "model.emotionRecognitionEnabled", NATIVE, type=FLAG),
    *rules_for(
        DROPPED,
        "numFastTurns promptCacheRetention promptCacheKey wordLevelConfidenceEnabled version "
        "thinking.** realtimeConfig.**",
        _ONE_MODEL,
        under="model",
    ),
    *rules_for(DROPPED, "model.semanticCachingEnabled", _ONE_MODEL, type=FLAG, origin=LEGACY),
    *rules_for(
        DROPPED,
        "model.toolStrictCompatibilityMode",
        "Tandem checks what the model asks for against the tool's own schema before it is sent, whatever is set here.",
    ),
    *rules_for(DROPPED, "model.fallbackModels[]", FALLBACK, type=TEXT),
    *rules_for(DROPPED, "model.url model.metadataSendMode model.timeoutSeconds", CUSTOM_SERVER),
    *rules_for(DROPPED, "model.headers", CUSTOM_SERVER, type=OBJECT, whole=True),
    *rules_for(
        DECISION,
        "model.knowledgeBase.provider",
        "At Vapi the assistant looked things up in a knowledge base before it answered. Here it does not, and may not know "
        "what callers ask. Put the search behind a webhook tool, or the facts into the prompt.",
        code="knowledge_base",
        type=TEXT,
    ),
    *rules_for(DROPPED, "model.knowledgeBase.**", "Part of the knowledge base, which Tandem does not ask."),
    *rules_for(
        DECISION,
        "model.knowledgeBaseId",
        "At Vapi the assistant looked things up in a knowledge base of files before it answered. Only Vapi holds them. Put "
        "the search behind a webhook tool, or the facts into the prompt.",
        code="knowledge_base",
        type=TEXT,
        origin=LEGACY,
    ),
    *rules_for(
        DECISION,
        "model.workflowId",
        "This assistant runs a workflow of Vapi's, a diagram of steps. Tandem cannot run workflows, so it has nothing to "
        "say. Write its steps as a prompt with tools before you publish it, or delete it.",
        code="workflow",
        type=TEXT,
    ),
    *rules_for(
        DECISION,
        "model.workflow",
        "This assistant holds a workflow of Vapi's, a diagram of steps. Tandem cannot run workflows, so it has nothing to "
        "say. Write its steps as a prompt with tools before you publish it, or delete it.",
        code="workflow",
        type=OBJECT,
        whole=True,
    ),
    *rules_for(
        DECISION,
        "workflowId",
        "It points to a workflow of Vapi's, a diagram of steps. Tandem cannot run workflows. Write its steps as a prompt with tools.",
        code="workflow",
        type=TEXT,
        origin=LEGACY,
    ),
]
