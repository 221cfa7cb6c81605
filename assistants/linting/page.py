"""The lint of an assistant's draft as its page shows it: findings in groups, and the rules proposed for its tools."""

from collections.abc import Mapping
from dataclasses import dataclass

from assistants.linting.guardrails import guardrails, with_guardrails
from assistants.linting.lint import LintFinding, LintSubject, LintTool, Severity, instruction_budget, lint
from assistants.models import Assistant
from assistants.snapshots import Snapshot, snapshot_take
from tools.extraction import names_taught
from tools.messages import tool_texts
from tools.snapshots import ToolSnapshot

_GROUPS = (
    (Severity.MUST, "Must be corrected", "t-bad"),
    (Severity.SHOULD, "Should be corrected", "t-warn"),
    (Severity.CONSIDER, "Worth a look", "t-info"),
)


@dataclass(frozen=True, slots=True)
class LintGroup:
    """The findings of one severity. ``mark`` is the style's word for it."""

    title: str
    mark: str
    findings: tuple[LintFinding, ...]


@dataclass(frozen=True, slots=True)
class LintPage:
    """What the page shows. ``proposal`` is empty when there is nothing to add; ``add_url`` takes the request to add it."""

    groups: tuple[LintGroup, ...]
    count: int
    proposal: str
    add_url: str


def lint_page(assistant: Assistant, *, add_url: str) -> LintPage:
    """The findings on the assistant's draft, and the rules that would be added to its prompt."""
    subject = lint_subject(snapshot_take(assistant))
    found = lint(subject)
    groups = (
        LintGroup(title, mark, tuple(one for one in found if one.severity is severity))
        for severity, title, mark in _GROUPS
    )
    block = guardrails(subject)
    new = with_guardrails(subject.instructions, block) != subject.instructions
    return LintPage(
        tuple(group for group in groups if group.findings), len(found), block if new else "", add_url
    )


def instructions_with_guardrails(assistant: Assistant) -> str:
    """The draft's prompt with the proposed rules at its end, in place of older ones."""
    subject = lint_subject(snapshot_take(assistant))
    return with_guardrails(subject.instructions, guardrails(subject))


def lint_subject(snapshot: Snapshot) -> LintSubject:
    """What the rules look at, from a published version or a draft."""
    return LintSubject(
        instructions=snapshot.instructions,
        first_message=snapshot.first_message,
        end_call_message=snapshot.end_call_message,
        voicemail_message=snapshot.voicemail_message,
        idle_messages=snapshot.idle_messages,
        tools=tuple(_tool(tool) for tool in snapshot.tools),
        language=snapshot.language[:2].lower(),
        budget_tokens=instruction_budget(snapshot.model),
        known_variables=frozenset(snapshot.variables),
        taught_variables=frozenset(
            name for tool in snapshot.tools for name in names_taught(tool.variable_extraction, tool.settings)
        ),
        tool_messages=tuple(
            (f"Message of {tool.name}", text) for tool in snapshot.tools for text in tool_texts(tool)
        ),
    )


def _tool(tool: ToolSnapshot) -> LintTool:
    parameters: object = tool.parameters  # from the database, where it may be any JSON
    return LintTool(
        tool.name, tool.description, parameters if isinstance(parameters, Mapping) else {}, tool.kind
    )
