"""From Vapi's assistants to ours: the rows of the mapping, and what became of every leaf."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.models import Assistant
from assistants.tests.vapi.cases import (
    CATALOGUE,
    FIXTURES,
    assistant,
    codes,
    drafts,
    everything,
    export,
    finding,
    fixture,
    tool,
)
from assistants.vapi.assistant_rules import ASSISTANT
from assistants.vapi.drafts import ABSENT, AssistantDraft, Drafts, NumberDraft, SquadDraft, ToolDraft, Verdict
from assistants.vapi.hiding import HIDDEN
from assistants.vapi.paths import path_text
from assistants.vapi.references import References
from assistants.vapi.rules import Rules
from assistants.vapi.squad_rules import NUMBER, SQUAD
from assistants.vapi.tool_rules import FUNCTION, IMPLICIT, TOOL
from assistants.vapi.translate import ToolInfo, translate
from tools.models import Tool

KEPT, CONVERTED, DEFAULT, DECISION, DROPPED = Verdict

AnyDraft = AssistantDraft | ToolDraft | SquadDraft | NumberDraft


def all_drafts(found: Drafts) -> Iterator[AnyDraft]:
    yield from found.tools
    yield from found.assistants
    yield from found.squads
    yield from found.numbers


def rules_of(draft: AnyDraft) -> Rules:
    match draft:
        case AssistantDraft():
            return ASSISTANT
        case SquadDraft():
            return SQUAD
        case NumberDraft():
            return NUMBER
        case _ if "/model.functions[" in draft.key:
            return FUNCTION
        case _ if draft.key.endswith(("FunctionEnabled", "forwardingPhoneNumber", "forwardingPhoneNumbers")):
            return IMPLICIT
        case _:
            return TOOL


def scalars(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every scalar and empty container, whatever any rule says."""
    if isinstance(value, dict | list) and value:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from scalars(item, (*path, key))
    elif path:
        yield path


def assert_each_leaf_once(draft: AnyDraft) -> None:
    """Each leaf has exactly one finding: its own, or that of the whole that it is part of."""
    paths = [one.path for one in draft.findings]
    assert len(paths) == len(set(paths))
    present = {one.path for one in draft.findings if one.source is not ABSENT}
    for leaf in scalars(draft.raw):
        above = [path_text(leaf[:end]) for end in range(1, len(leaf) + 1)]
        assert len(present.intersection(above)) == 1, path_text(leaf)
    for one in draft.findings:
        assert one.reason.endswith((".", "”")), one
        assert bool(one.code) or one.verdict is not DECISION, one


def assert_our_models_take_it(found: Drafts) -> None:
    drafts_with_fields: list[AssistantDraft | ToolDraft] = [*found.assistants, *found.tools]
    for draft in drafts_with_fields:
        model: type[Assistant | Tool] = Assistant if isinstance(draft, AssistantDraft) else Tool
        for name, value in draft.fields.items():
            column = model._meta.get_field(name)
            if column.is_relation:
                continue
            try:
                column.clean(value, None)  # type: ignore[union-attr]
            except ValidationError as exc:
                pytest.fail(f"{name}: {exc.messages} for {value!r}")
        json.dumps(draft.fields, allow_nan=False)


# --- The fixtures


def test_every_leaf_of_every_fixture_has_exactly_one_verdict() -> None:
    found = list(all_drafts(everything()))

    assert len(found) > 25
    for draft in found:
        assert_each_leaf_once(draft)


def test_nothing_in_the_fixtures_is_unclassified_or_of_a_wrong_type() -> None:
    for draft in all_drafts(everything()):
        assert not codes(draft) & {"unknown_field", "wrong_type", "too_deep"}, draft.key


def test_our_models_take_what_the_fixtures_become() -> None:
    assert_our_models_take_it(everything())


def test_translating_twice_gives_the_same() -> None:
    assert everything() == everything()


def test_the_source_of_a_finding_is_the_value_at_vapi() -> None:
    clinic = everything().assistants[0]

    assert finding(clinic, "model.temperature").source == 0.3
    assert finding(clinic, "silenceTimeoutSeconds").source is ABSENT
    assert finding(clinic, "metadata").source == {"costCenter": "north", "owner": "front-desk"}


def test_the_clinic_arrives_as_it_is_heard() -> None:
    clinic = everything().assistants[0]

    assert clinic.name == "Riverbend front desk"
    assert clinic.fields["instructions"].startswith("# Role\nYou answer the phone")
    assert clinic.fields["end_call_phrases"] == "goodbye, take care\nhave a healthy day"
    assert clinic.fields["idle_messages"] == "Are you still there?\nCan you hear me?"
    assert (clinic.fields["idle_timeout_s"], clinic.fields["idle_max_count"]) == (8, 2)
    assert clinic.fields["idle_resets"] is True
    assert clinic.fields["keywords"] == "Riverbend\ntetanus"
    assert clinic.credential_id == "a7f3d9e1-4b2c-4d6e-8f01-23456789abcd"
    assert json.loads(clinic.secrets["server_headers"]) == {"X-Clinic-Site": "north"}
    assert clinic.fields["analysis_plan"]["summaryPlan"]["timeoutSeconds"] == 10
    assert [key.rsplit("/", 1)[-1] for key in clinic.tools] == [
        "model.tools[book_appointment]",
        "model.tools[transferCall]",
        *(f"11111111-aaaa-4aaa-8aaa-00000000000{number}" for number in (1, 2, 3, 7, 9)),
    ]


def test_the_restaurant_of_2024_arrives_whole() -> None:
    found = everything()
    restaurant = found.assistants[1]
    tools = {one.key: one for one in found.tools}

    assert restaurant.fields["instructions"].startswith("You take reservations")
    assert restaurant.fields["model"] == "gpt-realtime-2.1-mini"
    assert restaurant.fields["server_url"] == "https://lumen.example/vapi-webhook"
    assert restaurant.fields["keywords"] == "Lumen\nburrata"
    assert restaurant.fields["interrupt_words"] == 2
    assert restaurant.fields["idle_messages"] == "Hello, are you there?\nTake your time."
    assert [tools[key].name for key in restaurant.tools] == [
        "reserveTable",
        "placeOrder",
        "noteAllergy",
        "endCall",
        "transferCall",
    ]
    assert [tools[key].fields["legacy_form"] for key in restaurant.tools] == [True, True, True, False, False]
    assert finding(restaurant, "isServerUrlSecretSet").code == "missing_secret"
    assert finding(restaurant, "serverMessages[3]").verdict is CONVERTED


# --- The rows of the mapping: a part of an assistant, the place, the verdict, our setting and its value


def model(**fields: Any) -> dict[str, Any]:
    return {"model": {"messages": [{"role": "system", "content": "Be kind."}], **fields}}


SERVER = {"url": "https://shop.example/hook"}
HOOK = {"on": "customer.speech.timeout", "do": [{"type": "say", "exact": "Hello?"}]}

ROWS: list[tuple[dict[str, Any], str, Verdict, str, Any]] = [
    (model(), "model.messages[0].content", KEPT, "instructions", "Be kind."),
    ({"model": {"systemPrompt": "Old."}}, "model.systemPrompt", KEPT, "instructions", "Old."),
    (model(systemPrompt="Old."), "model.systemPrompt", DROPPED, "instructions", "Be kind."),
    (model(provider="openai"), "model.provider", KEPT, "model", "gpt-realtime-2.1"),
    (model(provider="anthropic"), "model.provider", CONVERTED, "model", "gpt-realtime-2.1"),
    (model(provider="custom-llm"), "model.provider", DECISION, "model", "gpt-realtime-2.1"),
    (model(url="https://llm.example"), "model.url", DROPPED, "model", "gpt-realtime-2.1"),
    (model(model="gpt-realtime-2"), "model.model", KEPT, "model", "gpt-realtime-2"),
    (model(model="gpt-realtime-2025-08-28"), "model.model", CONVERTED, "model", "gpt-realtime"),
    (model(model="gpt-realtime-mini-2025-12-15"), "model.model", CONVERTED, "model", "gpt-realtime-mini"),
    (
        model(model="gpt-4o-realtime-preview-2024-12-17"),
        "model.model",
        CONVERTED,
        "model",
        "gpt-realtime-2.1",
    ),
    (model(model="gpt-4o-2024-08-06:westus"), "model.model", CONVERTED, "model", "gpt-realtime-2.1"),
    (model(model="gpt-realtime-2:eastus"), "model.model", CONVERTED, "model", "gpt-realtime-2"),
    (
        model(model="gpt-4o-mini-2024-07-18:westus"),
        "model.model",
        CONVERTED,
        "model",
        "gpt-realtime-2.1-mini",
    ),
    (model(model="gpt-4.1-nano"), "model.model", CONVERTED, "model", "gpt-realtime-2.1-mini"),
    (model(model="gpt-3.5-turbo"), "model.model", CONVERTED, "model", "gpt-realtime-2.1-mini"),
    (model(model="gemini-1.5-pro"), "model.model", CONVERTED, "model", "gpt-realtime-2.1"),
    (model(model="gemini-2.0-flash"), "model.model", CONVERTED, "model", "gpt-realtime-2.1-mini"),
    ({}, "model.model", DEFAULT, "model", "gpt-realtime-2.1"),
    (model(temperature=0.3), "model.temperature", DROPPED, "model", "gpt-realtime-2.1"),
    (model(reasoningEffort="high"), "model.reasoningEffort", KEPT, "reasoning_effort", "high"),
    (model(reasoningEffort="none"), "model.reasoningEffort", CONVERTED, "reasoning_effort", "minimal"),
    (model(reasoningEffort="huge"), "model.reasoningEffort", DECISION, "reasoning_effort", "low"),
    (model(maxTokens=250), "model.maxTokens", CONVERTED, "max_output_tokens", 1500),
    (model(maxTokens=50), "model.maxTokens", CONVERTED, "max_output_tokens", 1024),
    (model(maxTokens=10000), "model.maxTokens", CONVERTED, "max_output_tokens", 4096),
    ({}, "model.maxTokens", DEFAULT, "max_output_tokens", 1500),
    (model(knowledgeBaseId="k"), "model.knowledgeBaseId", DECISION, "model", "gpt-realtime-2.1"),
    (
        model(knowledgeBase={"provider": "custom-knowledge-base", "server": SERVER}),
        "model.knowledgeBase.provider",
        DECISION,
        "server_url",
        "",
    ),
    ({"model": {"provider": "vapi", "workflowId": "w"}}, "model.workflowId", DECISION, "instructions", ""),
    (
        model(emotionRecognitionEnabled=True),
        "model.emotionRecognitionEnabled",
        DROPPED,
        "model",
        "gpt-realtime-2.1",
    ),
    ({"voice": {"provider": "openai", "voiceId": "cedar"}}, "voice.voiceId", KEPT, "voice", "cedar"),
    ({"voice": {"provider": "openai", "voiceId": "onyx"}}, "voice.voiceId", CONVERTED, "voice", "ash"),
    ({"voice": {"provider": "11labs", "voiceId": "Sarah"}}, "voice.voiceId", CONVERTED, "voice", "coral"),
    ({"voice": {"provider": "11labs", "voiceId": "x"}}, "voice.voiceId", CONVERTED, "voice", "marin"),
    ({"voice": {"provider": "hume", "voiceId": "x"}}, "voice.voiceId", DECISION, "voice", "marin"),
    ({}, "voice.voiceId", DEFAULT, "voice", "marin"),
    ({"voice": {"speed": 1.05}}, "voice.speed", KEPT, "speed", 1.05),
    ({"voice": {"speed": 4}}, "voice.speed", CONVERTED, "speed", 1.5),
    (
        {"voice": {"generationConfig": {"speed": 0.6}}},
        "voice.generationConfig.speed",
        CONVERTED,
        "speed",
        0.6,
    ),
    (
        {"voice": {"instructions": "Whisper."}},
        "voice.instructions",
        CONVERTED,
        "instructions",
        "Be kind.\n\nWhisper.",
    ),
    ({"voice": {"chunkPlan": {"enabled": True}}}, "voice.chunkPlan.enabled", DROPPED, "voice", "marin"),
    (
        {"voice": {"fallbackPlan": {"voices": [{"voiceId": "x"}]}}},
        "voice.fallbackPlan.voices[0].voiceId",
        DROPPED,
        "voice",
        "marin",
    ),
    ({"voice": {"stability": 0.5}}, "voice.stability", DROPPED, "speed", 1.0),
    (
        {"transcriber": {"provider": "deepgram"}},
        "transcriber.provider",
        CONVERTED,
        "transcription_model",
        "gpt-transcribe",
    ),
    (
        {"transcriber": {"provider": "openai", "model": "whisper-1"}},
        "transcriber.model",
        KEPT,
        "transcription_model",
        "whisper-1",
    ),
    ({"transcriber": {"language": "en"}}, "transcriber.language", KEPT, "language", "en"),
    ({"transcriber": {"language": "en-US"}}, "transcriber.language", CONVERTED, "language", "en"),
    ({"transcriber": {"language": "pt-BR"}}, "transcriber.language", CONVERTED, "language", "pt"),
    ({"transcriber": {"language": "multi"}}, "transcriber.language", DECISION, "language", "en"),
    ({"transcriber": {"language": "tlh"}}, "transcriber.language", DECISION, "language", "en"),
    ({"transcriber": {"languages": ["de", "en"]}}, "transcriber.languages[0]", CONVERTED, "language", "de"),
    ({}, "transcriber.language", DEFAULT, "language", "en"),
    (
        {"transcriber": {"keywords": ["Lumen:3", "AC:DC"]}},
        "transcriber.keywords[0]",
        CONVERTED,
        "keywords",
        "Lumen\nAC:DC",
    ),
    ({"transcriber": {"keyterm": ["<b> x"]}}, "transcriber.keyterm[0]", CONVERTED, "keywords", "b x"),
    (
        {"transcriber": {"customVocabularyConfig": {"vocabulary": ["one", {"value": "two"}]}}},
        "transcriber.customVocabularyConfig.vocabulary[1].value",
        CONVERTED,
        "keywords",
        "one\ntwo",
    ),
    ({"transcriber": {"numerals": True}}, "transcriber.numerals", DROPPED, "keywords", ""),
    ({"firstMessage": "Hi."}, "firstMessage", KEPT, "first_message", "Hi."),
    ({"firstMessage": "https://x.example/hi.mp3"}, "firstMessage", DECISION, "first_message", ""),
    ({}, "firstMessage", DEFAULT, "first_message_mode", "assistant-waits-for-user"),
    ({"firstMessage": "Hi."}, "firstMessageMode", DEFAULT, "first_message_mode", "assistant-speaks-first"),
    (
        {"firstMessageMode": "assistant-waits-for-user"},
        "firstMessageMode",
        KEPT,
        "first_message_mode",
        "assistant-waits-for-user",
    ),
    (
        {"firstMessageMode": "assistant-speaks-first-with-model-generated-message"},
        "firstMessageMode",
        KEPT,
        "first_message_mode",
        "assistant-speaks-first-with-model-generated-message",
    ),
    (
        {"firstMessage": "Hi.", "firstMessageMode": "sings"},
        "firstMessageMode",
        DECISION,
        "first_message_mode",
        "assistant-speaks-first",
    ),
    (
        {"firstMessageInterruptionsEnabled": True},
        "firstMessageInterruptionsEnabled",
        KEPT,
        "first_message_interruptible",
        True,
    ),
    ({}, "firstMessageInterruptionsEnabled", DEFAULT, "first_message_interruptible", False),
    ({"endCallMessage": "Bye."}, "endCallMessage", KEPT, "end_call_message", "Bye."),
    ({}, "endCallMessage", DEFAULT, "end_call_message", ""),
    (
        {"endCallPhrases": ["bye\nbye", "ciao"]},
        "endCallPhrases[1]",
        KEPT,
        "end_call_phrases",
        "bye bye\nciao",
    ),
    ({"voicemailMessage": "Call us."}, "voicemailMessage", DROPPED, "voicemail_message", "Call us."),
    ({"voicemailDetection": "off"}, "voicemailDetection", DROPPED, "plans", {"voicemailDetection": "off"}),
    ({"maxDurationSeconds": 900}, "maxDurationSeconds", KEPT, "max_duration_s", 900),
    ({"maxDurationSeconds": 43200}, "maxDurationSeconds", CONVERTED, "max_duration_s", 3500),
    ({}, "maxDurationSeconds", DEFAULT, "max_duration_s", 600),
    ({"silenceTimeoutSeconds": 20}, "silenceTimeoutSeconds", KEPT, "silence_timeout_s", 20),
    ({}, "silenceTimeoutSeconds", DEFAULT, "silence_timeout_s", 30),
    (
        {"startSpeakingPlan": {"waitSeconds": 0.8}},
        "startSpeakingPlan.waitSeconds",
        CONVERTED,
        "vad_silence_ms",
        900,
    ),
    (
        {"startSpeakingPlan": {"waitSeconds": 5}},
        "startSpeakingPlan.waitSeconds",
        CONVERTED,
        "vad_silence_ms",
        1200,
    ),
    (
        {"startSpeakingPlan": {"waitSeconds": 0}},
        "startSpeakingPlan.waitSeconds",
        CONVERTED,
        "vad_silence_ms",
        300,
    ),
    ({}, "startSpeakingPlan.waitSeconds", DEFAULT, "vad_silence_ms", 500),
    ({"responseDelaySeconds": 0.6}, "responseDelaySeconds", CONVERTED, "vad_silence_ms", 700),
    (
        {"startSpeakingPlan": {"smartEndpointingPlan": {"provider": "livekit"}}},
        "startSpeakingPlan.smartEndpointingPlan.provider",
        CONVERTED,
        "vad_silence_ms",
        700,
    ),
    (
        {"startSpeakingPlan": {"smartEndpointingPlan": {"provider": "vapi"}}},
        "startSpeakingPlan.smartEndpointingPlan.provider",
        CONVERTED,
        "turn_detection",
        "server_vad",
    ),
    (
        {"startSpeakingPlan": {"customEndpointingRules": [{"type": "assistant", "regex": "x"}]}},
        "startSpeakingPlan.customEndpointingRules[0].regex",
        DROPPED,
        "turn_detection",
        "server_vad",
    ),
    ({"stopSpeakingPlan": {"numWords": 0}}, "stopSpeakingPlan.numWords", KEPT, "interrupt_words", 0),
    ({"stopSpeakingPlan": {"numWords": 3}}, "stopSpeakingPlan.numWords", KEPT, "interrupt_words", 3),
    ({"numWordsToInterruptAssistant": 2}, "numWordsToInterruptAssistant", CONVERTED, "interrupt_words", 2),
    ({}, "stopSpeakingPlan.numWords", DEFAULT, "interrupt_words", 0),
    ({"interruptionsEnabled": False}, "interruptionsEnabled", KEPT, "interruptible", False),
    (
        {"stopSpeakingPlan": {"backoffSeconds": 2}},
        "stopSpeakingPlan.backoffSeconds",
        DROPPED,
        "interruptible",
        True,
    ),
    (
        {"backgroundSpeechDenoisingPlan": {"smartDenoisingPlan": {"enabled": True}}},
        "backgroundSpeechDenoisingPlan.smartDenoisingPlan.enabled",
        CONVERTED,
        "noise_reduction",
        "near_field",
    ),
    ({"backgroundDenoisingEnabled": False}, "backgroundDenoisingEnabled", KEPT, "noise_reduction", ""),
    ({"backgroundSound": "office"}, "backgroundSound", DROPPED, "noise_reduction", "near_field"),
    ({}, "backgroundSound", DEFAULT, "noise_reduction", "near_field"),
    ({"backchannelingEnabled": True}, "backchannelingEnabled", DROPPED, "plans", {}),
    ({"fillersEnabled": True}, "fillersEnabled", DROPPED, "plans", {}),
    (
        {"messagePlan": {"idleMessages": ["Hello?"]}},
        "messagePlan.idleMessages[0]",
        CONVERTED,
        "idle_messages",
        "Hello?",
    ),
    (
        {"messagePlan": {"idleMessages": ["Hello?"]}},
        "messagePlan.idleTimeoutSeconds",
        DEFAULT,
        "idle_timeout_s",
        10,
    ),
    ({"hooks": [HOOK]}, "hooks[0].do[0].exact", CONVERTED, "idle_messages", "Hello?"),
    ({"hooks": [HOOK]}, "hooks[0].options.timeoutSeconds", DEFAULT, "idle_timeout_s", 7.5),
    (
        {"hooks": [{**HOOK, "on": "customer.speech.timeout[timeoutSeconds=12]"}]},
        "hooks[0].on",
        CONVERTED,
        "idle_timeout_s",
        12,
    ),
    (
        {"hooks": [{"on": "call.ending", "do": [{"type": "say", "exact": "Bye."}]}]},
        "hooks[0].do[0].exact",
        DROPPED,
        "idle_messages",
        "",
    ),
    (
        {"hooks": [{"on": "call.ending", "do": [{"type": "tool", "tool": {"type": "transferCall"}}]}]},
        "hooks[0].do[0].type",
        DECISION,
        "idle_messages",
        "",
    ),
    ({"server": SERVER}, "server.url", KEPT, "server_url", SERVER["url"]),
    ({"serverUrl": SERVER["url"]}, "serverUrl", CONVERTED, "server_url", SERVER["url"]),
    (
        {"server": SERVER, "serverUrl": "https://old.example"},
        "serverUrl",
        DROPPED,
        "server_url",
        SERVER["url"],
    ),
    ({"server": {"url": "shop"}}, "server.url", DECISION, "server_url", ""),
    ({"server": SERVER}, "server.secret", DECISION, "server_url", SERVER["url"]),
    (
        {"server": {**SERVER, "credentialId": "c"}},
        "server.credentialId",
        DECISION,
        "server_url",
        SERVER["url"],
    ),
    (
        {"server": {**SERVER, "timeoutSeconds": 5}},
        "server.timeoutSeconds",
        DROPPED,
        "plans",
        {"server": {"timeoutSeconds": 5}},
    ),
    (
        {"server": {**SERVER, "backoffPlan": {"type": "fixed", "maxRetries": 2}}},
        "server.backoffPlan.maxRetries",
        KEPT,
        "server_backoff_plan",
        {"type": "fixed", "maxRetries": 2},
    ),
    (
        {"server": {**SERVER, "staticIpAddressesEnabled": True}},
        "server.staticIpAddressesEnabled",
        DECISION,
        "server_url",
        SERVER["url"],
    ),
    (
        {"server": {**SERVER, "encryptedPaths": ["x"]}},
        "server.encryptedPaths[0]",
        DECISION,
        "server_url",
        SERVER["url"],
    ),
    ({"serverMessages": ["hang"]}, "serverMessages[0]", DROPPED, "plans", {"serverMessages": ["hang"]}),
    ({"clientMessages": ["hang"]}, "clientMessages[0]", DROPPED, "plans", {}),
    (
        {"analysisPlan": {"summaryPrompt": "x"}},
        "analysisPlan.summaryPrompt",
        KEPT,
        "analysis_plan",
        {"summaryPrompt": "x"},
    ),
    (
        {"analysisPlan": {"summaryPlan": {"timeoutSeconds": 90}}},
        "analysisPlan.summaryPlan.timeoutSeconds",
        DECISION,
        "analysis_plan",
        {"summaryPlan": {"timeoutSeconds": 90}},
    ),
    (
        {"artifactPlan": {"recordingEnabled": True}},
        "artifactPlan.recordingEnabled",
        KEPT,
        "recording_enabled",
        True,
    ),
    (
        {"artifactPlan": {"recordingEnabled": False}},
        "artifactPlan.recordingEnabled",
        KEPT,
        "recording_enabled",
        False,
    ),
    ({"recordingEnabled": False}, "recordingEnabled", CONVERTED, "recording_enabled", False),
    ({}, "artifactPlan.recordingEnabled", DEFAULT, "recording_enabled", True),
    (
        {"artifactPlan": {"recordingEnabled": True}, "compliancePlan": {"pciEnabled": True}},
        "artifactPlan.recordingEnabled",
        CONVERTED,
        "recording_enabled",
        False,
    ),
    ({"artifactPlan": {"recordingFormat": "mp3"}}, "artifactPlan.recordingFormat", DROPPED, "metadata", {}),
    (
        {"artifactPlan": {"structuredOutputIds": ["x"]}},
        "artifactPlan.structuredOutputIds[0]",
        DROPPED,
        "metadata",
        {},
    ),
    ({"artifactPlan": {"pcapEnabled": True}}, "artifactPlan.pcapEnabled", DROPPED, "metadata", {}),
    (
        {"monitorPlan": {"listenEnabled": True}},
        "monitorPlan.listenEnabled",
        KEPT,
        "monitor_plan",
        {"listenEnabled": True},
    ),
    ({"compliancePlan": {"hipaaEnabled": False}}, "compliancePlan.hipaaEnabled", KEPT, "hipaa", False),
    ({"compliancePlan": {"hipaaEnabled": True}}, "compliancePlan.hipaaEnabled", DECISION, "hipaa", True),
    ({"hipaaEnabled": True}, "hipaaEnabled", DECISION, "hipaa", True),
    ({"compliancePlan": {"pciEnabled": True}}, "compliancePlan.pciEnabled", DECISION, "redact", ["card"]),
    (
        {"compliancePlan": {"securityFilterPlan": {"enabled": True}}},
        "compliancePlan.securityFilterPlan.enabled",
        DECISION,
        "metadata",
        {},
    ),
    (
        {"compliancePlan": {"recordingConsentPlan": {"type": "verbal"}}},
        "compliancePlan.recordingConsentPlan.type",
        DECISION,
        "recording_enabled",
        False,
    ),
    ({"keypadInputPlan": {"enabled": True}}, "keypadInputPlan.enabled", KEPT, "keypad_enabled", True),
    (
        {"keypadInputPlan": {"enabled": True}},
        "keypadInputPlan.timeoutSeconds",
        DEFAULT,
        "keypad_timeout_s",
        2,
    ),
    (
        {"keypadInputPlan": {"delimiters": ["*", "#"]}},
        "keypadInputPlan.delimiters[0]",
        KEPT,
        "keypad_delimiters",
        "#*",
    ),
    ({"keypadInputPlan": {"delimiters": ""}}, "keypadInputPlan.delimiters", KEPT, "keypad_delimiters", ""),
    (
        {"transportConfigurations": [{"provider": "twilio", "timeout": 60}]},
        "transportConfigurations[0].timeout",
        DROPPED,
        "plans",
        {"transportConfigurations": [{"provider": "twilio", "timeout": 60}]},
    ),
    ({"metadata": {"a": [1]}}, "metadata", KEPT, "metadata", {"a": [1]}),
    ({"observabilityPlan": {"provider": "langfuse"}}, "observabilityPlan.provider", DROPPED, "plans", {}),
    ({"credentialIds": ["c"]}, "credentialIds[0]", DROPPED, "plans", {}),
    ({"workflowId": "w"}, "workflowId", DECISION, "metadata", {}),
    ({"orgId": "o"}, "orgId", KEPT, "metadata", {}),
]


@pytest.mark.parametrize(
    ("raw", "path", "verdict", "field", "value"),
    ROWS,
    ids=[f"{row[1]}-{row[2]}-{at}" for at, row in enumerate(ROWS)],
)
def test_a_row_of_the_mapping(
    raw: dict[str, Any], path: str, verdict: Verdict, field: str, value: Any
) -> None:
    draft = assistant(raw)

    assert finding(draft, path).verdict is verdict
    assert (finding(draft, path).source is ABSENT) == (verdict is DEFAULT or path == "server.secret")
    assert draft.fields[field] == value
    assert_each_leaf_once(draft)


# --- What needs more than a row


def test_further_messages_are_found_in_the_conversation_before_the_call() -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Hi."},
        {"role": "system", "content": "Later."},
        {"role": "tool", "content": "{}"},
    ]

    draft = assistant({"model": {"messages": messages}})

    assert draft.fields["instructions"] == "Be kind.\n\nBe brief."
    assert draft.fields["history"] == messages[2:5]
    assert finding(draft, "model.messages[3].content").field == "history"
    assert finding(draft, "model.messages[5].content").code == "unknown_role"


def test_a_prompt_in_parts_is_read() -> None:
    parts = [{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}]
    messages = [{"role": "system", "content": parts}, {"role": "user", "content": parts[:1]}]

    draft = assistant({"model": {"messages": messages}})

    assert draft.fields["instructions"] == "Be kind.\n\nBe brief."
    assert draft.fields["history"] == [{"role": "user", "content": "Be kind."}]
    assert finding(draft, "model.messages[0].content[0].text").verdict is KEPT
    assert finding(draft, "model.messages[1].content[0].text").field == "history"
    assert not codes(draft) & {"no_prompt", "wrong_type"}


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"credentialIds": "x"}, "credentialIds"),
        ({"maxDurationSeconds": 1e300}, "maxDurationSeconds"),
        ({"maxDurationSeconds": "x"}, "maxDurationSeconds"),
        ({"voice": []}, "voice"),
        ({"artifactPlan": []}, "artifactPlan"),
    ],
)
def test_what_is_said_of_a_value_of_another_type_is_true(part: dict[str, Any], path: str) -> None:
    found = finding(assistant(part), path)

    assert found.code == "wrong_type"
    assert "own default" not in found.reason
    assert "something else" not in found.reason
    assert ("too large" in found.reason) == (found.source == 1e300)
    assert ("not the type" in found.reason) == (found.source != 1e300)


@pytest.mark.parametrize("on", ["assistant.speech.interrupted", "call.ending"])
def test_a_hook_that_callers_would_miss_is_asked_about(on: str) -> None:
    draft = assistant({"hooks": [{"on": on, "do": [{"type": "say", "exact": "One moment."}]}]})

    assert finding(draft, "hooks[0].do[0].type").code == "hook_action"
    assert "says something" in finding(draft, "hooks[0].do[0].type").reason


def test_a_hook_that_tandem_carries_out_is_not_asked_about() -> None:
    silence = {"on": "customer.speech.timeout", "do": [{"type": "say", "exact": "Still there?"}]}

    assert "hook_action" not in codes(assistant({"hooks": [silence]}))
    assert "hook_action" in codes(assistant({"hooks": [silence, silence]}))


def test_an_assistant_without_a_prompt_is_asked_about() -> None:
    assert "no_prompt" in codes(assistant({"model": {"messages": []}}))
    assert "no_prompt" in codes(assistant({"model": None}))
    assert "no_prompt" not in codes(assistant({}))
    unspoken = assistant({"model": {"messages": [{"role": "user", "content": "Hi."}]}})
    assert finding(unspoken, "model.systemPrompt").code == "no_prompt"
    assert finding(unspoken, "model.messages[0].content").verdict is KEPT


def test_a_language_other_than_english_is_asked_for_in_the_prompt() -> None:
    draft = assistant({"transcriber": {"language": "es-419"}})

    assert draft.fields["instructions"].endswith(
        "Answer in Spanish unless the caller asks for another language."
    )
    assert "answer in Spanish" in finding(draft, "transcriber.language").reason


def test_two_settings_of_one_thing_do_not_both_count() -> None:
    draft = assistant({"responseDelaySeconds": 1, "startSpeakingPlan": {"waitSeconds": 0.5}})

    assert draft.fields["vad_silence_ms"] == 600
    assert finding(draft, "responseDelaySeconds").verdict is DROPPED


def test_a_null_is_the_same_as_nothing_and_has_one_finding() -> None:
    draft = assistant({"maxDurationSeconds": None, "hooks": None, "endCallMessage": None})

    assert draft.fields["max_duration_s"] == 600
    assert finding(draft, "maxDurationSeconds").verdict is DEFAULT
    assert finding(draft, "hooks").verdict is KEPT
    assert_each_leaf_once(draft)


def test_an_unknown_field_is_asked_about_once_and_as_a_whole() -> None:
    draft = assistant({"quantumPlan": {"spin": [1, 2]}})

    assert finding(draft, "quantumPlan").code == "unknown_field"
    assert finding(draft, "quantumPlan").source == {"spin": [1, 2]}


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"model": "gpt-4"}, "model"),
        ({"voice": ["x"]}, "voice"),
        ({"hooks": {"on": "x"}}, "hooks"),
        ({"firstMessage": {"text": "Hi"}}, "firstMessage"),
        ({"maxDurationSeconds": "900"}, "maxDurationSeconds"),
        ({"maxDurationSeconds": 10**400}, "maxDurationSeconds"),
        ({"endCallPhrases": "bye"}, "endCallPhrases"),
        ({"metadata": "note"}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"server": {"headers": {"X-A": 1}}}, "server.headers.X-A"),
    ],
)
def test_a_value_of_another_type_is_asked_about_and_left_out(raw: dict[str, Any], path: str) -> None:
    draft = assistant(raw)

    assert finding(draft, path).code == "wrong_type"
    assert draft.fields["max_duration_s"] == 600
    assert draft.fields["first_message"] == ""


def test_what_is_nested_without_end_is_cut_and_asked_about() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]

    draft = assistant({"metadata": {"deep": deep}})

    assert finding(draft, "metadata").code == "too_deep"


def test_variables_without_a_value_are_asked_about_once() -> None:
    draft = assistant(
        {
            "firstMessage": "{{clinic}} here, {{customer.name}}.",
            "endCallMessage": "{{ clinic }} says {{ farewell | default: 'bye' }}",
            "voicemailMessage": '{{"now" | date: "%A"}} {{shop.name}}',
        }
    )

    assert {one.path for one in draft.findings if one.code == "unknown_variable"} == {
        "variableValues.clinic",
        "variableValues.shop",
    }
    assert "first message and the last message" in finding(draft, "variableValues.clinic").reason


def test_a_variable_that_a_tool_fills_needs_no_value() -> None:
    extracting = {
        "type": "function",
        "function": {"name": "f"},
        "server": SERVER,
        "variableExtractionPlan": {
            "schema": {"properties": {"slot": {}}},
            "aliases": [{"key": "day", "value": "{{$.d}}"}],
        },
    }
    raw = {
        "model": {
            "messages": [{"role": "system", "content": "{{slot}} {{day}} {{other}}"}],
            "tools": [extracting],
        }
    }

    assert {one.path for one in assistant(raw).findings if one.code == "unknown_variable"} == {
        "variableValues.other"
    }


# --- Secrets


SECRET = "hunter2-hunter2"
SECRETIVE: dict[str, Any] = {
    "serverUrlSecret": SECRET,
    "server": {
        **SERVER,
        "secret": SECRET,
        "headers": {"Authorization": f"Bearer {SECRET}", "X-Site": "north"},
    },
    "credentials": [{"provider": "openai", "apiKey": SECRET, "nested": {"anything": SECRET}}],
    "metadata": {"apiKey": SECRET, "deep": [{"password": SECRET}]},
    "model": {
        "messages": [{"role": "system", "content": "Be kind."}],
        "headers": {"x-api-key": SECRET},
        "tools": [
            {
                "type": "function",
                "function": {"name": "f"},
                "server": {**SERVER, "secret": SECRET, "headers": {"X-Token": SECRET}},
            },
            {
                "type": "apiRequest",
                "name": "g",
                "url": "https://shop.example",
                "headers": {
                    "type": "object",
                    "properties": {"Authorization": {"type": "string", "value": SECRET}},
                },
            },
            {
                "type": "code",
                "function": {"name": "h"},
                "environmentVariables": [{"name": "K", "value": SECRET}],
            },
        ],
    },
}


def test_a_secret_goes_into_the_secrets_and_nowhere_else() -> None:
    found = drafts(assistants=[{"id": "a1", "name": "Desk", **SECRETIVE}])
    desk = found.assistants[0]

    assert desk.secrets["server_secret"] == SECRET
    assert json.loads(desk.secrets["server_headers"]) == {
        "Authorization": f"Bearer {SECRET}",
        "X-Site": "north",
    }
    assert [one.secrets.get("server_secret", "") for one in found.tools] == [SECRET, "", ""]
    assert json.loads(found.tools[1].secrets["server_headers"]) == {"Authorization": SECRET}
    for draft in all_drafts(found):
        assert not isinstance(draft, SquadDraft | NumberDraft)
        shown = json.dumps([draft.raw, draft.fields, *([one.reason, one.ours] for one in draft.findings)])
        shown += json.dumps([one.source for one in draft.findings if one.source is not ABSENT])
        assert SECRET not in shown
        assert SECRET not in repr(draft)


def test_the_place_of_a_secret_stays_visible() -> None:
    desk = assistant(SECRETIVE)

    assert finding(desk, "server.secret").source == HIDDEN
    assert finding(desk, "server.headers.Authorization").source == HIDDEN
    assert finding(desk, "server.headers.X-Site").source == HIDDEN
    assert "missing_secret" not in codes(desk)


def test_what_only_looks_like_a_secret_is_not_replaced_in_silence() -> None:
    draft = assistant({"metadata": {"token": "x"}, "variableValues": {"apiKey": "x", "shop": "Lumen"}})
    parameters = [{"key": "auth", "value": {"password": "x"}}]
    webhook = tool({"type": "function", "function": {"name": "f"}, "parameters": parameters})

    assert finding(draft, "metadata").verdict is CONVERTED
    assert draft.fields["variables"] == {"shop": "Lumen"}
    assert finding(draft, "variableValues").code == "secret_value"
    assert finding(webhook, "parameters[0].value").code == "secret_value"


@pytest.mark.parametrize(
    ("server", "flag", "asked"),
    [
        (SERVER, None, True),
        (SERVER, True, True),
        (SERVER, False, False),
        ({**SERVER, "credentialId": "c"}, None, False),
        ({**SERVER, "headers": {"Authorization": "x"}}, None, False),
        ({**SERVER, "secret": "x"}, True, False),
        ({}, None, False),
    ],
)
def test_a_secret_is_asked_for_where_one_may_be_missing(
    *, server: Any, flag: bool | None, asked: bool
) -> None:
    draft = assistant({"server": server} | ({} if flag is None else {"isServerUrlSecretSet": flag}))

    assert ("missing_secret" in codes(draft)) is asked


# --- Names


def test_names_that_vapi_has_twice_differ_here() -> None:
    twins = [{"id": f"a{number}", "name": "Desk"} for number in (1, 2, 3)]

    found = drafts(assistants=twins).assistants

    assert [one.name for one in found] == ["Desk", "Desk (2)", "Desk (3)"]
    assert [one.fields["name"] for one in found] == ["Desk", "Desk (2)", "Desk (3)"]
    assert finding(found[1], "name").code == "duplicate_name"


def test_a_name_that_an_earlier_import_gave_is_kept() -> None:
    twins = [{"id": f"a{number}", "name": "Desk"} for number in (2, 1)]

    found = drafts(assistants=twins, known_assistants={"a1": "Desk", "a2": "Desk (2)"}).assistants
    alone = drafts(assistants=twins[:1], known_assistants={"a1": "Desk"}).assistants

    assert [one.name for one in found] == ["Desk (2)", "Desk"]
    assert alone[0].name == "Desk (2)"


def test_a_newcomer_does_not_take_the_name_of_one_that_was_here_before() -> None:
    found = drafts(
        assistants=[{"id": "a9", "name": "Desk"}, {"id": "a1", "name": "Desk"}],
        known_assistants={"a1": "Desk"},
    ).assistants

    assert [one.name for one in found] == ["Desk (2)", "Desk"]


def test_names_that_were_exchanged_at_vapi_are_exchanged_here() -> None:
    found = drafts(
        assistants=[{"id": "a1", "name": "Door"}, {"id": "a2", "name": "Desk"}],
        known_assistants={"a1": "Desk", "a2": "Door"},
    ).assistants

    assert [one.name for one in found] == ["Door", "Desk"]


def test_importing_again_gives_every_assistant_the_same_name() -> None:
    first = everything()

    again = everything(known_assistants={one.key: one.name for one in first.assistants})

    assert [one.name for one in again.assistants] == [one.name for one in first.assistants]
    assert again.assistants == first.assistants


def test_a_name_of_400_characters_is_cut() -> None:
    found = drafts(assistants=[{"id": f"a{number}", "name": "x" * 400} for number in (1, 2)]).assistants

    assert [len(one.name) for one in found] == [80, 80]
    assert found[0].name != found[1].name
    assert finding(found[0], "name").verdict is CONVERTED
    assert finding(found[1], "name").verdict is DECISION
    assert finding(found[1], "name").code == "duplicate_name"


def test_names_that_differ_only_after_what_is_cut_off_are_asked_about() -> None:
    twins = [{"id": f"a{number}", "name": f"{'x' * 80} {number}"} for number in (1, 2)]

    found = drafts(assistants=twins).assistants

    assert finding(found[0], "name").code == "name_cut"
    assert finding(found[1], "name").code == "duplicate_name"


def test_names_made_here_that_are_equal_are_asked_about() -> None:
    nameless = [{"id": f"12345678-{number}"} for number in (1, 2)]

    found = drafts(assistants=nameless, squads=[{**one, "members": []} for one in nameless])

    for pair in (found.assistants, found.squads):
        assert finding(pair[1], "name").code == "duplicate_name"
        assert "duplicate_name" not in codes(pair[0])


def test_copies_of_two_squads_of_one_name_are_asked_about() -> None:
    over = {"firstMessage": "Hi."}
    members = [{"assistantId": "a1", "assistantOverrides": over}]
    squads = [{"id": f"s{number}", "name": "Team" + " " * number, "members": members} for number in (1, 2)]
    twice = [{"assistantId": "a1", "assistantOverrides": over}] * 2

    named = drafts(assistants=[{"id": "a1", "name": "Desk"}], squads=squads)
    doubled = drafts(
        assistants=[{"id": "a1", "name": "Desk"}], squads=[{"id": "s", "name": "T", "members": twice}]
    )

    assert finding(named.squads[1], "name").code == "duplicate_name"
    assert doubled.assistants[2].name == "Desk (T) (2)"
    assert finding(doubled.assistants[2], "name").code == "duplicate_name"


def test_a_name_of_one_made_here_is_not_taken() -> None:
    found = translate(
        export(assistants=[{"id": "a1", "name": "Desk"}]),
        CATALOGUE,
        known_tools={},
        known_assistants={},
        taken_names=["Desk"],
    )

    assert found.assistants[0].name == "Desk (2)"


def test_an_object_without_an_id_is_known_by_its_name() -> None:
    (found,) = drafts(assistants=[{"name": "Desk"}]).assistants
    (again,) = drafts(assistants=[{"name": "Desk", "firstMessage": "Hi."}]).assistants

    assert found.key == again.key == "name:Desk"
    assert finding(found, "id").verdict is DEFAULT


def test_an_id_that_stands_twice_is_imported_once() -> None:
    (found,) = drafts(assistants=[{"id": "a1", "name": "Desk"}, {"id": "a1", "name": "Door"}]).assistants

    assert found.name == "Desk"
    assert finding(found, "id").code == "duplicate_id"


# --- Any JSON


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "system",
            "assistant",
            "function",
            "handoff",
            "{{x}}",
            "https://x.example",
            "a1",
            "a2",
            "a\x00\ud800",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(["type", "name", "function", "server", "members", "[0]", "a.b", "model"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
WHOLE = {
    "assistants": [fixture("assistant-clinic.json"), fixture("assistant-restaurant.json"), SECRETIVE],
    "tools": fixture("tools.json"),
    "squads": [fixture("assistant-squad.json")],
    "numbers": [
        {
            "id": "n",
            "provider": "twilio",
            "number": "+13125550100",
            "assistantId": "x",
            "hooks": [{"on": "call.ringing", "do": []}],
        }
    ],
}


def containers(value: Any) -> list[Any]:
    """Everything in which something can be changed, but for the lists of objects themselves."""
    found = [value] if isinstance(value, dict | list) and value else []
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found += containers(item)
    return found


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, list[Any]]:
    """The fixtures, with parts replaced, taken out, doubled or moved."""
    whole = copy.deepcopy(WHOLE)
    for _ in range(draw(st.integers(1, 4))):
        objects = [one for group in whole.values() for one in group]
        places = containers(draw(st.sampled_from(objects)))
        if not places:
            continue
        place = draw(st.sampled_from(places))
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        match draw(st.sampled_from(["replace", "replace", "remove", "double", "move"])):
            case "replace":
                place[key] = draw(JSON)
            case "remove":
                del place[key]
            case "double" if isinstance(place, list):
                place.append(copy.deepcopy(place[key]))
            case "double":
                place[draw(st.text(max_size=5))] = copy.deepcopy(place[key])
            case _:
                other = draw(st.sampled_from(places))
                if isinstance(other, dict):
                    other[draw(st.sampled_from(["model", "tools", "server", "x"]))] = copy.deepcopy(
                        place[key]
                    )
    return whole


@settings(max_examples=60)
@given(mutated())
def test_whatever_an_export_holds_it_is_translated_and_each_leaf_has_one_verdict(
    whole: dict[str, list[Any]],
) -> None:
    found = translate(export(**whole), CATALOGUE, known_tools={}, known_assistants={})

    assert len(found.tools) >= 5
    for draft in all_drafts(found):
        assert_each_leaf_once(draft)
    assert_our_models_take_it(found)
    assert len({one.name for one in found.assistants}) == len(found.assistants)
    names = {one.key: one.name for one in found.tools}
    for one in found.assistants:
        offered = [names[key] for key in one.tools]
        assert len(offered) == len(set(offered))


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["model", "id", "hooks", "type", "members", "number"]),
        JSON,
        max_size=5,
    )
)
def test_any_object_is_translated_as_anything(raw: dict[str, Any]) -> None:
    found = drafts(assistants=[raw], tools=[raw], squads=[raw], numbers=[raw])

    for draft in all_drafts(found):
        assert_each_leaf_once(draft)
    assert_our_models_take_it(found)


def test_every_fixture_file_of_objects_is_tested_here() -> None:
    assert {path.name for path in FIXTURES.glob("assistant-*.json")} == {
        "assistant-clinic.json",
        "assistant-restaurant.json",
        "assistant-squad.json",
    }


def test_what_was_imported_before_resolves_a_part_of_an_export() -> None:
    raw = model(toolIds=["t1", "t2"])

    draft = assistant(raw, known_tools={"t1": ToolInfo("find")})

    assert draft.tools == ("t1",)
    assert finding(draft, "model.toolIds[0]").ours == "find"
    assert finding(draft, "model.toolIds[1]").code == "unresolved_tool"
    assert "t2" in finding(draft, "model.toolIds[1]").reason


def test_a_tool_that_was_deleted_at_vapi_is_said_to_be() -> None:
    read = replace(
        export(assistants=[{"id": "a", "name": "Desk", **model(toolIds=["t1"])}]),
        unresolved=References(tools=("t1",)),
    )

    (draft,) = translate(read, CATALOGUE, known_tools={}, known_assistants={}).assistants

    assert finding(draft, "model.toolIds[0]").code == "unresolved_tool"
    assert "deleted" in finding(draft, "model.toolIds[0]").reason
    assert draft.tools == ()


def test_the_original_is_kept_as_it_was_read() -> None:
    found = everything()

    clinic = fixture("assistant-clinic.json")
    clinic["server"]["headers"]["X-Clinic-Site"] = HIDDEN  # any header may be a password
    assert found.assistants[0].raw == clinic
    assert found.squads[0].raw == fixture("assistant-squad.json")
    stored = fixture("tools.json")
    stored[0]["server"]["headers"]["X-Clinic-Site"] = HIDDEN
    stored[2]["headers"]["properties"]["X-Source"]["value"] = HIDDEN
    stored[3]["destinations"][2]["sipHeaders"]["X-Site"] = HIDDEN
    # What the code of a tool is given may be a key of some other service.
    stored[10]["environmentVariables"][0]["value"] = HIDDEN
    assert [one.raw for one in found.tools[:13]] == stored
