"""The lists of numbers, calls and problems open, calls are found, and the page of a call tells all of it."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from assistants.tests.factories import make_assistant, make_squad
from calls.models import Call, CallPart
from calls.tests.factories import (
    make_call,
    make_phone_number,
    make_problem,
    make_refused_call,
    make_transfer,
)
from tools.tests.factories import make_tool_call
from transcripts.tests.factories import make_transcript, make_utterance

pytestmark = pytest.mark.django_db

CALLS = "admin:calls_call_changelist"


def page(client: Client, call: Call) -> str:
    response = client.get(reverse("admin:calls_call_change", args=[call.pk]))
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("model", ["phonenumber", "call", "callproblem"])
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_every_list_opens(admin_client: Client, model: str, filled: bool) -> None:  # a parameter
    if filled:
        assistant = make_assistant(published=True)
        make_phone_number(assistant=assistant)
        make_problem(call=make_call(assistant=assistant, version=assistant.live_version))
        make_refused_call(caller="")

    assert admin_client.get(reverse(f"admin:calls_{model}_changelist")).status_code == 200


# --- The list of calls


def test_the_list_of_calls_costs_the_same_for_many(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    assistant = make_assistant(published=True)

    def call_with_problem() -> None:
        make_problem(call=make_call(assistant=assistant, version=assistant.live_version))

    call_with_problem()
    # Session, user, count, rows, and the filter's assistants.
    with django_assert_num_queries(5):
        admin_client.get(reverse(CALLS))
    for _ in range(5):
        call_with_problem()

    with django_assert_num_queries(5):
        admin_client.get(reverse(CALLS))


def test_search_finds_a_call(admin_client: Client) -> None:
    found = make_call(did="+14155550100", caller="+13125550177", assistant=make_assistant(name="Front desk"))
    make_call(did="+493011111111", caller="anonymous")

    for term in (str(found.pk), found.call_sid, "(415) 555-0100", "312 555", "Front desk"):
        response = admin_client.get(reverse(CALLS), {"q": term})
        assert list(response.context["cl"].result_list) == [found], term


def test_calls_can_be_filtered(admin_client: Client) -> None:
    assistant = make_assistant(published=True)
    found = make_call(assistant=assistant, version=assistant.live_version, stack="vapi", status="in-progress")
    make_problem(call=found)
    other = make_call()
    make_problem(call=other, benign=True)
    Call.objects.filter(pk=other.pk).update(created_at=timezone.now() - timedelta(days=2))
    assert assistant.live_version is not None

    for query in (
        {"problems": "yes"},
        {"since": "hour"},
        {"since": "day"},
        {"stack__exact": "vapi"},
        {"status__exact": "in-progress"},
        {"assistant__id__exact": str(assistant.pk)},
        {"version__id__exact": str(assistant.live_version.pk)},
    ):
        response = admin_client.get(reverse(CALLS), query)
        assert list(response.context["cl"].result_list) == [found], query
    response = admin_client.get(reverse(CALLS), {"problems": "no"})
    assert list(response.context["cl"].result_list) == [other]


# --- The page of a call


def test_a_call_reads_from_top_to_bottom(admin_client: Client) -> None:
    assistant = make_assistant(name="Front desk", published=True)
    call = make_call(assistant=assistant, version=assistant.live_version)
    transcript = make_transcript(call_id=call.pk, started_at=call.started_at)
    make_utterance(transcript=transcript, text="Is it ready?", began_ms=1000)
    make_utterance(
        transcript=transcript, speaker="assistant", text="Let me look. It may", heard_text="Let me look.",
        interrupted=True, generated_ms=2000, heard_ms=900, began_ms=9000,
    )  # fmt: skip
    make_tool_call(
        call_id=call.pk, name="lookup", arguments={"ticket": "R44712"}, status="failed", error="HTTP status 500.",
        requested_at=transcript.started_at + timedelta(seconds=5),
    )  # fmt: skip
    make_problem(call=call, code="tool_failed", message="lookup failed.")

    html = page(admin_client, call)

    order = [
        "Front desk",
        "Version 1",
        "Is it ready?",
        "lookup",
        "R44712",
        "Let me look.",
        "It may",
        "tool_failed",
    ]
    positions = [html.index(words, html.index("<h1")) for words in order]
    assert positions == sorted(positions)
    assert "HTTP status 500." in html


def test_a_refused_call_says_why_first(admin_client: Client) -> None:
    html = page(admin_client, make_refused_call(refused_because="The number is switched off."))

    assert html.index("The number is switched off.") < html.index("Called number")


def test_a_call_without_anything_can_be_read(admin_client: Client) -> None:
    call = make_call(did="", caller="", call_sid="", started_at=None, ended_at=None, status="ringing")
    make_tool_call(call_id=call.pk, arguments=["odd"], requested_at=call.created_at - timedelta(hours=1))

    assert "-60:00" in page(admin_client, call)


def test_a_long_call_costs_no_more_queries_than_a_short_one(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    call = make_call()
    transcript = make_transcript(call_id=call.pk)
    for n in range(12):
        make_utterance(transcript=transcript, began_ms=n * 1000)
        make_tool_call(call_id=call.pk)
        make_problem(call=call)

    # Twelve turns, tool calls and problems, and as many queries as for one: session, user, call, who opened it, transcript,
    # utterances, tool calls, transfers, breaks, parts twice, problems, a dozen for costs, and one for each further section.
    with django_assert_max_num_queries(30):
        page(admin_client, call)


def test_a_transfer_stands_in_the_conversation_with_what_became_of_it(admin_client: Client) -> None:
    call = make_call()
    make_transfer(call=call, dial_status="busy", resumed_at=timezone.now(), summary="About a bike.")
    make_transfer(call=call, error="Twilio answered 400.")

    text = page(admin_client, call)

    assert "Transfer to +13125550142" in text
    assert "Busy" in text
    assert "Back to the assistant" in text
    assert "About a bike." in text
    assert "Not dialled" in text
    assert "Twilio answered 400." in text


def test_a_call_that_does_not_exist_leads_to_the_list(admin_client: Client) -> None:
    for pk in (uuid.uuid4(), "nonsense"):
        response = admin_client.get(reverse("admin:calls_call_change", args=[pk]), follow=True)
        assert "There is no such call" in response.content.decode()


@pytest.mark.parametrize("model", ["call", "callproblem"])
def test_history_cannot_be_written_by_anybody(admin_client: Client, model: str) -> None:
    problem = make_problem()
    args = [problem.pk if model == "callproblem" else problem.call_id]

    assert admin_client.post(reverse(f"admin:calls_{model}_change", args=args), {}).status_code == 403
    assert admin_client.get(reverse(f"admin:calls_{model}_add")).status_code == 403
    delete = reverse(f"admin:calls_{model}_delete", args=args)
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


def test_staff_without_permission_see_no_call() -> None:
    client = Client()
    client.force_login(User.objects.create_user("vera", is_staff=True))
    call = make_call(caller="+13125550177")

    for url in (reverse(CALLS), reverse("admin:calls_call_change", args=[call.pk])):
        assert client.get(url).status_code == 403
    assert "calls in the last 24 hours" not in client.get(reverse("admin:index")).content.decode()


def test_a_call_shows_who_had_it_in_their_order(admin_client: Client) -> None:
    triage, billing = (make_assistant(name=name, published=True) for name in ("Triage", "Billing"))
    call = make_call(assistant=triage, version=triage.live_version, squad=make_squad(triage, billing))
    for n, assistant in enumerate((triage, billing)):
        assert assistant.live_version
        CallPart.objects.create(
            call=call,
            n=n,
            assistant=assistant,
            version=assistant.live_version,
            began_at=timezone.now() - timedelta(seconds=100 - 50 * n),
        )
    transcript = make_transcript(call_id=call.id, started_at=call.started_at)
    make_utterance(transcript=transcript, speaker="assistant", text="Hello.", assistant="Triage")

    html = page(admin_client, call)

    assert re.search(r">Triage, version 1</a>; then <a [^>]*>Billing, version 1</a>", html)
    assert html.index("<strong>Triage</strong>") < html.index("Handed over to Billing")
    assert "Handed over to Triage" not in html
    assert "Team" in html
