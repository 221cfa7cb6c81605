"""The words that were heard of a sentence that was cut."""

import pytest

from calls.bridge.speech import heard_words

SENTENCE = "It costs eighty six dollars."


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        (0, ""),
        (100, ""),
        (1150, "It costs"),
        (1500, "It costs eighty"),
        (2000, "It costs eighty six"),
        (2799, "It costs eighty six"),
        (2800, SENTENCE),
        (9999, SENTENCE),
    ],
)
def test_only_whole_words_were_heard(heard: int, words: str) -> None:
    assert heard_words(SENTENCE, heard=heard, of=2800) == words


def test_without_sound_nothing_was_heard() -> None:
    assert heard_words(SENTENCE, heard=1, of=0) == ""


def test_half_of_a_single_word_is_none() -> None:
    assert heard_words("Unquestionably", heard=1, of=2) == ""
