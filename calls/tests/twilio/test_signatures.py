"""All of the vendor's cases, at the functions and through the real view and consumer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from channels.testing import WebsocketCommunicator
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.test import Client
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from calls.consumers import MediaStreamConsumer
from calls.models import TwilioAccount
from calls.twilio import signatures
from calls.twilio.signatures import ALGORITHM_HEADER, http_signature_valid, websocket_signature_valid
from calls.twilio.webhooks import twilio_webhook

FIXTURE = Path(__file__).resolve().parents[3] / "tests/fixtures/twilio/signature-cases.json"
CASES: list[dict[str, Any]] = json.loads(FIXTURE.read_text(encoding="utf-8"))["cases"]
HTTP_CASES = [case for case in CASES if case["method"] != "WS"]
WS_CASES = [case for case in CASES if case["method"] == "WS"]
SEEN_CASES = [case for case in CASES if case.get("as_seen_by_app")]
# What the app sees differs from the signed address only in what it never looks at: with the public origin
# configured, these are good requests.
CURED_BY_PUBLIC_ORIGIN = {"tls-terminated-raw", "forged-forwarded-host"}
# Twilio may sign with or without a slash and a port; the receiver tries each form, so these become good too.
CURED_BY_CANDIDATES = {"ws-signed-with-slash-validated-without", "ws-port-443-signed-not-given"}


def by_id(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    """One test for each case, by its name."""
    return pytest.mark.parametrize("case", cases, ids=[case["id"] for case in cases])


def settings_header(case: dict[str, Any]) -> str:
    """The header that names the algorithm, where the case has one."""
    return f"key=webhooks_sharedkey_01,algorithm={case['algorithm']}" if case["algorithm"] else ""


def query_dict(case: dict[str, Any]) -> QueryDict:
    """The case's parameters as Django gives them."""
    return QueryDict(urlencode([tuple(pair) for pair in case["params"] or []]))


def test_the_cases_are_all_there() -> None:
    assert len(CASES) == 35
    assert len(SEEN_CASES) == 8


@by_id(HTTP_CASES)
def test_http_cases(case: dict[str, Any]) -> None:
    valid = http_signature_valid(
        url=case["validate_url"],
        params=query_dict(case),
        body=(case["body"] or "").encode(),
        signature=case["signature"],
        tokens=[case["auth_token"]],
        algorithm_header=settings_header(case),
    )

    assert valid == case["expected"]


@by_id(WS_CASES)
def test_websocket_cases(case: dict[str, Any]) -> None:
    url = urlsplit(case["validate_url"])
    # The receiver makes wss out of https by itself; a ws address never is the public one.
    expected = case["expected"] or case["id"] in CURED_BY_CANDIDATES or url.scheme == "https"

    valid = websocket_signature_valid(
        origin=f"{url.scheme}://{url.netloc}",
        path=url.path,
        signature=case["signature"],
        tokens=[case["auth_token"]],
    )

    assert valid == expected


@by_id(HTTP_CASES)
def test_either_token_counts_while_one_is_rotated(case: dict[str, Any]) -> None:
    valid = http_signature_valid(
        url=case["validate_url"],
        params=query_dict(case),
        body=(case["body"] or "").encode(),
        signature=case["signature"],
        tokens=["another-token", case["auth_token"]],
        algorithm_header=settings_header(case),
    )

    assert valid == case["expected"]


def test_the_body_counts_although_the_caller_passes_no_parameters() -> None:
    """The library accepts a signed address with bodySHA256 and any body when it is given no text."""
    case = next(case for case in CASES if case["id"] == "json-tampered")

    assert not http_signature_valid(
        url=case["validate_url"],
        params={},
        body=case["body"].encode(),
        signature=case["signature"],
        tokens=[case["auth_token"]],
    )


def test_no_token_means_nobody_is_let_in() -> None:
    case = CASES[1]

    assert not http_signature_valid(
        url=case["validate_url"], params=query_dict(case), body=b"", signature=case["signature"], tokens=[]
    )


@given(signature=st.text(), algorithm=st.text(), body=st.binary(), url=st.text())
def test_nothing_that_a_stranger_sends_raises(signature: str, algorithm: str, body: bytes, url: str) -> None:
    for address in (url, f"https://voice.example.com/?bodySHA256={url}"):
        assert not http_signature_valid(
            url=address, params={}, body=body, signature=signature, tokens=["t"], algorithm_header=algorithm
        )
    assert not websocket_signature_valid(origin=url, path=url, signature=signature, tokens=["t"])


# Through Django and the consumer


@twilio_webhook
def webhook(_request: HttpRequest) -> HttpResponse:
    """What a request reaches that is let in."""
    return HttpResponse("in")


urlpatterns = [
    path("twilio/voice/", webhook),
    path("twilio/status/", webhook),
    path("twilio/events/", webhook),
]


@pytest.fixture
def voice(settings: Settings) -> Settings:
    """The origin and the addresses that the cases were signed for."""
    settings.ROOT_URLCONF = __name__
    settings.ALLOWED_HOSTS = ["*"]
    settings.PUBLIC_ORIGIN = "https://voice.example.com"
    settings.MEDIA_ORIGIN = "https://voice.example.com"
    return settings


@by_id([case for case in SEEN_CASES if case["method"] == "POST"])
def test_posts_as_the_app_sees_them(case: dict[str, Any], voice: Settings) -> None:
    voice.TWILIO_AUTH_TOKENS = [case["auth_token"]]
    voice.TWILIO_ACCOUNT_SID = dict(case["params"])["AccountSid"]

    answer = send(case)

    assert (answer.status_code == 200) == (case["expected"] or case["id"] in CURED_BY_PUBLIC_ORIGIN)
    assert answer.status_code in (200, 403)


def test_a_get_is_not_a_webhook_however_well_signed(voice: Settings) -> None:
    (case,) = (case for case in SEEN_CASES if case["method"] == "GET")
    seen = case["as_seen_by_app"]
    voice.TWILIO_AUTH_TOKENS = [case["auth_token"]]

    answer = Client().get(
        f"{seen['path']}?{seen['query_string']}", headers={"X-Twilio-Signature": case["signature"]}
    )

    assert answer.status_code == 405


def test_a_query_string_is_part_of_what_is_signed(voice: Settings) -> None:
    case = next(case for case in CASES if case["id"] == "json-ok")
    voice.TWILIO_AUTH_TOKENS = [case["auth_token"]]
    url = urlsplit(case["signed_url"])

    answers = [
        Client().post(
            f"{url.path}?{query}",
            data=case["body"],
            content_type="application/json",
            headers={"X-Twilio-Signature": case["signature"]},
        )
        for query in (url.query, url.query + "0")
    ]

    assert [answer.status_code for answer in answers] == [200, 403]


@pytest.mark.parametrize("signature", ["", "Zm9v", "ünsinn", "a" * 10_000])
def test_a_wrong_or_missing_signature_is_forbidden_and_says_what_to_check(
    voice: Settings, signature: str
) -> None:
    answer = Client().post("/twilio/voice/", {"CallSid": "CA1"}, headers={"X-Twilio-Signature": signature})

    assert answer.status_code == 403
    assert b"PUBLIC_ORIGIN" in answer.content


def test_a_body_larger_than_any_webhook_is_not_read(voice: Settings) -> None:
    answer = Client().post("/twilio/voice/", {"CallSid": "x" * 70_000})

    assert answer.status_code == 413


async def test_the_upgrade_as_the_app_sees_it(voice: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = (case for case in SEEN_CASES if case["method"] == "WS")
    voice.TWILIO_AUTH_TOKENS = [case["auth_token"]]

    async def nobody(_call_id: object) -> int:
        return 1008

    monkeypatch.setattr("calls.consumers.stream_call_load", nobody)
    monkeypatch.setattr("calls.lines.opening.upgrade_tokens", lambda: voice.TWILIO_AUTH_TOKENS)

    for signature, let_in in ((case["signature"], True), ("Zm9v", False), ("", False), ("\xff", False)):
        seen = case["as_seen_by_app"]
        headers = [(name.encode(), value.encode()) for name, value in seen["headers"].items()]
        headers.append((b"x-twilio-signature", signature.encode("latin-1")))
        communicator = WebsocketCommunicator(MediaStreamConsumer.as_asgi(), seen["path"], headers=headers)
        scope: dict[str, Any] = communicator.scope  # type: ignore[assignment]  # routing adds to it
        scope["url_route"] = {"kwargs": {"call_id": "of nobody"}}

        connected, _ = await communicator.connect(timeout=60)

        assert connected is let_in
        await communicator.wait(timeout=60)


def send(case: dict[str, Any]) -> Any:
    """The case's request, with the headers that a proxy has left on it."""
    seen = case["as_seen_by_app"]
    headers = {**seen["headers"], "X-Twilio-Signature": case["signature"]}
    if case["algorithm"]:
        headers[ALGORITHM_HEADER] = settings_header(case)
    return Client().post(
        seen["path"],
        data=urlencode([tuple(pair) for pair in case["params"]]),
        content_type="application/x-www-form-urlencoded",
        headers=headers,
    )


# --- Several accounts -----------------------------------------------------------------------------------------

SUBACCOUNT = "AC" + "5e" * 16


def voice_post(account_sid: str, token: str) -> int:
    """What our real view answers to a webhook of that account, signed with that token."""
    form = {
        "CallSid": "CA" + "7" * 32,
        "AccountSid": account_sid,
        "To": "+14155550100",
        "From": "+13125550177",
    }
    signature = RequestValidator(token).compute_signature("https://tandem.test/twilio/voice", form)
    return Client().post("/twilio/voice", form, headers={"X-Twilio-Signature": signature}).status_code


@pytest.fixture
def forgotten() -> Iterator[None]:
    """No token that another test has looked up is remembered."""
    signatures._remembered.cache_clear()
    signatures._every.cache_clear()
    yield
    signatures._remembered.cache_clear()
    signatures._every.cache_clear()


@pytest.mark.django_db
@pytest.mark.usefixtures("forgotten")
def test_a_subaccounts_webhook_is_believed_with_its_own_tokens_and_no_other(settings: Settings) -> None:
    TwilioAccount.objects.create(sid=SUBACCOUNT, auth_token="theirs", auth_token_secondary="their second")

    assert voice_post(SUBACCOUNT, "theirs") == 200
    assert voice_post(SUBACCOUNT, "their second") == 200
    assert voice_post(SUBACCOUNT, settings.TWILIO_AUTH_TOKEN) == 403
    assert voice_post(settings.TWILIO_ACCOUNT_SID, "theirs") == 403


@pytest.mark.django_db
@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("account_sid", ["AC" + "0f" * 16, "", "nonsense", "AC1", "\x00"])
def test_an_account_that_nobody_knows_is_refused(account_sid: str) -> None:
    assert voice_post(account_sid, "the stranger's own token") == 403


@pytest.mark.django_db
@pytest.mark.usefixtures("forgotten")
def test_the_environments_account_is_checked_without_asking_the_database(
    settings: Settings, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        assert list(signatures.request_tokens(settings.TWILIO_ACCOUNT_SID)) == settings.TWILIO_AUTH_TOKENS
        assert list(signatures.request_tokens("nonsense")) == settings.TWILIO_AUTH_TOKENS


@pytest.mark.django_db
@pytest.mark.usefixtures("forgotten")
def test_a_flood_of_one_strange_account_asks_the_database_once(
    django_assert_max_num_queries: Any,
) -> None:
    with django_assert_max_num_queries(2):  # two where the quarter of a minute turns in between
        for _ in range(50):
            signatures.request_tokens("AC" + "0e" * 16)


@pytest.mark.django_db
@pytest.mark.usefixtures("forgotten")
def test_without_a_database_the_environments_account_is_still_believed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(signatures, "auth_tokens_for", away)

    assert list(signatures.request_tokens(SUBACCOUNT)) == settings.TWILIO_AUTH_TOKENS


@pytest.mark.django_db
@pytest.mark.usefixtures("forgotten")
def test_a_stream_may_be_signed_by_any_account_that_is_switched_on(settings: Settings) -> None:
    TwilioAccount.objects.create(sid=SUBACCOUNT, auth_token="theirs")
    TwilioAccount.objects.create(sid="AC" + "6e" * 16, auth_token="off", enabled=False)

    assert list(signatures.upgrade_tokens()) == [*settings.TWILIO_AUTH_TOKENS, "theirs"]
