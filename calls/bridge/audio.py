"""Mu-law arithmetic on payloads that stay base64."""

from base64 import b64encode

BYTES_PER_MS = 8
BYTES_PER_S = 8000
SILENCE = 0xFF  # Zero would be full-scale noise.


def payload_bytes(payload: str) -> int:
    """How many mu-law bytes a padded base64 string stands for."""
    return len(payload) * 3 // 4 - payload.count("=", -2)


def silence(n_bytes: int) -> str:
    """Base64 of that many bytes of mu-law silence."""
    return b64encode(bytes([SILENCE]) * n_bytes).decode()


def pieces(payload: str, longest: int) -> list[str]:
    """The payload cut into base64 strings of at most ``longest`` characters (a multiple of 4), each valid alone."""
    if len(payload) <= longest:
        return [payload]
    return [payload[at : at + longest] for at in range(0, len(payload), longest)]
