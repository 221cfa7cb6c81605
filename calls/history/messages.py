"""The messages of a call, in whichever of Vapi's forms, as what was said and which tools were asked for. Pure."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from calls.history.times import Clock
from calls.history.values import MAX_TEXT, Notes, json_kept, listed, part, text_in, word
from tools.jsontext import json_read, text_clean

Speaker = Literal["caller", "assistant"]
Outcome = Literal["answered", "failed", "timed_out", "unknown"]

UNNAMED: Final = "(unnamed)"
# Under this key stands what a tool was given that is no JSON object.
NOT_JSON: Final = "(as text)"
_NAME_MAX: Final = 64
_ID_MAX: Final = 64
_TIMED_OUT: Final = re.compile(r"timeout of \d+ ?ms exceeded|timed out", re.IGNORECASE)
_FAILED: Final = re.compile(r"\s*(no result returned|your server rejected|error\b)", re.IGNORECASE)
_ASSISTANT: Final = frozenset({"bot", "assistant", "ai", "agent"})
_CALLER: Final = frozenset({"user", "customer", "caller", "human"})
_CALLS: Final = frozenset({"tool_calls", "tool_call", "function_call", "function_calls"})
_RESULTS: Final = frozenset({"tool_call_result", "tool_result", "function_result", "tool", "function"})
_SILENT: Final = frozenset({"system", "developer"})
_LABELS: Final[dict[str, Speaker]] = {
    "ai": "assistant",
    "assistant": "assistant",
    "bot": "assistant",
    "user": "caller",
    "customer": "caller",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One side's words. ``latency_ms`` is the pause since the caller's, where the assistant answers."""

    speaker: Speaker
    text: str = field(repr=False)
    began_ms: int
    ended_ms: int
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ToolStep:
    """One tool that was asked for. The steps of a call stand in the order in which the model asked."""

    id: str
    name: str
    arguments: dict[str, Any] = field(repr=False)
    asked_ms: int
    answered_ms: int | None = None
    result: str = field(default="", repr=False)
    outcome: Outcome = "unknown"


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one list of messages holds. ``timed`` is False where nothing told when."""

    said: tuple[Said, ...] = ()
    steps: tuple[ToolStep, ...] = ()
    zero_ms: int | None = None
    timed: bool = False

    @property
    def richness(self) -> tuple[int, ...]:
        """The more of it there is, the greater: tools asked for, how many told their arguments and results, words, times."""
        return (
            len(self.steps),
            sum(bool(one.arguments) for one in self.steps),
            sum(one.outcome != "unknown" for one in self.steps),
            len(self.said),
            int(self.timed),
        )


@dataclass(slots=True)
class _Step:
    id: str
    name: str
    asked_ms: int
    arguments: dict[str, Any] = field(default_factory=dict)
    answered_ms: int | None = None
    result: str = ""
    outcome: Outcome = "unknown"
    called: bool = True  # False while only a result of it was seen


def conversation_read(messages: Sequence[Any], *, zero_ms: int | None, notes: Notes) -> Conversation:
    """What these messages tell; raises nothing. What is not understood is noted and left out."""
    reader = _Reader(Clock(messages, zero_ms=zero_ms), notes)
    for message in messages:
        reader.take(message)
    return reader.finish()


def transcript_read(text: str, *, labels: tuple[tuple[str, Speaker], ...] = ()) -> tuple[Said, ...]:
    """What a transcript of labelled lines holds, without times. Lines without a label belong to the one before."""
    known = _LABELS | {label.lower(): speaker for label, speaker in labels if label}
    found: list[tuple[Speaker, list[str]]] = []
    for line in text.splitlines():
        label, colon, rest = line.partition(":")
        speaker = known.get(label.strip().lower()) if colon else None
        if speaker is not None:
            found.append((speaker, [rest.strip()]))
        elif found and line.strip():
            found[-1][1].append(line.strip())
    return tuple(Said(speaker, " ".join(lines)[:MAX_TEXT], 0, 0) for speaker, lines in found if any(lines))


class _Reader:
    """Takes the messages of one call, one after the other."""

    def __init__(self, clock: Clock, notes: Notes) -> None:
        self._clock = clock
        self._notes = notes
        self._said: list[Said] = []
        self._steps: list[_Step] = []
        self._by_id: dict[str, _Step] = {}
        self._asked_ms = 0

    def take(self, message: Any) -> None:
        if not isinstance(message, dict):
            self._notes.add(f"A message that is no object ({word(message)}) was left out.")
            return
        role = message.get("role")
        plain = role.strip().lower().replace("-", "_") if isinstance(role, str) else ""
        began, ended = self._clock.span(message)
        calls = _calls_in(message, plain)
        for call in calls:
            self._call(call, began)
        if plain in _ASSISTANT:
            self._words("assistant", message, began, ended)
        elif plain in _CALLER:
            self._words("caller", message, began, ended)
        elif plain in _RESULTS and not calls:
            self._result(message, began)
        elif plain in _CALLS and not calls:
            self._notes.add("A message about tools names none and was left out.")
        elif plain not in _SILENT and not calls:
            self._notes.add(f"A message of the role {word(role)} was left out.")

    def finish(self) -> Conversation:
        if self._clock.restarts:
            self._notes.add(
                "The clock began again in the middle; times after that are put behind what came before."
            )
        for step in self._steps:
            if not step.called:
                self._notes.add(
                    "A tool's result came without its call; the call is written without arguments."
                )
        steps = tuple(
            ToolStep(one.id, one.name, one.arguments, one.asked_ms, one.answered_ms, one.result, one.outcome)
            for one in self._steps
        )
        return Conversation(_with_latencies(self._said), steps, self._clock.zero_ms, self._clock.timed)

    # --- Words

    def _words(self, speaker: Speaker, message: dict[str, Any], began: int, ended: int) -> None:
        text = _text(message)
        if text:
            self._said.append(Said(speaker, text, began, ended))

    # --- Tools

    def _call(self, call: dict[str, Any], at_ms: int) -> None:
        function = part(call, "function") or call
        name = text_in([function, call], "name", "toolName", most=_NAME_MAX)
        if not name:
            self._notes.add("A tool call without a name was written as (unnamed).")
        arguments = self._arguments(function)
        self._asked_ms = max(self._asked_ms, at_ms)
        step = _Step(self._id_of(call), name or UNNAMED, self._asked_ms, arguments)
        known = self._by_id.get(step.id)
        if known is None:
            pass
        elif not known.called:
            # Its result came first: the call stands where the model asked.
            self._steps.remove(known)
            step.answered_ms, step.result, step.outcome = known.answered_ms, known.result, known.outcome
        elif (known.name, known.arguments) == (step.name, step.arguments):
            self._notes.add("A tool call that is there twice was written once.")
            return
        else:
            self._notes.add("Two tool calls have the same id; the second was given another.")
            step.id = self._free_id(step.id)
        self._by_id[step.id] = step
        self._steps.append(step)

    def _arguments(self, function: dict[str, Any]) -> dict[str, Any]:
        given = next(
            (function[key] for key in ("arguments", "parameters", "args") if function.get(key) is not None),
            None,
        )
        if isinstance(given, str):
            if not given.strip():
                return {}
            read = json_read(given)
            if not isinstance(read, dict):
                self._notes.add("Arguments of a tool are no JSON object and were kept as text.")
                return {NOT_JSON: text_clean(given)[:MAX_TEXT]}
            given = read
        if given is None:
            return {}
        kept = json_kept(given, what="arguments of a tool", notes=self._notes)
        if isinstance(kept, dict):
            return kept
        self._notes.add("Arguments of a tool are no JSON object and were kept as text.")
        return {NOT_JSON: json.dumps(kept, ensure_ascii=False)[:MAX_TEXT]}

    def _result(self, message: dict[str, Any], at_ms: int) -> None:
        step = self._step_of(message)
        if step is None:
            return
        if step.outcome != "unknown":
            self._notes.add("A tool call has two results; the first was kept.")
            return
        step.result, step.outcome = _result_of(message, self._notes)
        step.answered_ms = max(at_ms, step.asked_ms)

    def _step_of(self, message: dict[str, Any]) -> _Step | None:
        """The call that a result belongs to: by id, or by name where there is none; a new one where it is not known."""
        given = _id_text(message, "toolCallId", "tool_call_id")
        name = text_in([message], "name", most=_NAME_MAX)
        if given:
            known = self._by_id.get(given)
        else:
            open_steps = (one for one in self._steps if one.outcome == "unknown")
            known = next((one for one in open_steps if not name or one.name == name), None)
        if known is not None:
            return known
        if not given and not name:
            self._notes.add("A tool's result that names neither call nor tool was left out.")
            return None
        step = _Step(given or self._free_id("result"), name or UNNAMED, self._asked_ms, called=False)
        self._by_id[step.id] = step
        self._steps.append(step)
        return step

    def _id_of(self, call: dict[str, Any]) -> str:
        return _id_text(call, "id", "toolCallId", "tool_call_id") or self._free_id("call")

    def _free_id(self, stem: str) -> str:
        n = 2 if stem in self._by_id else 1
        while (candidate := f"{stem[: _ID_MAX - 8]}#{n}") in self._by_id:
            n += 1
        return candidate


def _calls_in(message: dict[str, Any], role: str) -> list[dict[str, Any]]:
    found = listed(message, "toolCalls", "tool_calls", "toolCallList")
    if not found and role in _CALLS:
        # The form before tool calls had lists: one function, its name and args in the message itself.
        single = part(message, "functionCall", "function_call", "toolCall") or message
        found = [single] if isinstance(single.get("name"), str) or part(single, "function") else []
    return [one for one in found if isinstance(one, dict)]


def _id_text(value: dict[str, Any], *keys: str) -> str:
    """An id that fits its column: a long one is cut, with a digest of the whole."""
    text = text_in([value], *keys)
    if len(text) <= _ID_MAX:
        return text
    return f"{text[: _ID_MAX - 17]}~{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _text(message: dict[str, Any]) -> str:
    text = text_in([message], "message", "content", "text")
    if text:
        return text
    pieces = [text_in([one], "text") for one in listed(message, "content")]
    return " ".join(piece for piece in pieces if piece)[:MAX_TEXT]


def _result_of(message: dict[str, Any], notes: Notes) -> tuple[str, Outcome]:
    """What the model was told, and how the call went."""
    for key in ("result", "content", "message", "error"):
        given = message.get(key)
        if given is None or given == "":
            continue
        if not isinstance(given, str):
            given = json.dumps(json_kept(given, what="result of a tool", notes=notes), ensure_ascii=False)
        text = text_clean(given)[:MAX_TEXT]
        if _FAILED.match(text) or key == "error":
            return text, "timed_out" if _TIMED_OUT.search(text) else "failed"
        return text, "answered"
    return "", "answered"


def _with_latencies(said: list[Said]) -> tuple[Said, ...]:
    found: list[Said] = []
    for one in said:
        before = found[-1] if found else None
        answers = one.speaker == "assistant" and before is not None and before.speaker == "caller"
        if answers and before is not None and one.began_ms > before.ended_ms > before.began_ms:
            one = Said(one.speaker, one.text, one.began_ms, one.ended_ms, one.began_ms - before.ended_ms)  # noqa: PLW2901
        found.append(one)
    return tuple(found)
