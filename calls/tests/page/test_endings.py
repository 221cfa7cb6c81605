"""Why calls end, in plain words."""

import pytest

from calls.bridge import ending
from calls.page.endings import ending_words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("customer-ended-call", "The caller hung up."),
        ("call.in-progress.error-providerfault-openai-llm-failed", "The model (OpenAI) failed."),
        ("pipeline-error-openai-voice-failed", "The voice (OpenAI) failed."),
        (
            "pipeline-error-openai-429-exceeded-quota",
            "OpenAI refused it: the account's limit or credit was used up.",
        ),
        ("call.in-progress.error-providerfault-11labs-request-timed-out", "ElevenLabs failed."),
        ("call.in-progress.error-vapifault-somethings-new", "The machinery of the call failed."),
        (
            "call.in-progress.error-warm-transfer-silence-timeout",
            "The transfer to an operator did not come about.",
        ),
        ("something-that-vapi-thought-of-yesterday", ""),
        ("", ""),
    ],
)
def test_a_reason_is_said_in_a_sentence(reason: str, words: str) -> None:
    assert ending_words(reason) == words


def test_every_reason_of_our_own_has_its_words() -> None:
    names = [
        "ASSISTANT_ENDED", "AFTER_MESSAGE", "SAID_PHRASE", "SILENCE", "TOO_LONG", "FORWARDED", "VOICEMAIL", "CANCELED",
        "KEYS_PRESSED",
    ]  # fmt: skip

    assert all(ending_words(getattr(ending, name)) for name in names)
