"""Where callers of a number go when nobody was found is said by an object, and by nothing else."""

from typing import Any

import pytest

from calls.models import PhoneNumber
from calls.tests.numbers.api.test_numbers import NUMBER, program
from tools.tests.access.program import Program

__all__ = ["program"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("odd", ["+13125550142", 7, True, "", [], [{"type": "number"}]])
def test_a_destination_that_is_no_object_is_refused_by_name(program: Program, odd: Any) -> None:
    told = program.ask("POST", "/phone-number", {**NUMBER, "fallbackDestination": odd}, 400)
    assert told["message"] == ["fallbackDestination must be an object"]
    assert not PhoneNumber.objects.exists()

    made = program.ask("POST", "/phone-number", NUMBER, 201)
    change = {"provider": "twilio", "fallbackDestination": odd}
    assert program.ask("PATCH", f"/phone-number/{made['id']}", change, 400)["message"] == told["message"]
    assert "fallbackDestination" not in program.ask("GET", f"/phone-number/{made['id']}")
