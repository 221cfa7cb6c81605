"""Sentences that are to be said word for word: how that is asked for, and whether it was done."""

import re
from typing import Any


def exactly(sentence: str) -> dict[str, Any]:
    """The request that has a sentence said word for word, by a model that knows the conversation."""
    return {
        "instructions": f"Say exactly this sentence and nothing else: {sentence}",
        "tool_choice": "none",
    }


def literally(sentence: str) -> dict[str, Any]:
    """The same in the middle of a call: a model that sees nothing of the conversation cannot answer it instead."""
    return {**exactly(sentence), "input": []}


def same_words(said: str, wanted: str) -> bool:
    """Whether a sentence was said; how it is written, in its case and its punctuation, is the transcriber's business."""
    return _letters(said) == _letters(wanted)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())
