"""Which state of a number follows which, as a table. Pure.

The state tells where the number stands; who answers it at Twilio is another matter, and `changed` says that the two
have come apart.
"""

from typing import Final

from calls.models.number import PhoneNumber

State = PhoneNumber.State

# From which states each of our own writes may begin, and what the number is when it has been verified.
_WRITES: Final[dict[str, tuple[frozenset[State], State]]] = {
    "cutover": (frozenset(State), State.OURS),
    "canary": (frozenset(State), State.CANARY),
    "rollback": (frozenset({State.CANARY, State.OURS, State.ROLLED_BACK, State.CHANGED}), State.ROLLED_BACK),
    "restore": (frozenset(State), State.ROLLED_BACK),
}
# What a look at Twilio makes of a number that we have never moved, or whose change somebody has accepted.
_FREE: Final = frozenset({State.UNKNOWN, State.ON_VAPI, State.CHANGED})
_LOOKS: Final[dict[str, tuple[frozenset[State], State]]] = {
    "seen_on_vapi": (_FREE, State.ON_VAPI),
    "seen_ours": (_FREE, State.OURS),
    "seen_elsewhere": (_FREE, State.UNKNOWN),
    # Also a number that we never moved before: a first move that somebody crossed.
    "changed": (frozenset(State), State.CHANGED),
}
TRANSITIONS: Final = {**_WRITES, **_LOOKS}

# In these states what Twilio has must be what we wrote.
WATCHED: Final = (State.CANARY, State.OURS, State.ROLLED_BACK)
# In these states calls come to us by our own doing, so that there is a way back to take.
WITH_US: Final = (State.CANARY, State.OURS)


class IllegalMoveError(Exception):
    """The number's state does not allow this. The text is for people."""


def next_state(state: str, move: str) -> State:
    """The state after ``move``. Raises IllegalMoveError, and then nothing is to be done."""
    froms, to = TRANSITIONS[move]
    if State(state) not in froms:
        raise IllegalMoveError(_WHY.get(move, _OTHERWISE).format(state=State(state).label))
    return to


_WHY: Final[dict[str, str]] = {
    "rollback": "The number is “{state}”: it was not cut over from here, so there is nothing to go back to.",
}
_OTHERWISE: Final = "The number is “{state}”: a look at Twilio does not change that."
