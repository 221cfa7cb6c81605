"""A template cut into the library's tokens, the way LiquidJS cuts it, and in time that grows with its length.

The library's own cutter backtracks on text that looks like a template and is none, ends an output at the first
``}}`` even inside quotes, and refuses ``$``, by which Vapi names the whole answer of a tool.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from liquid import Token
from liquid.exceptions import LiquidSyntaxError
from liquid.token import TOKEN_CONTENT, TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_TAG

LONGEST_MARKUP = 4000
MOST_MARKUP = 5000
FAULT = "fault"  # marks a complaint of this module's, whose words are plain already
# Stands for "$" between here and the look-up of a variable: a letter as long as the sign, so that places still fit.
DOLLAR = "\ua4e2"
_OPENING = re.compile(r"\{\{|\{%")
_QUOTE_OR_CLOSING = {"}}": re.compile(r"[\"']|\}\}"), "%}": re.compile(r"[\"']|%\}")}
_QUOTED_OR_DOLLAR = re.compile(r"\"[^\"]*\"|'[^']*'|\$")
_TAG_NAME = re.compile(r"#|\w+")
_SKIPPED_TO = {
    name: re.compile(rf"\{{%-?[ \t\r\n]{{0,99}}end{name}[ \t\r\n]{{0,99}}-?%\}}")
    for name in ("comment", "raw")
}


@dataclass(frozen=True, slots=True)
class Markup:
    """One ``{{ … }}`` or ``{% … %}``: where it begins, what is inside, and what it eats of the blanks around it."""

    start: int
    inner_start: int
    inner: str
    end: int
    eats_before: bool
    eats_after: bool


def tokens(source: str) -> Iterator[Token]:
    """The library's tokens of a template. Raises LiquidSyntaxError where something is not closed."""
    position, eat, pieces = 0, False, 0
    while position <= len(source):
        markup = _next_markup(source, position)
        text = source[position : markup.start if markup else len(source)]
        if eat:
            text = text.lstrip()
        if markup and markup.eats_before:
            text = text.rstrip()
        if text:
            yield Token(TOKEN_CONTENT, text, position, source)
        if markup is None:
            return
        pieces += 1
        if pieces > MOST_MARKUP:
            raise _error(source, markup.start, f"more than {MOST_MARKUP:,} outputs and tags")
        position, eat = markup.end, markup.eats_after
        name = _tag_name(source, markup)
        if name in _SKIPPED_TO:
            ending = _SKIPPED_TO[name].search(source, position)
            if ending is None:
                raise _error(source, markup.start, f"{{% {name} %}} is never closed by {{% end{name} %}}")
            if name == "raw" and ending.start() > position:
                yield Token(TOKEN_CONTENT, source[position : ending.start()], position, source)
            position, eat = ending.end(), ending.group().endswith("-%}")
        else:
            yield from _tokens_of(source, markup, name)


def _next_markup(source: str, position: int) -> Markup | None:
    opening = _OPENING.search(source, position)
    if opening is None:
        return None
    start, sign = opening.start(), "}}" if opening.group() == "{{" else "%}"
    closing = _closing(source, opening.end(), sign)
    if closing < 0:
        raise _error(source, start, f"“{opening.group()}” is never closed by “{sign}”")
    inner = source[opening.end() : closing]
    if len(inner) > LONGEST_MARKUP:
        raise _error(source, start, f"more than {LONGEST_MARKUP:,} characters between the brackets")
    eats_before, eats_after = inner.startswith("-"), inner.endswith("-")
    body = inner[1:] if eats_before else inner
    body = body.removesuffix("-") if eats_after else body
    stripped = body.lstrip()
    inner_start = opening.end() + eats_before + len(body) - len(stripped)
    return Markup(start, inner_start, stripped.rstrip(), closing + 2, eats_before, eats_after)


def _closing(source: str, position: int, sign: str) -> int:
    """Where the brackets close; a sign inside quotes does not count, unless the quotes themselves do not close."""
    limit = position + LONGEST_MARKUP
    at = position
    while found := _QUOTE_OR_CLOSING[sign].search(source, at, limit + 2):
        if found.group() == sign:
            return found.start()
        unquoted = source.find(found.group(), found.end(), limit)
        if unquoted < 0:
            break
        at = unquoted + 1
    return source.find(sign, position)


def _tag_name(source: str, markup: Markup) -> str:
    """The tag's name; empty for an output."""
    if source.startswith("{{", markup.start):
        return ""
    name = _TAG_NAME.match(markup.inner)
    if name is None:
        raise _error(source, markup.start, "a tag without a name")
    return name.group()


def _tokens_of(source: str, markup: Markup, name: str) -> Iterator[Token]:
    if name == "#":
        return
    if not name:
        if not markup.inner:
            raise _error(source, markup.start, "nothing between “{{” and “}}”")
        yield Token(TOKEN_OUTPUT, source[markup.start : markup.end], markup.start, source)
        yield Token(TOKEN_EXPRESSION, without_dollars(markup.inner), markup.inner_start, source)
        return
    yield Token(TOKEN_TAG, name, markup.inner_start, source)
    expression = markup.inner[len(name) :].lstrip()
    if expression:
        start = markup.inner_start + len(markup.inner) - len(expression)
        yield Token(TOKEN_EXPRESSION, without_dollars(expression), start, source)


def without_dollars(expression: str) -> str:
    """The expression with every ``$`` outside of quotes replaced by a letter that the library accepts."""
    return _QUOTED_OR_DOLLAR.sub(lambda m: DOLLAR if m.group() == "$" else m.group(), expression)


def with_dollars(name: str) -> str:
    """The name as the template's author wrote it."""
    return name.replace(DOLLAR, "$")


def line_at(source: str, index: int) -> int:
    """The line, from 1, of a place in the text."""
    return source.count("\n", 0, max(index, 0)) + 1


def _error(source: str, start: int, message: str) -> LiquidSyntaxError:
    return LiquidSyntaxError(message, token=Token(FAULT, source[start : start + 1], start, source))
