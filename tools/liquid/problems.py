"""What is wrong with a template before anything is rendered."""

import re
from datetime import tzinfo

from tools.liquid.dates import zone_of
from tools.liquid.environment import ENVIRONMENT
from tools.liquid.lexer import line_at
from tools.liquid.parsing import Mistake, has_markup, parsed_template

_ZONE = re.compile(r"\|\s*date\s*:\s*(?:\"[^\"\n]*\"|'[^'\n]*')\s*,\s*[\"'](?P<zone>[^\"'\n]*)[\"']")


def template_mistake(template: str) -> tuple[int, str] | None:
    """The mistake that leaves the whole template as it stands: line from 1, and a sentence. None without one."""
    parsed = parsed_template(template) if has_markup(template) else None
    return parsed.place() if isinstance(parsed, Mistake) else None


def template_problems(template: str) -> list[tuple[int, str]]:
    """What is wrong with the template, whatever its variables hold: line from 1, and a sentence."""
    if not has_markup(template):
        return []
    parsed = parsed_template(template)
    if isinstance(parsed, Mistake):
        return [parsed.place()]
    found = []
    for name, places in parsed.analyze(include_partials=False).filters.items():
        if name not in ENVIRONMENT.filters:
            found += [
                (line_at(template, p.index), f"There is no filter “{name}”; it is passed over.")
                for p in places
            ]
    for match in _ZONE.finditer(template):
        if not isinstance(zone_of(match["zone"]), tzinfo):
            line = line_at(template, match.start("zone"))
            found.append((line, f"“{match['zone']}” is not a time zone; UTC is used."))
    return sorted(found)
