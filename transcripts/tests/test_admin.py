"""The pages of transcripts."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from transcripts.admin import clock_text, spoken_line
from transcripts.models import Transcript, Utterance
from transcripts.tests.factories import make_transcript, make_utterance

pytestmark = pytest.mark.django_db


def page(client: Client, transcript: Transcript) -> str:
    response = client.get(reverse("admin:transcripts_transcript_change", args=[transcript.pk]))
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize(
    "query", ["", "state=open", "state=closed", "since=hour", "since=nonsense", "q=bicycle"]
)
def test_the_list_opens(admin_client: Client, query: str) -> None:
    url = f"{reverse('admin:transcripts_transcript_changelist')}?{query}"
    assert admin_client.get(url).status_code == 200

    make_utterance()

    assert admin_client.get(url).status_code == 200


def test_the_list_costs_the_same_for_many(admin_client: Client, django_assert_num_queries: Any) -> None:
    url = reverse("admin:transcripts_transcript_changelist")
    make_utterance()
    with django_assert_num_queries(4):
        admin_client.get(url)
    for _ in range(5):
        make_utterance()

    with django_assert_num_queries(4):
        admin_client.get(url)


def test_search_finds_what_was_said_once(admin_client: Client) -> None:
    found = make_transcript(closed_at=timezone.now())
    make_utterance(transcript=found, text="Is the tandem ready?")
    make_utterance(transcript=found, text="The red tandem.")
    make_utterance(text="Something else.")

    for term in ("tandem", str(found.call_id)):
        response = admin_client.get(reverse("admin:transcripts_transcript_changelist"), {"q": term})
        assert list(response.context["cl"].result_list) == [found]


def test_the_page_reads_in_the_order_of_the_call(admin_client: Client) -> None:
    transcript = make_transcript()
    make_utterance(transcript=transcript, text="Second.", began_ms=61_000)
    make_utterance(transcript=transcript, text="First.", began_ms=500)

    html = page(admin_client, transcript)

    assert html.index("First.") < html.index("Second.")
    assert "1:01" in html


def test_an_empty_transcript_says_so(admin_client: Client) -> None:
    assert "Nothing yet." in page(admin_client, make_transcript())


def test_three_hundred_utterances_cost_no_more_queries(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    transcript = make_transcript()
    Utterance.objects.bulk_create(
        Utterance(transcript=transcript, item_id=str(n), speaker="caller", began_ms=n, ended_ms=n)
        for n in range(300)
    )

    # Session, user, transcript, who opened it, utterances.
    with django_assert_num_queries(5):
        page(admin_client, transcript)


def test_what_was_not_heard_is_struck_out(admin_client: Client) -> None:
    utterance = make_utterance(
        speaker="assistant", text="Good morning, how are you?", heard_text="Good morning,", interrupted=True,
        generated_ms=3000, heard_ms=1200, latency_ms=640,
    )  # fmt: skip

    line = spoken_line(utterance)

    assert (line.heard, line.unheard) == ("Good morning,", " how are you?")
    assert line.interruption == "interrupted: 1.20 s of 3.00 s heard"
    assert "<del" in page(admin_client, utterance.transcript)


def test_heard_words_that_are_no_beginning_lose_nothing() -> None:
    line = spoken_line(
        Utterance(speaker="assistant", text="Good morning.", heard_text="good…", interrupted=True, began_ms=0)
    )

    assert (line.heard, line.unheard) == ("good…", "Good morning.")


def test_speech_without_text_is_told(admin_client: Client) -> None:
    utterance = make_utterance(text="", transcribed=False)

    assert "no text could be made of it" in page(admin_client, utterance.transcript)


def test_a_transcript_cannot_be_written_by_anybody(admin_client: Client) -> None:
    transcript = make_transcript()
    args = [transcript.pk]

    assert admin_client.post(reverse("admin:transcripts_transcript_change", args=args), {}).status_code == 403
    assert admin_client.get(reverse("admin:transcripts_transcript_add")).status_code == 403
    delete = reverse("admin:transcripts_transcript_delete", args=args)
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("at_ms", "text"), [(0, "0:00"), (59_999, "0:59"), (3_600_000, "60:00"), (-1500, "-0:01")]
)
def test_the_clock(at_ms: int, text: str) -> None:
    assert clock_text(at_ms) == text
