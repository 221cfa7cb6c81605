"""Rules on tools: named but missing, there but without a word on when, at odds with each other, too many, too long."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from assistants.linting.subject import (
    PROMPT,
    LintFinding,
    LintSubject,
    LintTool,
    Severity,
    conditional,
    finding,
    negated,
    prose,
    says_when,
    sentences,
    spaced,
    stems,
    words,
)

LONG_DESCRIPTION = 1000
MANY_TOOLS = 20
MOST_TOOLS = 128

_NAME = re.compile(
    r"`([A-Za-z][\w\-.]*)(?:\(\))?`|\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+|[a-z]{2,}[a-z0-9]*(?:[A-Z][a-z0-9]+)+)\b"
)
_CALLED_BEFORE = re.compile(
    r"\b(?:call|calls|calling|use|uses|using|run|runs|invoke|trigger|execute|via|through|with|tool|function|webhook)"
    r"(?:\s+(?:the|a|our|its|to|tool|function|named|called))*\s*[:`'\"“*]*$",
    re.IGNORECASE,
)  # fmt: skip
_CALLED_AFTER = re.compile(r"^[`'\"”*]*\s*(?:\(|(?:tool|function|webhook|action)s?\b)", re.IGNORECASE)
_VERBS = words(
    "get find book check create update cancel look lookup search fetch send log save store list read transfer end schedule "
    "reschedule verify confirm place reserve submit add remove set query validate notify report request route escalate start "
    "stop hang take record open close note post delete collect process"
)
_TOOL_IN_WORDS = re.compile(
    r"\b(?:use|using|call|invoke|run|trigger|with|via|through)\s+(?:the|our|your)\s+((?:[a-z]+\s+){1,3})(?:tool|function)\b",
    re.IGNORECASE,
)  # fmt: skip
_NO_NAME = words(
    "right correct appropriate proper same following given available relevant matching other first second last provided "
    "corresponding suitable above below custom existing new next previous respective necessary required specific"
)
_SAYS_HOW = re.compile(
    r"\b(?:call|use|run|invoke|with|via|trigger|execute|always|must|never)\b", re.IGNORECASE
)
_RULE = re.compile(r"\b(?:always|never|must|only|do not|don['\u2019]t)\b", re.IGNORECASE)
_SHORT_SENTENCE, _LONG_SENTENCE = 4, 9  # words
_VAGUE = re.compile(
    r"\b(?:help|assist|deal|support|handle|manage|take care|be able|responsible)\b(?:[\s,]+[\w']+){0,6}", re.IGNORECASE
)  # fmt: skip


def unknown_tools(subject: LintSubject) -> Iterator[LintFinding]:
    """Names in the prompt that are no tool's."""
    known = {tool.name for tool in subject.tools}
    fields = _field_names(subject)
    reported: set[str] = set()
    for line, sentence in sentences(subject.instructions):
        for match in _NAME.finditer(sentence):
            name = (match[1] or match[2]).rstrip(".-")
            if name in known or name in reported or (name in fields and not _called(sentence, match)):
                continue
            close = _closest(name, subject.tools)
            if close or _called(sentence, match) or _begins_with_a_verb(name):
                reported.add(name)
                yield _unknown(line, name, close, sentence, subject)


def _called(sentence: str, match: re.Match[str]) -> bool:
    before, after = sentence[: match.start()], sentence[match.end() :]
    return (
        bool(_CALLED_BEFORE.search(before[-60:]) or _CALLED_AFTER.search(after[:20])) or "()" in match.group()
    )


def _begins_with_a_verb(name: str) -> bool:
    parts = spaced(name).split()
    return len(parts) > 1 and parts[0] in _VERBS


def _unknown(line: int, name: str, close: str, sentence: str, subject: LintSubject) -> LintFinding:
    names = ", ".join(tool.name for tool in subject.tools[:8])
    advice = (
        f"Did you mean {close}?"
        if close
        else f"Tools of this assistant: {names}."
        if names
        else "Add the tool."
    )
    return finding(
        PROMPT, line, "unknown_tool", Severity.MUST, f"The prompt names “{name}”, but there is no such tool.", sentence, advice
    )  # fmt: skip


def _closest(name: str, tools: Iterable[LintTool]) -> str:
    plain = {re.sub(r"[\W_]", "", tool.name).lower(): tool.name for tool in tools}
    close = get_close_matches(re.sub(r"[\W_]", "", name).lower(), plain, n=1, cutoff=0.8)
    return plain[close[0]] if close else ""


def _field_names(subject: LintSubject) -> frozenset[str]:
    """Names that the prompt may use without meaning a tool: parameters, their fixed values, variables."""
    found: set[str] = set(subject.known_variables | subject.taught_variables)
    waiting: list[Any] = [tool.parameters for tool in subject.tools]
    steps = 0
    while waiting and steps < 5000:
        steps += 1
        node = waiting.pop()
        if isinstance(node, Mapping):
            found.update(key for key in node if isinstance(key, str))
            waiting += node.values()
        elif isinstance(node, list | tuple):
            waiting += node
        elif isinstance(node, str):
            found.add(node)
    return frozenset(found)


def tools_in_words(subject: LintSubject) -> Iterator[LintFinding]:
    """“Use the calendar tool”, where nothing about any tool speaks of a calendar."""
    about = frozenset(word for tool in subject.tools for word in tool.words)
    for line, sentence in sentences(subject.instructions):
        for match in _TOOL_IN_WORDS.finditer(sentence):
            named = stems(match[1])
            if re.search(r"[a-z][A-Z]", match[1]):
                continue  # a name of code, which has a rule of its own
            if not named or set(match[1].lower().split()) & _NO_NAME or named & about:
                continue
            name = match[1].strip()
            yield finding(
                PROMPT, line, "unknown_tool", Severity.SHOULD,
                f"The prompt speaks of a “{name}” tool; no tool's name or description does.", sentence,
                "Write the tool's exact name, or add the tool.",
            )  # fmt: skip


def tools_without_rule(subject: LintSubject) -> Iterator[LintFinding]:
    """Tools of which neither the prompt nor their description says when to call them."""
    rules = list(sentences(subject.instructions))
    for tool in subject.tools:
        if says_when(tool.description) or any(_is_rule(sentence, tool) for _, sentence in rules):
            continue
        line, sentence = next(
            ((n, s) for n, s in rules if (m := _VAGUE.search(s)) and stems(m.group()) & tool.words), (0, "")
        )
        vague = f" The prompt only says “{sentence[:80]}”." if line else ""
        yield finding(
            PROMPT if line else f"Tool {tool.name}", line or 1, "tool_without_rule", Severity.SHOULD,
            f"Nothing says when to call {tool.name}. A voice model then guesses, and calls it too late or not at all.{vague}",
            sentence or tool.description,
            f"Write it into the prompt: “When the caller …, call {tool.name} before …”. The proposed rules do so.",
        )  # fmt: skip


def _is_rule(sentence: str, tool: LintTool) -> bool:
    if not re.search(rf"(?<![\w-]){re.escape(tool.name)}(?![\w-])", sentence):
        return _ends_or_transfers(sentence, tool)
    others = len(re.findall(r"\w+", sentence)) - 1
    return says_when(sentence) or (others >= 2 and _SAYS_HOW.search(sentence) is not None)


def _ends_or_transfers(sentence: str, tool: LintTool) -> bool:
    # Transfers and endings are things people name by what they do: "transfer to the nurse", "hang up".
    doing = r"transfer|connect|hand (?:over|off)" if "transfer" in tool.kind.lower() else ""
    if "end" in tool.kind.lower():
        doing = r"hang up|end the call|end this call"
    return bool(doing and re.search(rf"\b(?:{doing})", sentence, re.IGNORECASE)) and len(sentence.split()) > 3


def conflicting_rules(subject: LintSubject) -> Iterator[LintFinding]:
    """“Always” and “never” about the same tool, both without a condition."""
    for tool in subject.tools:
        wanted: tuple[int, str] | None = None
        forbidden: tuple[int, str] | None = None
        for line, sentence in sentences(subject.instructions):
            place = sentence.find(tool.name)
            if place < 0 or conditional(sentence):
                continue
            if negated(sentence, place):
                forbidden = forbidden or (line, sentence)
            elif re.search(r"\b(?:always|must|every)\b", sentence, re.IGNORECASE):
                wanted = wanted or (line, sentence)
        if wanted and forbidden:
            later, earlier = max(wanted, forbidden), min(wanted, forbidden)
            yield finding(
                PROMPT, later[0], "conflicting_rules", Severity.MUST,
                f"Two rules about {tool.name} contradict each other: here and in line {earlier[0]}.", later[1],
                "Say in each rule when it holds, or drop one.",
            )  # fmt: skip


def repeated_rules(subject: LintSubject) -> Iterator[LintFinding]:
    """The same sentence twice."""
    seen: dict[str, int] = {}
    for line, sentence in sentences(subject.instructions):
        key = " ".join(re.findall(r"\w+", sentence.lower()))
        length = len(key.split())
        # A short step of a script, “Wait for the answer”, may well come again.
        if length < _LONG_SENTENCE and (length < _SHORT_SENTENCE or not _RULE.search(sentence)):
            continue
        if key in seen:
            yield finding(
                PROMPT, line, "repeated_rule", Severity.CONSIDER, f"This stands in line {seen[key]} already.", sentence,
                "Keep one: when one of them is edited later, the two will contradict each other.",
            )  # fmt: skip
        seen.setdefault(key, line)


def tool_list(subject: LintSubject) -> Iterator[LintFinding]:
    """Too many tools, or two of one name."""
    count = len(subject.tools)
    if count > MANY_TOOLS:
        severity = Severity.MUST if count > MOST_TOOLS else Severity.SHOULD
        yield finding(
            PROMPT, 1, "many_tools", severity,
            f"The assistant has {count} tools. Above {MANY_TOOLS} a voice model picks wrong ones and answers later.", "",
            "Remove what callers rarely need, or split the assistant in two that hand over to each other.",
        )  # fmt: skip
    for name, times in Counter(tool.name for tool in subject.tools).items():
        if times > 1:
            yield finding(
                f"Tool {name}", 1, "same_name", Severity.MUST,
                f"{times} tools are called {name}. OpenAI refuses the whole session then.", "", "Rename all but one.",
            )  # fmt: skip


def descriptions(subject: LintSubject) -> Iterator[LintFinding]:
    """Descriptions that are missing or far too long."""
    for tool in subject.tools:
        length = len(tool.description)
        if length >= LONG_DESCRIPTION:
            yield finding(
                f"Tool {tool.name}", 1, "long_description", Severity.SHOULD,
                f"The description has {length:,} characters. From {LONG_DESCRIPTION:,} on, tools are called wrongly or never.",
                tool.description, "Keep what it does and when to call it; move the rest into the prompt.",
            )  # fmt: skip
        elif (
            not tool.description.strip()
            and tool.kind == "function"
            and tool.name not in prose(subject.instructions)
        ):
            yield finding(
                f"Tool {tool.name}", 1, "no_description", Severity.SHOULD,
                f"{tool.name} has no description, so the model has only its name to go by.", "",
                "Write one sentence: what it does, and when to call it.",
            )  # fmt: skip
