"""What is looked at and what is found: the texts and tools of an assistant, and findings with their place."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PROMPT = "Prompt"
FIRST_MESSAGE = "First message"
LONGEST_EXCERPT = 120
_MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_ADDRESS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+\.\w+")
_AROUND = " \t\r-*#>•"  # what stands around a sentence in a list or a heading
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")


class Severity(StrEnum):
    """How much it matters, in the order of a list."""

    MUST = "must"
    SHOULD = "should"
    CONSIDER = "consider"


@dataclass(frozen=True, slots=True)
class LintTool:
    """A tool as the model sees it. ``kind`` is ours or Vapi's word for what it does: function, transferCall, endCall …"""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "function"

    @property
    def words(self) -> frozenset[str]:
        """The stems of the words in its name and its description."""
        return stems(f"{spaced(self.name)} {spaced(self.kind)} {self.description}")


@dataclass(frozen=True, slots=True)
class LintSubject:
    """All that the rules look at. ``budget_tokens`` is what prompt and tools may take together; ``known_variables``
    are names given beside Vapi's own, ``taught_variables`` those that get a value only when a tool has answered;
    ``tool_messages`` are pairs of whose message it is and its text; ``language`` has two letters, or is empty."""

    instructions: str = ""
    first_message: str = ""
    end_call_message: str = ""
    idle_messages: tuple[str, ...] = ()
    tools: tuple[LintTool, ...] = ()
    language: str = "en"
    budget_tokens: int = 16_384
    known_variables: frozenset[str] = frozenset()
    voicemail_message: str = ""
    taught_variables: frozenset[str] = frozenset()
    tool_messages: tuple[tuple[str, str], ...] = ()

    @property
    def said(self) -> tuple[tuple[str, str], ...]:
        """The texts that are said word for word, each with its name."""
        idle = ((f"Idle message {place}", text) for place, text in enumerate(self.idle_messages, 1))
        return (
            (FIRST_MESSAGE, self.first_message),
            ("Last message", self.end_call_message),
            ("Voicemail message", self.voicemail_message),
            *idle,
        )

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """Every text that is filled in when a call begins, each with its name."""
        return ((PROMPT, self.instructions), *self.said)


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One thing to look at. ``line`` counts from 1 in the text that ``text`` names."""

    text: str
    line: int
    code: str
    severity: Severity
    sentence: str
    excerpt: str = ""
    suggestion: str = ""


def finding(
    text: str,
    line: int,
    code: str,
    severity: Severity,
    sentence: str,
    excerpt: str = "",
    suggestion: str = "",
) -> LintFinding:
    """A finding with its excerpt on one line and cut to a readable length."""
    excerpt = " ".join(excerpt.split())
    if len(excerpt) > LONGEST_EXCERPT:
        excerpt = f"{excerpt[: LONGEST_EXCERPT - 1]}…"
    return LintFinding(text, line, code, severity, sentence, excerpt, suggestion)


def prose(text: str) -> str:
    """The text with template markup and addresses blanked out, every other character in its place."""
    for pattern in (_MARKUP, _ADDRESS):
        text = pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    return text


def line_of(text: str, index: int) -> int:
    """The line, from 1, of a place in the text."""
    return text.count("\n", 0, index) + 1


def line_text(text: str, index: int) -> str:
    """The line around a place in the text; of a long one, the part around the place."""
    start, end = text.rfind("\n", 0, index) + 1, text.find("\n", index)
    end = len(text) if end < 0 else end
    if end - start <= LONGEST_EXCERPT:
        return text[start:end]
    first = max(start, min(index - LONGEST_EXCERPT // 3, end - LONGEST_EXCERPT + 2))
    return ("…" if first > start else "") + text[
        first : first + LONGEST_EXCERPT - 1 if first == start else end
    ]


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """The sentences of the text's prose, each with its line; none goes beyond its line."""
    for number, line in enumerate(prose(text).split("\n"), 1):
        for sentence in _SENTENCE_END.split(line):
            if sentence.strip(_AROUND):
                yield number, sentence.strip(_AROUND)


_NEGATION = re.compile(
    r"\b(?:not|never|no|avoid|without|don['\u2019]?t|won['\u2019]?t|can['\u2019]?t|cannot|isn['\u2019]?t|instead of|rather than|nor|stop)\b",
    re.IGNORECASE,
)


def negated(sentence: str, index: int) -> bool:
    """Whether a word before the place, in the same sentence, forbids what stands there."""
    return _NEGATION.search(sentence, 0, max(index, 0)) is not None


_CONDITION = re.compile(
    r"\b(?:if|when|whenever|unless|until|before|after|once|as soon as|while|without|except|in case|"
    r"wenn|falls|sobald|bevor|nachdem|si|cuando|antes|después|quand|lorsque|avant|après|quando|prima|dopo|se|als|voor|nadat)\b",
    re.IGNORECASE,
)  # fmt: skip


def conditional(sentence: str) -> bool:
    """Whether the sentence says when."""
    return _CONDITION.search(sentence) is not None


def says_when(text: str) -> bool:
    """Whether a rule on when to do something is in the text; one that narrows it counts too."""
    return (
        conditional(text)
        or re.search(r"\b(?:only|first|every time|for (?:callers|any|all))\b", text, re.IGNORECASE)
        is not None
    )


def words(listed: str) -> frozenset[str]:
    """The words of a list that is written as one text."""
    return frozenset(listed.split())


def spaced(name: str) -> str:
    """A name of code as words: ``findSlots`` and ``find_slots`` are both ``find slots``."""
    return re.sub(r"[_\-.]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)).lower()


_FILLERS = words(
    "the and for with that this from into your their its his her our are was has have had will can may must shall should "
    "call caller callers calls tool tools function functions use uses using when then them they you any all not one"
)


def stems(text: str) -> frozenset[str]:
    """The text's longer words, cut to what related words share: ``booking`` and ``books`` are both ``book``."""
    found = re.findall(r"[^\W\d_]{3,}", text.lower())
    return frozenset(_stem(word) for word in found if word not in _FILLERS)


def _stem(word: str) -> str:
    for ending in (
        "ations",
        "ation",
        "ings",
        "ing",
        "ments",
        "ment",
        "ers",
        "ies",
        "ed",
        "er",
        "es",
        "s",
        "e",
        "y",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
