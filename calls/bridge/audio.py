"""The two forms in which sound goes to the model and comes back, and arithmetic on payloads that stay base64."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A form of sound. ``session`` asks the Realtime API for it, and ``names`` are what servers call it."""

    session: Mapping[str, Any]
    names: tuple[str, ...]
    bytes_per_ms: int
    silent: int  # the byte that silence is made of

    @property
    def bytes_per_s(self) -> int:
        """How many bytes are a second."""
        return self.bytes_per_ms * 1000

    def silence(self, n_bytes: int) -> str:
        """Base64 of that many bytes of silence."""
        return b64encode(bytes([self.silent]) * n_bytes).decode()


# The telephone's: 8 kHz, a byte a sample. Zero would be full-scale noise.
MULAW = AudioFormat(MappingProxyType({"type": "audio/pcmu"}), ("audio/pcmu", "g711_ulaw"), 8, 0xFF)
# 16-bit samples, little-endian, 24 kHz: the only rate that the API takes.
PCM = AudioFormat(MappingProxyType({"type": "audio/pcm", "rate": 24000}), ("audio/pcm", "pcm16"), 48, 0)


def payload_bytes(payload: str) -> int:
    """How many bytes a padded base64 string stands for."""
    return len(payload) * 3 // 4 - payload.count("=", -2)


def pieces(payload: str, longest: int) -> list[str]:
    """The payload cut into base64 strings of at most ``longest`` characters (a multiple of 4), each valid alone."""
    if len(payload) <= longest:
        return [payload]
    return [payload[at : at + longest] for at in range(0, len(payload), longest)]
