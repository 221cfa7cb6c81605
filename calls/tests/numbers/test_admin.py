"""The pages of numbers: added, found, given to assistants and to squads."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from assistants.tests.factories import make_assistant, make_squad
from calls.models import PhoneNumber
from calls.tests.factories import make_call, make_phone_number

pytestmark = pytest.mark.django_db

NUMBERS = "admin:calls_phonenumber_changelist"
NO_SERVER = {"server-TOTAL_FORMS": 0, "server-INITIAL_FORMS": 0}  # of the number's own, below it


def test_a_number_is_added_normalised_and_only_once(admin_client: Client) -> None:
    url = reverse("admin:calls_phonenumber_add")

    first = {"did": "+1 (415) 555-0100", "enabled": "on", **NO_SERVER}
    assert admin_client.post(url, first).status_code == 302
    again = admin_client.post(url, {"did": "+1 415 555 0100", "enabled": "on", **NO_SERVER})

    assert [number.did for number in PhoneNumber.objects.all()] == ["+14155550100"]
    assert "already exists" in str(again.context["adminform"].form.errors["did"])


def test_a_number_is_not_given_to_an_assistant_that_was_never_published(admin_client: Client) -> None:
    assistant = make_assistant(name="Draft desk")

    response = admin_client.post(
        reverse("admin:calls_phonenumber_add"), {"did": "+14155550100", "assistant": str(assistant.pk)}
    )

    assert "Draft desk was never published" in str(response.context["adminform"].form.errors["assistant"])


@pytest.mark.parametrize("term", ["0100", "(415) 555-01", "+1 415", "Main", "Front"])
def test_search_finds_a_number(admin_client: Client, term: str) -> None:
    found = make_phone_number(
        did="+14155550100", label="Main line", assistant=make_assistant(name="Front desk")
    )
    make_phone_number(did="+493012345678")

    response = admin_client.get(reverse(NUMBERS), {"q": term})

    assert list(response.context["cl"].result_list) == [found]


@pytest.mark.parametrize(("query", "n"), [("answered=yes", 1), ("answered=no", 2), ("enabled__exact=0", 1)])
def test_numbers_can_be_filtered(admin_client: Client, query: str, n: int) -> None:
    make_phone_number(assistant=make_assistant())
    make_phone_number()
    make_phone_number(enabled=False)

    response = admin_client.get(f"{reverse(NUMBERS)}?{query}")

    assert response.context["cl"].result_count == n


def test_the_list_of_numbers_costs_the_same_for_many(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    assistant = make_assistant(published=True)

    def number_with_call() -> None:
        number = make_phone_number(assistant=assistant)
        make_call(phone_number=number, did=number.did)

    number_with_call()
    # Session, user, count twice, rows, and the filter's assistants.
    with django_assert_num_queries(6):
        admin_client.get(reverse(NUMBERS))
    for _ in range(5):
        number_with_call()

    with django_assert_num_queries(6):
        admin_client.get(reverse(NUMBERS))


def test_a_number_is_given_to_a_squad(admin_client: Client) -> None:
    squad = make_squad(make_assistant(published=True))

    response = admin_client.post(
        reverse("admin:calls_phonenumber_add"),
        {"did": "+1 415 555 0199", "squad": squad.pk, "enabled": "on", **NO_SERVER},
    )

    assert response.status_code == 302, response.context["errors"]
    assert PhoneNumber.objects.get().answering == squad.first_assistant
    assert "Team (squad)" in admin_client.get(reverse(NUMBERS)).content.decode()


@pytest.mark.parametrize(
    ("case", "advice"),
    [
        ("both", "not both"),
        ("empty", "has no members"),
        ("draft", "was never published"),
    ],
)
def test_a_squad_that_cannot_answer_is_refused_with_advice(
    admin_client: Client, case: str, advice: str
) -> None:
    first = make_assistant(published=case != "draft")
    squad = make_squad(*([] if case == "empty" else [first]))
    given = {"assistant": first.pk} if case == "both" else {}

    response = admin_client.post(
        reverse("admin:calls_phonenumber_add"),
        {"did": "+1 415 555 0199", "squad": squad.pk, **given, **NO_SERVER},
    )

    assert response.status_code == 200
    assert advice in str(response.context["errors"])


def test_numbers_of_squads_are_listed_whatever_their_state(admin_client: Client) -> None:
    make_phone_number(squad=make_squad(make_assistant(published=True), name="Full"))
    make_phone_number(squad=make_squad(name="Empty"))
    make_phone_number()

    html = admin_client.get(reverse(NUMBERS)).content.decode()
    unanswered = admin_client.get(reverse(NUMBERS), {"answered": "no"})

    assert "Full (squad)" in html
    assert "No members" in html
    assert unanswered.context["cl"].result_count == 1
