"""One render of a template: its moment, what it had no value for, and how much it has done so far."""

import functools
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from liquid import BoundTemplate, RenderContext, Token, Undefined
from liquid.exceptions import LoopIterationLimitError
from liquid.token import TOKEN_CONTENT

from tools.liquid.lexer import line_at, with_dollars

_MOST_ROUNDS = 10_000
_MOST_STEPS = 300_000  # rounds of all loops, times the pieces of the template
_PATH = re.compile(r"[$\w][\w\-?$]*(?:\.[$\w][\w\-?]*|\[[^\[\]]*\])*")
_QUOTED_SEGMENT = re.compile(r"\[\s*[\"']([^\"']*)[\"']\s*\]")


class NamedUndefined(Undefined):
    """Nothing, under a name; it is reported when it is written, not when it is only asked about."""

    __slots__ = ("report",)
    report: Callable[[], object]

    def __str__(self) -> str:
        if hasattr(self, "report"):
            self.report()
        return ""


class Rendering(RenderContext):
    """One render: its moment, what it had no value for, and how much it has done so far."""

    __slots__ = ("at", "notes", "now", "rounds", "rounds_allowed", "undefined")

    def __init__(self, template: BoundTemplate, variables: Mapping[str, object], now: datetime) -> None:
        super().__init__(template, globals=variables)
        # Without the library's own "now" and "today", which are this machine's.
        self.scope = type(self.scope)(self.locals, self.globals, self.counters)
        self.now = now
        self.undefined: dict[str, None] = {}
        self.notes: dict[str, None] = {}
        self.at: Token | None = None
        self.rounds = 0
        self.rounds_allowed = min(_MOST_ROUNDS, _MOST_STEPS // max(1, _pieces(template)))

    def note(self, what: str) -> None:
        self.notes[f"Line {line_of(self.at, source_of(self.template))}: {what}."] = None

    def assign(self, key: str, val: Any) -> None:
        super().assign(with_dollars(key), val)

    def get(self, path: list[object], *, token: Token | None, default: object = NamedUndefined) -> object:
        path = [with_dollars(segment) if isinstance(segment, str) else segment for segment in path]
        found = super().get(path, token=token)
        if isinstance(found, NamedUndefined):
            found.report = functools.partial(self.undefined.setdefault, _written_name(token))
        return found

    def raise_for_loop_limit(self, length: int = 1) -> None:
        # The library multiplies nested loops but forgives a thousand in a row.
        self.rounds += length
        if self.rounds > self.rounds_allowed:
            raise LoopIterationLimitError("too many rounds", token=None)


def _pieces(template: BoundTemplate) -> int:
    return sum(1 for node in template.nodes if node.token.kind != TOKEN_CONTENT) + source_of(template).count(
        "{"
    )


def source_of(template: BoundTemplate) -> str:
    """The text that the template was read from."""
    return template.nodes[0].token.source if template.nodes else ""


def _written_name(token: Token | None) -> str:
    """The name as the author wrote it: a looked-up path may hold a value, as in ``{{ prices[customer.number] }}``."""
    found = _PATH.match(token.source, max(token.start_index, 0)) if token is not None else None
    return _QUOTED_SEGMENT.sub(r".\1", found.group()) if found is not None else "a computed name"


def line_of(token: Token | None, template: str) -> int:
    """The line, from 1, where the token stands; the last one for a token that has no place."""
    # The library marks the end of a text with a place before its beginning.
    if token is None or token.start_index < 0:
        return template.count("\n") + 1
    return line_at(template, token.start_index)
