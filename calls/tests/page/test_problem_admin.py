"""The list of problems, and the page of one."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from calls.tests.factories import make_call, make_problem

pytestmark = pytest.mark.django_db

PROBLEMS = "admin:calls_callproblem_changelist"


def test_a_problem_leads_to_its_call(admin_client: Client) -> None:
    problem = make_problem(code="response_failed")

    html = admin_client.get(reverse("admin:calls_callproblem_change", args=[problem.pk])).content.decode()

    assert reverse("admin:calls_call_change", args=[problem.call_id]) in html


@pytest.mark.parametrize(
    "query", ["source__exact=openai", "benign__exact=0", "code=x", "since=day", "q=312555"]
)
def test_problems_can_be_filtered(admin_client: Client, query: str) -> None:
    make_problem()

    assert admin_client.get(f"{reverse('admin:calls_callproblem_changelist')}?{query}").status_code == 200


def test_the_list_of_problems_costs_the_same_for_many(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    url = reverse(PROBLEMS)
    make_problem()
    # Session, user, count, rows, their calls, and the filter's codes.
    with django_assert_num_queries(6):
        admin_client.get(url)
    for _ in range(5):
        make_problem()

    with django_assert_num_queries(6):
        admin_client.get(url)


@pytest.mark.parametrize(
    "term", ["{id}", "{sid}", "CA7e57", "+1 (312) 555-0142", "5550142", "0142", "11200", "timed OUT"]
)
def test_problems_are_found_by_their_call_and_by_their_own_words(admin_client: Client, term: str) -> None:
    call = make_call(caller="+13125550142", call_sid="CA7e57" + "0" * 28)
    found = make_problem(call=call, code="twilio_11200", message="The fetch timed out.")
    other = make_call(caller="+12025550177", call_sid="CA" + "1" * 32)
    make_problem(call=other, code="other", message="Something else.")

    term = term.format(id=call.pk, sid=call.call_sid)
    response = admin_client.get(reverse(PROBLEMS), {"q": term})

    assert list(response.context["cl"].result_list) == [found]


@pytest.mark.parametrize("query", [{"q": "fetch"}, {"q": "fetch", "o": "-4"}, {"o": "-4"}, {"o": "1.2"}])
def test_no_call_is_read_to_order_problems_or_to_search_their_words(
    admin_client: Client, django_assert_max_num_queries: Any, query: dict[str, str]
) -> None:
    problem = make_problem(message="The fetch timed out.")

    with django_assert_max_num_queries(7) as queries:
        admin_client.get(reverse(PROBLEMS), query)

    of_calls = [one["sql"] for one in queries if '"calls_call"' in one["sql"]]
    assert len(of_calls) == 1
    assert "calls_callproblem" not in of_calls[0]
    assert problem.call_id.hex in of_calls[0].replace("-", "")


def test_all_problems_are_ordered_by_their_time_alone(admin_client: Client) -> None:
    make_problem()

    assert admin_client.get(reverse(PROBLEMS)).context["cl"].sortable_by == ["happened"]
    assert "benign_label" in admin_client.get(reverse(PROBLEMS), {"since": "day"}).context["cl"].sortable_by
