"""The way back: where it leads, how long callers wait for it, and that no signature minds its limits."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from calls import services
from calls.cutover import fallback
from calls.cutover.changes import is_ours

ORIGIN = "https://tandem.test"
OLD = {"voice_url": "https://api.vapi.ai/twilio/inbound_call#rt=9000", "voice_method": "GET"}


def limits(url: str) -> dict[str, int]:
    return {name: int(values[0]) for name, values in parse_qs(urlsplit(url).fragment).items()}


def test_a_silent_host_costs_a_caller_about_three_seconds(settings: Settings) -> None:
    found = limits(fallback.voice_url(ORIGIN))

    assert found["ct"] * (found["rc"] + 1) <= 3500
    assert found["tt"] <= 3500
    assert 100 <= found["ct"] <= 10_000
    assert found["rt"] <= found["tt"] <= 15_000
    assert 0 <= found["rc"] <= 5


def test_an_answer_that_takes_as_long_as_the_settings_allow_is_not_cut_off(settings: Settings) -> None:
    for allowed_ms in (500, 2500, 14_000):
        settings.VOICE_ANSWER_WITHIN_MS = allowed_ms
        found = limits(fallback.voice_url(ORIGIN))

        assert found["rt"] >= allowed_ms
        assert found["tt"] >= allowed_ms
        assert found["tt"] <= 15_000


def test_without_a_way_back_twilio_waits_as_long_as_it_can() -> None:
    assert fallback.voice_url(ORIGIN, has_way_back=False) == "https://tandem.test/twilio/voice"


def test_the_address_with_limits_is_still_ours() -> None:
    assert is_ours(fallback.voice_url(ORIGIN), origin=ORIGIN)


def test_the_old_providers_address_is_taken_as_it_is() -> None:
    assert fallback.fallback_for(OLD) == ("https://api.vapi.ai/twilio/inbound_call#rt=9000", "GET")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"voice_url": None},
        {**OLD, "trunk_sid": "TK1"},
        {**OLD, "voice_application_sid": "AP1"},
        {"voice_url": "https://tandem.test/twilio/voice?back=1"},
    ],
)
def test_there_is_no_way_back_to_nobody_a_trunk_or_ourselves(config: dict[str, Any]) -> None:
    assert fallback.fallback_for(config) == ("", "POST")


def test_an_application_has_its_own_way_back() -> None:
    config = {"voice_application_sid": "AP1"}

    assert fallback.fallback_for(config, route=("https://app.example.com", "GET")) == (
        "https://app.example.com",
        "GET",
    )


def test_a_chosen_place_is_the_way_back_of_every_number(settings: Settings) -> None:
    settings.VOICE_FALLBACK = "https://handler.twilio.com/twiml/EH1"
    assert fallback.fallback_for({"trunk_sid": "TK1"}) == ("https://handler.twilio.com/twiml/EH1", "POST")

    settings.VOICE_FALLBACK = "+14155550199"
    url, method = fallback.fallback_for(OLD)
    assert parse_qs(urlsplit(url).query)["PhoneNumber"] == ["+14155550199"]
    assert method == "GET"


# --- Trap: the limits stand in the fragment, which is neither sent nor signed --------------------------------


def _post(settings: Settings, *, signed_url: str, path: str) -> Any:
    form = {"CallSid": "CA" + "7" * 32, "AccountSid": settings.TWILIO_ACCOUNT_SID, "To": "+1", "From": "+2"}
    signature = RequestValidator(settings.TWILIO_AUTH_TOKEN).compute_signature(signed_url, form)
    return Client().post(path, form, headers={"X-Twilio-Signature": signature})


@pytest.mark.django_db
def test_a_webhook_is_believed_by_the_address_without_its_fragment(settings: Settings) -> None:
    configured = fallback.voice_url(settings.PUBLIC_ORIGIN)
    requested = fallback.without_fragment(configured)
    path = requested.removeprefix(settings.PUBLIC_ORIGIN)

    assert "#" not in path
    assert _post(settings, signed_url=requested, path=path).status_code == 200
    assert _post(settings, signed_url=configured, path=path).status_code == 403


@pytest.mark.parametrize(("path", "status"), [("/twilio/voice?back=1", 503), ("/twilio/voice", 200)])
def test_without_a_database_a_call_takes_the_way_back_where_there_is_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    def away(**_: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(services, "call_start", away)
    monkeypatch.setattr("calls.cutover.canary.call_hand_over", away)

    answer = _post(settings, signed_url=settings.PUBLIC_ORIGIN + path, path=path)

    assert answer.status_code == status
    assert (b"<Say" in answer.content) == (status == 200)
