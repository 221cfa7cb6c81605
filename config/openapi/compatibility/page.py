"""`docs/vapi-compatibility.md`, made of the code."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from config.openapi.compatibility.outline import SOURCE, Outline, outline
from config.openapi.compatibility.rows import (
    Row,
    Section,
    Status,
    described_rows,
    kind_rows,
    message_rows,
    path_rows,
    rule_rows,
)
from config.openapi.document import document
from tools.access.described import ref

FILE: Final = Path(__file__).resolve().parents[3] / "docs" / "vapi-compatibility.md"
TESTS: Final = "tests/platform/openapi/test_compatibility.py"
_HEAD: Final = """# What is the same as at Vapi, what is different, what is missing

Made by `python manage.py vapi_compatibility --write`; do not edit it. A test fails when it is stale.

Vapi's side is an outline of its own OpenAPI document ({source}) of {date}. Our side is the code: the tables of rules that bodies
are checked and translated by, and the description behind `/openapi.json`. How the conventions compare, and what stays, tells
[The API](api.md).

- **same**: taken or told as at Vapi.
- **different**: taken or told, but not with the same effect; how, stands beside it.
- **absent**: Vapi has it, Tandem has not; why, stands beside it. A field that is absent is accepted and given back all the same,
  unless it says that it is refused.

Each table names the test that every one of its rows is a case of.

| | same | different | absent |
| --- | --- | --- | --- |
{sums}
"""
_RULED: Final = {
    "assistant": (
        "Assistants",
        "Fields of `POST /assistant` and `PATCH /assistant/{id}`, and of assistants inside of calls.",
    ),
    "tool": ("Tools", "Fields of `POST /tool` and `PATCH /tool/{id}`, and of tools inside of assistants."),
    "squad": ("Squads", "Fields of squads, whether imported, sent, or inside of calls."),
    "phone-number": ("Phone numbers", "Fields of `POST /phone-number` and `PATCH /phone-number/{id}`."),
}


def sections() -> Iterator[Section]:
    """The tables, from the top to the bottom. Raises UnexplainedError where something of Vapi's has no row to say why."""
    known, ours = outline(), document()
    yield Section(
        "Paths",
        "Of all of Vapi's; and those that only Tandem has.",
        "test_a_path_is_served_where_its_row_says_so_and_nowhere_else",
        tuple(path_rows(ours, known)),
    )
    for kind, (title, about) in _RULED.items():
        backed = "test_a_field_with_a_rule_is_taken_and_becomes_what_its_row_says"
        yield Section(title, about, backed, tuple(rule_rows(kind, known)))
    yield Section(
        "Kinds of tools",
        "Which kinds the model is offered.",
        "test_a_kind_of_tool_is_offered_where_its_row_says_so",
        tuple(kind_rows()),
    )
    yield Section(
        "Server messages",
        "What is sent to customers' servers: what all messages have, each kind, and its own fields. [More](server-messages.md).",
        "test_a_message_is_sent_with_a_field_where_its_row_says_so",
        tuple(message_rows(ours, known)),
    )
    described = "test_a_field_that_is_there_is_one_that_the_view_knows"
    for title, about, theirs, name in (
        ("Placing calls", "Fields of `POST /call`.", known.paths["/call"]["post"]["body"], "CreateCall"),
        ("Reading calls", "Fields of a call, as `GET /call/{id}` answers it.", "@Call", "Call"),
        ("Analytics", "Fields of `POST /analytics`.", "@AnalyticsQueryDTO", "Analytics"),
        ("Answers of analytics", "", "@AnalyticsQueryResult", "Figures"),
    ):
        schema: dict[str, Any] = (
            ours["paths"]["/analytics"]["post"]["requestBody"]["content"]["application/json"]["schema"]
            if name == "Analytics"
            else ref(name)
        )
        yield Section(title, about, described, tuple(described_rows(title, theirs, schema, ours)))


def page_text() -> str:
    """The whole page."""
    known: Outline = outline()
    found = list(sections())
    sums = "\n".join(
        f"| {one.title} | "
        + " | ".join(str(sum(row.status is each for row in one.rows)) for each in Status)
        + " |"
        for one in found
    )
    head = _HEAD.format(source=SOURCE, date=known.date, sums=sums)
    return "\n".join([head, *map(_section, found)])


def _section(one: Section) -> str:
    lines = [f"## {one.title}", "", f"{one.about} Backed by `{TESTS}::{one.backed_by}`.".strip(), ""]
    lines += ["| | | |", "| --- | --- | --- |", *map(_line, one.rows), ""]
    return "\n".join(lines)


def _line(row: Row) -> str:
    return f"| `{row.name}` | {row.status} | {' '.join(row.how.split()).replace('|', '&#124;')} |"
