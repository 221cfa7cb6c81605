"""The overview, which is the first page."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from assistants.tests.factories import make_assistant
from calls.models import Call
from calls.tests.factories import make_call, make_phone_number, make_problem, make_refused_call

pytestmark = pytest.mark.django_db


def test_the_overview_tells_a_newcomer_what_to_do_next(admin_client: Client) -> None:
    html = admin_client.get(reverse("admin:index")).content.decode()

    assert "What to do next" in html
    assert reverse("admin:assistants_assistant_add") in html


def test_the_overview_counts_the_last_day(admin_client: Client) -> None:
    assistant = make_assistant(published=True)
    make_phone_number(assistant=assistant)
    slow = make_call(assistant=assistant, first_sound_ms=2310)
    make_problem(call=slow, code="response_failed")
    make_refused_call()
    make_call(status="in-progress", ended_at=None)
    old = make_call(first_sound_ms=9999)
    Call.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=2))

    response = admin_client.get(reverse("admin:index"))

    assert [tile.figure for tile in response.context["tiles"]] == ["3", "67 %", "1", "1", "2.31 s"]
    html = response.content.decode()
    assert "response_failed" in html
    assert "What to do next" not in html


def test_the_links_of_the_overview_lead_somewhere(admin_client: Client) -> None:
    make_call()
    context = admin_client.get(reverse("admin:index")).context

    for link in [*context["tiles"], *context["steps"]]:
        assert admin_client.get(link.url).status_code == 200, link.url
