"""The rules proposed for an assistant's tools, and how they come into its prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistants.linting.guardrails import ENDING, HEADING, guardrails, with_guardrails, without_guardrails
from assistants.linting.lint import LintSubject, LintTool, lint

FIND = LintTool("find_slots", "Lists free slots. Call it before offering any time.", {})
BOOK = LintTool(
    "bookAppointment",
    "Books a visit.",
    {"properties": {"fullName": {}, "when": {}, "note": {}}, "required": ["fullName", "when"]},
)
SUBJECT = LintSubject(
    instructions="You answer for a clinic.",
    tools=(
        FIND,
        BOOK,
        LintTool("transferCall", "{{ Urgent }} # symptoms.", {}, "transferCall"),
        LintTool("endCall", "", {}, "endCall"),
    ),
)
BLOCK = guardrails(SUBJECT)


def test_each_tool_has_its_rule_and_a_booking_is_not_announced_before_it_is_made() -> None:
    expected = f"""\
{HEADING}
- When what you are about to say depends on the slots, call find_slots first and say only what it answers. \
Call it before offering any time.
- When the caller wants to book an appointment, read the details back, wait for a clear yes, then call \
bookAppointment. Ask first for what it needs: full name, when.
- Never say that anything is booked unless bookAppointment has answered and says so.
- When the caller asks for a person, or your other rules say so (Urgent symptoms), say that you are connecting them \
and call transferCall at once.
- When the caller is done and you have said goodbye, call endCall. Never end the call while they still want something.
- Call a tool by its exact name, and wait for its answer before you speak of the result.
- If a tool fails or does not answer, say so and offer to take a message. Never make up a result.
{ENDING}"""

    assert expected == BLOCK


def test_without_tools_there_is_nothing_to_propose() -> None:
    assert guardrails(LintSubject(instructions="Be kind.")) == ""
    assert with_guardrails("Be kind.", "") == "Be kind."


def test_the_lint_is_content_with_a_prompt_that_has_the_rules() -> None:
    assert [one.code for one in lint(SUBJECT)] == ["tool_without_rule"] * 3
    changed = LintSubject(instructions=with_guardrails(SUBJECT.instructions, BLOCK), tools=SUBJECT.tools)

    assert lint(changed) == ()


def test_the_proposal_is_the_same_when_the_prompt_has_it_already() -> None:
    changed = LintSubject(instructions=with_guardrails(SUBJECT.instructions, BLOCK), tools=SUBJECT.tools)

    assert guardrails(changed) == BLOCK


def test_an_older_block_is_replaced_and_what_stands_around_it_stays() -> None:
    older = f"Before.\r\n\r\n{HEADING}\r\n- An old rule.\r\n\r\n- Another.\r\n{ENDING}\r\n\r\nAfter.\r\n"

    assert with_guardrails(older, BLOCK) == f"Before.\n\nAfter.\n\n{BLOCK}"


def test_a_block_that_lost_its_ending_takes_nothing_of_the_prompt_with_it() -> None:
    torn = f"Before.\n{HEADING}\n- An old rule.\n\nMy own words.\n- My own list."

    assert with_guardrails(torn, BLOCK) == f"Before.\n\nMy own words.\n- My own list.\n\n{BLOCK}"


@pytest.mark.parametrize("prompt", ["", "\n\n", "Be kind.\n\n"])
def test_the_block_stands_at_the_end_after_an_empty_line(prompt: str) -> None:
    kept = prompt.rstrip("\n")

    assert with_guardrails(prompt, BLOCK) == (f"{kept}\n\n{BLOCK}" if kept else BLOCK)


PIECES = st.sampled_from([HEADING, ENDING, "\n", "\r\n", "- a rule", " ", "text", BLOCK, "#", "\n\n"])


@given(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=40))
def test_adding_the_rules_twice_changes_nothing_and_taking_them_out_leaves_none(prompt: str) -> None:
    once = with_guardrails(prompt, BLOCK)

    assert with_guardrails(once, BLOCK) == once
    assert once.endswith(BLOCK)
    assert without_guardrails(once) == without_guardrails(prompt)
    assert with_guardrails(once, "") == without_guardrails(prompt)


@given(
    st.text(max_size=30),
    st.text(max_size=60),
    st.sampled_from(["function", "endCall", "transferCall", "dtmf"]),
)
def test_a_proposal_is_one_line_for_each_rule_whatever_the_tool_is_called(
    name: str, description: str, kind: str
) -> None:
    block = guardrails(LintSubject(tools=(LintTool(name, description, {}, kind),)))

    assert without_guardrails(with_guardrails("Be kind.", block)) == "Be kind."
