"""Whose turn it is to speak, and what is said when nobody does."""

from typing import Final

from assistants.vapi.rules import rules_for
from assistants.vapi.tables.words import (
    CONVERTED,
    DROPPED,
    FLAG,
    KEPT,
    LEGACY,
    NATIVE,
    NUMBER,
    SEEN,
    TEXT,
    not_yet,
)

_ENDPOINTING: Final = (
    "Tandem finds the end of the caller's turn by the length of a silence alone, whatever was said before it."
)

TURNS: Final = [
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
    *rules_for(DROPPED, "backchannelingEnabled fillersEnabled", NATIVE, type=FLAG, origin=LEGACY),
]

IDLE: Final = [
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
