"""Numbers as people write them."""

import pytest
from django.core.exceptions import ValidationError

from calls.forms import did_normalise


@pytest.mark.parametrize(
    "typed",
    [
        "+14155550100",
        "+1 (415) 555-0100",
        " +1.415.555.0100 ",
        "0014155550100",
        "+1\u00a0415\u2011555\u20110100",
        "\u202a+14155550100\u202c",
    ],
)
def test_a_number_is_understood_as_people_write_it(typed: str) -> None:
    assert did_normalise(typed) == "+14155550100"


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("4155550100", r"Did you mean \+14155550100\?"),
        ("415555010", "country code"),
        ("+0155550100", "no telephone number"),
        ("+1415", "no telephone number"),
        ("+1415555010012345", "no telephone number"),
        ("+1415555CALL", "no telephone number"),
        ("+١٤١٥٥٥٥٠١٠٠", "no telephone number"),
    ],
)
def test_what_is_no_number_is_refused_with_advice(typed: str, advice: str) -> None:
    with pytest.raises(ValidationError, match=advice):
        did_normalise(typed)
