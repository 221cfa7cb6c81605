"""What a caller made of the sound that was played: lines of the simulated model, and other sound."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from simulator import clips, ulaw
from simulator.caller import Line
from simulator.playout import Passage
from simulator.report import Heard

_SOUND: Final = 150.0


def lines_since(passages: Iterable[Passage], said: Iterable[str], ms: float) -> list[Line]:
    """The lines that were heard since a moment, each with the words of it that were audible."""
    recogniser = clips.recogniser_of(said, "assistant")
    lines: list[Line] = []
    for passage in passages:
        if passage.end_ms > ms:
            skipped = max(0, int((ms - passage.start_ms) * 8))
            lines += [
                Line(part.clip.text, part.words, passage.start_ms + (skipped + part.at) / 8)
                for part in recogniser.find(bytes(passage.audio[skipped:]))
            ]
    return lines


def all_heard(passages: Iterable[Passage], said: Iterable[str]) -> tuple[list[Heard], float]:
    """The assistant's lines as heard, and how many milliseconds of other sound there were."""
    recogniser = clips.recogniser_of(said, "assistant")
    parts: list[tuple[float, clips.Found]] = []
    unknown = 0
    for passage in passages:
        audio = bytes(passage.audio)
        after = 0
        for part in recogniser.find(audio):
            unknown += _loud_bytes(audio[after : part.at])
            after = part.end
            if parts and part.continues(parts[-1][1]):  # the queue had run dry in the middle of a line
                at_ms, before = parts.pop()
                parts.append((at_ms, replace(before, clip_to=part.clip_to)))
            else:
                parts.append((passage.start_ms + part.at / 8, part))
        unknown += _loud_bytes(audio[after:])
    heard = [
        Heard(
            text=part.words,
            line=part.clip.text,
            from_ms=at_ms,
            heard_ms=(part.clip_to - part.clip_from) / 8,
            line_ms=part.clip.ms,
        )
        for at_ms, part in parts
    ]
    return heard, unknown / 8


def _loud_bytes(audio: bytes) -> int:
    frames = (audio[at : at + 160] for at in range(0, len(audio), 160))
    return sum(len(frame) for frame in frames if ulaw.loudness(frame) >= _SOUND)
