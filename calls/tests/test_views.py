"""Twilio's webhooks: always a document, never an error that a caller would hear a machine read out."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from channels.layers import get_channel_layer
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisGoneError

from assistants.tests.factories import make_assistant
from calls import groups, services, views
from calls.cutover import canary
from calls.groups import call_group
from calls.models import Call
from calls.tests.factories import make_call, make_phone_number
from simulator.signature import sign

DID = "+14155550123"
SID = "CA" + "7" * 32
FORM = {"CallSid": SID, "AccountSid": "AC1", "To": DID, "From": "+13125550177"}
APOLOGY = "We are sorry, we cannot take your call right now. Please try again in a few minutes."
Post = Callable[..., Any]


@pytest.fixture
def post(settings: Settings) -> Post:
    """Twilio's POST, signed."""

    def send(path: str, form: dict[str, str]) -> Any:
        url = f"{settings.PUBLIC_ORIGIN}{path}"
        signature = sign(url, list(form.items()), auth_token=settings.TWILIO_AUTH_TOKEN)
        return Client().post(path, form, headers={"X-Twilio-Signature": signature})

    settings.PUBLIC_ORIGIN = "https://tandem.test"
    settings.MEDIA_ORIGIN = "wss://tandem.test"
    return send


def verbs(answer: Any) -> list[str]:
    """The verbs of a document, and what is said."""
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/xml")
    return [f"{verb.tag} {verb.text or ''}".strip() for verb in ET.fromstring(answer.content)]


@pytest.mark.django_db
def test_an_answered_call_is_connected_to_its_own_stream(post: Post) -> None:
    make_phone_number(did=DID, assistant=make_assistant(published=True))

    answer = post("/twilio/voice", FORM)

    call = Call.objects.get(call_sid=SID)
    document = ET.fromstring(answer.content)
    assert [verb.tag for verb in document] == ["Connect", "Hangup"]
    connect = document[0]
    assert connect.attrib == {"action": "https://tandem.test/twilio/after", "method": "POST"}
    (stream,) = connect
    assert stream.attrib["url"] == f"wss://tandem.test/media/{call.id}"
    assert stream.attrib["statusCallback"] == "https://tandem.test/twilio/stream-status"
    (parameter,) = stream
    assert parameter.attrib["name"] == "token"
    assert len(parameter.attrib["value"]) == 64
    assert "track" not in stream.attrib


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "spoken_in"),
    [("en", "en-US"), ("de", "de-DE"), ("DE-at", "de-DE"), ("xx", None), ("", None)],
)
def test_an_apology_is_spoken_in_the_assistants_language(
    post: Post, language: str, spoken_in: str | None
) -> None:
    assistant = make_assistant(
        published=True, enabled=False, language=language, apology="Heute <zu> & morgen."
    )
    make_phone_number(did=DID, assistant=assistant)

    answer = post("/twilio/voice", FORM)

    assert verbs(answer) == ["Say Heute <zu> & morgen.", "Hangup"]
    assert ET.fromstring(answer.content)[0].get("language") == spoken_in


@pytest.mark.django_db
def test_a_request_without_a_call_is_apologised_to(post: Post) -> None:
    assert verbs(post("/twilio/voice", {"To": DID})) == [f"Say {APOLOGY}", "Hangup"]
    assert not Call.objects.exists()


@pytest.mark.parametrize(
    "path", ["/twilio/voice", "/twilio/after", "/twilio/status", "/twilio/stream-status"]
)
def test_no_webhook_fails_while_the_database_is_away(
    post: Post, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(**_: Any) -> None:
        raise OperationalError("the database is away")

    for name in ("call_start", "call_over", "stream_failed"):
        monkeypatch.setattr(services, name, gone)
    for name in ("call_hand_over", "handed_over_ended"):
        monkeypatch.setattr(canary, name, gone)
    monkeypatch.setattr(views, "call_after_stream", gone)
    form = {**FORM, "CallStatus": "in-progress" if path.endswith("after") else "completed"}

    answer = post(path, {**form, "StreamEvent": "stream-error"})

    if path in ("/twilio/voice", "/twilio/after"):
        assert verbs(answer) == [f"Say {APOLOGY}", "Hangup"]
    else:
        assert answer.status_code == 204


@pytest.mark.django_db
@pytest.mark.parametrize("status", sorted(views.FINAL))
def test_a_final_status_ends_the_call_and_tells_its_bridge(post: Post, status: str) -> None:
    call = make_call(call_sid=SID, status=Call.Status.IN_PROGRESS, ended_at=None, ended_reason="")
    told: list[Any] = []

    class Layer:
        async def group_send(self, group: str, message: dict[str, Any]) -> None:
            told.append((group, message))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "get_channel_layer", Layer)
        answer = post("/twilio/status", {**FORM, "CallStatus": status})

    call.refresh_from_db()
    assert answer.status_code == 204
    assert (call.status, call.ended_reason) == ("ended", "call.in-progress.twilio-completed-call")
    assert told == [
        (call_group(call.id), {"type": "call.over", "reason": "call.in-progress.twilio-completed-call"})
    ]


@pytest.mark.django_db
def test_a_status_on_the_way_changes_nothing(post: Post) -> None:
    call = make_call(call_sid=SID, status=Call.Status.IN_PROGRESS, ended_at=None, ended_reason="")

    for status in ("initiated", "ringing", "in-progress", "answered", "weird", ""):
        assert post("/twilio/status", {**FORM, "CallStatus": status}).status_code == 204

    call.refresh_from_db()
    assert call.status == Call.Status.IN_PROGRESS


@pytest.mark.django_db
def test_a_final_status_is_taken_while_redis_is_away(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    make_call(call_sid=SID, status=Call.Status.IN_PROGRESS, ended_at=None, ended_reason="")

    async def gone(*_: Any) -> None:
        raise RedisGoneError

    monkeypatch.setattr(type(get_channel_layer()), "group_send", gone)

    assert post("/twilio/status", {**FORM, "CallStatus": "completed"}).status_code == 204


@pytest.mark.django_db
def test_what_follows_a_stream(post: Post) -> None:
    make_call(call_sid=SID, ended_reason="assistant-ended-call")
    assert verbs(post("/twilio/after", {**FORM, "CallStatus": "in-progress"})) == ["Hangup"]

    Call.objects.update(ended_reason=services.MODEL_FAILED)
    assert verbs(post("/twilio/after", {**FORM, "CallStatus": "in-progress"})) == [f"Say {APOLOGY}", "Hangup"]
    assert verbs(post("/twilio/after", {**FORM, "CallStatus": "completed"})) == ["Hangup"]


@pytest.mark.django_db
def test_an_event_of_a_stream_that_is_no_error_leaves_no_problem(post: Post) -> None:
    call = make_call(call_sid=SID)

    for event in ("stream-started", "stream-stopped", ""):
        assert post("/twilio/stream-status", {**FORM, "StreamEvent": event}).status_code == 204

    assert not call.problems.exists()


@pytest.mark.parametrize(
    "path", ["/twilio/voice", "/twilio/after", "/twilio/status", "/twilio/stream-status"]
)
def test_only_post_is_a_webhook(path: str) -> None:
    assert Client().get(path).status_code == 405


@pytest.mark.django_db
def test_a_lost_stream_is_opened_anew_after_a_moment(post: Post) -> None:
    number = make_phone_number(did=DID, assistant=make_assistant(published=True))
    assert number.assistant is not None
    call = make_call(
        call_sid=SID,
        status=Call.Status.IN_PROGRESS,
        ended_at=None,
        ended_reason="",
        version=number.assistant.live_version,
        token_used_at=timezone.now(),
    )

    first = post("/twilio/after", {**FORM, "CallStatus": "in-progress"})
    again = post("/twilio/after", {**FORM, "CallStatus": "in-progress"})

    assert first.content == again.content
    document = first.content.decode()
    assert '<Pause length="1" /><Connect action="' in document
    assert f"/media/{call.id}" in document
    call.refresh_from_db()
    assert (call.status, call.token_used_at) == (Call.Status.IN_PROGRESS, None)
