"""The table of what becomes of each setting of an assistant of Vapi's."""

from typing import Final

from assistants.vapi.drafts import Verdict
from assistants.vapi.rules import Origin, Rule, Rules, Type, rules_for

KEPT, CONVERTED, DECISION, DROPPED = Verdict.KEPT, Verdict.CONVERTED, Verdict.DECISION, Verdict.DROPPED
LEGACY, SEEN = Origin.LEGACY, Origin.SEEN
TEXT, NUMBER, FLAG, OBJECT, ANY = Type.TEXT, Type.NUMBER, Type.FLAG, Type.OBJECT, Type.ANY


ENCRYPTED: Final = (
    "Tandem encrypts this argument as Vapi does (RSA-OAEP with SHA-256), and sends nothing until it can: Vapi does not give back the "
    "public key. Enter it on the credential's page."
)


def not_yet(what: str) -> str:
    """The reason for a setting that waits for a part of Tandem to be built."""
    return (
        f"Tandem does not {what} yet. The setting is stored with the assistant and is applied once it does."
    )


_MACHINES: Final = (
    "On calls that Tandem places, Twilio recognises answering machines, whoever does it at Vapi. Twilio's own options carry over; the "
    "others have no counterpart."
)
BOOKKEEPING: Final = "Vapi's own bookkeeping, kept with the stored original. Calls do not depend on it."
_NATIVE = "The voice model does this by itself, as people do in a conversation. There is nothing to set."
_ONE_MODEL = "It belongs to a chain of transcriber, text model and voice. Here one model listens and speaks, and has no such setting."
_NO_SUCH_MODEL_SETTING = (
    "OpenAI's voice models have no such setting. Answers may vary a little more or less than at Vapi."
)
_OTHER_VOICE = "It shapes a voice of another provider. OpenAI's voices have no such setting; they follow the tone of the prompt."
_TEXT_TO_SPEECH = (
    "It prepares written text for a speech synthesiser. Here no text is read out: the model speaks itself. "
    "Words that come out wrong can be explained in the prompt."
)
_TRANSCRIBER = (
    "It tunes a transcriber of another provider. Here the model listens to the caller's voice itself; the transcript "
    "is written beside it, by OpenAI, which has no such setting."
)
_ENDPOINTING = (
    "Tandem finds the end of the caller's turn by the length of a silence alone, whatever was said before it."
)
_CUSTOM_SERVER = "Your server is asked by Vapi in place of a provider. Here OpenAI's model does that part, and the server is not asked."
_FALLBACK = "A second choice for when a provider fails. Tandem has one provider, OpenAI; when it fails, callers hear the apology."

_IDENTITY = [
    *rules_for(KEPT, "id", "By it the next import finds this assistant again.", type=TEXT),
    *rules_for(KEPT, "orgId createdAt updatedAt latestVersion", BOOKKEEPING),
    *rules_for(KEPT, "name", "The name of the assistant.", field="name", type=TEXT),
    *rules_for(
        KEPT,
        "metadata",
        "Your own notes. They go along with the assistant in every webhook.",
        field="metadata",
        type=OBJECT,
        whole=True,
    ),
    *rules_for(
        KEPT,
        "isServerUrlSecretSet",
        "No secret is set at Vapi, and none is sent here.",
        type=FLAG,
        origin=SEEN,
    ),
]

_FIRST_AND_LAST = [
    *rules_for(
        KEPT,
        "firstMessage",
        "Said word for word when the call is answered.",
        field="first_message",
        type=TEXT,
    ),
    *rules_for(KEPT, "firstMessageMode", "How the call begins.", field="first_message_mode", type=TEXT),
    *rules_for(
        KEPT,
        "firstMessageInterruptionsEnabled",
        "Whether the caller can cut the first message short.",
        field="first_message_interruptible",
        type=FLAG,
    ),
    *rules_for(
        KEPT, "endCallMessage", "Said before the assistant hangs up.", field="end_call_message", type=TEXT
    ),
    *rules_for(
        KEPT,
        "endCallPhrases[]",
        "When the assistant has said this, it hangs up.",
        field="end_call_phrases",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "voicemailMessage",
        "Left on an answering machine that a call of ours has reached.",
        field="voicemail_message",
        type=TEXT,
    ),
    *rules_for(
        CONVERTED,
        "voicemailDetection voicemailDetection.**",
        _MACHINES,
        field="plans",
    ),
    *rules_for(
        CONVERTED,
        "voicemailDetectionEnabled",
        _MACHINES,
        field="plans",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(KEPT, "maxDurationSeconds", "The longest call.", field="max_duration_s", type=NUMBER),
    *rules_for(
        KEPT,
        "silenceTimeoutSeconds",
        "After so long a silence the call is ended.",
        field="silence_timeout_s",
        type=NUMBER,
        origin=LEGACY,
    ),
]

_MODEL = [
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
    *rules_for(DROPPED, "model.emotionRecognitionEnabled", _NATIVE, type=FLAG),
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
    *rules_for(DROPPED, "model.fallbackModels[]", _FALLBACK, type=TEXT),
    *rules_for(DROPPED, "model.url model.metadataSendMode model.timeoutSeconds", _CUSTOM_SERVER),
    *rules_for(DROPPED, "model.headers", _CUSTOM_SERVER, type=OBJECT, whole=True),
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

_VOICE = [
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
    *rules_for(DROPPED, "voice.fillerInjectionEnabled", _NATIVE, type=FLAG, origin=LEGACY),
    *rules_for(DROPPED, "voice.server.**", _CUSTOM_SERVER),
    *rules_for(DROPPED, "voice.fallbackPlan.**", _FALLBACK),
]

_TRANSCRIPTION = [
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
    *rules_for(DROPPED, "transcriber.server.**", _CUSTOM_SERVER),
    *rules_for(DROPPED, "transcriber.fallbackPlan.**", _FALLBACK),
]

_TURNS = [
    *rules_for(
        CONVERTED,
        "startSpeakingPlan.waitSeconds startSpeakingPlan.transcriptionEndpointingPlan.onPunctuationSeconds",
        "Part of the silence after which the assistant answers.",
        field="vad_silence_ms",
        type=NUMBER,
    ),
    *rules_for(
        DROPPED,
        "startSpeakingPlan.transcriptionEndpointingPlan.onNoPunctuationSeconds "
        "startSpeakingPlan.transcriptionEndpointingPlan.onNumberSeconds",
        _ENDPOINTING,
        type=NUMBER,
    ),
    *rules_for(
        CONVERTED,
        "responseDelaySeconds llmRequestDelaySeconds",
        "Part of the silence after which the assistant answers.",
        field="vad_silence_ms",
        type=NUMBER,
        origin=LEGACY,
    ),
    *rules_for(DROPPED, "llmRequestNonPunctuatedDelaySeconds", _ENDPOINTING, type=NUMBER, origin=LEGACY),
    *rules_for(
        CONVERTED,
        "startSpeakingPlan.smartEndpointingPlan.provider",
        "Vapi guessed from the words whether the caller had finished.",
        field="turn_detection",
        type=TEXT,
    ),
    *rules_for(
        CONVERTED,
        "startSpeakingPlan.smartEndpointingEnabled",
        "Vapi guessed from the words whether the caller had finished.",
        field="turn_detection",
    ),
    *rules_for(
        DROPPED,
        "startSpeakingPlan.smartEndpointingPlan.waitFunction startSpeakingPlan.smartEndpointingPlan.server.**",
        _ENDPOINTING,
    ),
    *rules_for(DROPPED, "startSpeakingPlan.customEndpointingRules[].**", _ENDPOINTING),
    *rules_for(
        KEPT,
        "stopSpeakingPlan.numWords",
        "So many words of the caller stop the assistant.",
        field="interrupt_words",
        type=NUMBER,
    ),
    *rules_for(
        CONVERTED,
        "numWordsToInterruptAssistant",
        "So many words of the caller stop the assistant.",
        field="interrupt_words",
        type=NUMBER,
        origin=LEGACY,
    ),
    *rules_for(
        KEPT,
        "interruptionsEnabled",
        "Whether the caller can interrupt at all.",
        field="interruptible",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(
        DROPPED,
        "stopSpeakingPlan.voiceSeconds",
        "OpenAI decides when a sound is speech. Use the speech threshold where noise interrupts the assistant.",
        type=NUMBER,
    ),
    *rules_for(
        DROPPED,
        "stopSpeakingPlan.backoffSeconds",
        "After an interruption the assistant waits until the caller has finished, and for no fixed time.",
        type=NUMBER,
    ),
    *rules_for(
        DROPPED,
        "stopSpeakingPlan.acknowledgementPhrases[]",
        "Tandem has no list of words that never interrupt. Where an “okay” of the caller cuts the assistant short, set the number of words that interrupt.",
        type=TEXT,
    ),
    *rules_for(
        DROPPED,
        "stopSpeakingPlan.interruptionPhrases[]",
        "Tandem has no list of words that always interrupt: any speech of the caller does, or the set number of words.",
        type=TEXT,
    ),
    *rules_for(
        CONVERTED,
        "backgroundSpeechDenoisingPlan.smartDenoisingPlan.enabled "
        "backgroundSpeechDenoisingPlan.fourierDenoisingPlan.enabled",
        "Noise is filtered before the model listens.",
        field="noise_reduction",
        type=FLAG,
    ),
    *rules_for(
        CONVERTED,
        "backgroundDenoisingEnabled",
        "Noise is filtered before the model listens.",
        field="noise_reduction",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(
        DROPPED,
        "backgroundSpeechDenoisingPlan.fourierDenoisingPlan.**",
        "OpenAI's noise filter is on or off; it takes no fine tuning.",
    ),
    *rules_for(
        KEPT,
        "keypadInputPlan.enabled",
        "Whether callers may use the keypad.",
        field="keypad_enabled",
        type=FLAG,
    ),
    *rules_for(
        KEPT,
        "keypadInputPlan.timeoutSeconds",
        "After so long without a key the keys are taken as complete.",
        field="keypad_timeout_s",
        type=NUMBER,
    ),
    *rules_for(
        KEPT,
        "keypadInputPlan.delimiters",
        "The keys that end what is keyed in.",
        field="keypad_delimiters",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "keypadInputPlan.delimiters[]",
        "A key that ends what is keyed in.",
        field="keypad_delimiters",
        type=TEXT,
        origin=SEEN,
    ),
    *rules_for(
        DROPPED,
        "backgroundSound",
        "Tandem plays no background sound: callers hear silence between sentences.",
        type=TEXT,
    ),
    *rules_for(DROPPED, "backchannelingEnabled fillersEnabled", _NATIVE, type=FLAG, origin=LEGACY),
]

_IDLE = [
    *rules_for(
        CONVERTED,
        "messagePlan.idleMessages[]",
        "Said when the caller is silent.",
        field="idle_messages",
        type=TEXT,
        origin=LEGACY,
    ),
    *rules_for(
        KEPT,
        "messagePlan.idleTimeoutSeconds",
        "After so long a silence.",
        field="idle_timeout_s",
        type=NUMBER,
        origin=LEGACY,
    ),
    *rules_for(
        KEPT,
        "messagePlan.idleMessageMaxSpokenCount",
        "At most so often.",
        field="idle_max_count",
        type=NUMBER,
        origin=LEGACY,
    ),
    *rules_for(
        KEPT,
        "messagePlan.idleMessageResetCountOnUserSpeechEnabled",
        "Whether the count begins anew when the caller has spoken.",
        field="idle_resets",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(
        DROPPED,
        "messagePlan.silenceTimeoutMessage",
        not_yet("say anything before it hangs up on a silent line"),
        field="plans",
        type=TEXT,
        origin=LEGACY,
    ),
]

_HOOK = not_yet("act on this event")
_HOOKS = [
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

_SERVER = [
    *rules_for(
        KEPT,
        "server.url",
        "Where the webhooks of tools without a URL of their own are sent.",
        field="server_url",
        type=TEXT,
    ),
    *rules_for(
        DROPPED,
        "server.timeoutSeconds",
        "It limits the wait for answers to Vapi's events. " + not_yet("send those"),
        field="plans",
        type=NUMBER,
    ),
    *rules_for(
        KEPT,
        "server.secret",
        "Sent as X-Vapi-Secret, and stored encrypted.",
        field="server_secret",
        type=TEXT,
        origin=LEGACY,
    ),
    *rules_for(
        DECISION,
        "server.credentialId",
        "Vapi signs its requests to this server with a credential that it does not give back. Enter it on the credential's page.",
        code="missing_credential",
        field="credential",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "server.headers.*",
        "Sent with every webhook to this server, and stored encrypted.",
        field="server_headers",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "server.backoffPlan.type",
        "Whether and how a failed request is sent again.",
        field="server_backoff_plan",
        type=TEXT,
    ),
    *rules_for(
        KEPT,
        "maxRetries baseDelaySeconds excludedStatusCodes[]",
        "Whether and how a failed request is sent again.",
        under="server.backoffPlan",
        field="server_backoff_plan",
        type=NUMBER,
    ),
    *rules_for(
        KEPT,
        "server.staticIpAddressesEnabled",
        "Your server does not expect fixed addresses.",
        type=FLAG,
    ),
    *rules_for(
        DECISION,
        "server.encryptedPaths[]",
        ENCRYPTED,
        code="encrypted_arguments",
        field="server_encrypted_paths",
        type=TEXT,
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
        "Sent as X-Vapi-Secret, and stored encrypted.",
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

_OFF = "Off at Vapi. There is nothing to do."
_ANALYSED = (
    "Kept as it is. Calls are analysed by it once that is switched on for the assistant: every answer of the model is paid for, "
    "so nothing switches it on by itself."
)
_AFTER = [
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
        DROPPED, "transportConfigurations[].**", not_yet("place calls with these options"), field="plans"
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

_IMPLICIT_TOOLS = [
    *rules_for(
        CONVERTED,
        "endCallFunctionEnabled",
        "Off at Vapi: the assistant cannot hang up by itself.",
        field="tools",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(
        CONVERTED,
        "dialKeypadFunctionEnabled",
        "Off at Vapi: the assistant cannot press keys.",
        field="tools",
        type=FLAG,
        origin=LEGACY,
    ),
    *rules_for(
        CONVERTED,
        "forwardingPhoneNumber",
        "Became a tool that transfers the call to this number; it has a report of its own.",
        field="tools",
        type=TEXT,
        origin=LEGACY,
    ),
    *rules_for(
        CONVERTED,
        "forwardingPhoneNumbers[]",
        "Became a destination of a tool that transfers the call; it has a report of its own.",
        field="tools",
        type=OBJECT,
        whole=True,
        origin=LEGACY,
    ),
]

# Only in overrides, and so in the copies of assistants that squads make.
_OVERRIDES = [
    *rules_for(
        KEPT,
        "variableValues",
        "Values for {{ names }} in the prompt and in what is said.",
        field="variables",
        type=OBJECT,
        whole=True,
    ),
    *rules_for(
        KEPT,
        "tools:append[]",
        "Imported as a tool with a report of its own.",
        field="tools",
        type=OBJECT,
        whole=True,
    ),
]

TABLE: Final[tuple[Rule, ...]] = (
    *_IDENTITY,
    *_FIRST_AND_LAST,
    *_MODEL,
    *_VOICE,
    *_TRANSCRIPTION,
    *_TURNS,
    *_IDLE,
    *_HOOKS,
    *_SERVER,
    *_AFTER,
    *_IMPLICIT_TOOLS,
    *_OVERRIDES,
)
ASSISTANT: Final = Rules(TABLE)
