"""The page of a call with everything there may be on it, its sound, and the search."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from assistants.tests.factories import make_assistant
from calls.models import Call, CallAnalysis, CallOpened, LiveOrder, Recording, VapiCall
from calls.recordings import serving
from calls.reporting.odd_seeding import odd_calls_seed
from calls.tests.factories import make_call, make_problem
from calls.tests.recordings.factories import make_recording, wav_bytes
from tools.tests.factories import make_tool_call
from transcripts.models import Transcript
from transcripts.tests.factories import make_transcript, make_utterance

pytestmark = pytest.mark.django_db
State = Recording.State


def page(client: Client, call: Call) -> str:
    response = client.get(reverse("admin:calls_call_change", args=[call.pk]))
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def client_with(client: Client) -> Callable[..., Client]:
    """Somebody of the staff with these permissions and no others."""

    def made(*codenames: str) -> Client:
        user = User.objects.create_user(f"staff{uuid.uuid4().hex[:6]}", password="x", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return made


# --- The page


def make_whole_call(turns: int = 6) -> Call:
    """A call with a bit of everything."""
    assistant = make_assistant(published=True)
    call = make_call(assistant=assistant, version=assistant.live_version)
    transcript = make_transcript(call_id=call.pk, started_at=call.started_at, closed_at=call.ended_at)
    for n in range(turns):
        speaker = "assistant" if n % 2 else "caller"
        make_utterance(
            transcript=transcript, speaker=speaker, text=f"Turn {n}.", latency_ms=1800 if n % 2 else None
        )
    assert call.started_at is not None
    for n in range(turns // 3):
        at = call.started_at + timedelta(seconds=n)
        make_tool_call(call_id=call.pk, requested_at=at, answered_at=at + timedelta(milliseconds=400))
    make_problem(call=call)
    make_recording(call=call, sound=wav_bytes(seconds=1))
    return call


def test_everything_of_a_call_stands_on_its_page(admin_client: Client) -> None:
    call = make_whole_call()
    CallAnalysis.objects.create(
        call=call, state="done", summary="Asked for a bicycle.", structured_data={"ticket": 481}
    )

    html = page(admin_client, call)

    for words in (
        "The caller hung up.",
        "customer-ended-call",
        "How long the caller waited",
        "3 answers: half of them within 1.80 s",
        "silence 500 ms",
        "Asked for a bicycle.",
        "481",
        'class="t-hear"',
        'data-at-ms="0"',
        "tandem/recording.js",
        "The model did not answer.",
    ):
        assert words in html, words
    assert CallOpened.objects.filter(call_id=call.pk, what="page").count() == 1


def test_what_was_ordered_of_a_call_stands_where_it_happened_with_who_did(admin_client: Client) -> None:
    call = make_whole_call()
    assert call.started_at is not None
    usual: dict[str, Any] = {
        "call": call,
        "kind": "say",
        "by": "user",
        "result": "taken",
        "asked_at": call.started_at,
    }
    more: tuple[dict[str, Any], ...] = (
        {"by_label": "maria", "words": "Hold <b>on</b>.", "done_at": call.started_at, "at_once": True},
        {"by_label": "jo", "failed_at": call.started_at, "why": "It was cut short."},
        {"by_label": "API key desk", "result": "refused", "why": "The call is over."},
        {"by_label": "The call's own address", "kind": "end-call", "result": "nobody"},
        {"by_label": "Tandem", "kind": "transfer", "destination": "+13125550100", "result": "unknown"},
        {"by_label": "x", "kind": "add-message", "role": "system", "words": "A regular."},
    )
    for n, fields in enumerate(more):
        LiveOrder.objects.create(order_id=f"o{n}", **{**usual, **fields})

    html = page(admin_client, call)

    for words in (
        "Order: Say at once", "maria", "Hold &lt;b&gt;on&lt;/b&gt;.", "It was cut short.", "Refused", "Nobody had the call",
        "Transfer to +13125550100", "Lost on its way, perhaps", "Add a message as system", "Not done before the end",
    ):  # fmt: skip
        assert words in html, words


def test_a_long_call_costs_as_many_queries_as_a_short_one(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    short, long = make_whole_call(4), make_whole_call(40)
    page(admin_client, short)
    with CaptureQueriesContext(connection) as few:
        page(admin_client, short)

    with django_assert_max_num_queries(len(few)):
        page(admin_client, long)


def test_odd_calls_have_pages(admin_client: Client) -> None:
    for name, call in odd_calls_seed().items():
        html = page(admin_client, call)
        assert "<script>\n\t%" not in html, name


def test_a_call_whose_row_was_lost_leads_to_what_was_said(admin_client: Client) -> None:
    transcript = make_transcript()
    make_utterance(transcript=transcript)

    answer = admin_client.get(reverse("admin:calls_call_change", args=[transcript.call_id]))
    nobody = admin_client.get(reverse("admin:calls_call_change", args=[uuid.uuid4()]))

    assert answer.headers["Location"] == reverse("admin:transcripts_transcript_change", args=[transcript.pk])
    assert nobody.headers["Location"] == reverse("admin:calls_call_changelist")


def test_what_vapi_found_out_stands_there_where_we_found_out_nothing(admin_client: Client) -> None:
    call = make_call(stack=Call.Stack.VAPI)
    VapiCall.objects.create(
        call=call,
        vapi_id="v1",
        source="files",
        imported_at=timezone.now(),
        analysis={"summary": "<b>Booked</b>", "successEvaluation": "true", "structuredData": {"n": 1}},
        recordings={"stereo": "https://storage.example/a-stereo.wav"},
    )

    html = page(admin_client, call)

    assert "&lt;b&gt;Booked&lt;/b&gt;" in html
    assert "Fetch it from Vapi" in html


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.RECORDING, "The call is being recorded."),
        (State.WAITING, "being fetched"),
        (State.FAILED, "Twilio is cross."),
        (State.ABSENT, "There is no recording."),
    ],
)
def test_a_recording_that_cannot_be_heard_says_why(admin_client: Client, state: str, words: str) -> None:
    call = make_call()
    make_recording(call=call, state=state, error="Twilio is cross." if state == State.FAILED else "")

    html = page(admin_client, call)

    assert words in html
    assert "<audio" not in html


# --- Its sound


def sound_url(recording: Recording) -> str:
    return reverse("admin:calls_recording_sound", args=[recording.pk])


def test_the_sound_is_served_by_parts_and_noted_once(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PART", 1000)
    content = wav_bytes(seconds=1)
    recording = make_recording(sound=content)

    whole = admin_client.get(sound_url(recording))
    sound = b"".join(whole.streaming_content)  # type: ignore[attr-defined]  # a streamed answer has it
    first = admin_client.get(sound_url(recording), headers={"Range": "bytes=0-"})
    later = admin_client.get(sound_url(recording), headers={"Range": "bytes=5000-5009"})
    behind = admin_client.get(sound_url(recording), headers={"Range": f"bytes={len(content)}-"})

    assert sound == content
    assert (whole.status_code, whole.headers["Content-Length"]) == (200, str(len(content)))
    assert (first.status_code, first.content) == (206, content[:1000])
    assert first.headers["Content-Range"] == f"bytes 0-999/{len(content)}"
    assert (later.status_code, later.content) == (206, content[5000:5010])
    assert (behind.status_code, behind.headers["Content-Range"]) == (416, f"bytes */{len(content)}")
    assert whole.headers["Content-Type"] == "audio/wav"
    assert "private" in first.headers["Cache-Control"]
    assert CallOpened.objects.filter(what="recording").count() == 2


def test_who_may_see_calls_may_not_hear_them_for_that(client_with: Callable[..., Client]) -> None:
    recording = make_recording()
    assert recording.call is not None
    client = client_with("view_call")

    assert "you may not hear it" in page(client, recording.call)
    assert client.get(sound_url(recording)).status_code == 403
    assert not CallOpened.objects.filter(what="recording").exists()
    assert Client().get(sound_url(recording)).status_code == 302


def test_sound_that_is_missing_is_not_found(admin_client: Client) -> None:
    recording = make_recording()
    recording.file.storage.delete(str(recording.file.name))

    assert admin_client.get(sound_url(recording)).status_code == 404


def test_recordings_are_listed_and_lead_to_their_calls(admin_client: Client) -> None:
    recording = make_recording()
    Recording.objects.create(state=State.DELETING, error="later")

    listed = admin_client.get(reverse("admin:calls_recording_changelist"))
    one = admin_client.get(reverse("admin:calls_recording_change", args=[recording.pk]))

    assert "Its call was deleted" in listed.content.decode()
    assert one.headers["Location"] == reverse("admin:calls_call_change", args=[recording.call_id])


# --- The search


def spoken(text: str, **fields: Any) -> Call:
    call = make_call(**fields)
    make_utterance(transcript=make_transcript(call_id=call.pk, started_at=call.started_at), text=text)
    return call


def found(client: Client, **asked: str) -> str:
    response = client.get(reverse("admin:calls_call_said"), asked)
    assert response.status_code == 200
    return response.content.decode()


def test_calls_are_found_by_what_was_said_with_the_words_marked(admin_client: Client) -> None:
    call = spoken("<script>alert(1)</script> my bicycle & I", caller="+13125550001")
    spoken("nothing")

    html = found(admin_client, q="bicycle")

    assert reverse("admin:calls_call_change", args=[call.pk]) in html
    assert "<mark>bicycle</mark>" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; my" in html
    assert html.count("+13125550001") == 1
    assert [(one.call_id, one.what) for one in CallOpened.objects.all()] == [(call.pk, "transcript")]


@pytest.mark.parametrize("by", ["since", "until", "assistant", "did", "stack"])
def test_the_search_is_narrowed_to_some_calls(admin_client: Client, by: str) -> None:
    now = timezone.now()
    ours = spoken("bicycle", caller="+1111", assistant=make_assistant(), did="+14155550111")
    theirs = spoken("bicycle", caller="+2222", stack=Call.Stack.VAPI)
    old = now - timedelta(days=9)
    Transcript.objects.filter(call_id=theirs.pk).update(started_at=old)
    asked = {
        "since": {"since": f"{now - timedelta(days=2):%Y-%m-%d}"},
        "until": {
            "until": f"{now + timedelta(days=1):%Y-%m-%d}",
            "since": f"{now - timedelta(days=2):%Y-%m-%d}",
        },
        "assistant": {"assistant": str(ours.assistant_id)},
        "did": {"did": "+1 (415) 555-0111"},
        "stack": {"stack": "direct"},
    }[by]

    html = found(admin_client, q="bicycle", **asked)

    assert ("+1111" in html, "+2222" in html) == (True, False)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "Search"),
        ({"q": "   "}, "Search"),
        ({"q": "-all"}, "Type a word that was said."),
        ({"q": "!?"}, "Type a word that was said."),
        ({"q": "nowhere"}, "Nothing was found"),
        ({"q": "x", "before": "nonsense~\x00"}, "found"),
        ({"q": "x", "before": "2026-99-99T00:00:00Z~1"}, "found"),
        ({"q": "x", "since": "tomorrow"}, "Enter a valid date"),
        ({"q": "x", "until": "9999-12-31"}, "found"),
        ({"q": "x", "assistant": "nobody"}, "is not a valid UUID"),
        ({"q": "x", "did": "'"}, "no telephone number"),
        ({"q": "x" * 500}, "at most 200"),
        ({"q": "a & b | !( :* \\ '' \u202e\U0001f6b2"}, "found"),
    ],
)
def test_no_search_fails(admin_client: Client, asked: dict[str, str], words: str) -> None:
    assert words in found(admin_client, **asked)


def test_the_search_goes_on_page_by_page(admin_client: Client) -> None:
    for n in range(27):
        spoken("bicycle", caller=f"+1000{n:02}", started_at=timezone.now() - timedelta(minutes=30 + n))

    first = admin_client.get(reverse("admin:calls_call_said"), {"q": "bicycle"})
    second = admin_client.get(reverse("admin:calls_call_said") + first.context["older"])

    assert "Older calls" in first.content.decode()
    assert [hit["title"][:7] for hit in second.context["hits"]] == ["+100025", "+100026"]
    assert second.context["older"] == ""


def test_who_may_not_read_transcripts_may_not_search_them(client_with: Callable[..., Client]) -> None:
    assert client_with("view_call").get(reverse("admin:calls_call_said")).status_code == 403


@pytest.mark.parametrize("term", ["bicycle", '"my bicycle"', "bicy*", "%", "-bicycle"])
def test_the_lists_of_calls_and_transcripts_find_words_too(admin_client: Client, term: str) -> None:
    call = spoken("It is my bicycle.")
    spoken("It is not.")

    for url, key in (
        ("admin:calls_call_changelist", "pk"),
        ("admin:transcripts_transcript_changelist", "call_id"),
    ):
        response = admin_client.get(reverse(url), {"q": term})
        rows = [getattr(row, key) for row in response.context["cl"].result_list]
        assert rows == ([call.pk] if term[0] not in "%-" else [])
