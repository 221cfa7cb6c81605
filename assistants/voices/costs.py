"""What recording a voice costs, roughly. OpenAI bills; this only says beforehand whether it is cents or dollars."""

from typing import Final

# USD for a million tokens of the Realtime API in November 2026: text in, text out, audio out.
_PRICES: Final = {
    "gpt-realtime-2.1-mini": (0.60, 2.40, 20.0),
    "gpt-realtime-mini": (0.60, 2.40, 20.0),
    "gpt-realtime-2": (4.0, 24.0, 64.0),
    "gpt-realtime-1.5": (4.0, 16.0, 64.0),
    "gpt-realtime": (4.0, 16.0, 64.0),
}
_TOKENS_AROUND: Final = 60  # the session and the words "say exactly"; a guess from public logs
_CHARACTERS_PER_TOKEN: Final = 4
_CHARACTERS_PER_SECOND: Final = 15  # of unhurried speech; speed is applied afterwards and changes no token
_AUDIO_TOKENS_PER_SECOND: Final = 20


def estimated_usd(text: str, *, model: str) -> float | None:
    """What saying this once costs, roughly; None for a model whose price is not known here."""
    known = [name for name in _PRICES if model == name or model.startswith((f"{name}-20", f"{name}."))]
    if not known:
        return None
    text_in, text_out, audio_out = _PRICES[max(known, key=len)]
    tokens = len(text) / _CHARACTERS_PER_TOKEN
    audio = len(text) / _CHARACTERS_PER_SECOND * _AUDIO_TOKENS_PER_SECOND
    return ((tokens + _TOKENS_AROUND) * text_in + tokens * text_out + audio * audio_out) / 1_000_000
