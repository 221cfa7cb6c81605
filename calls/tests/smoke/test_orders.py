"""The rules of lawful orders: read, refused, and applied."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.smoke.orders import NONE, Orders, OrdersError, lawful, orders_read

NAMES = st.lists(st.sampled_from(["lookup", "book", "sms", "pay"]), max_size=6)


def test_rules_are_read_from_lines_and_semicolons_with_remarks() -> None:
    rules = orders_read(
        "lookup before book before pay  # first things first\n\nsms anywhere; end_call OPTIONAL"
    )

    assert rules.before == {("lookup", "book"), ("book", "pay"), ("lookup", "pay")}
    assert rules.anywhere == {"sms"}
    assert rules.optional == {"end_call"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lookup book", "Line 1: “lookup book” is no rule"),
        ("a before b\nbefore b", "Line 2: “before b” is no rule"),
        ("a before", "is no rule"),
        ("sms anywhere anywhere", "is no rule"),
        ("a before b anywhere", "is no rule"),
        ("lookup — book", "Write “lookup before book”"),
        ("a before b; b before c; c before a", "“a” would have to come before itself"),
        ("a before a", "before itself"),
        ("a before b; a anywhere", "“a” is said to come anywhere and in a certain order"),
    ],
)
def test_what_is_no_rule_or_contradicts_is_refused_in_plain_words(text: str, words: str) -> None:
    with pytest.raises(OrdersError) as refused:
        orders_read(text)

    assert words in str(refused.value)


def test_a_tool_that_the_assistant_has_not_is_named_with_those_that_it_has() -> None:
    with pytest.raises(OrdersError, match=r"has no tool “lokup”\. It has: book, lookup\."):
        orders_read("lokup before book", known={"lookup", "book"})


@pytest.mark.parametrize(
    ("rules", "theirs", "ours", "expected"),
    [
        ("", "lookup book sms", "lookup sms book", False),
        ("sms anywhere", "lookup book sms", "lookup sms book", True),
        ("sms anywhere", "lookup book sms", "sms lookup book", True),
        ("sms anywhere", "lookup book sms", "book lookup sms", False),
        ("sms anywhere", "lookup book sms", "lookup book", False),
        ("sms anywhere", "lookup sms", "lookup sms sms", False),
        ("lookup before book; lookup before pay", "lookup book pay", "lookup pay book", True),
        ("lookup before book; lookup before pay", "lookup book pay", "book lookup pay", False),
        ("lookup before book", "lookup other book", "other lookup book", False),
        ("lookup before book", "lookup lookup book", "lookup book lookup", True),
        ("end_call optional", "lookup book end_call", "lookup book", True),
        ("end_call optional", "lookup book", "lookup book end_call", True),
        ("end_call optional", "lookup book", "book lookup end_call", False),
    ],
)
def test_lawful_is_what_the_rules_allow_and_nothing_else(
    rules: str, theirs: str, ours: str, *, expected: bool
) -> None:
    assert lawful(theirs.split(), ours.split(), orders_read(rules)) is expected


@given(NAMES, NAMES)
def test_without_rules_only_the_same_is_lawful(theirs: list[str], ours: list[str]) -> None:
    assert lawful(theirs, ours, NONE) == (theirs == ours)


@given(NAMES)
def test_with_every_tool_anywhere_every_order_of_them_is_lawful_and_no_other_number(names: list[str]) -> None:
    free = Orders(anywhere=frozenset(names))

    assert all(lawful(names, list(other), free) for other in list(permutations(names))[:50])
    assert not lawful(names, [*names, "lookup"], free)
