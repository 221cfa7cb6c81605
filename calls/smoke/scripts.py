"""What a scenario plays, as it is written: the caller's turns, what they know, and what the tools answer. Pure.

A turn is an object with one of ``caller`` (words), ``press`` (keys), ``silence_s`` and ``hang_up``. ``interrupts_after_ms``
lets the caller begin so long after the assistant did. ``assistant`` is what happened then: a list of ``{"say": …}`` and
``{"call": name, "arguments": {…}}``. Against a simulated model it is what that model does; its calls are what is expected
where a scenario has no call at Vapi.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from calls.smoke.sequences import ToolStep
from tools.mocks import MocksError, mocks_read

MOST_TURNS: Final = 60
_LONGEST_WORDS: Final = 2000
_KEYS: Final = re.compile(r"[0-9*#]{1,40}")
_SCRIPT_KEYS: Final = ("goal", "facts", "never", "turns", "mocks", "claims", "note")
_TURN_KEYS: Final = ("caller", "press", "silence_s", "hang_up", "interrupts_after_ms", "assistant")


class ScriptError(ValueError):
    """A script that cannot be played. Each text says where, what is wrong, and what to do."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = list(faults)


@dataclass(frozen=True, slots=True)
class Did:
    """One thing that the assistant did: it said something, or called a tool."""

    say: str = ""
    call: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the caller, and what the assistant did then."""

    caller: str = ""
    press: str = ""
    silence_s: float = 0.0
    hang_up: bool = False
    interrupts_after_ms: int | None = None
    assistant: tuple[Did, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """One scenario, read. ``goal``, ``facts`` and ``never`` are for a caller who is played by a model."""

    goal: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    never: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    mocks: tuple[Mapping[str, Any], ...] = ()
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def expected(self) -> list[ToolStep]:
        """The tools that the written dialogue calls, in its order."""
        return [
            ToolStep(did.call, dict(did.arguments))
            for turn in self.turns
            for did in turn.assistant
            if did.call
        ]


def script_read(stored: object) -> Script:
    """The script behind its JSON. Raises ScriptError with every fault at once."""
    if not isinstance(stored, dict):
        raise ScriptError(["A script must be a JSON object with “turns”."])
    faults = [
        f"There is no “{key}” in a script. There are: {', '.join(_SCRIPT_KEYS)}."
        for key in stored
        if key not in _SCRIPT_KEYS
    ]
    turns = _turns(stored.get("turns"), faults)
    try:
        mocks_read(stored.get("mocks", []))
    except MocksError as exc:
        faults.append(f"In “mocks”: {exc}")
    facts = _texts_by_name(stored.get("facts", {}), "facts", faults)
    claims = _claims(stored.get("claims", {}), faults)
    never = _texts(stored.get("never", []), "never", faults)
    goal = stored.get("goal", "")
    if not isinstance(goal, str):
        faults.append("“goal” must be a text: what the caller wants.")
    _unanswered(turns, stored.get("mocks", []), faults)
    if faults:
        raise ScriptError(faults)
    return Script(
        goal=str(goal),
        facts=facts,
        never=tuple(never),
        turns=tuple(turns),
        mocks=tuple(stored.get("mocks", [])),
        claims=claims,
    )


def _turns(stored: object, faults: list[str]) -> list[Turn]:
    if not isinstance(stored, list) or not stored:
        faults.append('“turns” must be a list with at least one turn: {"caller": "Hello"}.')
        return []
    if len(stored) > MOST_TURNS:
        faults.append(f"{len(stored)} turns are too many; a scenario may have {MOST_TURNS}.")
    return [turn for n, one in enumerate(stored, start=1) if (turn := _turn(one, f"Turn {n}", faults))]


def _turn(stored: object, where: str, faults: list[str]) -> Turn | None:
    if not isinstance(stored, dict):
        faults.append(f"{where} must be an object.")
        return None
    unknown = sorted(set(stored) - set(_TURN_KEYS))
    if unknown:
        faults.append(f"{where}: there is no “{unknown[0]}”. There are: {', '.join(_TURN_KEYS)}.")
    found = len(faults)
    deeds = [key for key in ("caller", "press", "silence_s", "hang_up") if stored.get(key)]
    if len(deeds) != 1:
        faults.append(f"{where} must have one of “caller”, “press”, “silence_s” and “hang_up”.")
    words, press = stored.get("caller", ""), stored.get("press", "")
    if not isinstance(words, str) or len(words) > _LONGEST_WORDS:
        faults.append(f"{where}: “caller” must be a text of at most {_LONGEST_WORDS:,} characters.")
    if press and not (isinstance(press, str) and _KEYS.fullmatch(press)):
        faults.append(f"{where}: “press” must be keys: 0 to 9, * and #.")
    silence_s, after = stored.get("silence_s", 0), stored.get("interrupts_after_ms")
    if not _number(silence_s, 0, 120):
        faults.append(f"{where}: “silence_s” must be a number of seconds up to 120.")
    if after is not None and not _number(after, 0, 60_000):
        faults.append(f"{where}: “interrupts_after_ms” must be a number of milliseconds up to 60,000.")
    assistant = _deeds(stored.get("assistant", []), where, faults)
    if len(faults) > found:
        return None
    return Turn(
        caller=words.strip(),
        press=press,
        silence_s=float(silence_s),
        hang_up=bool(stored.get("hang_up")),
        interrupts_after_ms=int(after) if after is not None else None,
        assistant=tuple(assistant),
    )


def _deeds(stored: object, where: str, faults: list[str]) -> list[Did]:
    if not isinstance(stored, list):
        faults.append(f'{where}: “assistant” must be a list of {{"say": …}} and {{"call": …}}.')
        return []
    found = []
    for n, one in enumerate(stored, start=1):
        match one:
            case {"say": str() as words, **rest} if words.strip() and not rest:
                found.append(Did(say=words.strip()))
            case {"call": str() as name, **rest} if name and set(rest) <= {"arguments"}:
                arguments = rest.get("arguments", {})
                if isinstance(arguments, dict):
                    found.append(Did(call=name, arguments=arguments))
                else:
                    faults.append(f"{where}, “assistant” {n}: “arguments” must be an object.")
            case _:
                faults.append(
                    f'{where}, “assistant” {n} must be {{"say": words}} or {{"call": tool, "arguments": {{…}}}}.'
                )
    return found


def _unanswered(turns: Sequence[Turn], mocks: object, faults: list[str]) -> None:
    """Name tools that the dialogue calls and nobody answers; those that answer themselves need no mock."""
    answered = (
        {one.get("tool") for one in mocks if isinstance(one, dict)} if isinstance(mocks, list) else set()
    )
    called = dict.fromkeys(did.call for turn in turns for did in turn.assistant if did.call)
    faults += [
        f"Nothing answers “{name}”: add it to “mocks”, or the run breaks when it is called."
        for name in called
        if name not in answered and not _answers_itself(name)
    ]


def _answers_itself(name: str) -> bool:
    """Whether a tool of this name is one that no server is asked for. By name alone: a run checks it by its kind."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    return plain.startswith(("endcall", "hangup", "dtmf", "voicemail", "transfer", "forwardcall", "handoff"))


def _texts_by_name(stored: object, what: str, faults: list[str]) -> dict[str, str]:
    if isinstance(stored, dict) and all(isinstance(value, str) for value in stored.values()):
        return dict(stored)
    faults.append(f"“{what}” must be an object of texts: what is asked for, and what the caller says then.")
    return {}


def _texts(stored: object, what: str, faults: list[str]) -> list[str]:
    if isinstance(stored, list) and all(isinstance(value, str) for value in stored):
        return list(stored)
    faults.append(f"“{what}” must be a list of texts.")
    return []


def _claims(stored: object, faults: list[str]) -> dict[str, tuple[str, ...]]:
    if isinstance(stored, dict) and all(
        isinstance(value, list) and all(isinstance(one, str) for one in value) for value in stored.values()
    ):
        return {name: tuple(value) for name, value in stored.items()}
    faults.append("“claims” must be an object: for a tool's name, a list of phrases that claim it was done.")
    return {}


def _number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
