"""The pages of numbers, calls and problems, and the overview."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from assistants.models import Assistant, Squad, SquadMember
from assistants.tests.factories import make_assistant
from calls.forms import did_normalise
from calls.models import Call, CallPart, PhoneNumber
from calls.tests.factories import make_call, make_phone_number, make_problem, make_refused_call, make_transfer
from tools.tests.factories import make_tool_call
from transcripts.tests.factories import make_transcript, make_utterance

pytestmark = pytest.mark.django_db

CALLS = "admin:calls_call_changelist"
PROBLEMS = "admin:calls_callproblem_changelist"
NUMBERS = "admin:calls_phonenumber_changelist"
NO_SERVER = {"server-TOTAL_FORMS": 0, "server-INITIAL_FORMS": 0}  # of the number's own, below it


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


# --- Numbers


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
        call_id=call.pk, name="lookup", arguments={"ticket": "44712"}, status="failed", error="HTTP status 500.",
        requested_at=transcript.started_at + timedelta(seconds=5),
    )  # fmt: skip
    make_problem(call=call, code="tool_failed", message="lookup failed.")

    html = page(admin_client, call)

    order = [
        "Front desk",
        "Version 1",
        "Is it ready?",
        "lookup",
        "44712",
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


# --- Problems


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
    make_problem(call=make_call(caller="+12025550177"), code="other", message="Something else.")

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


# --- What OpenAI is told


def test_the_session_of_a_draft_and_of_a_version_can_be_read(admin_client: Client) -> None:
    assistant = make_assistant(instructions="Say only Ahoy.", published=True)
    assert assistant.live_version is not None

    for url in (
        reverse("admin:calls_call_told", args=[assistant.pk]),
        reverse("admin:calls_call_told_version", args=[assistant.live_version.pk]),
    ):
        session = admin_client.get(url).context["session"]
        assert "Say only Ahoy." in session
        assert '"audio/pcmu"' in session


def test_the_session_of_an_assistant_that_does_not_exist_is_not_found(admin_client: Client) -> None:
    assert admin_client.get(reverse("admin:calls_call_told", args=[uuid.uuid4()])).status_code == 404
    assert admin_client.get(reverse("admin:calls_call_told_version", args=[404])).status_code == 404


# --- The overview


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


# --- Squads


def make_squad(name: str = "Team", *assistants: Assistant) -> Squad:
    squad = Squad.objects.create(name=name)
    for position, assistant in enumerate(assistants):
        SquadMember.objects.create(squad=squad, assistant=assistant, position=position)
    return squad


def test_a_number_is_given_to_a_squad(admin_client: Client) -> None:
    squad = make_squad("Team", make_assistant(published=True))

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
    squad = make_squad("Team", *([] if case == "empty" else [first]))
    given = {"assistant": first.pk} if case == "both" else {}

    response = admin_client.post(
        reverse("admin:calls_phonenumber_add"),
        {"did": "+1 415 555 0199", "squad": squad.pk, **given, **NO_SERVER},
    )

    assert response.status_code == 200
    assert advice in str(response.context["errors"])


def test_numbers_of_squads_are_listed_whatever_their_state(admin_client: Client) -> None:
    make_phone_number(squad=make_squad("Full", make_assistant(published=True)))
    make_phone_number(squad=make_squad("Empty"))
    make_phone_number()

    html = admin_client.get(reverse(NUMBERS)).content.decode()
    unanswered = admin_client.get(reverse(NUMBERS), {"answered": "no"})

    assert "Full (squad)" in html
    assert "No members" in html
    assert unanswered.context["cl"].result_count == 1


def test_a_call_shows_who_had_it_in_their_order(admin_client: Client) -> None:
    triage, billing = (make_assistant(name=name, published=True) for name in ("Triage", "Billing"))
    call = make_call(assistant=triage, version=triage.live_version, squad=make_squad("Team", triage, billing))
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
