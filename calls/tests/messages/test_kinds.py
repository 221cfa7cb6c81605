"""Which kinds there are, and that what imports say of them is so."""

import pytest

from assistants.vapi.defaults import SENT_MESSAGES, SERVER_MESSAGES, messages_wanted
from calls.messages import bodies, kinds


def test_an_import_promises_exactly_what_is_sent() -> None:
    assert bodies._OWN.keys() | {kinds.HANG, kinds.SPEECH} == SENT_MESSAGES


@pytest.mark.parametrize(
    ("listed", "wanted"),
    [
        (None, frozenset(SERVER_MESSAGES)),
        ([], frozenset()),
        (["hang", 3, None, {"a": 1}], frozenset({"hang"})),
        ("hang", frozenset(SERVER_MESSAGES)),
        ({}, frozenset(SERVER_MESSAGES)),
    ],
)
def test_a_list_is_read_as_people_and_programs_leave_it(listed: object, wanted: frozenset[str]) -> None:
    assert messages_wanted(listed) == wanted
