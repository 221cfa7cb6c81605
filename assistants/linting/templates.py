"""Rules on template markup and on the sizes of texts."""

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches

from assistants.linting.subject import (
    FIRST_MESSAGE,
    PROMPT,
    LintFinding,
    LintSubject,
    Severity,
    finding,
    line_text,
    prose,
)
from tools.liquid import template_problems, variable_uses
from tools.liquid.names import BUILT_IN, LATE

_FREE_OBJECTS = ("customer", "phoneNumber", "call", "assistant", "transport")
_TAUGHT = (
    "“{}” has its value once a tool has answered; this text is filled in when the call begins, and has none."
)
_TAUGHT_ADVICE = "Use it in messages of tools. The model sees the tool's answer anyhow."
_SLOW_TOKENS = 8192
_SECONDS = 20
_WORDS_PER_S = 2.5
_SIGNS_PER_S = 5.0
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def template_faults(subject: LintSubject) -> Iterator[LintFinding]:
    """Templates that cannot be read, and filters and time zones that do not exist."""
    for label, text in (*subject.texts, *subject.tool_messages):
        for line, sentence in template_problems(text):
            passed_over = "passed over" in sentence or "UTC" in sentence
            yield finding(
                label, line, "template_error", Severity.SHOULD if passed_over else Severity.MUST, sentence,
                text.split("\n")[line - 1],
                "" if passed_over else "Until it is corrected, the whole text is used as it stands, brackets and all.",
            )  # fmt: skip


def undefined_variables(subject: LintSubject) -> Iterator[LintFinding]:
    """Names in double brackets that no call fills."""
    begins = [(label, text, False) for label, text in subject.texts]
    later = [(label, text, True) for label, text in subject.tool_messages]
    for label, text, tools_answered in (*begins, *later):
        reported: set[str] = set()
        for use in variable_uses(text):
            if use.guarded or use.name in reported:
                continue
            found = _undefined(use.name, subject, tools_answered=tools_answered)
            if found is not None:
                reported.add(use.name)
                severity, sentence, advice = found
                line = text.split("\n")[use.line - 1]
                excerpt = line_text(line, max(line.find(use.name), 0))
                yield finding(label, use.line, "undefined_variable", severity, sentence, excerpt, advice)


def _undefined(name: str, subject: LintSubject, *, tools_answered: bool) -> tuple[Severity, str, str] | None:
    root = re.split(r"[.\[]", name, maxsplit=1)[0]
    if name in BUILT_IN or {name, root} & subject.known_variables:
        return None
    if root in subject.taught_variables:
        return None if tools_answered else (Severity.CONSIDER, _TAUGHT.format(name), _TAUGHT_ADVICE)
    default = f'Give the assistant a value for it, or a default: {{{{ {name} | default: "…" }}}}.'
    if root in LATE:
        return (
            Severity.SHOULD,
            f"“{name}” is only known when the call is over; here it is empty.",
            "Leave it out.",
        )
    close = get_close_matches(
        name, [*BUILT_IN, *subject.known_variables, *subject.taught_variables], n=1, cutoff=0.8
    )
    if root == "customer":
        sentence = f"“{name}” is empty on calls that come in, unless whoever starts the call gives it."
        return (Severity.CONSIDER, sentence, f'Write a default: {{{{ {name} | default: "…" }}}}.')
    hint = f"Did you mean {close[0]}?" if close else default
    what = "is not one of Vapi's variables" if root in _FREE_OBJECTS else "has no value"
    return (Severity.SHOULD, f"“{name}” {what} and is left empty.", hint)


def too_long(subject: LintSubject) -> Iterator[LintFinding]:
    """Prompt and tools beyond the model's window, or long enough to slow every answer."""
    tokens = subject_tokens(subject)
    slow = min(_SLOW_TOKENS, subject.budget_tokens // 2)
    if tokens > subject.budget_tokens:
        yield finding(
            PROMPT, 1, "too_long", Severity.MUST,
            f"Prompt and tools take about {tokens:,} tokens; this model takes {subject.budget_tokens:,}. Calls would fail.", "",
            "Shorten the prompt, remove tools, or choose a model with a larger window.",
        )  # fmt: skip
    elif tokens > slow:
        yield finding(
            PROMPT, 1, "long_prompt", Severity.SHOULD,
            f"Prompt and tools take about {tokens:,} tokens. Above {slow:,} the first word of every answer comes later.", "",
            "Move what callers rarely ask into a tool that looks it up.",
        )  # fmt: skip


def subject_tokens(subject: LintSubject) -> int:
    """About how many tokens prompt and tools take; rather too many than too few."""
    tools = [
        {"name": t.name, "description": t.description, "parameters": t.parameters} for t in subject.tools
    ]
    return text_tokens(subject.instructions) + text_tokens(json.dumps(tools, ensure_ascii=False, default=str))


def text_tokens(text: str) -> int:
    """About how many tokens a text takes: English has four characters to a token, other scripts fewer than two."""
    plain = sum(1 for sign in text if sign.isascii())
    return round(plain / 3.5 + (len(text) - plain) / 1.5)


def long_first_message(subject: LintSubject) -> Iterator[LintFinding]:
    """A first message that takes longer to say than a caller will listen."""
    text = subject.first_message
    if text.startswith(("http://", "https://")):
        return
    seconds = spoken_seconds(text)
    if seconds > _SECONDS:
        yield finding(
            FIRST_MESSAGE, 1, "long_first_message", Severity.SHOULD,
            f"It takes about {seconds:.0f} seconds to say. Callers talk over anything above {_SECONDS} seconds, or hang up.",
            text, "Greet, say who answers, ask one question.",
        )  # fmt: skip


def spoken_seconds(text: str) -> float:
    """About how long the text takes to say."""
    text = prose(text)
    signs = len(_IDEOGRAPH.findall(text))
    return len(_IDEOGRAPH.sub(" ", text).split()) / _WORDS_PER_S + signs / _SIGNS_PER_S
