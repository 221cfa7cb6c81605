"""What breaks when a chat model's prompt becomes a voice model's: findings with their lines, in plain English. Pure."""

from collections.abc import Callable, Iterable
from itertools import islice

from assistants.linting import languages, speech, templates, tools
from assistants.linting.subject import LintFinding, LintSubject, LintTool, Severity

__all__ = ["RULES", "LintFinding", "LintSubject", "LintTool", "Severity", "instruction_budget", "lint"]

# Each rule looks at the whole subject and knows of no other.
RULES: tuple[Callable[[LintSubject], Iterable[LintFinding]], ...] = (
    templates.template_faults,
    templates.undefined_variables,
    templates.too_long,
    templates.long_first_message,
    tools.unknown_tools,
    tools.tools_in_words,
    tools.tools_without_rule,
    tools.conflicting_rules,
    tools.repeated_rules,
    tools.tool_list,
    tools.descriptions,
    languages.demanded_languages,
    languages.written_languages,
    speech.ssml,
    speech.pronunciation,
    speech.markdown_said,
    speech.markdown_in_prompt,
    speech.text_only,
    speech.impossible,
    speech.numbers_without_how,
)
_MOST_OF_A_RULE = 50  # nobody reads on after that; correcting some of them shows the rest
_ORDER = {severity: place for place, severity in enumerate(Severity)}
# OpenAI's limit for models with a window of 32k. The larger ones have none of their own; this is a guess at where a
# call of some minutes still fits beside the prompt and quality holds.
_BUDGET_32K = 16_384
_BUDGET_128K = 48_000


def lint(subject: LintSubject) -> tuple[LintFinding, ...]:
    """Everything found, the gravest first, then by text and line."""
    places = {label: place for place, (label, _) in enumerate(subject.texts)}
    found = dict.fromkeys(one for rule in RULES for one in islice(rule(subject), _MOST_OF_A_RULE))
    return tuple(
        sorted(
            found,
            key=lambda one: (_ORDER[one.severity], places.get(one.text, len(places)), one.text, one.line),
        )
    )


def instruction_budget(model: str) -> int:
    """How many tokens prompt and tools may take together on this model."""
    return (
        _BUDGET_128K
        if model.startswith("gpt-realtime-2") and not model.startswith("gpt-realtime-2025")
        else _BUDGET_32K
    )
