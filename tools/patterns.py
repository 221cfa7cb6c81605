"""JavaScript's regular expressions, as a customer has written them, held against words within a time limit. Pure.

They are run by ``regex``, which has look-arounds and back-references as JavaScript has, gives the interpreter to others
meanwhile, and stops at a deadline. What stands for letters, digits and word boundaries counts ASCII alone, as in
JavaScript. Different on purpose: ``(?i)`` at the beginning, which Vapi takes though JavaScript does not, and
``\\p{…}``, which JavaScript knows only with a flag that nobody can set here.
"""

import functools
import re
import time
from collections.abc import Iterable

import regex

# Words that were said in one breath; a longer text is cut.
TEXT_MAX_CHARS = 4_000
LONGEST_PATTERN = 2_000
# Repetitions are written out when a pattern is read: ((a{1000}){1000}){1000} would take all memory there is.
_LARGEST = 200_000

_WORD = "A-Za-z0-9_"
_EDGE = f"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))"
_OUTSIDE = {
    "d": "[0-9]", "D": "[^0-9]", "w": f"[{_WORD}]", "W": f"[^{_WORD}]",
    "b": _EDGE, "B": f"(?!{_EDGE})",
}  # fmt: skip
_INSIDE = {"d": "0-9", "w": _WORD, "b": r"\x08"}
_COUNTED = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}", re.ASCII)
_NAMED_REFERENCE = re.compile(r"\\k<([A-Za-z_]\w*)>")
# Escapes that mean the same in both; any other letter stands for itself in JavaScript.
_SAME = frozenset("sSnrtfvxu0123456789DWpPk")


class PatternError(ValueError):
    """The pattern cannot be used. The text is a clause for people: why."""


class TooSlowError(Exception):
    """The pattern was still at work when its time was over."""


def pattern_found(pattern: str, texts: Iterable[str], *, until: float) -> bool:
    """Whether any of the texts holds the pattern, as ``RegExp.test`` says.

    ``until`` is a moment of the monotonic clock. Raises PatternError, and TooSlowError past that moment.
    """
    compiled = _compiled(pattern)
    if isinstance(compiled, PatternError):
        raise compiled
    for text in texts:
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise TooSlowError
        try:
            if compiled.search(text[:TEXT_MAX_CHARS], timeout=left_s):
                return True
        except TimeoutError:
            raise TooSlowError from None
    return False


def pattern_problem(pattern: str) -> str:
    """Why the pattern cannot be used, as a clause; empty where it can."""
    compiled = _compiled(pattern)
    return str(compiled) if isinstance(compiled, PatternError) else ""


@functools.lru_cache(maxsize=500)
def _compiled(pattern: str) -> "regex.Pattern[str] | PatternError":
    """The pattern, or why there is none: an error is as dear to find as a pattern."""
    if len(pattern) > LONGEST_PATTERN:
        return PatternError(f"it has more than {LONGEST_PATTERN} characters")
    if _size(pattern) > _LARGEST:
        return PatternError("its repetitions come to more than can be held in memory")
    try:
        return regex.compile(_translated(pattern), regex.VERSION0)
    except (regex.error, RecursionError, OverflowError, ValueError):
        return PatternError("it cannot be read as a regular expression")


def _size(pattern: str) -> int:
    """At most so many parts has the pattern when its repetitions are written out."""
    size = len(pattern)
    for lowest, _, highest in _COUNTED.findall(pattern):
        # As text first: a count may have more digits than Python reads.
        size *= max(1, int(lowest[:9]), int(highest[:9] or 0)) if len(lowest + highest) < 19 else _LARGEST
        if size > _LARGEST:
            break
    return size


def _translated(pattern: str) -> str:
    """The pattern in the words of ``regex``."""
    done: list[str] = []
    at, in_class = 0, False
    while at < len(pattern):
        sign = pattern[at]
        if sign == "\\" and at + 1 < len(pattern):
            part, taken = _escape(pattern, at, in_class=in_class)
        elif in_class:
            part, taken = (r"\[", 1) if sign == "[" else (sign, 1)
            in_class = sign != "]"
        elif sign == "[":
            part, taken, in_class = _class_begin(pattern, at)
        else:
            part, taken = _plain(pattern, at)
        done.append(part)
        at += taken
    return "".join(done)


def _escape(pattern: str, at: int, *, in_class: bool) -> tuple[str, int]:
    letter = pattern[at + 1]
    replaced = (_INSIDE if in_class else _OUTSIDE).get(letter)
    if replaced is not None:
        return replaced, 2
    named = _NAMED_REFERENCE.match(pattern, at)
    if named:
        return f"(?P={named[1]})", len(named.group())
    if letter.isascii() and letter.isalpha() and letter not in _SAME:
        return letter, 2
    return pattern[at : at + 2], 2


def _class_begin(pattern: str, at: int) -> tuple[str, int, bool]:
    """The beginning of a class; JavaScript's ``[^]`` is any sign at all, and ``[]`` is none."""
    if pattern.startswith("[^]", at):
        return r"[\s\S]", 3, False
    if pattern.startswith("[]", at):
        return "(?!)", 2, False
    return ("[^", 2, True) if pattern.startswith("[^", at) else ("[", 1, True)


def _plain(pattern: str, at: int) -> tuple[str, int]:
    sign = pattern[at]
    if sign == "$":
        return r"(?![\s\S])", 1  # without a flag that is the end, not a line break before it either
    if sign == "{":
        counted = _COUNTED.match(pattern, at)
        # Else a brace stands for itself; `regex` would take it for a match with errors in it.
        return (counted.group(), len(counted.group())) if counted else (r"\{", 1)
    return sign, 1
