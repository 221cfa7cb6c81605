"""Who changed what since the last import, and what stands afterwards."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistants.vapi.merge import Side, fields_merge, links_merge, value_merge

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
    max_leaves=4,
)
KEYS = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)


@pytest.mark.parametrize(
    ("base", "theirs", "ours", "side", "result"),
    [
        ("a", "a", "a", Side.NOBODY, "a"),
        ("a", "a", "b", Side.OURS, "b"),
        ("a", "b", "a", Side.THEIRS, "b"),
        ("a", "b", "b", Side.NOBODY, "b"),
        ("a", "b", "c", Side.BOTH, "c"),
        (1, 1.0, 2, Side.OURS, 2),
        (1, True, 1, Side.THEIRS, True),
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}, {}, Side.OURS, {}),
    ],
)
def test_who_changed_it_decides(base: Any, theirs: Any, ours: Any, side: Side, result: Any) -> None:
    merged = value_merge(base=base, theirs=theirs, ours=ours)

    assert merged.changed_by is side
    assert merged.result(overwrite=False) == result


@given(base=VALUES, theirs=VALUES, ours=VALUES)
def test_nothing_changed_on_one_side_is_ever_lost(base: Any, theirs: Any, ours: Any) -> None:
    merged = value_merge(base=base, theirs=theirs, ours=ours)

    if value_merge(base=base, theirs=base, ours=ours).changed_by is not Side.NOBODY:
        assert merged.result(overwrite=False) == ours
    else:
        assert (
            value_merge(base=theirs, theirs=theirs, ours=merged.result(overwrite=False)).changed_by
            is Side.NOBODY
        )
    assert merged.result(overwrite=True) == theirs


@given(base=VALUES, theirs=VALUES, ours=VALUES)
def test_merging_the_same_again_changes_nothing_and_keeps_a_conflict(
    base: Any, theirs: Any, ours: Any
) -> None:
    first = value_merge(base=base, theirs=theirs, ours=ours)

    again = value_merge(
        base=first.next_base(overwrite=False), theirs=theirs, ours=first.result(overwrite=False)
    )

    assert again.result(overwrite=False) == first.result(overwrite=False)
    assert (again.changed_by is Side.BOTH) == (first.changed_by is Side.BOTH)
    assert again.changed_by is not Side.THEIRS


def test_a_field_that_the_last_import_did_not_know_is_vapis() -> None:
    merged = fields_merge(base={}, theirs={"speed": 1.2}, ours={"speed": 1.0})

    assert merged["speed"].changed_by is Side.THEIRS


@given(theirs=KEYS, ours=KEYS)
def test_links_nobody_changed_here_become_vapis(theirs: list[str], ours: list[str]) -> None:
    assert links_merge(base=ours, theirs=theirs, ours=ours) == theirs


@given(base=KEYS, ours=KEYS)
def test_links_nobody_changed_at_vapi_stay_as_they_are(base: list[str], ours: list[str]) -> None:
    assert sorted(links_merge(base=base, theirs=base, ours=ours)) == sorted(ours)


@given(base=KEYS, theirs=KEYS, ours=KEYS)
def test_a_link_made_by_hand_stays_and_one_removed_by_hand_does_not_come_back(
    base: list[str], theirs: list[str], ours: list[str]
) -> None:
    merged = links_merge(base=base, theirs=theirs, ours=ours)

    assert len(set(merged)) == len(merged)
    assert set(ours) - set(base) <= set(merged)
    assert not (set(base) - set(ours)) & set(merged)
    assert set(merged) <= set(theirs) | set(ours)
    assert links_merge(base=theirs, theirs=theirs, ours=merged) == merged


def test_tools_added_by_hand_stand_after_vapis() -> None:
    assert links_merge(base=["a", "b"], theirs=["b", "c"], ours=["a", "b", "mine"]) == ["b", "c", "mine"]


def test_an_order_chosen_by_hand_stays() -> None:
    assert links_merge(base=["a", "b"], theirs=["a", "b", "c"], ours=["b", "mine", "a"]) == [
        "b", "mine", "a", "c",
    ]  # fmt: skip
