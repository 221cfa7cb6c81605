"""What a JSON object of Vapi's is, told by its shape; and what people give by mistake."""

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from assistants.vapi.documents import Step

JSON = dict[str, Any]
Kind = Literal["assistant", "tool", "squad", "phone-number"]

ASSISTANT_MARKS: Final = frozenset(
    {"model", "voice", "transcriber", "firstMessage", "firstMessageMode", "firstMessageInterruptionsEnabled"}
    | {"voicemailDetection", "voicemailMessage", "endCallMessage", "endCallPhrases", "maxDurationSeconds"}
    | {"clientMessages", "serverMessages", "backgroundSound", "modelOutputInMessagesEnabled", "hooks"}
    | {"transportConfigurations", "observabilityPlan", "compliancePlan", "backgroundSpeechDenoisingPlan"}
    | {
        "analysisPlan",
        "artifactPlan",
        "startSpeakingPlan",
        "stopSpeakingPlan",
        "monitorPlan",
        "keypadInputPlan",
    }
    # The legacy generation.
    | {"silenceTimeoutSeconds", "responseDelaySeconds", "llmRequestDelaySeconds", "interruptionsEnabled"}
    | {"llmRequestNonPunctuatedDelaySeconds", "numWordsToInterruptAssistant", "backchannelingEnabled"}
    | {"backgroundDenoisingEnabled", "fillersEnabled", "messagePlan", "recordingEnabled", "hipaaEnabled"}
    | {
        "videoRecordingEnabled",
        "endCallFunctionEnabled",
        "dialKeypadFunctionEnabled",
        "forwardingPhoneNumber",
    }
    | {"forwardingPhoneNumbers", "voicemailDetectionEnabled", "liveTranscriptsEnabled"}
)
# Keys that an assistant shares with other objects.
_ASSISTANT_SHARED: Final = frozenset(
    {
        "id",
        "orgId",
        "createdAt",
        "updatedAt",
        "latestVersion",
        "isServerUrlSecretSet",
        "name",
        "metadata",
        "server",
    }
    | {"serverUrl", "serverUrlSecret", "credentialIds", "credentials", "keywords"}
)
TOOL_TYPES: Final = frozenset(
    {
        "function",
        "apiRequest",
        "transferCall",
        "handoff",
        "endCall",
        "dtmf",
        "sms",
        "voicemail",
        "query",
        "mcp",
    }
    | {
        "knowledgeBase",
        "code",
        "sipRequest",
        "slack.message.send",
        "make",
        "ghl",
        "bash",
        "computer",
        "textEditor",
    }
    | {
        "google.calendar.event.create",
        "google.calendar.availability.check",
        "google.sheets.row.append",
        "output",
    }
    | {"gohighlevel.calendar.availability.check", "gohighlevel.calendar.event.create"}
    | {"gohighlevel.contact.create", "gohighlevel.contact.get"}
)
_PHONE_PROVIDERS: Final = frozenset({"twilio", "vapi", "byo-phone-number", "vonage", "telnyx"})
_PHONE_MARKS: Final = frozenset({"twilioAccountSid", "numberDesiredAreaCode", "fallbackDestination"})
_CALL_TYPES: Final = frozenset({"inboundPhoneCall", "outboundPhoneCall", "webCall", "vapi.websocketCall"})
_CALL_TARGETS: Final = frozenset(
    {"assistantId", "assistant", "squadId", "squad", "phoneNumberId", "phoneNumber", "workflowId"}
)
_REPORT_TYPES: Final = frozenset(
    {
        "end-of-call-report",
        "tool-calls",
        "function-call",
        "status-update",
        "transcript",
        "conversation-update",
    }
    | {
        "speech-update",
        "assistant-request",
        "hang",
        "transfer-update",
        "model-output",
        "voice-input",
        "user-interrupted",
    }
)


def kind_of(raw: JSON) -> Kind | None:
    """What the object is, None where its shape does not tell."""
    kind = _text(raw, "type")
    if "members" in raw:
        return "squad"
    if kind in TOOL_TYPES or (kind and "orgId" in raw and not ASSISTANT_MARKS & raw.keys()):
        return "tool"
    if _is_phone_number(raw):
        return "phone-number"
    if ASSISTANT_MARKS & raw.keys():
        return "assistant"
    if "id" in raw and "orgId" in raw and not raw.keys() - _ASSISTANT_SHARED:
        return "assistant"  # nothing is required of one, and only what somebody set is shown
    return None


def _is_phone_number(raw: JSON) -> bool:
    if "model" in raw or "voiceId" in raw or "type" in raw:
        return False
    if raw.keys() & _PHONE_MARKS:
        return True
    named = raw.keys() & {"number", "sipUri"}
    return bool(named and raw.keys() & {"id", "provider"}) or (
        _text(raw, "provider") in _PHONE_PROVIDERS and "id" in raw
    )


def _text(raw: JSON, key: str) -> str:
    """The text under a key, empty where something else stands there, which could not even be looked up in a set."""
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def fits(kind: Kind, raw: JSON) -> bool:
    """Whether an object may be of the kind that it is said to be, where its shape alone does not tell."""
    match kind:
        case "assistant":
            return bool(raw.keys() & (ASSISTANT_MARKS | _ASSISTANT_SHARED))
        case "tool":
            return isinstance(raw.get("type"), str)
        case "squad":
            return "members" in raw
        case "phone-number":
            return "provider" in raw or "number" in raw


# --- Mistakes ------------------------------------------------------------------------------------------------


def mistake(raw: JSON) -> str | None:
    """What the object is instead of something to import, and what to do; None where it is no known mistake."""
    for is_it, text in _MISTAKES:
        if is_it(raw):
            return text(raw) if callable(text) else text
    return None


def _is_error(raw: JSON) -> bool:
    status = raw.get("statusCode")
    if isinstance(status, int) and ("message" in raw or "error" in raw):
        return True
    return isinstance(raw.get("message"), str | list) and not raw.keys() - {"message", "error", "statusCode"}


def _error_text(raw: JSON) -> str:
    status = raw.get("statusCode")
    if not isinstance(status, int):
        return f"an error that Vapi answered, saved in place of data. {_OTHER_ADVICE}"
    advice = _ADVICE.get(status, _OTHER_ADVICE)
    return f"an error that Vapi answered ({status}), saved in place of data. {advice}"


_OTHER_ADVICE: Final = "Ask Vapi again, and save the answer only if curl succeeds (curl --fail-with-body)"
_ADVICE: Final[dict[int, str]] = {
    401: "Ask again with your private key (not the public one); Vapi's dashboard shows it under API Keys",
    403: "The key may not read this; ask again with a private key of the organisation that owns it",
    404: "Nothing has this id in the key's organisation; check both and ask again",
    429: "Vapi limited the rate; wait a minute and ask again",
}


def _is_server_message(raw: JSON) -> bool:
    message = raw.get("message")
    return (isinstance(message, dict) and isinstance(message.get("type"), str)) or (
        _text(raw, "type") in _REPORT_TYPES and "function" not in raw
    )


def _server_message_text(raw: JSON) -> str:
    message = raw.get("message")
    kind = _text(message if isinstance(message, dict) else raw, "type")
    named = kind if kind in _REPORT_TYPES else "server message"
    return (
        f"a message that Vapi sends about a call ({named}), not an assistant. Give what GET /assistant answers; "
        "past calls are imported with import_vapi_calls"
    )


def _is_call(raw: JSON) -> bool:
    return (
        _text(raw, "type") in _CALL_TYPES
        or bool(raw.keys() & {"endedReason", "phoneCallProvider", "phoneCallProviderId"})
        or ("customer" in raw and bool(raw.keys() & _CALL_TARGETS))
    )


_CALL: Final = (
    "a call, not an assistant. Give what GET /assistant/{id} answers for the call's assistantId; "
    "past calls are imported with import_vapi_calls"
)
_MISTAKES: Final[tuple[tuple[Callable[[JSON], bool], str | Callable[[JSON], str]], ...]] = (
    (_is_error, _error_text),
    (
        lambda raw: "toolCallId" in raw,
        "the answer of a tool server, not a tool. Give what GET /tool answers",
    ),
    (_is_server_message, _server_message_text),
    (_is_call, _CALL),
    (
        lambda raw: "nodes" in raw and "edges" in raw,
        "a workflow. Workflows are not imported; give the assistants that are to replace it",
    ),
    (
        lambda raw: isinstance(raw.get("model"), str) and not {"type", "members"} & raw.keys(),
        "only the `model` of an assistant. Give the whole assistant, as GET /assistant/{id} answers it",
    ),
    (
        lambda raw: "voiceId" in raw,
        "only the `voice` of an assistant. Give the whole assistant, as GET /assistant/{id} answers it",
    ),
    (
        lambda raw: "parameters" in raw and "name" in raw and "type" not in raw and "model" not in raw,
        "only the function inside a tool. Give the whole tool, as GET /tool/{id} answers it, or the whole assistant",
    ),
    (
        lambda raw: "openapi" in raw and "paths" in raw,
        "an OpenAPI document, not data. Give what GET /assistant answers",
    ),
)

# --- The few types without which nothing else can be read ------------------------------------------------------

_Due = tuple[tuple[str, type], ...]
_TOOL: Final[_Due] = (
    ("id", str),
    ("type", str),
    ("function", dict),
    ("function.name", str),
    ("function.parameters", dict),
    ("messages", list),
    ("messages[]", dict),
    ("destinations", list),
    ("destinations[]", dict),
    ("server", dict),
)
_HOOKS: Final[_Due] = (("hooks", list), ("hooks[]", dict), ("hooks[].do", list), ("hooks[].do[]", dict))
_ASSISTANT: Final[_Due] = (
    ("id", str),
    ("name", str),
    ("firstMessage", str),
    ("server", dict),
    ("model", dict),
    ("model.messages", list),
    ("model.messages[]", dict),
    ("model.functions", list),
    ("model.functions[]", dict),
    ("model.toolIds", list),
    ("model.toolIds[]", str),
    ("model.toolRefs", list),
    ("model.toolRefs[]", dict),
    ("model.tools", list),
    ("model.tools[]", dict),
    *((f"model.tools[].{path}", due) for path, due in _TOOL),
    *_HOOKS,
)
_DUE: Final[dict[Kind, _Due]] = {
    "assistant": _ASSISTANT,
    "tool": _TOOL,
    "squad": (
        ("id", str),
        ("name", str),
        ("members", list),
        ("members[]", dict),
        ("members[].assistantId", str),
        ("members[].assistantOverrides", dict),
        ("members[].assistantDestinations", list),
        ("members[].assistantDestinations[]", dict),
        ("members[].assistant", dict),
        *((f"members[].assistant.{path}", due) for path, due in _ASSISTANT),
        ("membersOverrides", dict),
    ),
    "phone-number": (
        ("id", str),
        ("name", str),
        ("number", str),
        ("assistantId", str),
        ("squadId", str),
        ("server", dict),
        *_HOOKS,
    ),
}
DUE_WORDS: Final[dict[type, str]] = {str: "a text", dict: "an object", list: "an array"}


def misfit(kind: Kind, raw: JSON) -> tuple[list[Step], type, object] | None:
    """The first place that holds another type than everything else relies on: where, what is due, what stands there.

    Null is fine anywhere: it says that nothing is set.
    """
    for dotted, due in _DUE[kind]:
        for path, value in _at(raw, dotted.replace("[]", ".[]").split("."), []):
            if value is not None and not isinstance(value, due):
                return path, due, value
    return None


def _at(value: Any, steps: list[str], path: list[Step]) -> Iterator[tuple[list[Step], Any]]:
    if not steps:
        yield path, value
    elif steps[0] == "[]":
        for position, item in enumerate(value if isinstance(value, list) else []):
            yield from _at(item, steps[1:], [*path, position])
    elif isinstance(value, dict) and steps[0] in value:
        yield from _at(value[steps[0]], steps[1:], [*path, steps[0]])
