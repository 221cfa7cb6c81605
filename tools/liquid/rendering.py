"""Customers' templates, rendered as Vapi renders them: LiquidJS, on a kept library. Pure; nothing here raises.

What a variable holds is data: it is never read as a template. Every render is bounded: in the length of the template
and of the text, in loops, and in the size of what a filter makes.

Where it is not LiquidJS:
- ``$`` may begin a name, as Vapi allows and LiquidJS does not.
- ``{% include %}``, ``{% render %}`` and ``{% layout %}`` are refused; there are no files.
- What LiquidJS forgives after a name, ``{{ first name }}``, is an error, and the whole text stays as it stands.
- A division by zero is an error, and its part of the text is left out, where LiquidJS writes ``Infinity``.
- An unknown time zone is UTC, with a note, where LiquidJS gives up on the whole text.
- Dates in words are read in the commonest English forms only, in UTC; others stay as they stand.
- An object is written as JSON, not as ``[object Object]``.
- Filters on values that they are not made for, such as ``sum`` on a text, mostly leave nothing where LiquidJS leaves
  ``0`` or ``NaN``.
- ``where_exp``, ``push``, ``slugify`` and other late additions are passed over, as LiquidJS passes over filters that
  it does not know; ``template_problems`` names them.
"""

import functools
import json
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, Final, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from liquid import BoundTemplate, Environment, Expression, Node, RenderContext, Token, Undefined
from liquid.builtin.expressions.logical import (
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import Blank, Empty
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import (
    LiquidError,
    LiquidInterrupt,
    LocalNamespaceLimitError,
    LoopIterationLimitError,
    OutputStreamLimitError,
)
from liquid.filter import with_context
from liquid.output import LimitedStringIO
from liquid.token import TOKEN_CONTENT, TOKEN_EOF, TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_TAG

from tools.liquid.lexer import FAULT, line_at, tokens, with_dollars
from tools.liquid.strftime import strftime

LONGEST_TEMPLATE = 200_000
LONGEST_TEXT = 400_000  # bytes of what is rendered
_LARGEST_VALUE = 200_000  # characters, items, or bits of a number that a filter may take or make
_LOCALS_SIZE = 1_000_000
_MOST_ROUNDS = 10_000
_MOST_STEPS = 300_000  # rounds of all loops, times the pieces of the template
_DEEPEST_VALUE = 40
_DEFAULT_DATE = "%A, %B %-e, %Y at %-l:%M %P %z"
# What the library, or Python below it, may raise for a template's own mistakes: a number that is none, a text in place
# of a list, brackets nested a thousand deep.
_TEMPLATE_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_LIMITS = (LocalNamespaceLimitError, LoopIterationLimitError, OutputStreamLimitError)
_VAPI_NOW = re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d\d [AP]M UTC")
_DATE_FORMS = (
    "%b %d, %Y, %I:%M %p UTC", "%b %d, %Y, %I:%M %p", "%b %d, %Y %I:%M %p", "%b %d, %Y", "%B %d, %Y",
    "%B %d, %Y %H:%M", "%d %b %Y", "%d %B %Y", "%m/%d/%Y", "%a, %d %b %Y %H:%M:%S GMT",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered text. ``undefined`` names what had no value and was left empty; ``error`` is in plain words, or ""."""

    text: str
    undefined: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """A variable that a template takes from outside. ``guarded``: it has a default, or is only asked about."""

    name: str
    line: int
    guarded: bool


def render(template: str, variables: Mapping[str, Any], *, now: datetime) -> Rendered:
    """The template with these variables. With a mistake in its form, the text as it stands and what is wrong."""
    if not _has_markup(template):
        return Rendered(template)
    parsed = _parsed(template)
    if isinstance(parsed, _Mistake):
        return Rendered(template, error=parsed.sentence())
    context = _Context(parsed, {name: _prepared(value) for name, value in variables.items()}, now)
    text = LimitedStringIO(LONGEST_TEXT)
    for node in parsed.nodes:
        context.at = node.token
        try:
            node.render(context, text)
        except _LIMITS:
            context.note("the text grows without end here; the rest was left out")
            break
        except (LiquidError, LiquidInterrupt, *_TEMPLATE_FAULTS):
            # The library's own words may quote a value.
            context.note("this could not be worked out and was left empty")
    return Rendered(text.getvalue(), tuple(context.undefined), " ".join(context.notes))


def template_variables(template: str) -> tuple[str, ...]:
    """The names that the template takes from outside, without those that it assigns itself; none if it is faulty."""
    return tuple(
        dict.fromkeys(re.split(r"[.\[]", use.name, maxsplit=1)[0] for use in variable_uses(template))
    )


def variable_uses(template: str) -> tuple[Use, ...]:
    """Every place where the template takes a value from outside, in order; none if it is faulty."""
    parsed = _parsed(template) if _has_markup(template) else None
    return () if parsed is None or isinstance(parsed, _Mistake) else _uses(template)


def template_mistake(template: str) -> tuple[int, str] | None:
    """The mistake that leaves the whole template as it stands: line from 1, and a sentence. None without one."""
    parsed = _parsed(template) if _has_markup(template) else None
    return _told(parsed) if isinstance(parsed, _Mistake) else None


def template_problems(template: str) -> list[tuple[int, str]]:
    """What is wrong with the template, whatever its variables hold: line from 1, and a sentence."""
    if not _has_markup(template):
        return []
    parsed = _parsed(template)
    if isinstance(parsed, _Mistake):
        return [_told(parsed)]
    found = []
    for name, places in parsed.analyze(include_partials=False).filters.items():
        if name not in _ENVIRONMENT.filters:
            found += [
                (line_at(template, p.index), f"There is no filter “{name}”; it is passed over.")
                for p in places
            ]
    for match in _ZONE.finditer(template):
        if not isinstance(_zone(match["zone"]), tzinfo):
            line = line_at(template, match.start("zone"))
            found.append((line, f"“{match['zone']}” is not a time zone; UTC is used."))
    return sorted(found)


# Parsing --------------------------------------------------------------------------------------------------------------

_ZONE = re.compile(r"\|\s*date\s*:\s*(?:\"[^\"\n]*\"|'[^'\n]*')\s*,\s*[\"'](?P<zone>[^\"'\n]*)[\"']")
_WHOLE = frozenset({TOKEN_CONTENT, TOKEN_EOF, TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_TAG})
_ASKING_TAGS = ("if", "unless", "elsif", "case", "when", "for")


@dataclass(frozen=True, slots=True)
class _Mistake:
    line: int
    what: str

    def sentence(self) -> str:
        return f"Line {self.line}: {self.what}."


def _told(mistake: _Mistake) -> tuple[int, str]:
    return mistake.line, f"{mistake.what[0].upper()}{mistake.what[1:]}."


def _has_markup(template: str) -> bool:
    return "{{" in template or "{%" in template


@functools.lru_cache(maxsize=256)
def _parsed(template: str) -> BoundTemplate | _Mistake:
    if len(template) > LONGEST_TEMPLATE:
        return _Mistake(
            1, f"a template may have {LONGEST_TEMPLATE:,} characters, this one has {len(template):,}"
        )
    try:
        parsed = _ENVIRONMENT.from_string(template)
        for node in parsed.nodes:
            _exchange(node, RenderContext(parsed))
    except LiquidError as exc:
        what = str(exc.message)
        unclosed = re.match(r"expected tag end(\w+)", what)
        line = _line_of_last(template, unclosed[1]) if unclosed else _line(exc.token, template)
        return _Mistake(line, _plain(what, exc.token))
    except _TEMPLATE_FAULTS:
        return _Mistake(1, "this is nested too deep")
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


def _exchange(node: Node, context: RenderContext) -> None:
    """Give the template's comparisons JavaScript's meaning. The library makes them itself and takes no others."""
    waiting: list[Expression] = list(node.expressions())
    while waiting:
        expression = waiting.pop()
        waiting += expression.children()
        if type(expression) in _COMPARISONS:
            expression.__class__ = _COMPARISONS[type(expression)]
    for child in node.children(context):
        _exchange(child, context)


def _line(token: Token | None, template: str) -> int:
    # The library marks the end of a text with a place before its beginning.
    if token is None or token.start_index < 0:
        return template.count("\n") + 1
    return line_at(template, token.start_index)


def _line_of_last(template: str, tag: str) -> int:
    """The line of the last such tag, which is one that is not closed."""
    places = [match.start() for match in re.finditer(rf"\{{%-?\s{{0,9}}{tag}\b", template)]
    return line_at(template, places[-1]) if places else 1


@functools.lru_cache(maxsize=256)
def _uses(template: str) -> tuple[Use, ...]:
    parsed = _parsed(template)
    assert isinstance(parsed, BoundTemplate)
    found = []
    for variables in parsed.analyze(include_partials=False).globals.values():
        for variable in variables:
            start = variable.span.index
            found.append(
                (start, Use(with_dollars(str(variable)), line_at(template, start), _guarded(template, start)))
            )
    return tuple(use for _, use in sorted(found, key=lambda pair: pair[0]))


def _guarded(template: str, start: int) -> bool:
    opening = max(template.rfind("{{", 0, start), template.rfind("{%", 0, start))
    closings = [at for at in (template.find("}}", start), template.find("%}", start)) if at >= 0]
    inner = template[opening + 2 : min(closings, default=len(template))].lstrip("- \t\r\n")
    if template.startswith("{%", opening) and inner.startswith(_ASKING_TAGS):
        return True
    return re.search(r"\|\s*default\b", inner) is not None


# Comparing ------------------------------------------------------------------------------------------------------------


class _Equal(EqExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return _equal(self.left.evaluate(context), self.right.evaluate(context))


class _Unequal(NeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return not _equal(self.left.evaluate(context), self.right.evaluate(context))


class _Less(LtExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return _ordered(operator.lt, self.left.evaluate(context), self.right.evaluate(context))


class _More(GtExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return _ordered(operator.gt, self.left.evaluate(context), self.right.evaluate(context))


class _AtMost(LeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return _ordered(operator.le, self.left.evaluate(context), self.right.evaluate(context))


class _AtLeast(GeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return _ordered(operator.ge, self.left.evaluate(context), self.right.evaluate(context))


_COMPARISONS: dict[type[Expression], type[Expression]] = {
    EqExpression: _Equal,
    NeExpression: _Unequal,
    LtExpression: _Less,
    GtExpression: _More,
    LeExpression: _AtMost,
    GeExpression: _AtLeast,
}


def _equal(left: object, right: object) -> bool:
    left, right = (None if isinstance(side, Undefined) else side for side in (left, right))
    if isinstance(left, Blank | Empty):
        left, right = right, left
    if isinstance(right, Blank):
        return (
            left is None or left is False or (isinstance(left, str) and not left.strip()) or _is_empty(left)
        )
    if isinstance(right, Empty):
        return _is_empty(left)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right  # in Python True is 1
    return left == right


def _is_empty(value: object) -> bool:
    return (
        isinstance(value, str | list | tuple | dict | Empty | Blank) and not getattr(value, "__len__", int)()
    )


def _ordered(compare: Callable[[Any, Any], bool], left: object, right: object) -> bool:
    """Two texts by their letters, all else as numbers; with nothing, or what is no number, never."""
    if isinstance(left, str) and isinstance(right, str):
        return compare(left, right)
    numbers = [_number(side, math.nan) for side in (left, right)]
    return compare(*numbers)


# Rendering ------------------------------------------------------------------------------------------------------------


class _Undefined(Undefined):
    """Nothing, under a name; it is reported when it is written, not when it is only asked about."""

    __slots__ = ("report",)
    report: Callable[[], object]

    def __str__(self) -> str:
        if hasattr(self, "report"):
            self.report()
        return ""


class _Context(RenderContext):
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
        self.notes[f"Line {_line(self.at, _source(self.template))}: {what}."] = None

    def assign(self, key: str, val: Any) -> None:
        super().assign(with_dollars(key), val)

    def get(self, path: list[object], *, token: Token | None, default: object = _Undefined) -> object:
        path = [with_dollars(segment) if isinstance(segment, str) else segment for segment in path]
        found = super().get(path, token=token)
        if isinstance(found, _Undefined):
            found.report = functools.partial(self.undefined.setdefault, _written_name(token))
        return found

    def raise_for_loop_limit(self, length: int = 1) -> None:
        # The library multiplies nested loops but forgives a thousand in a row.
        self.rounds += length
        if self.rounds > self.rounds_allowed:
            raise LoopIterationLimitError("too many rounds", token=None)


def _pieces(template: BoundTemplate) -> int:
    return sum(1 for node in template.nodes if node.token.kind != TOKEN_CONTENT) + _source(template).count(
        "{"
    )


def _source(template: BoundTemplate) -> str:
    return template.nodes[0].token.source if template.nodes else ""


_PATH = re.compile(r"[$\w][\w\-?$]*(?:\.[$\w][\w\-?]*|\[[^\[\]]*\])*")
_QUOTED_SEGMENT = re.compile(r"\[\s*[\"']([^\"']*)[\"']\s*\]")


def _written_name(token: Token | None) -> str:
    """The name as the author wrote it: a looked-up path may hold a value, as in ``{{ prices[customer.number] }}``."""
    written = _PATH.match(token.source, max(token.start_index, 0)) if token is not None else None
    return _QUOTED_SEGMENT.sub(r".\1", written.group()) if written is not None else "a computed name"


class _Object(dict[str, object]):
    """A JSON object that is written as JSON."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False, default=str)


class _List(list[object]):
    """A JSON array that is written as LiquidJS does: its items, side by side."""

    def __str__(self) -> str:
        return "".join(map(_text, self))


def _prepared(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST_VALUE:
        return None
    if isinstance(value, Mapping):
        return _Object({str(key): _prepared(item, depth + 1) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return _List(_prepared(item, depth + 1) for item in value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)  # JavaScript knows only one kind of number
    return value


def _text(value: object) -> str:
    """A value as JavaScript writes it."""
    match value:
        case str():
            return str(value)
        case bool():
            return str(value).lower()
        case None | Empty() | Blank():
            return ""
        case float() | Decimal():
            return _number_text(float(value))
        case range() | list() | tuple():
            return "".join(map(_text, value[:_LARGEST_VALUE]))
        case _:
            return str(value)


def _number_text(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return str(int(number)) if number.is_integer() and abs(number) < 1e21 else repr(number)


class _OutputNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(_text(self.expression.evaluate(context)))


class _Output(Output):
    node_class = _OutputNode


# Filters --------------------------------------------------------------------------------------------------------------


@with_context
def _date(value: object, form: object = None, zone: object = None, *, context: _Context) -> object:
    moment = _moment(value, context.now)
    if moment is None:
        return value
    where = _zone(zone)
    if not isinstance(where, tzinfo):
        context.note(
            "this date's time zone does not exist; UTC was used"
        )  # not by name, which may be a value
        where = UTC
    if isinstance(value, str) and _VAPI_NOW.fullmatch(value):
        where = UTC  # as Vapi has it: the variable `now` is a text in UTC, and a zone does not move it
    try:
        moment = moment.astimezone(where)
    except (OverflowError, ValueError):
        return value
    return strftime(moment, _DEFAULT_DATE if form is None or isinstance(form, Undefined) else _text(form))


def _moment(value: object, now: datetime) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if value in ("now", "today"):
        return now
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        return _moment_of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        return datetime.fromtimestamp(float(value[:20] if isinstance(value, str) else value), UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _moment_of_text(text: str) -> datetime | None:
    if len(text) > 60:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return next(filter(None, (_read(text, form) for form in _DATE_FORMS)), None)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _read(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


@functools.lru_cache(maxsize=64)
def _named_zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _zone(zone: object) -> tzinfo | str:
    """The zone: by name, or by JavaScript's minutes, which count westwards. The text itself if there is no such zone."""
    if zone is None or isinstance(zone, Undefined):
        return UTC
    if isinstance(zone, int | float) and abs(zone) < 1440:
        return timezone(timedelta(minutes=-int(zone)))
    name = _text(zone)[:60]
    return (_named_zone(name) if name else None) or name


def _divided_by(value: object, by: object, whole: object = False) -> object:  # noqa: FBT002 - LiquidJS's signature
    quotient = _number(value) / _number(by)
    return math.floor(quotient) if whole else quotient


def _round(value: object, digits: object = 0) -> object:
    scale = 10 ** min(max(int(_number(digits)), 0), 15)
    return math.floor(_number(value) * scale + 0.5) / scale


def _number(value: object, otherwise: float = 0.0) -> float:
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, str | int | float | Decimal):
        return otherwise
    if isinstance(value, str) and not value.strip():
        return 0.0
    try:
        return float(value)
    except ValueError:
        return otherwise


def _json(value: object, indent: object = None) -> str:
    return json.dumps(
        None if isinstance(value, Undefined) else value,
        ensure_ascii=False,
        default=str,
        indent=int(_number(indent)) % 10 or None,
        separators=None if indent else (",", ":"),
    )


def _to_integer(value: object) -> float:
    return _number(value, math.nan)


def _words_list(values: object, connector: object = "and") -> str:
    items = (
        [_text(item) for item in values[:_LARGEST_VALUE]]
        if isinstance(values, list | tuple)
        else [_text(values)]
    )
    if len(items) < 3:
        return f" {_text(connector)} ".join(items)
    return f"{', '.join(items[:-1])}, {_text(connector)} {items[-1]}"


def _join(values: object, separator: object = " ") -> str:
    items = list(values) if isinstance(values, list | tuple | range) else [values]
    between = _text(separator)
    if len(between) * len(items) > _LARGEST_VALUE:
        raise ValueError("too long")
    return between.join(map(_text, items))


def _replace(value: object, old: object, new: object = "") -> str:
    text, sought, by = _text(value), _text(old), _text(new)
    if text.count(sought) * len(by) > _LARGEST_VALUE:
        raise ValueError("too long")
    return text.replace(sought, by)


def _bounded(filter_: Callable[..., object]) -> Callable[..., object]:
    """The filter, refusing what would keep it busy for long."""

    @functools.wraps(filter_)
    def checked(*args: object, **kwargs: object) -> object:
        for value in (*args, *kwargs.values()):
            if _size(value) > _LARGEST_VALUE:
                raise ValueError("too large")
        return filter_(*args, **kwargs)

    return checked


def _size(value: object) -> int:
    match value:
        case str() | list() | tuple() | dict() | range():
            return len(value)
        case int():
            return value.bit_length() * 100
        case _:
            return 0


# Filters that make a text of whatever they get, and must make JavaScript's.
_OF_TEXTS = (
    "append capitalize downcase escape escape_once lstrip newline_to_br prepend remove remove_first remove_last "
    "replace_first replace_last rstrip slice split squish strip strip_html strip_newlines truncate truncatewords upcase "
    "url_decode url_encode base64_encode base64_decode"
)
_NOT_TEXTS = (bool, float, range, type(None))


def _of_text(filter_: Callable[..., object]) -> Callable[..., object]:
    """The filter, given texts where Python would write ``True``, ``None`` or ``2.0``."""

    @functools.wraps(filter_)
    def written(*args: object, **kwargs: object) -> object:
        return filter_(*(_text(arg) if isinstance(arg, _NOT_TEXTS) else arg for arg in args), **kwargs)

    return written


class _Environment(Environment):
    """The library, set up as Vapi's: unknown filters pass, blank blocks stay, nothing is loaded from anywhere."""

    local_namespace_limit = _LOCALS_SIZE
    suppress_blank_control_flow_blocks = False
    shorthand_indexes = True
    logical_not_operator = True

    def tokenizer(self) -> Callable[[str], Iterator[Token]]:
        return tokens

    def error(
        self, exc: type[LiquidError] | LiquidError, msg: str | None = None, token: Token | None = None
    ) -> None:
        # A complaint about an end has no place of its own; what stands before the end has.
        if (
            isinstance(exc, LiquidError)
            and exc.token is not None
            and exc.token.start_index < 0
            and token is not None
        ):
            exc.token = exc.token._replace(start_index=token.start_index, source=token.source)
        super().error(exc, msg, token)

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for name in ("include", "render", "doc"):
            self.tags.pop(name, None)
        self.add_tag(_Output)
        own: dict[str, Callable[..., object]] = {
            "array_to_sentence_string": _words_list, "date": _date, "divided_by": _divided_by, "join": _join,
            "json": _json, "jsonify": _json, "inspect": _json, "replace": _replace, "round": _round,
            "to_integer": _to_integer,
        }  # fmt: skip
        texts = frozenset(_OF_TEXTS.split())
        self.filters = {
            name: _bounded(_of_text(one) if name in texts else one)
            for name, one in {**self.filters, **own}.items()
        }


_ENVIRONMENT: Final = _Environment(strict_filters=False, undefined=_Undefined)
