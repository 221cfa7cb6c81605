from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import rejection
from tools.rejection import Rejection, plan_problems, rejects, request_rejected
from tools.tests.factories import MOMENT

MESSAGES = [
    {"role": "system", "message": "wait"},
    {"role": "bot", "message": "Nine or ten?"},
    {"role": "user", "message": "Nine."},
    {"role": "bot", "message": "Anything else?"},
    {"role": "user", "message": "No, thank you."},
    {"role": "tool_calls", "message": "", "toolCalls": []},
]
MET: dict[str, Any] = {"type": "liquid", "liquid": "true"}
UNMET: dict[str, Any] = {"type": "liquid", "liquid": "false"}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern may take as long as a busy machine lets it wait."""
    monkeypatch.setattr(rejection, "PATTERNS_WITHIN_S", 60.0)


def rejected(*conditions: Any, variables: dict[str, Any] | None = None) -> bool:
    plan = {"conditions": list(conditions)}
    return rejects(plan, messages=MESSAGES, variables=variables or {}, now=MOMENT).refused


def regex(pattern: str, **fields: Any) -> dict[str, Any]:
    return {"type": "regex", "regex": pattern, **fields}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("condition", "met"),
    [
        (regex("thank"), True),  # without a target: the last message of either side
        (regex("Nine"), False),
        (regex("^thank"), False),
        (regex("NO,", target={"position": -1}), False),
        (regex("(?i)NO,", target={"position": -1}), True),
        (regex("else", target={"role": "assistant", "position": -1}), True),
        (regex("Nine", target={"role": "user", "position": -2}), True),
        (regex("Nine", target={"role": "user", "position": 0}), True),
        (regex("Nine or", target={"position": 0}), True),
        (regex("Nine or"), False),
        (regex("Nine or", target={"role": "assistant"}), True),  # without a position: any of that role
        (regex("Nine or", target={"role": "user"}), False),
        (regex("x", target={"role": "user", "position": 9}), False),
        (regex("thank", negate=True), False),
        (regex("Nine", negate=True), True),
        (regex(r"(?<word>thank) you"), True),
        (regex(r"(?<=No, )thank"), True),
        (regex("(unclosed"), False),
        (regex("(unclosed", negate=True), False),
        (regex("wait", target={}), False),  # prompts and tool calls are nobody's words
    ],
)
def test_a_pattern_is_held_against_what_was_said(condition: dict[str, Any], met: bool) -> None:
    assert rejected(condition) is met


@pytest.mark.parametrize(
    ("template", "met"),
    [
        ("{% if offered %}true{% else %}false{% endif %}", True),
        (" true\n", True),
        ("True", False),
        ("yes", False),
        ("{% if %}true", False),
        ("{{ missing }}", False),
    ],
)
def test_a_template_must_come_out_as_true(template: str, met: bool) -> None:
    assert rejected({"type": "liquid", "liquid": template}, variables={"offered": 1}) is met


@pytest.mark.parametrize(
    ("conditions", "met"),
    [
        ([], False),
        ([MET], True),
        ([MET, UNMET], False),
        ([{"type": "group", "operator": "OR", "conditions": [UNMET, MET]}], True),
        ([{"type": "group", "operator": "AND", "conditions": [UNMET, MET]}], False),
        ([{"type": "group", "operator": "OR", "conditions": [UNMET, UNMET]}], False),
        ([{"type": "group", "operator": "AND", "conditions": []}], False),
        ([MET, {"type": "group", "operator": "OR", "conditions": [MET]}], True),
        (["nonsense"], False),
        ([MET, {"type": "new"}], False),
    ],
)
def test_all_conditions_must_be_met_and_groups_say_how(conditions: list[Any], met: bool) -> None:
    assert rejected(*conditions) is met


def test_what_cannot_be_read_is_named() -> None:
    group = {"type": "group", "operator": "OR", "conditions": [regex("(x"), MET]}

    assert plan_problems({"conditions": [group, {"type": "new"}]}) == [
        "“(x” cannot be used: it cannot be read as a regular expression.",
        "A condition is neither a regex, nor liquid, nor a group of such.",
    ]
    assert plan_problems({"conditions": [MET]}) == []
    assert plan_problems({"conditions": "x"}) == ["conditions must be a list."]


def test_a_pattern_that_takes_too_long_is_passed_over_and_named() -> None:
    hostile = regex("(a+)+$", target={"role": "user"})
    messages = [{"role": "user", "message": "a" * 3000 + "!"}]

    for condition in (hostile, {**hostile, "negate": True}):
        judged = rejects({"conditions": [condition, MET]}, messages=messages, variables={}, now=MOMENT)

        assert not judged.refused
        (fault,) = judged.faults
        assert "(a+)+$" in fault
        assert "aaaa" not in fault


@pytest.mark.usefixtures("patient")
def test_a_plan_is_held_against_the_call_of_an_order() -> None:
    plan = {"conditions": [regex("wait", target={"role": "user", "position": -1})]}
    waits: dict[str, Any] = {"messages": [{"role": "user", "message": "No, wait."}]}

    assert request_rejected(plan, waits, now=MOMENT) == Rejection(refused=True)
    assert request_rejected(plan, {"messages": []}, now=MOMENT) == Rejection()
    assert request_rejected(plan, {}, now=MOMENT) == Rejection()
    assert request_rejected({}, waits, now=MOMENT) == Rejection()


def test_a_plan_may_ask_for_the_calls_variables_and_what_was_said() -> None:
    plan = {"conditions": [{"type": "liquid", "liquid": "{% unless slot %}true{% endunless %}"}]}
    said = "{% assign m = messages | last %}{% if m.content == 'Nine.' %}true{% endif %}"
    last = {"conditions": [{"type": "liquid", "liquid": said}]}

    assert request_rejected(plan, {}, now=MOMENT).refused
    assert not request_rejected(plan, {"variableValues": {"slot": "nine"}}, now=MOMENT).refused
    assert request_rejected(last, {"messages": MESSAGES[:3]}, now=MOMENT).refused
    assert not request_rejected(last, {"messages": []}, now=MOMENT).refused


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["regex", "liquid", "group", "AND", "(x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "regex", "liquid", "conditions", "operator", "target", "position"]),
            inner,
        )
    ),
    max_leaves=10,
)


@given(plan=st.dictionaries(st.just("conditions"), json_values))
def test_no_plan_raises(plan: dict[str, Any]) -> None:
    assert rejects(plan, messages=MESSAGES, variables={}, now=MOMENT).refused in (True, False)
    assert isinstance(plan_problems(plan), list)
