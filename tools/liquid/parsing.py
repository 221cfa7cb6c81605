"""A template read once: the library's form of it, or the mistake that leaves it as it stands."""

import functools
import re
from dataclasses import dataclass
from typing import Final

from liquid import BoundTemplate, RenderContext, Token
from liquid.exceptions import LiquidError
from liquid.token import TOKEN_CONTENT, TOKEN_EOF, TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_TAG

from tools.liquid.comparing import comparisons_exchange
from tools.liquid.context import line_of
from tools.liquid.environment import ENVIRONMENT
from tools.liquid.lexer import FAULT, line_at, with_dollars

LONGEST_TEMPLATE: Final = 200_000
# What the library, or Python below it, may raise for a template's own mistakes: a number that is none, a text in place
# of a list, brackets nested a thousand deep.
TEMPLATE_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_WHOLE = frozenset({TOKEN_CONTENT, TOKEN_EOF, TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_TAG})


@dataclass(frozen=True, slots=True)
class Mistake:
    """Where the whole template fails, and why; ``what`` begins small and has no full stop."""

    line: int
    what: str

    def sentence(self) -> str:
        return f"Line {self.line}: {self.what}."

    def place(self) -> tuple[int, str]:
        """Line from 1, and a sentence."""
        return self.line, f"{self.what[0].upper()}{self.what[1:]}."


def has_markup(template: str) -> bool:
    """Whether there may be anything to render."""
    return "{{" in template or "{%" in template


@functools.lru_cache(maxsize=256)
def parsed_template(template: str) -> BoundTemplate | Mistake:
    """The template as the library holds it, comparing as JavaScript does, or its mistake."""
    if len(template) > LONGEST_TEMPLATE:
        return Mistake(
            1, f"a template may have {LONGEST_TEMPLATE:,} characters, this one has {len(template):,}"
        )
    try:
        parsed = ENVIRONMENT.from_string(template)
        for node in parsed.nodes:
            comparisons_exchange(node, RenderContext(parsed))
    except LiquidError as exc:
        what = str(exc.message)
        unclosed = re.match(r"expected tag end(\w+)", what)
        line = _line_of_last(template, unclosed[1]) if unclosed else line_of(exc.token, template)
        return Mistake(line, _plain(what, exc.token))
    except TEMPLATE_FAULTS:
        return Mistake(1, "this is nested too deep")
    return parsed


def _plain(what: str, token: Token | None) -> str:
    """The library's complaint in words for people who write prompts."""
    if token is not None and token.kind == FAULT:
        return what
    if what == "unexpected liquid parsing error" or "limit" in what:
        return "this is nested too deep"
    if tag := re.match(r"unexpected tag '(.*)'|expected tag (\w+)", what):
        return f"“{{% {tag[1]} %}}” is not known here" if tag[1] else f"“{{% {tag[2]} %}}” is missing"
    found = with_dollars(token.value) if token is not None else ""
    if found and not what.startswith("missing") and token is not None and token.kind not in _WHOLE:
        return f"“{found[:40]}” does not belong here"
    return "something is missing between these brackets"


def _line_of_last(template: str, tag: str) -> int:
    """The line of the last such tag, which is one that is not closed."""
    places = [match.start() for match in re.finditer(rf"\{{%-?\s{{0,9}}{tag}\b", template)]
    return line_at(template, places[-1]) if places else 1
