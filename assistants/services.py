"""Writing assistants: publishing a draft as an immutable version."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from assistants.handoffs import destinations_of
from assistants.linting.lint import instruction_budget
from assistants.linting.page import instructions_with_guardrails
from assistants.models import Assistant, AssistantVersion
from assistants.selectors import server_beyond
from assistants.signals import PublishCheck, publish_checks, version_published
from assistants.snapshots import Snapshot, snapshot_take
from tools.liquid import template_mistake
from tools.messages import tool_texts
from tools.models import TOOL_NAME_PATTERN, Tool
from tools.schemas import schema_problems
from tools.snapshots import ToolSnapshot, is_unlisted

_MOST_TOOLS: Final = 128
_KEYS_ARGUMENTS: Final = frozenset({"keys", "digits", "dtmf"})
# What OpenAI takes of prompt and tools on models with a window of 32k, and the whole window of the larger ones.
_TOKENS_SMALL: Final = 16_384
_TOKENS_LARGE: Final = 128_000
# Text of any language has fewer to a token: English about four.
_SIGNS_A_TOKEN: Final = 8
# One token may stand for a long row of blanks or dashes.
_ROW: Final = re.compile(r"([\W_])\1+")
_PLACEHOLDER: Final = re.compile(r"\{\{[^{}]*\}\}")


@dataclass(frozen=True, slots=True)
class PublishFault:
    """One reason why a draft cannot be published: the setting it is about, of the tool of that name or of the assistant."""

    text: str
    field: str
    tool: str = ""


def assistant_publish(
    *,
    assistant: Assistant,
    author: User | None = None,
    note: str = "",
    reviewed: str | None = None,
    override: str = "",
) -> AssistantVersion:
    """The new live version made from the draft. New calls run on it; running calls keep theirs.

    Raises ValidationError, with every reason at once, when OpenAI would refuse the session as a whole, when another app's
    check of the draft blocks it and no reason is given to ``override`` that, or when the draft is no longer the one that
    was looked at: its fingerprint may be given as ``reviewed``.
    """
    with transaction.atomic():
        # The row lock makes two people publishing at once end in two consecutive numbers.
        locked = (
            Assistant.objects.select_for_update()
            .defer("server_secret", "server_headers")
            .get(pk=assistant.pk)
        )
        snapshot = snapshot_take(locked)
        if reviewed is not None and reviewed != snapshot.fingerprint():
            raise ValidationError("The draft was changed while you looked at it. Look again, then publish.")
        problems = publish_problems(snapshot)
        if problems:
            raise ValidationError(problems)
        blocking = [check for check in publish_checks(locked, snapshot) if check.blocks]
        if blocking and not (override and author is not None and _may_override(author, blocking)):
            raise ValidationError([check.text for check in blocking])
        newest = locked.versions.order_by("-number").values_list("number", flat=True).first() or 0
        version = AssistantVersion.objects.create(
            assistant=locked, number=newest + 1, snapshot=snapshot.to_json(), author=author, note=note
        )
        Assistant.objects.filter(pk=locked.pk).update(live_version=version)
        version_published.send(
            sender=AssistantVersion,
            version=version,
            snapshot=snapshot,
            author=author,
            override=override if blocking else "",
        )
    assistant.live_version = version
    return version


def _may_override(author: User, checks: list[PublishCheck]) -> bool:
    return all(check.override_permission and author.has_perm(check.override_permission) for check in checks)


def publish_problems(snapshot: Snapshot) -> list[str]:
    """Why this snapshot cannot be published, in plain words; empty when it can.

    One bad tool makes OpenAI refuse the whole session, so each is checked before any caller can meet it.
    """
    return [fault.text for fault in publish_faults(snapshot)]


class FaultsFound:
    """What was found in parts of snapshots. A text, or a tool that stands in many of them, is looked at once."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._mistakes: dict[str, tuple[int, str] | None] = {}
        # With the tool itself: as long as it is here, no other has its identity.
        self._tools: dict[tuple[int, str], tuple[ToolSnapshot, list[PublishFault]]] = {}

    def tokens(self, text: str) -> int:
        """How many tokens the text takes at the least."""
        if text not in self._tokens:
            self._tokens[text] = _tokens_at_least(text)
        return self._tokens[text]

    def mistake(self, text: str) -> tuple[int, str] | None:
        """The first mistake of a template, with its line."""
        if text not in self._mistakes:
            self._mistakes[text] = template_mistake(text)
        return self._mistakes[text]

    def of_tool(self, tool: ToolSnapshot, assistant_id: str) -> list[PublishFault]:
        """What is wrong with a tool of this assistant."""
        key = id(tool), assistant_id
        if key not in self._tools:
            self._tools[key] = tool, list(_tool_faults(tool, assistant_id))
        return self._tools[key][1]


def publish_faults(snapshot: Snapshot, *, found: FaultsFound | None = None) -> list[PublishFault]:
    """The same, with the setting that each is about. What was ``found`` before in the same parts counts as it was found."""
    known = found or FaultsFound()
    return [
        *_prompt_faults(snapshot, known),
        *_list_faults(snapshot.tools),
        *(fault for tool in snapshot.tools for fault in known.of_tool(tool, snapshot.assistant_id)),
        *_template_faults(snapshot, known),
    ]


def _prompt_faults(snapshot: Snapshot, known: FaultsFound) -> Iterator[PublishFault]:
    if not snapshot.instructions.strip():
        yield PublishFault(
            "The prompt is empty. Write who the assistant is and what it should do.", "instructions"
        )
    told = [
        snapshot.instructions,
        *(text for tool in snapshot.tools for text in (tool.name, tool.description)),
    ]
    least = sum(known.tokens(text) for text in told)
    limit = _TOKENS_SMALL if instruction_budget(snapshot.model) <= _TOKENS_SMALL else _TOKENS_LARGE
    if least > limit:
        yield PublishFault(
            f"The prompt and the descriptions of the tools take more than {least:,} tokens, counted at {_SIGNS_A_TOKEN} "
            f"characters each, and {snapshot.model} takes at most {limit:,}. Shorten the prompt.",
            "instructions",
        )


def _tokens_at_least(text: str) -> int:
    """Fewer tokens than the text can take: of what a call may leave out, and of rows of one sign, nothing counts."""
    first, last = text.find("{%"), text.rfind("%}")
    if 0 <= first < last:
        text = text[:first] + text[last + 2 :]
    return len(_ROW.sub(r"\1", _PLACEHOLDER.sub("", text))) // _SIGNS_A_TOKEN


def _list_faults(tools: tuple[ToolSnapshot, ...]) -> Iterator[PublishFault]:
    counted = Counter(tool.name for tool in tools)
    for name, n in counted.items():
        if n > 1:
            yield PublishFault(f"Two tools are called {name}. Rename one of them.", "tools", name)
    if len(tools) > _MOST_TOOLS:
        yield PublishFault(f"{len(tools)} tools are too many: OpenAI takes at most {_MOST_TOOLS}.", "tools")


def _tool_faults(tool: ToolSnapshot, assistant_id: str) -> Iterator[PublishFault]:
    if not re.fullmatch(TOOL_NAME_PATTERN, tool.name):
        words = f"The tool name {tool.name!r} is not allowed: letters, digits, _ and - only, at most 64."
        yield PublishFault(words, "tools", tool.name)
    if tool.kind == Tool.Kind.FUNCTION and not tool.server_url and not server_beyond(assistant_id):
        words = f"The tool {tool.name} has no server URL, and neither has the assistant."
        yield PublishFault(words, "server_url", tool.name)
    if is_unlisted(tool):
        words = (
            f"The MCP server {tool.name} offers no tool yet. Fetch its list of tools first, and tick what is to be "
            "offered, on its page."
        )
        yield PublishFault(words, "tools", tool.name)
    if tool.kind == Tool.Kind.DTMF and not _says_which_keys(tool.parameters):
        words = f"The tool {tool.name} presses keys, and no argument says which. Give it a text argument named keys."
        yield PublishFault(words, "parameters", tool.name)
    for why in schema_problems(tool.parameters):
        yield PublishFault(f"The tool {tool.name}: {why}", "parameters", tool.name)
    for name, destination in destinations_of(tool):
        plan = destination.get("variableExtractionPlan")
        schema = plan.get("schema") if isinstance(plan, dict) else None
        properties = schema.get("properties") if isinstance(schema, dict) else None
        for why in schema_problems({"type": "object", "properties": properties or {}}):
            words = f"The tool {tool.name}, what is asked for {name}: {why}"
            yield PublishFault(words, "settings", tool.name)


def _says_which_keys(parameters: object) -> bool:
    """Whether a call can find the keys among the arguments: by a name that prompts use, or because there is but one."""
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    names = set(properties) if isinstance(properties, dict) else set()
    return len(names) == 1 or not names.isdisjoint(_KEYS_ARGUMENTS)


def _template_faults(snapshot: Snapshot, known: FaultsFound) -> Iterator[PublishFault]:
    """Texts whose {{ names }} would reach the model, or a caller's ear, as they stand."""
    texts = {
        "instructions": ("prompt", snapshot.instructions),
        "first_message": ("first message", snapshot.first_message),
        "end_call_message": ("last message", snapshot.end_call_message),
        "voicemail_message": ("voicemail message", snapshot.voicemail_message),
        "idle_messages": ("messages for a silent caller", "\n".join(snapshot.idle_messages)),
    }
    for field, (title, text) in texts.items():
        mistake = known.mistake(text)
        if mistake:
            yield PublishFault(f"The {title}, line {mistake[0]}: {mistake[1]}", field)
    for tool in snapshot.tools:
        for text in tool_texts(tool):
            mistake = known.mistake(text)
            if mistake:
                words = f"A message of the tool {tool.name}, line {mistake[0]}: {mistake[1]}"
                yield PublishFault(words, "messages", tool.name)


def instructions_replace(
    *, assistant: Assistant, reviewed: str, by: Callable[[Assistant], str], then: str
) -> bool:
    """Put the prompt that ``by`` makes of the draft in the place of its own. Returns False where it is the same.

    Raises ValidationError when the draft is no longer the one that was looked at, whose fingerprint is ``reviewed``;
    ``then`` is what to do after looking again.
    """
    with transaction.atomic():
        locked = (
            Assistant.objects.select_for_update()
            .defer("server_secret", "server_headers")
            .get(pk=assistant.pk)
        )
        if snapshot_take(locked).fingerprint() != reviewed:
            raise ValidationError(f"The draft was changed while you looked at it. Look again, then {then}.")
        instructions = by(locked)
        if instructions == locked.instructions:
            return False
        locked.instructions = instructions
        locked.save(update_fields=["instructions", "updated_at"])
    return True


def guardrails_add(*, assistant: Assistant, reviewed: str) -> bool:
    """Add the proposed rules for tools to the prompt of the draft. Returns False where the prompt has them already.

    Raises ValidationError when the draft is no longer the one that was looked at, whose fingerprint is ``reviewed``.
    """
    return instructions_replace(
        assistant=assistant, reviewed=reviewed, by=instructions_with_guardrails, then="add the rules"
    )
