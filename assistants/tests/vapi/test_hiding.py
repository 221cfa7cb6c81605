"""Copies that every store accepts, made in one go: spelled as the slow way spells them."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from assistants.vapi.hiding import CUT, MAX_DEPTH, _cut, cleaned
from tools.jsontext import json_clean

TEXTS = st.text(st.sampled_from("a\x00\ud800\U0001f600é "), max_size=4)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.sampled_from([4.0, -0.0, 1e300, 2**70])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner),
        st.dictionaries(TEXTS | st.integers(), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(VALUES)
@example({"a": [{"b": float("nan")}, (1.0, "x\x00")], "\ud800": {}, 1: True})
def test_a_cleaned_copy_is_what_the_slow_way_makes(value: Any) -> None:
    slow = json_clean(_cut(value, 0))

    assert repr(cleaned(value)) == repr(slow)


def test_what_is_nested_too_deeply_is_cut_at_the_same_place() -> None:
    deep: Any = "bottom"
    for n in range(2 * MAX_DEPTH):
        deep = [deep] if n % 2 else {"a": deep}

    assert cleaned(deep) == json_clean(_cut(deep, 0))
    assert CUT in repr(cleaned(deep))
