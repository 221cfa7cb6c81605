"""Transcription events of a committed turn."""

from typing import Any, Final

JSON = dict[str, Any]

_NAME: Final = "conversation.item.input_audio_transcription"


def completed(item_id: str, words: str, *, seconds: float, model: str) -> list[JSON]:
    """A delta for each word, then the whole with its usage in the form of that model."""
    keys = {"item_id": item_id, "content_index": 0}
    events: list[JSON] = [
        {"type": f"{_NAME}.delta", **keys, "delta": f" {word}" if index else word, "obfuscation": "QmLs"}
        for index, word in enumerate(words.split())
    ]
    done: JSON = {"type": f"{_NAME}.completed", **keys, "transcript": words}
    if model == "gpt-transcribe":
        done["languages"] = [{"code": "en"}]
    if model.startswith("gpt-4o"):
        heard, said = round(seconds * 10), len(words.split()) + 2
        done["usage"] = {
            "type": "tokens",
            "input_tokens": heard,
            "output_tokens": said,
            "total_tokens": heard + said,
            "input_token_details": {"audio_tokens": heard, "text_tokens": 0},
        }
    else:
        done["usage"] = {"type": "duration", "seconds": round(seconds, 1)}
    return [*events, done]


def failed(item_id: str) -> list[JSON]:
    """The one event of a turn that could not be transcribed."""
    error = {
        "type": "transcription_error",
        "code": "audio_unintelligible",
        "message": "The audio could not be transcribed.",
        "param": None,
    }
    return [{"type": f"{_NAME}.failed", "item_id": item_id, "content_index": 0, "error": error}]
