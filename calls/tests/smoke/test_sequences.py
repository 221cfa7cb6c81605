"""Edit scripts: complete, cheapest, and the same every time."""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from calls.smoke.sequences import Edit, Op, ToolStep, distance, edit_script

NAMES = st.lists(st.sampled_from(["lookup", "book", "sms", "pay", "end"]), max_size=7)


def ops(theirs: str, ours: str) -> list[Op]:
    """The script between two sequences of one-letter names."""
    return [edit.op for edit in edit_script(theirs, ours)]


def test_each_kind_of_difference_is_told_by_its_name() -> None:
    assert ops("abc", "abc") == [Op.SAME] * 3
    assert ops("abc", "ac") == [Op.SAME, Op.DELETED, Op.SAME]
    assert ops("ac", "abc") == [Op.SAME, Op.INSERTED, Op.SAME]
    assert ops("abc", "axc") == [Op.SAME, Op.SUBSTITUTED, Op.SAME]
    assert ops("abc", "acb") == [Op.SAME, Op.SWAPPED]
    assert ops("abcd", "bcda") == [Op.MOVED, Op.SAME, Op.SAME, Op.SAME]
    assert ops("", "") == []


def test_a_move_tells_both_places() -> None:
    edits = edit_script("abcd", "bcda")

    assert edits[0] == Edit(Op.MOVED, (0,), (3,))


@given(NAMES, NAMES)
def test_every_place_of_both_sides_stands_in_exactly_one_edit(theirs: list[str], ours: list[str]) -> None:
    edits = edit_script(theirs, ours)

    assert sorted(i for edit in edits for i in edit.theirs) == list(range(len(theirs)))
    assert sorted(j for edit in edits for j in edit.ours) == list(range(len(ours)))
    for edit in edits:
        left, right = [theirs[i] for i in edit.theirs], [ours[j] for j in edit.ours]
        match edit.op:
            case Op.SAME | Op.MOVED:
                assert left == right
            case Op.SWAPPED:
                assert left == right[::-1] != right
            case Op.SUBSTITUTED:
                assert len(left) == len(right) == 1
                assert left != right
            case Op.DELETED:
                assert (len(left), right) == (1, [])
            case Op.INSERTED:
                assert (left, len(right)) == ([], 1)


@given(NAMES)
def test_equal_sequences_need_nothing(names: list[str]) -> None:
    assert distance(edit_script(names, list(names))) == 0


@given(NAMES, NAMES)
def test_no_script_is_dearer_than_the_distance_found_by_trying_everything(
    theirs: list[str], ours: list[str]
) -> None:
    edits = edit_script(theirs, ours)
    cheapest = _tried(tuple(theirs), tuple(ours))

    moves = sum(edit.op is Op.MOVED for edit in edits)
    # A move is there an insertion and a deletion, or is hidden in substitutions.
    assert cheapest <= distance(edits) + moves
    if not moves:
        assert distance(edits) == cheapest


@cache
def _tried(theirs: tuple[str, ...], ours: tuple[str, ...]) -> int:
    """The distance by its recursive definition."""
    if not theirs or not ours:
        return len(theirs) + len(ours)
    if theirs[0] == ours[0]:
        return _tried(theirs[1:], ours[1:])
    costs = [_tried(theirs[1:], ours), _tried(theirs, ours[1:]), _tried(theirs[1:], ours[1:])]
    if theirs[:2] == ours[1::-1] and len(theirs) > 1 and len(ours) > 1:
        costs.append(_tried(theirs[2:], ours[2:]))
    return 1 + min(costs)


@given(NAMES, NAMES)
def test_something_differs_in_both_directions_or_in_none(theirs: list[str], ours: list[str]) -> None:
    there, back = edit_script(theirs, ours), edit_script(ours, theirs)

    assert (distance(there) == 0) == (distance(back) == 0) == (theirs == ours)
    assert there == edit_script(theirs, ours)


def test_steps_and_edits_come_back_from_their_json() -> None:
    step = ToolStep("book", {"day": "Tuesday"}, 1200, "answered")
    edit = Edit(Op.SWAPPED, (0, 1), (2, 3))

    assert ToolStep.from_json(step.to_json()) == step
    assert Edit.from_json(edit.to_json()) == edit
