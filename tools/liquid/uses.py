"""The variables that a template takes from outside."""

import functools
import re
from dataclasses import dataclass

from liquid import BoundTemplate

from tools.liquid.lexer import line_at, with_dollars
from tools.liquid.parsing import Mistake, has_markup, parsed_template

_ASKING_TAGS = ("if", "unless", "elsif", "case", "when", "for")


@dataclass(frozen=True, slots=True)
class Use:
    """A variable that a template takes from outside. ``guarded``: it has a default, or is only asked about."""

    name: str
    line: int
    guarded: bool


def template_variables(template: str) -> tuple[str, ...]:
    """The names that the template takes from outside, without those that it assigns itself; none if it is faulty."""
    return tuple(
        dict.fromkeys(re.split(r"[.\[]", use.name, maxsplit=1)[0] for use in variable_uses(template))
    )


def variable_uses(template: str) -> tuple[Use, ...]:
    """Every place where the template takes a value from outside, in order; none if it is faulty."""
    parsed = parsed_template(template) if has_markup(template) else None
    return () if parsed is None or isinstance(parsed, Mistake) else _uses(template)


@functools.lru_cache(maxsize=256)
def _uses(template: str) -> tuple[Use, ...]:
    parsed = parsed_template(template)
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
