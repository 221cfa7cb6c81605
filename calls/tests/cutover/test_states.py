"""Which state follows which."""

import pytest

from calls.cutover.states import TRANSITIONS, WATCHED, WITH_US, IllegalMoveError, next_state
from calls.models import PhoneNumber

State = PhoneNumber.State
EVERY = set(State.values)

# Written out once more, so that a change of the table is a decision and no slip.
ALLOWED: dict[str, tuple[set[str], str]] = {
    "cutover": (EVERY, "ours"),
    "canary": (EVERY, "canary"),
    "rollback": ({"canary", "ours", "rolled_back", "changed"}, "rolled_back"),
    "restore": (EVERY, "rolled_back"),
    "seen_on_vapi": ({"unknown", "on_vapi", "changed"}, "on_vapi"),
    "seen_ours": ({"unknown", "on_vapi", "changed"}, "ours"),
    "seen_elsewhere": ({"unknown", "on_vapi", "changed"}, "unknown"),
    "changed": (EVERY, "changed"),
}


@pytest.mark.parametrize("move", ALLOWED)
@pytest.mark.parametrize("state", State.values)
def test_every_move_from_every_state(move: str, state: str) -> None:
    froms, to = ALLOWED[move]

    if state in froms:
        assert next_state(state, move) == to
    else:
        with pytest.raises(IllegalMoveError, match=State(state).label):
            next_state(state, move)


def test_the_table_names_every_move() -> None:
    assert set(TRANSITIONS) == set(ALLOWED)


def test_whoever_is_with_us_is_watched() -> None:
    assert set(WITH_US) < set(WATCHED)
