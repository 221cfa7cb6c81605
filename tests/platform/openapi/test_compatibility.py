"""Every row of docs/vapi-compatibility.md, held against what really happens."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistants.api.checking import RULES, body_problems
from assistants.tests.vapi.cases import drafts
from assistants.vapi.drafts import Finding, Verdict
from assistants.vapi.paths import ANY_ITEM, pattern_steps
from assistants.vapi.rules import Type
from config.management.commands.vapi_compatibility import WITHIN
from config.openapi.compatibility.outline import outline, outline_of
from config.openapi.compatibility.page import FILE, page_text, sections
from config.openapi.compatibility.rows import Row, Status
from config.openapi.parts import PARTS
from tests.platform.openapi.asking import Program

SECTIONS = {one.title: one for one in sections()}
VAPI = Path(__file__).resolve().parents[2] / "fixtures" / "vapi" / "openapi.json"
KINDS = {"Assistants": "assistant", "Tools": "tool", "Squads": "squad", "Phone numbers": "phone-number"}
SAMPLES: dict[Type, Any] = {Type.NUMBER: 1, Type.FLAG: True, Type.OBJECT: {"x": "y"}}
PROMPT = {"model": {"messages": [{"role": "system", "content": "Be kind."}]}}
NAMED: dict[str, Any] = {
    "server.url": "https://hooks.example.com",
    "serverUrl": "https://hooks.example.com",
    "url": "https://hooks.example.com",
    "type": "function",
    "model.tools[]": {"type": "endCall"},
    "model.messages[].role": "user",
    "members[].assistant": PROMPT,
    "members[].assistantOverrides": {"firstMessage": "Hello."},
    "membersOverrides": {"firstMessage": "Hello."},
    **{
        f"{at}.{name}": sample
        for at in ("destinations[]", "members[].assistantDestinations[]")
        for name, sample in {
            "assistant": PROMPT,
            "assistantOverrides": {"firstMessage": "Hello."},
            "squad": {"members": [{"assistant": PROMPT}]},
            "squadOverrides": {"firstMessage": "Hello."},
        }.items()
    },
    "hooks[].do": [{"type": "say", "exact": "Hello."}],
}
# Two settings say the same, and one of them counts.
SUPERSEDED = {"model.systemPrompt"}
INDEX = re.compile(r"\[\d+\]")
# Without these nothing is said of the rest.
LEAST: dict[str, Any] = {
    "assistant": PROMPT,
    "tool": {"type": "function"},
    "squad": {"members": [{"assistantId": "a1"}]},
    "phone-number": {"provider": "twilio", "number": "+13125550177"},
}


def with_value(path: tuple[str, ...], value: Any) -> Any:
    """The JSON in which only this stands."""
    for step in reversed(path):
        value = [value] if step == ANY_ITEM else {"x" if step in ("*", "**") else step: value}
    return value


def joined(one: Any, other: Any) -> Any:
    """Both, the second laid over the first."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{name: joined(one.get(name), value) for name, value in other.items()}}
    if isinstance(one, list) and isinstance(other, list):
        return [joined(one[0], other[0])]
    return one if other is None else other


def ruled() -> Iterator[tuple[str, Row]]:
    for title, kind in KINDS.items():
        yield from ((kind, row) for row in SECTIONS[title].rows)


def findings(kind: str, body: dict[str, Any]) -> tuple[Finding, ...]:
    """What an import would say of each setting."""
    names = {"assistant": "assistants", "tool": "tools", "squad": "squads", "phone-number": "numbers"}
    given: dict[str, Any] = {names[kind]: [{"id": "x1", **body}]}
    if kind == "squad":
        given["assistants"] = [{"id": "a1", **LEAST["assistant"]}]
    found: Any = drafts(**given)
    one = {
        "assistant": found.assistants,
        "tool": found.tools,
        "squad": found.squads,
        "phone-number": found.numbers,
    }
    return tuple(finding for draft in one[kind] for finding in draft.findings)


def test_the_page_is_as_the_code_has_it() -> None:
    assert FILE.read_text(encoding="utf-8") == page_text(), "run manage.py vapi_compatibility --write"


def test_the_outline_has_the_names_of_vapis_document() -> None:
    again = outline_of(json.loads(VAPI.read_text()), date=outline().date, within=WITHIN)
    for path, methods in again["paths"].items():
        assert outline().paths[path] == methods
    assert {name: outline().schemas[name] for name in again["schemas"]} == again["schemas"]
    assert outline().messages == again["messages"]


def test_every_row_is_one_of_a_kind_and_says_why_where_it_is_not_the_same() -> None:
    for section in SECTIONS.values():
        names = [row.name for row in section.rows]
        assert len(set(names)) == len(names), section.title
        assert [row.name for row in section.rows if row.status is not Status.SAME and not row.how] == []
        here = Path(__file__).read_text()
        assert f"def {section.backed_by}(" in here, section.title


@pytest.mark.django_db
def test_a_path_is_served_where_its_row_says_so_and_nowhere_else() -> None:
    programs = [Program(), Program()]
    for n, row in enumerate(SECTIONS["Paths"].rows):
        method, path = row.name.split()
        answer = programs[n % 2].answer(
            method, path.replace("{provider}", "x"), None if method == "GET" else {}
        )
        told = json.loads(answer.content)
        nowhere = answer.status_code in (404, 405) and str(told["message"]).startswith("Cannot ")
        assert nowhere == (row.status is Status.ABSENT), (row, told)


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_field_with_a_rule_is_taken_and_becomes_what_its_row_says(kind: str) -> None:
    rules = RULES[kind]
    wrong: list[tuple[Any, ...]] = []
    for row in (row for one, row in ruled() if one == kind):
        path = pattern_steps(row.name)
        rule = rules.match(path) or rules.match((*path, "anything"))
        assert rule is not None, row
        if rules.match(path) is None:
            path = (*path, "anything")
        sample = NAMED.get(row.name, SAMPLES.get(rule.type, "x"))
        body = joined(LEAST[kind], with_value(path, sample))
        problems = [one for one in body_problems(kind, body) if "should not exist" in one or "must be" in one]
        here = ".".join("x" if step == "*" else step for step in path if step not in (ANY_ITEM, "**"))
        told = [one for one in findings(kind, body) if INDEX.sub("", one.path).startswith(here)]
        if problems or not told:
            wrong.append((row, problems, told))
        # A value may be one that Tandem has to do without; then somebody is asked, or told.
        if (
            row.status is Status.SAME
            and all(one.verdict is Verdict.DROPPED for one in told)
            and row.name not in SUPERSEDED
        ):
            wrong.append((row, "dropped", [one.reason for one in told]))
    assert not wrong, "\n".join(map(str, wrong))


def test_a_kind_of_tool_is_offered_where_its_row_says_so() -> None:
    for row in SECTIONS["Kinds of tools"].rows:
        found = findings("tool", {"type": row.name, "server": {"url": "https://hooks.example.com"}})
        verdict = next(one.verdict for one in found if one.path == "type")
        assert (verdict in (Verdict.KEPT, Verdict.CONVERTED)) == (row.status is Status.SAME), row


def test_a_message_is_sent_with_a_field_where_its_row_says_so() -> None:
    # That bodies are as they are described, and all that is described is sent, `test_webhooks.py` says with real ones.
    sent = {
        one.kind: one.body["properties"]["message"]["properties"] for part in PARTS for one in part.webhooks
    }
    for row in SECTIONS["Server messages"].rows:
        kind, _, name = row.name.partition(": ")
        if kind.startswith("message."):
            there = any(kind.removeprefix("message.") in fields for fields in sent.values())
        else:
            fields = sent.get(kind.partition("[")[0])
            there = fields is not None and (not name or name in fields)
        assert there == (row.status is not Status.ABSENT), row


@pytest.mark.django_db
def test_a_field_that_is_there_is_one_that_the_view_knows() -> None:
    for title, path in (("Placing calls", "/call"), ("Analytics", "/analytics")):
        program = Program()
        for row in SECTIONS[title].rows:
            told = program.ask("POST", path, with_value(pattern_steps(row.name), "x"), status=400)
            last = pattern_steps(row.name)[-1]
            refused = f"property {last} should not exist" in str(told["message"])
            assert not refused or row.status is Status.ABSENT, (row, told)
    # Of what is answered, `test_calls_described.py` says so with real calls, and `test_document.py` of the rest.
