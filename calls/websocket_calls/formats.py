"""The forms of sound that a client may choose, in Vapi's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from calls.bridge.audio import MULAW, PCM, AudioFormat

MULAW_NAME: Final = "mulaw"
PCM_NAME: Final = "pcm_s16le"
MULAW_RATE: Final = 8000
PCM_RATES: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
MODEL_RATE: Final = 24000
_FIELDS: Final = frozenset({"format", "container", "sampleRate"})


@dataclass(frozen=True, slots=True)
class ClientFormat:
    """How a client sends and gets sound: mu-law, or 16-bit samples of this rate."""

    encoding: str = PCM_NAME
    rate: int = 16000

    @property
    def at_model(self) -> AudioFormat:
        """The form in which it goes to the model: mu-law as it is, everything else in samples."""
        return MULAW if self.encoding == MULAW_NAME else PCM

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return 1 if self.encoding == MULAW_NAME else 2

    @property
    def resampled(self) -> bool:
        """Whether the model's rate is another."""
        return self.encoding == PCM_NAME and self.rate != MODEL_RATE

    def document(self) -> dict[str, Any]:
        """In Vapi's words."""
        return {"format": self.encoding, "container": "raw", "sampleRate": self.rate}


def format_read(given: object) -> ClientFormat | list[str]:
    """The form that a body asks for; or a sentence for everything that is wrong with it."""
    if given is None:
        return ClientFormat()
    if not isinstance(given, Mapping):
        return ["transport.audioFormat must be an object"]
    at = "transport.audioFormat"
    problems = [f"{at}.property {name} should not exist" for name in given if name not in _FIELDS]
    encoding = given.get("format", PCM_NAME)
    if encoding not in (PCM_NAME, MULAW_NAME):
        problems.append(f"{at}.format must be one of the following values: {PCM_NAME}, {MULAW_NAME}")
    if given.get("container", "raw") != "raw":
        problems.append(f"{at}.container must be one of the following values: raw")
    rates = (MULAW_RATE,) if encoding == MULAW_NAME else PCM_RATES
    rate = given.get("sampleRate", MULAW_RATE if encoding == MULAW_NAME else 16000)
    if isinstance(rate, bool) or rate not in rates:
        known = ", ".join(map(str, rates))
        problems.append(f"{at}.sampleRate must be one of the following values: {known}")
    return problems or ClientFormat(str(encoding), int(rate))
