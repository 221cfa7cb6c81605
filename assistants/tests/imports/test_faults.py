"""What hinders publishing is in the report of the import, once, and goes when it is gone."""

import json
from typing import Any

import pytest

from assistants.imports.findings import CANNOT_PUBLISH, finding_settle
from assistants.imports.summary import ImportSummary
from assistants.imports.writing import import_apply
from assistants.models import Assistant, AssistantTool, ImportFinding
from assistants.tests.drafts import (
    LOOKUP,
    finding,
    make_assistant_draft,
    make_drafts,
    make_run,
    make_tool_draft,
)
from assistants.vapi.drafts import Drafts, Finding, Verdict
from tools.models import Tool
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db

BROKEN = {"type": "object", "properties": []}


def imported(drafts: Drafts) -> ImportSummary:
    return import_apply(drafts, run=make_run())


def drafts(*, tool: dict[str, Any] | None = None, more: tuple[Finding, ...] = (), **settings: Any) -> Drafts:
    assistant = make_assistant_draft(tools=(LOOKUP,), settings=settings)
    findings = (finding("name", source="Front desk", field="name"), *more)
    desk = make_assistant_draft(tools=(LOOKUP,), settings=assistant.fields, findings=findings)
    return make_drafts(tools=(make_tool_draft(settings=tool or {}),), assistants=(desk,))


def told() -> list[tuple[str, str]]:
    rows = ImportFinding.objects.filter(code=CANNOT_PUBLISH, settled_at__isnull=True).order_by("position")
    return [
        (row.field, row.reason.removeprefix("The assistant cannot be published as it is. ")) for row in rows
    ]


@pytest.mark.parametrize(
    ("tool", "settings", "field", "words"),
    [
        ({}, {"first_message": "Hello {% if x %}"}, "first_message", "The first message, line 1: "),
        ({}, {"instructions": ""}, "instructions", "The prompt is empty. "),
        ({}, {"instructions": "Be brief. " * 1_000_000}, "instructions", "The prompt and the descriptions "),
        ({"server_url": ""}, {}, "server_url", "The tool lookup has no server URL"),
    ],
)
def test_what_publishing_will_refuse_is_a_decision(
    tool: dict[str, Any], settings: dict[str, Any], field: str, words: str
) -> None:
    summary = imported(drafts(tool=tool, **settings))

    [(found, reason)] = told()
    assert (found, reason[: len(words)]) == (field, words)
    assert summary.open_n == 1
    assert ImportFinding.objects.filter(code=CANNOT_PUBLISH, path="", source="").exists()


def test_parameters_that_openai_refuses_are_told_once_with_the_tool_in_the_place_of_what_was_kept() -> None:
    tool = make_tool_draft(
        settings={"parameters": BROKEN},
        findings=(
            finding("function.parameters", source=BROKEN, field="parameters"),
            finding("function.name"),
        ),
    )
    desks = [make_assistant_draft(key=key, name=key, tools=(LOOKUP,), findings=()) for key in ("a", "b")]

    summary = imported(make_drafts(tools=(tool,), assistants=tuple(desks)))

    assert summary.open_n == 1
    row = ImportFinding.objects.get(code=CANNOT_PUBLISH)
    assert (row.vapi_object.kind, row.path, row.source) == ("tool", "function.parameters", json.dumps(BROKEN))
    assert row.reason == (
        'No assistant that offers this tool can be published: "properties" must be an object.'
    )


def test_a_decision_about_the_parameters_stays_and_tells_both() -> None:
    asked = finding(
        "function.parameters", Verdict.DECISION, field="parameters", reason="Look here.", code="other"
    )
    tool = make_tool_draft(settings={"parameters": BROKEN}, findings=(asked,))

    imported(make_drafts(tools=(tool,), assistants=()))

    row = ImportFinding.objects.get()
    assert (row.code, row.reason[:38]) == ("other", "Look here. No assistant that offers th")


def test_a_tool_that_nobody_offers_is_looked_at_too() -> None:
    imported(make_drafts(tools=(make_tool_draft(settings={"parameters": BROKEN}),), assistants=()))

    assert [field for field, _ in told()] == ["parameters"]


def test_a_tool_that_people_added_here_is_told_with_the_assistant() -> None:
    imported(drafts())
    other = make_tool(name="other", parameters=BROKEN)
    AssistantTool.objects.create(assistant=Assistant.objects.get(), tool=other, position=9)

    imported(drafts())

    assert told() == [("tools", 'The tool other: "properties" must be an object.')]


def test_a_tool_that_an_import_before_told_of_is_not_told_again() -> None:
    imported(drafts(tool={"parameters": BROKEN}))

    imported(make_drafts(tools=(), assistants=drafts().assistants))

    assert len(told()) == 1


def test_too_many_tools_are_one_decision() -> None:
    tools = tuple(make_tool_draft(key=f"t{n}", name=f"t{n}", settings={"name": f"t{n}"}) for n in range(129))
    desk = make_assistant_draft(tools=tuple(tool.key for tool in tools))

    imported(make_drafts(tools=tools, assistants=(desk,)))

    assert told() == [("tools", "129 tools are too many: OpenAI takes at most 128.")]


def test_several_reasons_are_several_decisions_each_settled_by_itself() -> None:
    both = drafts(first_message="{% if x %}", end_call_message="{% if x %}")
    imported(both)
    assert [field for field, _ in told()] == ["first_message", "end_call_message"]

    finding_settle(finding=ImportFinding.objects.get(field="first_message"), author=None)
    imported(both)

    assert [field for field, _ in told()] == ["end_call_message"]


def test_a_decision_goes_when_its_reason_is_gone_here() -> None:
    imported(drafts(first_message="{% if x %}"))
    Assistant.objects.update(first_message="Hello.")

    summary = imported(drafts(first_message="{% if x %}"))

    assert told() == []
    assert summary.open_n == 0


def test_a_fault_that_people_made_here_is_told_too() -> None:
    imported(drafts())
    Tool.objects.update(parameters=BROKEN)

    imported(drafts())

    assert len(told()) == 1


def test_what_the_translation_asks_is_not_asked_again() -> None:
    asked = finding(
        "model.tools[0]",
        Verdict.DECISION,
        field="server_url",
        ours="lookup",
        code="no_server_url",
        reason="No URL.",
    )

    imported(drafts(tool={"server_url": ""}, more=(asked,)))

    assert told() == []


def test_what_the_translation_asks_of_another_tool_is_not_enough() -> None:
    asked = finding(
        "model.tools[1]",
        Verdict.DECISION,
        field="server_url",
        ours="other",
        code="no_server_url",
        reason="No URL.",
    )

    imported(drafts(tool={"server_url": ""}, more=(asked,)))

    assert len(told()) == 1
