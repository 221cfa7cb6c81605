"""Back to Vapi's shape: where each setting of ours stands in an object of Vapi's. Pure; the tables are read both ways by tests.

A step writes one column of ours, or a few that stand in one place, into a document. What a document already says is kept,
so that only what was changed here becomes different there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assistants.vapi.hiding import HIDDEN
from assistants.vapi.ledger import Ledger
from assistants.vapi.paths import value_at
from assistants.vapi.speech import prompt_additions
from assistants.vapi.tables.assistant import ASSISTANT
from tools.models import Tool

Document = dict[str, Any]
Values = Mapping[str, Any]
Write = Callable[[Document, Values], None]
Kind = Tool.Kind


@dataclass(frozen=True, slots=True)
class Step:
    """Columns of ours, and how they are written into a document."""

    columns: tuple[str, ...]
    write: Write


def document_with(
    document: Document, values: Values, changed: frozenset[str], steps: tuple[Step, ...]
) -> Document:
    """The document with those columns that changed here. It is changed in place, and returned."""
    for step in steps:
        if not changed.isdisjoint(step.columns):
            step.write(document, values)
    return document


# --- Small parts


def put(document: Document, dotted: str, value: Any) -> None:
    """Write a value at a place; None takes out what stands there, and objects that are empty then."""
    *above, last = dotted.split(".")
    if value is None:
        holder = value_at(document, above) if above else document
        if isinstance(holder, dict):
            holder.pop(last, None)
            if above and not holder:
                put(document, ".".join(above), None)
        return
    holder = document
    for step in above:
        if not isinstance(holder.get(step), dict):
            holder[step] = {}
        holder = holder[step]
    holder[last] = value


def at(column: str, dotted: str, *older: str, empty: bool = False) -> Step:
    """A column that stands there as it is. ``older`` places would say the same; ``empty``: nothing is written as nothing."""

    def write(document: Document, values: Values) -> None:
        for place in older:
            put(document, place, None)
        value = values[column]
        put(document, dotted, None if not empty and value in ("", [], {}, None) else value)

    return Step((column,), write)


def lines_at(column: str, dotted: str, *older: str) -> Step:
    """A column of several texts, one a line."""

    def write(document: Document, values: Values) -> None:
        for place in older:
            put(document, place, None)
        put(document, dotted, values[column].splitlines() or None)

    return Step((column,), write)


# --- Assistants


def _messages(document: Document, values: Values) -> None:
    more = prompt_additions(Ledger(document, ASSISTANT), values["language"])
    prompt = values["instructions"]
    for addition in reversed(more):
        prompt = prompt.removesuffix(addition).removesuffix("\n\n")
    put(document, "model.systemPrompt", None)
    said = [{"role": "system", "content": prompt}] if prompt else []
    put(document, "model.messages", [*said, *values["history"]] or None)


def _model(document: Document, values: Values) -> None:
    put(document, "model.provider", "openai")
    put(document, "model.model", values["model"])


def _tokens(document: Document, values: Values) -> None:
    given = values["max_output_tokens"] / 6
    put(document, "model.maxTokens", int(given) if given.is_integer() else round(given, 2))


def _voice(document: Document, values: Values) -> None:
    before = document.get("voice")
    style = before.get("instructions") if isinstance(before, dict) else None
    document["voice"] = {"provider": "openai", "voiceId": values["voice"]}
    put(document, "voice.instructions", style)
    put(document, "voice.speed", values["speed"] if values["speed"] != 1 else None)


def _transcription(document: Document, values: Values) -> None:
    document["transcriber"] = {"provider": "openai", "model": values["transcription_model"]}
    put(document, "transcriber.language", values["language"])
    put(document, "transcriber.keyterm", values["keywords"].splitlines() or None)
    put(document, "keywords", None)


def _language(document: Document, values: Values) -> None:
    for name in ("languages", "languageCodes"):
        put(document, f"transcriber.{name}", None)
    put(document, "transcriber.language", values["language"])


def _silence(document: Document, values: Values) -> None:
    for older in ("responseDelaySeconds", "llmRequestDelaySeconds"):
        put(document, older, None)
    endpointing = "startSpeakingPlan.transcriptionEndpointingPlan.onPunctuationSeconds"
    put(document, endpointing, 0.1 if values["vad_silence_ms"] >= 100 else 0)
    put(document, "startSpeakingPlan.waitSeconds", round(max(values["vad_silence_ms"] - 100, 0) / 1000, 3))


def _noise(document: Document, values: Values) -> None:
    put(document, "backgroundDenoisingEnabled", None)
    put(document, "backgroundSpeechDenoisingPlan.fourierDenoisingPlan.enabled", None)
    put(document, "backgroundSpeechDenoisingPlan.smartDenoisingPlan.enabled", values["noise_reduction"] != "")


def _idle(document: Document, values: Values) -> None:
    said = values["idle_messages"].splitlines()
    hooks = document.get("hooks") if isinstance(document.get("hooks"), list) else []
    number = next((n for n, hook in enumerate(hooks or []) if _is_idle(hook)), None)
    plan = {
        "idleMessages": said,
        "idleTimeoutSeconds": values["idle_timeout_s"],
        "idleMessageMaxSpokenCount": values["idle_max_count"],
        "idleMessageResetCountOnUserSpeechEnabled": values["idle_resets"],
    }
    if number is None or not hooks:
        for name, value in plan.items():
            put(document, f"messagePlan.{name}", value if said else None)
        return
    if not said:
        put(document, "hooks", [hook for n, hook in enumerate(hooks) if n != number] or None)
        return
    hooks[number] = {
        "on": "customer.speech.timeout",
        "do": [{"type": "say", "exact": said}],
        "options": {
            "timeoutSeconds": values["idle_timeout_s"],
            "triggerMaxCount": values["idle_max_count"],
            "triggerResetMode": "onUserSpeech" if values["idle_resets"] else "never",
        },
    }


def _is_idle(hook: Any) -> bool:
    on = hook.get("on") if isinstance(hook, dict) else None
    actions = hook.get("do") if isinstance(hook, dict) else None
    says = isinstance(actions, list) and any(isinstance(one, dict) and one.get("exact") for one in actions)
    return isinstance(on, str) and on.startswith("customer.speech.timeout") and says


def _plans(document: Document, values: Values) -> None:
    for name, plan in values["plans"].items():
        if name == "server":
            put(document, "server.timeoutSeconds", plan.get("timeoutSeconds"))
        else:
            document[name] = plan


def _records(document: Document, values: Values) -> None:
    put(document, "recordingEnabled", None)
    put(document, "artifactPlan.recordingEnabled", values["recording_enabled"])
    put(document, "hipaaEnabled", None)
    put(document, "compliancePlan.hipaaEnabled", values["hipaa"] or None)
    if values["recording_enabled"]:
        # What would bar the recording at the next import is settled by whoever has switched it on.
        put(document, "compliancePlan.recordingConsentPlan", None)


def _server(document: Document, values: Values) -> None:
    put(document, "serverUrl", None)
    put(document, "server.url", values["server_url"] or None)


ASSISTANT_STEPS: Final[tuple[Step, ...]] = (
    Step(("plans",), _plans),
    at("name", "name"),
    at("first_message", "firstMessage"),
    at("first_message_mode", "firstMessageMode"),
    at("first_message_interruptible", "firstMessageInterruptionsEnabled"),
    at("end_call_message", "endCallMessage"),
    lines_at("end_call_phrases", "endCallPhrases"),
    at("voicemail_message", "voicemailMessage"),
    Step(("model",), _model),
    Step(("max_output_tokens",), _tokens),
    at("reasoning_effort", "model.reasoningEffort"),
    Step(("voice",), _voice),
    at("speed", "voice.speed", "voice.generationConfig.speed", "voice.speakingRate"),
    Step(("transcription_model",), _transcription),
    Step(("language",), _language),
    lines_at(
        "keywords",
        "transcriber.keyterm",
        "keywords",
        "transcriber.keywords",
        "transcriber.wordBoost",
        "transcriber.keytermsPrompt",
        "transcriber.customVocabulary",
        "transcriber.customVocabularyConfig.vocabulary",
    ),
    Step(("instructions", "history", "language"), _messages),
    Step(("vad_silence_ms",), _silence),
    at("interruptible", "interruptionsEnabled"),
    at("interrupt_words", "stopSpeakingPlan.numWords", "numWordsToInterruptAssistant"),
    Step(("noise_reduction",), _noise),
    at("max_duration_s", "maxDurationSeconds"),
    at("silence_timeout_s", "silenceTimeoutSeconds"),
    at("keypad_enabled", "keypadInputPlan.enabled"),
    at("keypad_timeout_s", "keypadInputPlan.timeoutSeconds"),
    at("keypad_delimiters", "keypadInputPlan.delimiters", empty=True),
    Step(("idle_messages", "idle_timeout_s", "idle_max_count", "idle_resets"), _idle),
    Step(("server_url",), _server),
    at("server_backoff_plan", "server.backoffPlan", "backoffPlan"),
    at("server_encrypted_paths", "server.encryptedPaths"),
    at("variables", "variableValues"),
    at("metadata", "metadata"),
    at("analysis_plan", "analysisPlan", empty=True),
    at("monitor_plan", "monitorPlan", empty=True),
    at("server_messages", "serverMessages", empty=True),
    Step(("recording_enabled", "hipaa"), _records),
)
# Settings of ours for which Vapi has no place, so that no program sees or changes them.
ASSISTANT_ONLY_HERE: Final[dict[str, str]] = {
    "turn_detection": "Vapi's ways of finding the end of a turn are others.",
    "eagerness": "It belongs to the former.",
    "credential": "The key of a credential here means nothing at Vapi.",
}


# --- Tools


def _type(document: Document, values: Values) -> None:
    document["type"] = values["vapi_type"] or values["kind"]


def _named(values: Values) -> str:
    return "" if values["kind"] == Kind.API_REQUEST else "function."


def _name(document: Document, values: Values) -> None:
    put(document, f"{_named(values)}name", values["wire_name"] or values["name"])


def _description(document: Document, values: Values) -> None:
    put(document, f"{_named(values)}description", values["description"])


def _parameters(document: Document, values: Values) -> None:
    place = "body" if values["kind"] == Kind.API_REQUEST else "function.parameters"
    put(document, place, values["parameters"] if values["parameters"].get("properties") else None)


def _settings(document: Document, values: Values) -> None:
    for name in SETTINGS:
        if name != "body":
            document.pop(name, None)
    for name, value in values["settings"].items():
        document[name] = [_destination(one) for one in value] if name == "destinations" else value


def _destination(destination: Any) -> Any:
    if not isinstance(destination, dict):
        return destination
    return {name: value for name, value in destination.items() if name != "assistantKey"}


def _timeout(document: Document, values: Values) -> None:
    place, other = "server.timeoutSeconds", "timeoutSeconds"
    if values["kind"] == Kind.API_REQUEST:
        place, other = other, place
    put(document, other, None)
    put(document, place, values["timeout_s"])


SETTINGS: Final = (
    "url", "method", "headers", "body", "destinations", "defaultResult", "metadata", "knowledgeBases", "knowledgeBaseId",
    "toolMessages", "sipInfoDtmfEnabled", "beepDetectionEnabled", "code", "environmentVariables", "verb", "subType",
    "displayWidthPx", "displayHeightPx", "displayNumber",
)  # fmt: skip
TOOL_STEPS: Final[tuple[Step, ...]] = (
    Step(("kind", "vapi_type"), _type),
    Step(("settings",), _settings),
    Step(("name", "wire_name"), _name),
    Step(("description",), _description),
    Step(("parameters",), _parameters),
    Step(("server_url",), _server),
    Step(("timeout_s",), _timeout),
    at("backoff_plan", "server.backoffPlan", "backoffPlan"),
    at("encrypted_paths", "server.encryptedPaths", "encryptedPaths"),
    at("static_parameters", "parameters"),
    at("messages", "messages"),
    at("variable_extraction", "variableExtractionPlan"),
    at("rejection_plan", "rejectionPlan"),
    at("asynchronous", "async"),
)
TOOL_ONLY_HERE: Final[dict[str, str]] = {
    "legacy_form": "At Vapi the form of webhooks follows from the assistant's messages.",
    "credential": "The key of a credential here means nothing at Vapi.",
}


# --- Without secrets


def without_marks(value: Any) -> Any:
    """A copy without the places at which a secret stood, as Vapi leaves them out."""
    if isinstance(value, dict):
        return {key: without_marks(item) for key, item in value.items() if item != HIDDEN}
    if isinstance(value, list):
        return [without_marks(item) for item in value if item != HIDDEN]
    return value


def has_marks(value: Any) -> bool:
    """Whether the mark of a secret stands anywhere in the value."""
    if isinstance(value, dict):
        return any(has_marks(item) for item in value.values())
    if isinstance(value, list):
        return any(has_marks(item) for item in value)
    return isinstance(value, str) and HIDDEN in value
