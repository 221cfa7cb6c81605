"""A script as the simulator plays it: what its caller does, and what its model says and calls. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from calls.smoke.scripts import Did, Script, Turn

# What the simulated model says to words that are not in its story.
FALLBACK: Final = "Sorry, could you say that again?"
_GAVE_UP: Final = "the caller gave up waiting"
# The caller waits so long after the assistant has fallen silent. Shorter, and a pause for breath would count as an end.
_QUIET_MS: Final = 600
_PATIENCE_MS: Final = 20_000
_LAST_WORDS: Final = 4
# In which form a tool's name may stand in the session: Vapi's and ours differ for hanging up.
_ALIASES: Final = {"endCall": ("endCall", "end_call"), "end_call": ("end_call", "endCall")}


def story(script: Script, *, name: str) -> dict[str, Any]:
    """The simulator's story of a script. A script that does not hang up gets a caller who does, at the end."""
    return {
        "name": name,
        "about": script.goal[:200],
        "caller": list(_steps(script.turns)),
        "assistant": [
            *(rule for turn in script.turns for rule in _rules(turn)),
            {"instructions": "goodbye", "say": "Goodbye."},
            {"instructions": "still there", "say": "Are you still there?"},
        ],
        "model": {"fallback": FALLBACK},
        "patience_ms": _PATIENCE_MS + 1000 * max([turn.silence_s for turn in script.turns], default=0),
    }


def strayed(report: Mapping[str, Any]) -> str:
    """How a call of the simulated model left its story, from the simulator's report of it; empty if it did not.

    Neither the caller nor the model of a story does anything else by itself, so such a call says nothing about any prompt.
    """
    said = [line for response in report.get("responses") or [] for line in response.get("said") or []]
    if FALLBACK in said:
        how = "the simulated model heard words that are not in the scenario"
    elif report.get("reason") == _GAVE_UP:
        how = "the caller waited in vain for what the scenario has the assistant say"
    else:
        return ""
    return f"The call left its scenario: {how}. A machine that is too busy to play sound in time does that: try fewer side by side."


def _steps(turns: Sequence[Turn]) -> Iterable[dict[str, Any]]:
    before: Turn | None = None
    waited_ms = 0.0
    ended = False
    for turn in turns:
        if turn.silence_s:
            waited_ms += turn.silence_s * 1000
            continue
        when = _when(turn, before, waited_ms)
        waited_ms = 0.0
        if turn.hang_up:
            yield {"when": when, "hang_up": True}
            ended = True
            break
        yield {"when": when, **({"press": turn.press} if turn.press else {"say": turn.caller})}
        before = turn
    if not ended:
        yield {"when": {**_when(Turn(), before, waited_ms), "quiet_ms": 1500 + waited_ms}, "hang_up": True}


def _when(turn: Turn, before: Turn | None, waited_ms: float) -> dict[str, Any]:
    said = [did.say for did in before.assistant if did.say] if before else []
    if turn.interrupts_after_ms is not None:
        line = {"line": _first_words(said[-1])} if said else {"utterance": 1}
        return {**line, "into_ms": turn.interrupts_after_ms}
    heard = {"heard": _last_words(said[-1])} if said else {}
    if waited_ms:
        # Idle messages of the assistant begin its silence anew, so the silence is counted from the caller's own words.
        return {"since_previous_ms": waited_ms + _QUIET_MS, **heard}
    return {"quiet_ms": _QUIET_MS, **heard}


def _rules(turn: Turn) -> Iterable[dict[str, Any]]:
    """What the model does in one turn: each rule ends with a call, whose answer begins the next."""
    condition: dict[str, Any] = {"text": turn.press.rstrip("*#")} if turn.press else {"caller": turn.caller}
    if not turn.caller and not turn.press:
        return
    for part in _parts(turn.assistant):
        says = [did.say for did in part if did.say]
        calls = [did for did in part if did.call]
        yield {
            **condition,
            **({"say": says} if says else {}),
            **({"call": [_request(did) for did in calls]} if calls else {}),
        }
        if calls:
            condition = {"tool": _ALIASES.get(calls[-1].call, (calls[-1].call,))[0]}


def _parts(deeds: Sequence[Did]) -> Iterable[list[Did]]:
    """The deeds, broken after every call: what follows it is said when its answer is there."""
    part: list[Did] = []
    for did in deeds:
        part.append(did)
        if did.call:
            yield part
            part = []
    if part:
        yield part


def _request(did: Did) -> dict[str, Any]:
    return {"name": list(_ALIASES.get(did.call, (did.call,))), "arguments": dict(did.arguments)}


def _last_words(text: str) -> str:
    return " ".join(text.split()[-_LAST_WORDS:])


def _first_words(text: str) -> str:
    return " ".join(text.split()[:_LAST_WORDS])
