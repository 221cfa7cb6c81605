"""One call of a shared number: written down before it is said, and said the same again."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from calls.cutover import canary
from calls.models import (
    Call,
    CallHandover,
    FallbackCall,
    PhoneNumber,
)
from calls.tests.cutover.sharing import CONFIG, OLD_URL, SID, Post, make_shared, redirect_of


@pytest.mark.django_db
def test_a_call_of_the_other_share_is_redirected_to_the_snapshots_own_url(post: Post) -> None:
    number = make_shared()

    answer = post("/twilio/voice")

    assert redirect_of(answer) == (OLD_URL, "POST")
    assert b"?org=a&amp;line=b#rt=9000" in answer.content
    call = Call.objects.get(call_sid=SID)
    assert (call.stack, call.phone_number, call.version, call.assistant) == (
        "vapi", number, None, number.assistant,
    )  # fmt: skip
    assert call.handover.status_callback == CONFIG["status_callback"]


@pytest.mark.django_db
def test_the_snapshots_method_is_kept(post: Post) -> None:
    make_shared(config={**CONFIG, "voice_method": "GET"})

    assert redirect_of(post("/twilio/voice")) == (OLD_URL, "GET")


@pytest.mark.django_db
@pytest.mark.parametrize("percent", [0, 40, 100])
def test_a_repeated_webhook_gets_the_same_document_whatever_the_share_is_then(
    post: Post, percent: int
) -> None:
    number = make_shared()
    first = post("/twilio/voice")
    PhoneNumber.objects.filter(pk=number.pk).update(canary_percent=percent)

    again = post("/twilio/voice")

    assert again.content == first.content
    assert Call.objects.filter(call_sid=SID).count() == 1


@pytest.mark.django_db
def test_a_call_that_we_took_stays_ours_when_the_share_falls(post: Post) -> None:
    number = make_shared(percent=100)
    first = post("/twilio/voice")
    PhoneNumber.objects.filter(pk=number.pk).update(canary_percent=0)

    again = post("/twilio/voice")

    assert again.content == first.content
    assert b"<Stream" in again.content


@pytest.mark.django_db
def test_a_call_that_comes_back_with_an_error_is_answered_by_us(post: Post) -> None:
    make_shared()
    post("/twilio/voice")

    back = post("/twilio/voice", ErrorCode="11200", ErrorUrl="https://user:pass@api.vapi.ai/in?key=secret")

    assert b"<Stream" in back.content
    call = Call.objects.get(call_sid=SID)
    assert call.stack == "direct"
    assert call.version is not None
    (seen,) = FallbackCall.objects.all()
    assert (seen.kind, seen.error_code, seen.error_url) == ("error", "11200", "https://api.vapi.ai/in")


@pytest.mark.django_db
def test_an_old_provider_that_sends_calls_back_to_us_does_not_make_them_go_round_for_ever(post: Post) -> None:
    make_shared()

    answers = [post("/twilio/voice") for _ in range(canary.MOST_ANSWERS + 1)]

    assert [redirect_of(one)[0] == OLD_URL for one in answers] == [True] * canary.MOST_ANSWERS + [False]
    assert b"<Stream" in answers[-1].content
    assert "again and again" in CallHandover.objects.get().problem


@pytest.mark.django_db
def test_a_number_without_anybody_to_hand_calls_to_is_answered_by_us(post: Post) -> None:
    make_shared(config={**CONFIG, "trunk_sid": "TK1"})

    assert b"<Stream" in post("/twilio/voice").content


@pytest.mark.django_db
def test_our_own_address_in_a_snapshot_is_never_redirected_to(post: Post) -> None:
    make_shared(config={**CONFIG, "voice_url": "https://tandem.test/twilio/voice#rt=1000"})

    assert b"<Stream" in post("/twilio/voice").content


@pytest.mark.django_db
def test_calls_of_an_application_go_to_the_url_that_was_kept(post: Post) -> None:
    number = make_shared(config={**CONFIG, "voice_application_sid": "AP1"})
    assert number.snapshot is not None
    assert b"<Stream" in post("/twilio/voice", CallSid="CA" + "1" * 32).content

    canary.route_keep(number.snapshot, {"voice_url": "https://app.example.com/v"}, now=timezone.now())

    assert redirect_of(post("/twilio/voice")) == ("https://app.example.com/v", "POST")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("percent", [0, 100])
def test_two_webhooks_at_once_write_one_call_and_say_the_same(post: Post, percent: int) -> None:
    make_shared(percent=percent)
    together, answers = threading.Barrier(4), []

    def ring() -> None:
        try:
            together.wait(120)
            answers.append(post("/twilio/voice").content)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert Call.objects.count() == 1
    assert CallHandover.objects.count() == (0 if percent else 1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("talked_s", "counts"),
    [("300", False), ("0", True), ("40", True), ("55", False), ("", True), ("x", True)],
)
def test_a_call_that_began_before_the_number_came_to_us_is_the_old_providers(
    post: Post,
    monkeypatch: pytest.MonkeyPatch,
    talked_s: str,
    counts: bool,
) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    make_shared(percent=100, cut_over_at=now - timedelta(seconds=60))

    post("/twilio/status", CallStatus="completed", CallDuration=talked_s)

    assert FallbackCall.objects.exists() is counts


@pytest.mark.django_db
@pytest.mark.parametrize(
    "url",
    [
        "https://[old/voice",
        "https://old\u2100.example.com/",
        "https://old.example.com/\x0b",
        "ftp://x/y",
        "https:",
    ],
)
def test_an_old_address_that_is_none_keeps_the_call_with_us(post: Post, url: str) -> None:
    make_shared(percent=0, config={**CONFIG, "voice_url": url})

    assert "no web address" in canary.obstacle({"voice_url": url})
    assert b"<Stream" in post("/twilio/voice").content
