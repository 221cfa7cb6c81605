"""Whether Twilio and OpenAI know us, and whether our clock agrees with theirs."""

from http.server import BaseHTTPRequestHandler

import orjson
import pytest
from pytest_django import Settings

from calls.doctor.checks import parties
from calls.doctor.report import Verdict
from calls.models import TwilioAccount
from calls.tests.doctor.servers import web

OTHER_ACCOUNT = "AC" + "b" * 32


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "account", "verdict", "word"),
    [
        (200, {"status": "active", "auth_token": "test-token"}, Verdict.OK, "active"),
        (200, {"status": "active"}, Verdict.OK, "active"),
        (200, {"status": "active", "auth_token": "another"}, Verdict.FAILED, "signs with another auth token"),
        (200, {"status": "active", "auth_token": "second"}, Verdict.WARNING, "SECONDARY"),
        (200, {"status": "suspended"}, Verdict.FAILED, "suspended"),
        (401, {"code": 20003, "message": "Authenticate"}, Verdict.FAILED, "refuses our credentials"),
        (503, {}, Verdict.FAILED, "answered 503"),
    ],
)
def test_twilio_tells_whether_it_knows_us(
    settings: Settings, status: int, account: dict[str, str], verdict: Verdict, word: str
) -> None:
    settings.TWILIO_AUTH_TOKENS = ["test-token", "second"]
    with web(lambda *_: (status, orjson.dumps(account).decode())) as origin:
        settings.TWILIO_API_URL = origin
        found = parties.twilio_accounts()

    assert (found.verdict, word in found.found) == (verdict, True), found
    assert "test-token" not in found.found + found.what_to_do


@pytest.mark.django_db
@pytest.mark.parametrize(("primary", "verdict"), [("its-own", Verdict.OK), ("rotated", Verdict.FAILED)])
def test_another_account_whose_token_was_rotated_at_twilio_is_told(
    settings: Settings, primary: str, verdict: Verdict
) -> None:
    TwilioAccount.objects.create(sid=OTHER_ACCOUNT, auth_token="its-own")

    def account(handler: BaseHTTPRequestHandler, _: dict[str, str]) -> tuple[int, str]:
        token = primary if OTHER_ACCOUNT in handler.path else settings.TWILIO_AUTH_TOKEN
        return 200, orjson.dumps({"status": "active", "auth_token": token}).decode()

    with web(account) as origin:
        settings.TWILIO_API_URL = origin
        found = parties.twilio_accounts()

    assert found.verdict is verdict, found
    assert ("under Twilio accounts" in found.what_to_do) is (verdict is Verdict.FAILED)


@pytest.mark.django_db
def test_a_twilio_that_cannot_be_reached_is_told(settings: Settings) -> None:
    settings.TWILIO_API_URL = "http://127.0.0.1:9"

    assert "could not be reached" in parties.twilio_accounts().found


@pytest.mark.parametrize(
    ("by", "verdict"),
    [
        (0.4, Verdict.OK),
        (-4.0, Verdict.OK),
        (8.0, Verdict.WARNING),
        (-45.0, Verdict.FAILED),
        (3600.0, Verdict.FAILED),
    ],
)
def test_a_clock_is_judged_by_how_far_it_is_off(by: float, verdict: Verdict) -> None:
    assert parties.clock_told({"Twilio": by}).verdict is verdict


def test_one_party_whose_own_clock_is_wrong_is_not_believed() -> None:
    assert parties.clock_told({"Twilio": 500.0, "OpenAI": 0.2}).verdict is Verdict.OK


def test_the_clock_is_read_from_answers(settings: Settings) -> None:
    with web(lambda *_: (401, "")) as origin:
        settings.TWILIO_API_URL = origin
        settings.OPENAI_REALTIME_URL = origin.replace("http", "ws", 1)
        found = parties.clock()

    assert found.verdict is Verdict.OK
    assert abs(found.facts["ahead_s"]) < 60


def test_another_realtime_server_is_not_asked_for_its_models(settings: Settings) -> None:
    settings.OPENAI_REALTIME_URL = "ws://127.0.0.1:9/v1/realtime"

    assert parties.openai_key().verdict is Verdict.SKIPPED
