"""Speech: the recorded lines, a mumble for every other text, and the recognition of both.

Recognition is bit-exact and is no speech recognition at all: mu-law passes through a bridge unchanged, so
known audio is found by comparing bytes. A clip of which only a part arrived yields that part of its words.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import orjson

from simulator import ulaw

Voice = Literal["caller", "assistant"]
VOICES: Final[tuple[Voice, ...]] = ("caller", "assistant")

_FOLDER: Final = Path(__file__).parent / "speech"
_PITCH_HZ: Final[dict[Voice, float]] = {"caller": 210.0, "assistant": 130.0}
_SYLLABLE_MS: Final = 150
_BETWEEN_WORDS: Final = ulaw.SILENCE * (50 * ulaw.BYTES_PER_MS)

# A window is 8 ms. Clips are indexed every _GRID bytes and audio is probed at _GRID neighbouring offsets of
# every frame, which finds any alignment at a tenth of the cost of indexing all of it.
_WINDOW: Final = 64
_GRID: Final = 16
_PROBE_EVERY: Final = 160
_DISTINCT: Final = 12  # fewer different samples than this in a window are silence or a steady tone
_SHORTEST: Final = 400  # 50 ms: what is shorter is no word


@dataclass(frozen=True, slots=True)
class Clip:
    """One text in one voice as mu-law audio."""

    text: str
    voice: Voice
    audio: bytes

    @property
    def ms(self) -> float:
        """Length in milliseconds."""
        return ulaw.duration_ms(self.audio)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a part of a clip lies in some audio; all four positions are in bytes."""

    clip: Clip
    at: int
    clip_from: int
    clip_to: int

    @property
    def end(self) -> int:
        """Position in the searched audio just after the part."""
        return self.at + self.clip_to - self.clip_from

    def continues(self, before: "Found") -> bool:
        """Whether this part goes on where that one broke off."""
        return self.clip == before.clip and self.clip_from == before.clip_to

    @property
    def words(self) -> str:
        """The words whose middle lies in the part, by share of the text's length."""
        length = max(len(self.clip.audio), 1)
        text, words = self.clip.text, []
        for match in re.finditer(r"\S+", text):
            middle = (match.start() + match.end()) / 2 / len(text) * length
            if self.clip_from <= middle < self.clip_to:
                words.append(match.group())
        return " ".join(words)


def plain(text: str) -> str:
    """The text in lower case with single spaces and no punctuation, for comparing."""
    return " ".join(re.findall(r"[^\W_]+(?:['\u2019.][^\W_]+)*", text.lower()))


@lru_cache(maxsize=1)
def recorded() -> dict[tuple[Voice, str], Clip]:
    """Recorded clips by voice and plain text."""
    clips = [
        Clip(text=row["text"], voice=row["voice"], audio=(_FOLDER / row["file"]).read_bytes())
        for row in orjson.loads((_FOLDER / "index.json").read_bytes())
    ]
    return {(clip.voice, plain(clip.text)): clip for clip in clips}


@lru_cache(maxsize=256)
def clip_of(text: str, voice: Voice) -> Clip:
    """The recorded clip of a text, or a mumble of it; the same text always gives the same bytes."""
    found = recorded().get((voice, plain(text)))
    return found or Clip(text=text, voice=voice, audio=_mumble(text, voice))


def _mumble(text: str, voice: Voice) -> bytes:
    """One note a syllable, with the pitches drawn from the text, so that no two texts sound alike."""
    digest = hashlib.sha256(f"{voice}:{plain(text)}".encode()).digest()
    base = _PITCH_HZ[voice] + digest[0] / 8
    parts: list[bytes] = []
    count = 0
    for word in text.split():
        for _ in range(max(1, len(re.findall(r"[aeiouy]+|\d", word.lower())))):
            count += 1
            drawn = digest[count % 32] + digest[(count // 32 + count * 7) % 32]
            # Every note differs by its own fraction of a hertz: equal notes would be found in each other.
            pitch = base * (1 + drawn / 900) + count * 0.37
            parts.append(ulaw.tone(pitch, ms=_SYLLABLE_MS))
        parts.append(_BETWEEN_WORDS)
    return b"".join(parts[:-1])


class Recogniser:
    """Finds known clips in audio: these, and those that `base` knows."""

    def __init__(self, clips: Iterable[Clip], *, base: "Recogniser | None" = None) -> None:
        self._base = base._windows if base is not None else {}  # a library is indexed once for all calls
        self._windows: dict[bytes, list[tuple[Clip, int]]] = {}
        for clip in clips:
            audio = clip.audio
            for offset in range(0, len(audio) - _WINDOW + 1, _GRID):
                window = audio[offset : offset + _WINDOW]
                if len(set(window)) >= _DISTINCT:
                    self._windows.setdefault(window, []).append((clip, offset))

    def find(self, audio: bytes) -> list[Found]:
        """Known parts in the order in which they occur; none overlaps another."""
        found: list[Found] = []
        windows, base = self._windows, self._base
        after = 0
        for start in range(0, len(audio) - _WINDOW + 1, _PROBE_EVERY):
            if start < after:
                continue
            for offset in range(max(start, after), min(start + _GRID, len(audio) - _WINDOW + 1)):
                window = audio[offset : offset + _WINDOW]
                known = windows.get(window) or base.get(window)
                if known is None:
                    continue
                best = max(
                    (_grown(audio, offset, clip, at, not_before=after) for clip, at in known),
                    key=lambda part: part.clip_to - part.clip_from,
                )
                if best.clip_to - best.clip_from >= _SHORTEST:
                    found.append(best)
                    after = best.end
                    break
        return found

    def words(self, audio: bytes) -> str:
        """What is said in the audio, an empty text if nothing known is."""
        return " ".join(filter(None, (part.words for part in self.find(audio))))


def _grown(audio: bytes, offset: int, clip: Clip, clip_offset: int, *, not_before: int) -> Found:
    """The longest equal stretch around one equal window."""
    back = _equal_from_the_end(audio[not_before:offset], clip.audio[:clip_offset])
    ahead = _equal_from_the_start(audio[offset:], clip.audio[clip_offset:])
    return Found(clip=clip, at=offset - back, clip_from=clip_offset - back, clip_to=clip_offset + ahead)


def _equal_from_the_start(left: bytes, right: bytes) -> int:
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _equal_from_the_end(left: bytes, right: bytes) -> int:
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[len(left) - middle :] == right[len(right) - middle :]:
            low = middle
        else:
            high = middle - 1
    return low


def recogniser_of(texts: Iterable[str], voice: Voice) -> Recogniser:
    """A recogniser of all recorded lines of one voice and of these texts besides."""
    others = {plain(text): text for text in texts if (voice, plain(text)) not in recorded()}
    return _recogniser(tuple(others.values()), voice) if others else library(voice)


@lru_cache(maxsize=2)
def library(voice: Voice) -> Recogniser:
    """A recogniser of all recorded lines of one voice."""
    return Recogniser(clip for (speaker, _), clip in recorded().items() if speaker == voice)


@lru_cache(maxsize=256)
def _recogniser(texts: tuple[str, ...], voice: Voice) -> Recogniser:
    return Recogniser([clip_of(text, voice) for text in texts], base=library(voice))
