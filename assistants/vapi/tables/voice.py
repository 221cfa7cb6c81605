"""What speaks and what listens."""

from typing import Final

from assistants.vapi.rules import rules_for
from assistants.vapi.tables.words import (
    ANY,
    CONVERTED,
    CUSTOM_SERVER,
    DROPPED,
    FALLBACK,
    FLAG,
    KEPT,
    LEGACY,
    NATIVE,
    NUMBER,
    TEXT,
)

_OTHER_VOICE: Final = "It shapes a voice of another provider. OpenAI's voices have no such setting; they follow the tone of the prompt."
_TEXT_TO_SPEECH: Final = (
    "It prepares written text for a speech synthesiser. Here no text is read out: the model speaks itself. "
    "Words that come out wrong can be explained in the prompt."
)
_TRANSCRIBER: Final = (
    "It tunes a transcriber of another provider. Here the model listens to the caller's voice itself; the transcript "
    "is written beside it, by OpenAI, which has no such setting."
)

VOICE: Final = [
    *rules_for(CONVERTED, "voice.provider", "Here OpenAI's model speaks itself.", field="voice", type=TEXT),
    *rules_for(
        CONVERTED, "voice.voiceId", "Spoken by the voice that stands in for it.", field="voice", type=TEXT
    ),
    *rules_for(KEPT, "voice.speed", "The speaking speed.", field="speed", type=NUMBER),
    *rules_for(
        CONVERTED,
        "voice.generationConfig.speed voice.speakingRate",
        "The speaking speed.",
        field="speed",
        type=NUMBER,
    ),
    *rules_for(
        CONVERTED,
        "voice.instructions",
        "Added at the end of the prompt, from where the voice model takes its tone.",
        field="instructions",
        type=TEXT,
    ),
    *rules_for(
        DROPPED,
        "model experimentalControls.speed experimentalControls.emotion generationConfig.volume "
        "generationConfig.experimental.** mipOptOut stability similarityBoost style useSpeakerBoost "
        "optimizeStreamingLatency autoMode isCustomHumeVoice description temperature emotion voiceGuidance styleGuidance "
        "textGuidance libraryIds[] reduceLatency version pitch volume region styleDegree role",
        _OTHER_VOICE,
        under="voice",
    ),
    *rules_for(
        DROPPED,
        "personaId callbackUrl conversationName conversationalContext customGreeting properties.** subtitleType",
        "It belongs to a video avatar. Tandem answers telephones.",
        under="voice",
    ),
    *rules_for(
        DROPPED,
        "language languageCode languageBoost",
        "The voice model speaks whatever language the prompt and the caller call for.",
        under="voice",
        type=ANY,
        whole=True,
    ),
    *rules_for(
        DROPPED,
        "voice.cachingEnabled",
        "Vapi kept spoken sentences for later. Here every answer is spoken anew.",
        type=FLAG,
    ),
    *rules_for(
        DROPPED,
        "chunkPlan.** enableSsmlParsing enableSsml pauseBetweenBrackets phonemizeBetweenBrackets inlineSpeedAlpha "
        "textNormalizationEnabled pronunciationDictId pronunciationDictionaryLocators[].** pronunciationDictionary[].**",
        _TEXT_TO_SPEECH,
        under="voice",
    ),
    *rules_for(
        DROPPED,
        "inputPreprocessingEnabled inputReformattingEnabled inputMinCharacters inputPunctuationBoundaries[]",
        _TEXT_TO_SPEECH,
        under="voice",
        origin=LEGACY,
    ),
    *rules_for(DROPPED, "voice.fillerInjectionEnabled", NATIVE, type=FLAG, origin=LEGACY),
    *rules_for(DROPPED, "voice.server.**", CUSTOM_SERVER),
    *rules_for(DROPPED, "voice.fallbackPlan.**", FALLBACK),
]

TRANSCRIPTION: Final = [
    *rules_for(
        CONVERTED,
        "transcriber.provider",
        "The model hears the caller itself. What was said is written down beside it, by OpenAI.",
        field="transcription_model",
        type=TEXT,
    ),
    *rules_for(
        CONVERTED,
        "transcriber.model",
        "Which model writes the transcript.",
        field="transcription_model",
        type=TEXT,
    ),
    *rules_for(KEPT, "transcriber.language", "The language of the transcript.", field="language", type=TEXT),
    *rules_for(
        CONVERTED,
        "transcriber.languages[] transcriber.languageCodes[]",
        "One of several languages. The transcript is written in one.",
        field="language",
        type=TEXT,
    ),
    *rules_for(
        CONVERTED,
        "keywords[] keyterm[] wordBoost[] keytermsPrompt[] customVocabulary[] customVocabulary[].content "
        "customVocabularyConfig.vocabulary[] customVocabularyConfig.vocabulary[].value",
        "A word that the transcript should spell right.",
        under="transcriber",
        field="keywords",
        type=TEXT,
    ),
    *rules_for(
        CONVERTED,
        "keywords[]",
        "A word that the transcript should spell right.",
        field="keywords",
        type=TEXT,
        origin=LEGACY,
    ),
    *rules_for(
        DROPPED,
        "confidenceThreshold formatTurns endOfTurnConfidenceThreshold minEndOfTurnSilenceWhenConfident "
        "wordFinalizationMaxWaitTime maxTurnSilence vadAssistedEndpointingEnabled mode prompt agentContext speechModel "
        "realtimeUrl endUtteranceSilenceThreshold disablePartialTranscripts segmentationStrategy "
        "segmentationSilenceTimeoutMs segmentationMaximumTimeMs smartFormat mipOptOut numerals profanityFilter redaction[] "
        "eotThreshold eotTimeoutMs endpointing silenceThresholdSeconds minSpeechDurationMs minSilenceDurationMs "
        "languageBehaviour transcriptionHint prosody audioEnhancer speechThreshold customVocabularyEnabled "
        "customVocabularyConfig.vocabulary[].pronunciations[] customVocabularyConfig.vocabulary[].intensity "
        "customVocabularyConfig.vocabulary[].language customVocabularyConfig.defaultIntensity region "
        "receivePartialTranscripts operatingPoint enableDiarization maxDelay customVocabulary[].soundsLike[] numeralStyle "
        "endOfTurnSensitivity removeDisfluencies minimumSpeechDuration languageHintsStrict maxEndpointDelayMs "
        "contextGeneral[].key contextGeneral[].value version turnTaking",
        _TRANSCRIBER,
        under="transcriber",
    ),
    *rules_for(
        DROPPED,
        "transcriber.codeSwitchingEnabled",
        "The voice model follows a caller who changes the language; the transcript stays in one.",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(DROPPED, "transcriber.server.**", CUSTOM_SERVER),
    *rules_for(DROPPED, "transcriber.fallbackPlan.**", FALLBACK),
]
