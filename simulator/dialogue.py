"""What the simulated model says: the rules of a story, applied to what it has just been told."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from simulator.clips import plain
from simulator.scenario import Request, Rule, Scenario

_EXACTLY: Final = re.compile(r"say exactly[^:]*:\s*(.+)", re.IGNORECASE | re.DOTALL)
_STILL_THERE: Final = "Are you still there?"
_NO_TOOL: Final = "I cannot look that up right now."


@dataclass(frozen=True, slots=True)
class Stimulus:
    """Something the model has been told since it last answered."""

    kind: Literal["caller", "tool", "text"]
    words: str  # the caller's words, a tool's output, a message's text
    tool: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a response will hold: one message item for each text, then the function calls."""

    say: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()  # name and arguments as JSON text
    status: str = "completed"
    reason: str | None = None
    missing_tools: tuple[str, ...] = ()  # asked for by the story but not offered by the session


class Dialogue:
    """The rules of one story: the first that matches is used, and those with equal conditions by turns."""

    def __init__(self, scenario: Scenario) -> None:
        self._rules = scenario.assistant
        self._model = scenario.model
        self._used: Counter[int] = Counter()

    def exact_sentence(self, instructions: str) -> str | None:
        """The sentence of instructions like "Say exactly this sentence and nothing else: ...", or None."""
        found = _EXACTLY.search(instructions)
        return found.group(1).strip().strip("\"'\u201c\u201d").strip() if found else None

    def plan(
        self,
        told: Sequence[Stimulus],
        *,
        instructions: str | None,
        offered: Collection[str],
        may_call: bool,
        first: bool,
    ) -> Plan:
        """The answer to what was told; `first` says that the assistant has not spoken in this call."""
        if instructions is not None:
            exact = self.exact_sentence(instructions)
            if exact is not None:
                return Plan(say=(exact,))
            rule = self._find(lambda rule: _contains(instructions, rule.instructions))
            if rule is not None:
                return self._apply([(rule, None)], offered=offered, may_call=may_call)
        answers = [(self._rule_for(stimulus), stimulus) for stimulus in told]
        known: list[tuple[Rule, Stimulus | None]] = [
            (rule, stimulus) for rule, stimulus in answers if rule is not None
        ]
        if known:
            return self._apply(known, offered=offered, may_call=may_call)
        if not told:
            return Plan(say=(self._model.greeting if first else _STILL_THERE,))
        return Plan(say=(self._fallback(told[-1]),))

    def _fallback(self, stimulus: Stimulus) -> str:
        if stimulus.kind == "tool":
            return f"The answer is {' '.join(plain(stimulus.words).split()[:12])}."
        return self._model.fallback

    def _rule_for(self, stimulus: Stimulus) -> Rule | None:
        match stimulus.kind:
            case "caller":
                return self._find(lambda rule: _contains(stimulus.words, rule.caller))
            case "text":
                return self._find(lambda rule: _contains(stimulus.words, rule.text))
            case "tool":
                return self._find(
                    lambda rule: (
                        rule.tool in {stimulus.tool, "*"}
                        and (rule.output is None or rule.output in stimulus.words)
                    )
                )

    def _find(self, matches: Callable[[Rule], bool]) -> Rule | None:
        first = next((rule for rule in self._rules if matches(rule)), None)
        if first is None:
            return None
        alike = [index for index, rule in enumerate(self._rules) if _conditions(rule) == _conditions(first)]
        best = min(alike, key=lambda index: self._used[index])
        self._used[best] += 1
        return self._rules[best]

    def _apply(
        self, rules: list[tuple[Rule, Stimulus | None]], *, offered: Collection[str], may_call: bool
    ) -> Plan:
        say: list[str] = []
        calls: list[tuple[str, str]] = []
        missing: list[str] = []
        for rule, stimulus in rules:
            say += [_filled(text, stimulus) for text in rule.say]
            for request in rule.call:
                name = _choose(request, offered)
                if name is None or not may_call:
                    missing += [] if name else [request.name[0]]
                    continue
                arguments = request.arguments
                text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
                calls.append((name, text))
        if not say and not calls:
            say.append(_NO_TOOL)
        last = rules[-1][0]
        return Plan(tuple(dict.fromkeys(say)), tuple(calls), last.status, last.reason, tuple(missing))


def _choose(request: Request, offered: Collection[str]) -> str | None:
    if request.invented:
        return request.name[0]
    return next((name for name in request.name if name in offered), None)


def _conditions(rule: Rule) -> tuple[str | None, ...]:
    return rule.caller, rule.tool, rule.output, rule.text, rule.instructions


def _contains(words: str, wanted: str | None) -> bool:
    return wanted is not None and plain(wanted) in plain(words)


def _filled(text: str, stimulus: Stimulus | None) -> str:
    """The text with `{field}` replaced from a tool's JSON output."""
    if stimulus is None or "{" not in text:
        return text
    try:
        output: Any = orjson.loads(stimulus.words)
    except orjson.JSONDecodeError:
        output = None
    values = output if isinstance(output, dict) else {}
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found.group(1), "unknown")), text)
