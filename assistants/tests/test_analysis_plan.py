"""The plan of an analysis: read as Vapi carries it out, and edited on a page without losing what the page does not show."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.analysis_form import FIELDS, fields_of, plan_with
from assistants.analysis_plan import RUBRICS, TIMEOUT_S, Kind, plan_lifted, plan_problems, plan_read

FIXTURES = Path(__file__).parents[2] / "tests" / "fixtures" / "vapi"


def fixture_plan(name: str) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((FIXTURES / name).read_text())["analysisPlan"]
    return plan


PLANS: list[dict[str, Any]] = [
    {},
    fixture_plan("assistant-clinic.json"),
    fixture_plan("assistant-restaurant.json"),
    {"summaryPlan": {"enabled": False}, "minMessagesThreshold": 4},
    {"successEvaluationPlan": {"rubric": "Matrix", "timeoutSeconds": 12, "messages": [{"role": "user", "content": "Well?"}]}},
    {"structuredDataMultiPlan": [{"key": "a", "plan": {"schema": {"type": "object"}}}]},
]  # fmt: skip


def test_without_a_plan_there_are_a_summary_and_a_verdict_as_at_vapi() -> None:
    plan = plan_read({})

    assert [(part.key, part.rubric, part.timeout_s) for part in plan.parts] == [
        ("summary", "", TIMEOUT_S),
        ("successEvaluation", "PassFail", TIMEOUT_S),
    ]
    assert plan.min_messages == 2


def test_the_clinics_plan_has_its_three_parts() -> None:
    plan = plan_read(fixture_plan("assistant-clinic.json"))

    assert [(part.key, part.timeout_s) for part in plan.parts] == [
        ("summary", 10), ("structuredData", 10), ("successEvaluation", 30),
    ]  # fmt: skip
    assert plan.parts[0].messages[1]["content"] == "{{transcript}}\nEnded because: {{endedReason}}"
    assert plan.parts[1].schema["required"] == ["outcome"]


def test_a_plan_of_vapis_first_years_asks_the_same_as_its_newer_form() -> None:
    plan = plan_read(fixture_plan("assistant-restaurant.json"))

    assert [part.kind for part in plan.parts] == [Kind.SUMMARY, Kind.DATA, Kind.SUCCESS]
    assert plan.parts[0].messages[0]["content"] == "Summarise the order or booking."
    assert "{{transcript}}" in plan.parts[0].messages[1]["content"]
    assert plan.parts[2].rubric == "PassFail"


def test_an_empty_prompt_of_the_first_years_switches_a_part_off() -> None:
    assert plan_read({"summaryPrompt": "", "successEvaluationPrompt": " "}).parts == ()


def test_questions_of_ones_own_without_a_rubric_rule_alone() -> None:
    own = {"messages": [{"role": "system", "content": "Say blue or red."}]}

    (_, part) = plan_read({"successEvaluationPlan": own}).parts

    assert (part.rubric, part.messages[0]["content"]) == ("", "Say blue or red.")


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["summaryPlan", "structuredDataPlan", "successEvaluationPlan", "structuredDataMultiPlan", "messages",
                "schema", "rubric", "enabled", "timeoutSeconds", "key", "plan", "minMessagesThreshold", "summaryPrompt", "role", "content"]),
            inner, max_size=4,
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_json_is_read_and_its_problems_are_sentences(raw: Any) -> None:
    plan = plan_read(raw)

    assert all(1 <= part.timeout_s <= 60 for part in plan.parts)
    assert all(problem.endswith((".", "}", "]")) for problem in plan_problems(raw))


@pytest.mark.parametrize("plan", PLANS)
def test_a_page_that_nothing_was_changed_on_leaves_the_plan_as_it_came(plan: dict[str, Any]) -> None:
    assert plan_with(plan, fields_of(plan)) == plan
    assert set(fields_of(plan)) == set(FIELDS)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(
    ("name", "value"),
    [("analysis_summary", False), ("analysis_summary_prompt", "In one word."), ("analysis_success", False),
     ("analysis_rubric", "LikertScale"), ("analysis_success_prompt", "Was it sold?"), ("analysis_facts", True),
     ("analysis_facts_schema", {"type": "object", "properties": {"x": {"type": "string"}}}), ("analysis_facts_prompt", "Look."),
     ("analysis_more", []), ("analysis_least", 7)],
)  # fmt: skip
def test_what_is_changed_on_the_page_is_in_the_plan_and_nothing_else_is(
    plan: dict[str, Any], name: str, value: Any
) -> None:
    wanted = {**fields_of(plan), name: value}

    new = plan_with(plan, wanted)

    assert fields_of(new) == wanted
    assert plan_problems(new) == []
    before = plan_lifted(plan).get("successEvaluationPlan", {})
    after = plan_lifted(new).get("successEvaluationPlan", {})
    assert after.get("timeoutSeconds") == before.get("timeoutSeconds")


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ([], "It must be a JSON object"),
        ({"minMessagesThreshold": -1}, "minMessagesThreshold must be"),
        ({"summaryPlan": {"timeoutSeconds": 0}}, "summaryPlan.timeoutSeconds must be a number from 1 to 60"),
        ({"successEvaluationPlan": {"rubric": "Stars"}}, "successEvaluationPlan.rubric must be one of"),
        ({"successEvaluationPlan": {"rubric": []}}, "successEvaluationPlan.rubric must be one of"),
        ({"structuredDataPlan": {"schema": {"type": "strin"}}}, "structuredDataPlan.schema at type is no JSON schema"),
        ({"structuredDataPlan": {"schema": {"$ref": "#/x"}}}, "refers to another schema"),
        ({"summaryPlan": {"messages": [{"role": "bot"}]}}, "summaryPlan.messages must be a list of messages"),
        ({"summaryPlan": {"messages": [{"role": "user", "content": "{% if %}"}]}}, "summaryPlan.messages[0], line 1"),
        ({"structuredDataMultiPlan": [{"key": "a", "plan": {}}, {"key": "a", "plan": {}}]}, "stands twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_out_is_told_with_its_place(plan: Any, told: str) -> None:
    assert told in " ".join(plan_problems(plan))
    plan_read(plan)  # what is stored so is read all the same


def test_every_rubric_of_vapis_is_known() -> None:
    spec = json.loads((FIXTURES / "openapi.json").read_text())["components"]["schemas"][
        "SuccessEvaluationPlan"
    ]

    assert set(spec["properties"]["rubric"]["enum"]) == set(RUBRICS)


@pytest.mark.parametrize("figure", [float("inf"), float("nan"), True, "3"])
def test_what_is_no_number_counts_as_absent_and_breaks_nothing(figure: object) -> None:
    """Also the infinite, which some JSON holds."""
    plan = plan_read({"minMessagesThreshold": figure, "summaryPlan": {"timeoutSeconds": figure}})

    assert plan.min_messages == plan_read({}).min_messages
    assert plan.parts[0].timeout_s == plan_read({}).parts[0].timeout_s
