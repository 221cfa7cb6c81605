"""The lint as an assistant's page shows it."""

import pytest
from django.template.loader import render_to_string

from assistants.linting.page import instructions_with_guardrails, lint_page
from assistants.tests.factories import make_assistant
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db


def test_findings_stand_in_groups_the_gravest_first() -> None:
    assistant = make_assistant(
        instructions="Be brief.\nCall bookVisit. Format your answer as JSON.",
        first_message="<b>Hi</b> 👋",
        language="en",
    )

    page = lint_page(assistant, add_url="/add/")

    assert [(group.title, [one.code for one in group.findings]) for group in page.groups] == [
        ("Must be corrected", ["unknown_tool"]),
        ("Should be corrected", ["text_only", "emoji"]),
    ]
    assert page.count == 3
    assert page.proposal == ""


def test_the_page_shows_lines_and_the_proposal_with_its_button_and_escapes_texts() -> None:
    assistant = make_assistant(
        instructions="Be brief.\n<break/> Ok.",
        tools=[make_tool(name="get_price", description="Reads a <price>.")],
    )

    html = render_to_string(
        "admin/assistants/assistant/lint.html", {"lint": lint_page(assistant, add_url="/add/1/")}
    )

    assert "Prompt, line 2:" in html
    assert "&lt;break/&gt;" in html
    assert "<break/>" not in html
    assert "call get_price first" in html
    assert 'action="/add/1/"' in html
    assert "Add these rules to the prompt" in html


def test_an_assistant_without_findings_says_so_and_has_no_button() -> None:
    html = render_to_string(
        "admin/assistants/assistant/lint.html",
        {"lint": lint_page(make_assistant(instructions="Be brief."), add_url="/add/1/")},
    )

    assert "Nothing found" in html
    assert "<form" not in html


def test_once_the_rules_are_in_the_prompt_they_are_not_proposed_again() -> None:
    assistant = make_assistant(
        instructions="Be brief.", tools=[make_tool(name="get_price", description="Reads a price.")]
    )

    assistant.instructions = instructions_with_guardrails(assistant)

    assert assistant.instructions.startswith("Be brief.\n\n# Rules for using tools\n")
    assert lint_page(assistant, add_url="/add/").proposal == ""
    assert instructions_with_guardrails(assistant) == assistant.instructions


def test_variables_of_the_assistant_are_known_to_the_lint() -> None:
    page = lint_page(
        make_assistant(instructions="You are {{ name }}.", variables={"name": "Ann"}), add_url=""
    )

    assert page.count == 0


def test_messages_of_tools_are_looked_at_and_know_what_tools_teach() -> None:
    tool = make_tool(
        name="get_slot",
        description="Use it when asked.",
        messages=[{"type": "request-complete", "content": "It is {{ slot }}, {{ oops }}."}],
        variable_extraction={"schema": {"type": "object", "properties": {"slot": {"type": "string"}}}},
    )

    page = lint_page(make_assistant(instructions="Be brief.", tools=[tool]), add_url="")

    assert [(one.text, one.code) for group in page.groups for one in group.findings] == [
        ("Message of get_slot", "undefined_variable")
    ]
