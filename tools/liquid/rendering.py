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

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from liquid.exceptions import (
    LiquidError,
    LiquidInterrupt,
    LocalNamespaceLimitError,
    LoopIterationLimitError,
    OutputStreamLimitError,
)
from liquid.output import LimitedStringIO

from tools.liquid.context import Rendering
from tools.liquid.parsing import TEMPLATE_FAULTS, Mistake, has_markup, parsed_template
from tools.liquid.values import prepared

LONGEST_TEXT: Final = 400_000  # bytes of what is rendered
_LIMITS = (LocalNamespaceLimitError, LoopIterationLimitError, OutputStreamLimitError)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered text. ``undefined`` names what had no value and was left empty; ``error`` is in plain words, or ""."""

    text: str
    undefined: tuple[str, ...] = ()
    error: str = ""


def render(template: str, variables: Mapping[str, Any], *, now: datetime) -> Rendered:
    """The template with these variables. With a mistake in its form, the text as it stands and what is wrong."""
    if not has_markup(template):
        return Rendered(template)
    parsed = parsed_template(template)
    if isinstance(parsed, Mistake):
        return Rendered(template, error=parsed.sentence())
    context = Rendering(parsed, {name: prepared(value) for name, value in variables.items()}, now)
    text = LimitedStringIO(LONGEST_TEXT)
    for node in parsed.nodes:
        context.at = node.token
        try:
            node.render(context, text)
        except _LIMITS:
            context.note("the text grows without end here; the rest was left out")
            break
        except (LiquidError, LiquidInterrupt, *TEMPLATE_FAULTS):
            # The library's own words may quote a value.
            context.note("this could not be worked out and was left empty")
    return Rendered(text.getvalue(), tuple(context.undefined), " ".join(context.notes))
