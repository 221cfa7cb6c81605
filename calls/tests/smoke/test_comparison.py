"""Seeded mutants are found every time, identical sequences never."""

import string
from collections.abc import Mapping
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from calls.smoke.causes import Cause, Evidence, Kind, Said, arguments_differ
from calls.smoke.comparison import compare
from calls.smoke.orders import NONE, orders_read
from calls.smoke.sequences import ToolStep

NOTHING_SAID = Evidence()
TOOLS = ["lookup_customer", "book_appointment", "send_sms", "create_ticket", "end_call"]
ARGUMENTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["day", "ticket", "name"]),
    st.text(string.ascii_letters, min_size=1, max_size=5) | st.integers(0, 99),
    max_size=3,
)
STEPS = st.lists(
    st.builds(ToolStep, st.sampled_from(TOOLS), ARGUMENTS, st.none(), st.just("answered")),
    min_size=1,
    max_size=6,
)


def step(name: str, *, at_ms: int = 0, status: str = "answered", **arguments: Any) -> ToolStep:
    return ToolStep(name, arguments, at_ms, status)


def kinds(causes: tuple[Cause, ...]) -> list[Kind]:
    return [cause.kind for cause in causes]


@given(STEPS)
def test_identical_sequences_are_never_called_different(steps: list[ToolStep]) -> None:
    found = compare(steps, list(steps), orders=NONE, evidence=NOTHING_SAID)

    assert (found.outcome, found.strictly_same, found.causes) == ("same", True, ())


@given(STEPS, st.data())
def test_a_skipped_tool_is_found_every_time(steps: list[ToolStep], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(steps) - 1))
    ours = steps[:place] + steps[place + 1 :]

    found = compare(steps, ours, orders=NONE, evidence=NOTHING_SAID)

    assert found.outcome == "drifted"
    assert [cause.tool for cause in found.causes if cause.counted] == [steps[place].name]
    assert Kind.SKIPPED in kinds(found.causes)


@given(STEPS, st.sampled_from(TOOLS), st.data())
def test_an_extra_tool_is_found_every_time(steps: list[ToolStep], extra: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(steps)))
    ours = [*steps[:place], step(extra), *steps[place:]]

    found = compare(steps, ours, orders=NONE, evidence=NOTHING_SAID)

    assert found.outcome == "drifted"
    assert [(cause.kind, cause.tool) for cause in found.causes if cause.counted] == [(Kind.EXTRA, extra)]


@given(STEPS, st.data())
def test_two_swapped_tools_are_found_every_time(steps: list[ToolStep], data: st.DataObject) -> None:
    assume(len(steps) > 1)
    first = data.draw(st.integers(0, len(steps) - 2))
    second = data.draw(st.integers(first + 1, len(steps) - 1))
    assume(steps[first].name != steps[second].name)
    ours = list(steps)
    ours[first], ours[second] = ours[second], ours[first]

    found = compare(steps, ours, orders=NONE, evidence=NOTHING_SAID)

    assert found.outcome == "drifted"
    # Every name is there as often as before, so nothing can be missing or too much.
    assert {cause.kind for cause in found.causes if cause.counted} == {Kind.SWAPPED}


@given(STEPS, st.data())
def test_a_changed_argument_is_found_every_time_and_is_no_drift(
    steps: list[ToolStep], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(steps) - 1))
    changed = ToolStep(
        steps[place].name, {**steps[place].arguments, "day": "somewhere else"}, None, "answered"
    )
    ours = [*steps[:place], changed, *steps[place + 1 :]]

    found = compare(steps, ours, orders=NONE, evidence=NOTHING_SAID)

    assert found.outcome == "same"
    assert [(cause.kind, cause.tool) for cause in found.causes] == [(Kind.ARGUMENTS, steps[place].name)]
    assert found.causes[0].evidence == "day"


CLAIMS: Mapping[str, str] = {
    "lookup_customer": "I looked up your record.",
    "book_appointment": "You are booked for Tuesday.",
    "send_sms": "I've texted you the address.",
    "create_ticket": "I have opened a ticket.",
    "end_call": "It is done.",
}


@given(STEPS, st.data())
def test_a_call_that_only_says_so_is_found_every_time(steps: list[ToolStep], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(steps) - 1))
    tool = steps[place].name
    assume(tool != "end_call")
    ours = steps[:place] + steps[place + 1 :]
    said = [Said("Let me see.", 100), Said(CLAIMS[tool], 5000)]

    found = compare(steps, ours, orders=NONE, evidence=Evidence(said))

    assert found.outcome == "drifted"
    assert [(cause.kind, cause.tool) for cause in found.causes if cause.counted] == [
        (Kind.SAID_INSTEAD, tool)
    ]
    assert CLAIMS[tool] in found.causes[0].sentence


def test_words_before_the_place_where_the_tool_is_missing_are_no_evidence() -> None:
    theirs = [step("create_ticket"), step("book_appointment")]
    ours = [step("create_ticket", at_ms=8000)]
    early = Evidence([Said("Your last appointment was booked in May.", 2000)])

    assert kinds(compare(theirs, ours, orders=NONE, evidence=early).causes) == [Kind.SKIPPED]


def test_what_differs_after_a_time_out_is_put_down_to_it() -> None:
    theirs = [step("lookup_customer"), step("book_appointment")]
    ours = [step("lookup_customer", status="timed_out"), step("create_ticket")]

    found = compare(theirs, ours, orders=NONE, evidence=NOTHING_SAID)

    assert {(cause.kind, cause.other) for cause in found.causes} == {(Kind.TIMED_OUT, "lookup_customer")}


def test_a_time_out_that_vapi_had_too_explains_nothing() -> None:
    theirs = [step("lookup_customer", status="timed_out"), step("book_appointment")]
    ours = [step("lookup_customer", status="timed_out")]

    assert kinds(compare(theirs, ours, orders=NONE, evidence=NOTHING_SAID).causes) == [Kind.SKIPPED]


def test_a_lawful_order_is_shown_and_not_counted() -> None:
    theirs = [step("lookup_customer"), step("send_sms")]

    found = compare(theirs, theirs[::-1], orders=orders_read("send_sms anywhere"), evidence=NOTHING_SAID)

    assert (found.outcome, found.strictly_same) == ("reordered", False)
    assert kinds(found.causes) == [Kind.SWAPPED]


def test_a_call_without_an_answer_breaks_the_pair_and_one_too_many_is_drift_all_the_same() -> None:
    theirs = [step("lookup_customer"), step("book_appointment")]
    other = [step("lookup_customer")]
    extra = [step("lookup_customer"), step("create_ticket")]

    broke = compare(theirs, other, orders=NONE, evidence=NOTHING_SAID, unanswered=["lookup_customer"])
    drifted = compare(theirs, extra, orders=NONE, evidence=NOTHING_SAID, unanswered=["create_ticket"])

    assert (broke.outcome, drifted.outcome) == ("errored", "drifted")
    assert "no answer for the way in which lookup_customer was called" in broke.why


def test_a_complete_call_that_had_no_answer_in_the_scenario_broke() -> None:
    theirs = [step("lookup_customer")]

    assert (
        compare(theirs, theirs, orders=NONE, evidence=NOTHING_SAID, unanswered=["lookup_customer"]).outcome
        == "errored"
    )


def test_spelling_is_no_other_argument() -> None:
    theirs = {
        "ticket": 481,
        "name": "Ann  Lee",
        "note": "",
        "price": 2.0,
        "list": [1, "A"],
        "sub": {"a": None},
    }
    ours = {"ticket": "481", "name": "ann lee", "price": 2, "list": ["1", "a"], "sub": {}}

    assert arguments_differ(theirs, ours) == ""
    assert arguments_differ({"a": True}, {"a": "false"}) == "a"
    assert arguments_differ({"a": 1, "b": 2}, {"b": 3}) == "a, b"


def test_every_cause_is_one_sentence_and_comes_back_from_its_json() -> None:
    for kind in Kind:
        for other in ("", "lookup", "book"):
            cause = Cause(kind, "book", other, "words")

            assert "book" in cause.sentence
            assert Cause.from_json(cause.to_json()) == cause
