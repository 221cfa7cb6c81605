"""A proposal of rules on when to call which tool, for prompts that leave it to the model. Pure; applied on request only.

A chat model is forgiving about a tool that it was only told the name of. A voice model answers at once, and talks of
bookings it never made. What keeps it from that is a sentence for each tool: when, with what, and what not to say before.
"""

import re
from collections.abc import Mapping

from assistants.linting.subject import LintSubject, LintTool, conditional, sentences, spaced, words

HEADING = "# Rules for using tools"
ENDING = "# End of rules for using tools"
# The block is its heading, its list and its ending; what a person wrote after a lost ending is theirs and stays.
_BLOCK = re.compile(
    rf"^{re.escape(HEADING)}[ \t\r]*$\n?(?:^- .*$\n?|^[ \t\r]*\n)*(?:^{re.escape(ENDING)}[ \t\r]*$)?",
    re.MULTILINE,
)
_CHANGING = words(
    "book reserve place order create update change cancel reschedule schedule add remove delete save store log note submit "
    "send pay charge refund register confirm set record open close report request notify"
)
_READING = words("get find look lookup search check fetch read list query verify retrieve show")
_DONE = {
    "book": "booked", "reserve": "reserved", "place": "placed", "order": "ordered", "cancel": "cancelled", "send": "sent",
    "pay": "paid", "set": "set", "reschedule": "moved", "log": "noted", "note": "noted", "store": "noted", "save": "noted",
    "submit": "submitted", "refund": "refunded",
}  # fmt: skip
_MOST_NAMED = 6


def guardrails(subject: LintSubject) -> str:
    """The block of rules for this assistant's tools, with its heading and its ending; empty when there are no tools."""
    prompt = without_guardrails(subject.instructions)
    rules = [" ".join(rule.split()) for tool in subject.tools for rule in _rules(tool, prompt)]
    if not rules:
        return ""
    general = [
        "Call a tool by its exact name, and wait for its answer before you speak of the result.",
        "If a tool fails or does not answer, say so and offer to take a message. Never make up a result.",
    ]
    return "\n".join([HEADING, *(f"- {rule}" for rule in dict.fromkeys([*rules, *general])), ENDING])


def with_guardrails(instructions: str, block: str) -> str:
    """The prompt with this block at its end, in place of an older one. Doing it twice changes nothing."""
    without = without_guardrails(instructions)
    if not block:
        return without
    return f"{without}\n\n{block}" if without else block


def without_guardrails(instructions: str) -> str:
    """The prompt without such a block, and without empty lines at its end."""
    # A block that is taken out may bring two halves of another together.
    while (block := _BLOCK.search(instructions)) is not None:
        head, tail = instructions[: block.start()].rstrip("\r\n"), instructions[block.end() :].lstrip("\r\n")
        instructions = f"{head}\n\n{tail}" if head and tail else head + tail
    return instructions.rstrip("\r\n")


def _rules(tool: LintTool, prompt: str) -> list[str]:
    kind, name = tool.kind.lower().replace("_", ""), tool.name
    if "endcall" in kind:
        end = "Never end the call while they still want something."
        return [f"When the caller is done and you have said goodbye, call {name}. {end}"]
    if "transfer" in kind or "handoff" in kind:
        about = f" ({_sentence(tool.description)})" if tool.description.strip() else ""
        say = f"say that you are connecting them and call {name} at once."
        return [f"When the caller asks for a person, or your other rules say so{about}, {say}"]
    if "dtmf" in kind or "voicemail" in kind:
        return [f"Call {name} only when you have reached a machine, never while you speak with a person."]
    return _function_rules(tool, prompt)


def _function_rules(tool: LintTool, prompt: str) -> list[str]:
    verb, _, rest = spaced(tool.name).strip().partition(" ")
    needed = _needed(tool)
    more = f"{f' Ask first for what it needs: {needed}.' if needed else ''}{_own_words(tool, prompt)}"
    if verb in _CHANGING and rest:
        task = f"{verb} {rest if rest.endswith('s') else f'{_article(rest)} {rest}'}"
        return [
            f"When the caller wants to {task}, read the details back, wait for a clear yes, then call {tool.name}.{more}",
            f"Never say that anything is {_DONE.get(verb, 'done')} unless {tool.name} has answered and says so.",
        ]
    subject = rest if verb in _READING and rest else spaced(tool.name).strip()
    return [
        f"When what you are about to say depends on the {subject}, call {tool.name} first and say only what it answers.{more}"
    ]


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeiou" else "a"


def _own_words(tool: LintTool, prompt: str) -> str:
    """What the description says on when, unless the prompt has it already."""
    said = [part for _, part in sentences(tool.description) if conditional(part)]
    new = [part for part in said if part.rstrip(".") not in prompt]
    return f" {_sentence(new[0])}." if new and len(new[0]) <= 200 else ""


def _needed(tool: LintTool) -> str:
    """The required parameters in words, of which the caller knows."""
    required = tool.parameters.get("required")
    properties = tool.parameters.get("properties")
    if not isinstance(required, list | tuple) or not isinstance(properties, Mapping):
        return ""
    names = [spaced(name) for name in required if isinstance(name, str) and name in properties]
    return ", ".join(names[:_MOST_NAMED])


def _sentence(text: str) -> str:
    """The text on one line, without the full stop, and without what would open a heading or a template of its own."""
    plain = re.sub(r"\{\{|\}\}|\{%|%\}|[#`*<>]", "", text)
    return " ".join(plain.split()).rstrip(".")
