"""Forms that OpenAI's strict mode takes, and answers as Vapi spells them."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.analysis_plan import RUBRICS, Kind, Part, plan_read
from calls.analysis.answers import AnswerError, Form, data_read, form_of, verdict_read
from simulator.responses import _made, _strict

LEAF = st.sampled_from([{"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "boolean"}, {"type": "string", "enum": ["a", "b"]}])  # fmt: skip
SCHEMAS = st.recursive(
    LEAF,
    lambda inner: (
        inner.map(lambda items: {"type": "array", "items": items})
        | st.dictionaries(st.sampled_from("xyz"), inner, min_size=1, max_size=3).flatmap(
            lambda properties: st.sets(st.sampled_from(sorted(properties))).map(
                lambda required: {"type": "object", "properties": properties, "required": sorted(required)}
            )
        )
    ),
    max_leaves=6,
)


def facts(schema: Any) -> Part:
    return plan_read({"structuredDataPlan": {"enabled": True, "schema": schema}}).parts[1]


def judged(rubric: str) -> Part:
    return plan_read({"successEvaluationPlan": {"rubric": rubric}}).parts[-1]


def form(part: Part) -> Form:
    found = form_of(part)
    assert found is not None
    return found


@settings(max_examples=50)
@given(SCHEMAS)
def test_what_the_strict_form_of_a_schema_lets_through_fits_the_schema_itself(schema: Any) -> None:
    part = facts(schema)
    asked = form(part)

    if asked.strict:
        _strict(asked.schema, 0)  # as OpenAI demands
        data_read(part, asked, json.dumps(_made(asked.schema or {})))


@pytest.mark.parametrize(
    "schema",
    [{"type": "object"}, {"type": "object", "properties": {"x": {"oneOf": [{"type": "string"}]}}}, {"type": "array"},
     {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": True}],
)  # fmt: skip
def test_a_schema_that_strict_mode_cannot_say_is_asked_for_as_json_and_checked_here(schema: Any) -> None:
    assert form(facts(schema)) == Form(None, strict=False)


def test_what_is_left_out_comes_back_absent_and_not_null() -> None:
    part = facts(
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "required": ["a"],
        }
    )

    read = data_read(part, form(part), '{"result": {"a": "x", "b": null}}')

    assert read == {"a": "x"}


def test_an_answer_that_does_not_fit_is_refused_without_quoting_it() -> None:
    part = facts(
        {
            "type": "object",
            "properties": {"day": {"type": "string", "pattern": "^[0-9-]+$"}},
            "required": ["day"],
        }
    )

    with pytest.raises(AnswerError, match="day fails “pattern”") as told:
        data_read(part, form(part), '{"result": {"day": "SECRET"}}')

    assert "SECRET" not in str(told.value)


def test_json_in_the_marks_of_a_code_block_is_read() -> None:
    part = facts({"type": "object"})

    assert data_read(part, form(part), '```json\n{"x": 1}\n```') == {"x": 1}


@pytest.mark.parametrize(
    ("rubric", "result", "text", "success", "score"),
    [
        ("PassFail", True, "true", True, None),
        ("PassFail", False, "false", False, None),
        ("NumericScale", 8, "8", None, "80"),
        ("PercentageScale", 85, "85%", None, "85"),
        ("DescriptiveScale", "Good", "Good", None, "66.67"),
        ("LikertScale", "Strongly Agree", "Strongly Agree", None, "100"),
        ("Checklist", [{"criterion": "greets", "met": True}, {"criterion": "books", "met": False}], None, None, "50"),
        ("Matrix", [{"criterion": "tone", "level": "Excellent"}, {"criterion": "pace", "level": "Poor"}], None, None, "50"),
        ("AutomaticRubric", [{"criterion": "tone", "score": 7}], None, None, "70"),
    ],
)  # fmt: skip
def test_every_rubric_comes_out_as_a_text(
    rubric: str, result: Any, text: str | None, success: object, score: str | None
) -> None:
    verdict = verdict_read(judged(rubric), json.dumps({"result": result}))

    assert verdict.text == (text if text is not None else json.dumps(result))
    assert verdict.success is success
    assert verdict.score_percent == (Decimal(score) if score else None)


@pytest.mark.parametrize("rubric", RUBRICS)
def test_no_rubric_takes_anything_else(rubric: str) -> None:
    for wrong in ('{"result": "maybe"}', '{"result": 11000}', "{}", "true", '{"result": [{"criterion": 1}]}'):
        with pytest.raises(AnswerError):
            verdict_read(judged(rubric), wrong)


def test_a_free_verdict_stays_as_it_is_and_counts_where_it_is_true_or_false() -> None:
    part = plan_read({"successEvaluationPlan": {"messages": [{"role": "system", "content": "?"}]}}).parts[1]

    assert (verdict_read(part, " True.\n").text, verdict_read(part, " True.\n").success) == ("True.", True)
    assert verdict_read(part, "blue").success is None
    assert part.kind is Kind.SUCCESS
    assert form_of(part) is None
