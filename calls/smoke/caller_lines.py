"""The sound of a caller's words, ready before the telephone rings: recordings where there are any, else a model's speech.

What was spoken is kept in the database, for the same words are needed again and again, and by other processes.
"""

import hashlib
from difflib import SequenceMatcher
from typing import Final

from assistants.voices.recording import ClipRefusedError, Line, speak
from calls.models import CallerLine
from calls.smoke.lines import PlayError
from calls.smoke.scripts import Script

VOICE: Final = "cedar"
RECORDED: Final = ""
# Numbers are written one way and told another, so "the same words" may differ by that much. A guess.
_LEAST_LIKENESS: Final = 0.5


def line_key(words: str, voice: str) -> str:
    """The key of words in a voice; of a recording in none. Blanks make no difference."""
    return hashlib.sha256(f"{voice}:{' '.join(words.split())}".encode()).hexdigest()


def lines_kept(script: Script, *, voice: str = VOICE) -> dict[str, bytes]:
    """The sound of every turn that has one already."""
    words = {turn.caller for turn in script.turns if turn.caller}
    keys = {line_key(one, kind): (one, kind) for one in words for kind in (voice, RECORDED)}
    found: dict[str, bytes] = {}
    for key, mulaw in CallerLine.objects.filter(key__in=keys).values_list("key", "mulaw"):
        one, kind = keys[key]
        if kind == RECORDED or one not in found:
            found[one] = bytes(mulaw)
    return found


def lines_spoken(script: Script, *, model: str, voice: str = VOICE) -> dict[str, bytes]:
    """The sound of every turn. Raises PlayError."""
    found = lines_kept(script, voice=voice)
    for turn in script.turns:
        if turn.caller and turn.caller not in found:
            found[turn.caller] = _spoken(turn.caller, model=model, voice=voice)
    return found


def _spoken(words: str, *, model: str, voice: str) -> bytes:
    try:
        spoken = speak(Line(words, model=model, voice=voice))
    except ClipRefusedError as exc:
        raise PlayError(f"The caller's words could not be spoken. {exc}") from exc
    if spoken.words and _likeness(words, spoken.words) < _LEAST_LIKENESS:
        raise PlayError(
            "The model said something else than the caller's words, so they were not used. Record the line, or word it otherwise."
        )
    sound = spoken.mulaw
    CallerLine.objects.bulk_create(
        [CallerLine(key=line_key(words, voice), words=words, voice=voice, mulaw=sound)], ignore_conflicts=True
    )
    return sound


def _likeness(words: str, told: str) -> float:
    first, other = (" ".join(text.casefold().split()) for text in (words, told))
    return SequenceMatcher(None, first, other, autojunk=False).ratio()
