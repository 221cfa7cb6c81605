"""Numbers that a squad answers at Vapi, and who answers them here."""

import pytest

from assistants.models import Squad
from assistants.signals import ImportedNumber
from assistants.tests.factories import make_assistant
from assistants.vapi.drafts import Finding, NumberDraft
from calls.models import PhoneNumber
from calls.numbers.imported import numbers_import
from calls.tests.factories import make_phone_number
from calls.tests.squads.team import team, to

pytestmark = pytest.mark.django_db


def imported_number(squad: Squad | None, did: str = "+13125550100") -> list[Finding]:
    draft = NumberDraft(
        key="n1", name="x", raw={"squadId": "s1"}, findings=(), did=did, label="x", answers="s1"
    )
    return numbers_import(numbers=(ImportedNumber(draft, None, squad=squad),))["n1"]


def test_a_number_that_a_squad_answers_at_vapi_is_answered_by_it_here() -> None:
    squad = team(to("Billing"))

    assert imported_number(squad) == []
    assert PhoneNumber.objects.get().squad == squad
    assert imported_number(squad) == []  # and once more, with nothing to say


def test_a_number_that_somebody_else_answers_here_stays_theirs_and_that_is_asked_about() -> None:
    squad, other = team(to("Billing")), make_assistant(name="Night desk", published=True)
    make_phone_number(did="+13125550100", assistant=other)

    (found,) = imported_number(squad)

    assert found.code == "number_assigned_otherwise"
    assert "the squad Team, here by Night desk" in found.reason
    assert PhoneNumber.objects.get().answering == other


def test_a_number_whose_squad_is_not_here_is_asked_about() -> None:
    (found,) = imported_number(None)

    assert found.code == "number_unanswered"
