"""Each system check finds what it is for, and says nothing about good settings."""

from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import CheckMessage, run_checks
from django.test import override_settings

from config.checks import CHECKS

GOOD: dict[str, Any] = {
    "DEBUG": False,
    "PUBLIC_ORIGIN": "https://voice.example.com",
    "MEDIA_ORIGIN": "wss://voice.example.com",
    "OPENAI_API_KEY": "sk-x",
    "OPENAI_REALTIME_URL": "wss://api.openai.com/v1/realtime",
    "TWILIO_ACCOUNT_SID": "AC" + "0a" * 16,
    "TWILIO_AUTH_TOKENS": ["x"],
    "TWILIO_API_URL": "https://api.twilio.com",
    "VAPI_API_URL": "https://api.vapi.ai",
    "FIELD_ENCRYPTION_KEYS": ["kq3Wbk7TAVb2gVn1cSdd0RXkm8OcN1WD9OGjSDuKbJg="],
    "ALLOWED_HOSTS": ["voice.example.com"],
    "DATABASE_URL": "postgresql://h/tandem",
    "REDIS_URL": "redis://h:6379/0",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "",
    "VOICE_FALLBACK": "",
    "VOICE_ANSWER_WITHIN_MS": 2500,
}


def found(**changed: Any) -> list[CheckMessage]:
    with override_settings(**{**GOOD, **changed}):
        return [message for check in CHECKS for message in check(app_configs=None)]


def test_good_settings_pass() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("setting", "value", "check_id"),
    [
        ("PUBLIC_ORIGIN", "", "E001"),
        ("PUBLIC_ORIGIN", "voice.example.com", "E001"),
        ("PUBLIC_ORIGIN", "https://voice.example.com/", "E001"),
        ("PUBLIC_ORIGIN", "https://voice.example.com/tandem", "E001"),
        ("PUBLIC_ORIGIN", "https://voice.example.com?x", "E001"),
        ("PUBLIC_ORIGIN", "https://user@voice.example.com", "E001"),
        ("PUBLIC_ORIGIN", "https://voice.example.com:port", "E001"),
        ("PUBLIC_ORIGIN", "wss://voice.example.com", "E001"),
        ("PUBLIC_ORIGIN", "http://voice.example.com", "E002"),
        ("MEDIA_ORIGIN", "https://voice.example.com", "E003"),
        ("MEDIA_ORIGIN", "wss://voice.example.com/media", "E003"),
        ("MEDIA_ORIGIN", "ws://voice.example.com", "E004"),
        ("OPENAI_API_KEY", "", "E005"),
        ("VOICE_FALLBACK", "the old ones", "E018"),
        ("VOICE_FALLBACK", "14155550100", "E018"),
        ("VOICE_FALLBACK", "https://voice.example.com:443/twilio/voice", "E018"),
        ("VOICE_ANSWER_WITHIN_MS", 15_000, "E019"),
        ("OPENAI_REALTIME_URL", "https://api.openai.com/v1/realtime", "E006"),
        ("OPENAI_REALTIME_URL", "wss://", "E006"),
        ("OPENAI_REALTIME_URL", "ws://models.example.com/v1/realtime", "E007"),
        ("TWILIO_AUTH_TOKENS", [], "E008"),
        ("TWILIO_ACCOUNT_SID", "", "E009"),
        ("TWILIO_ACCOUNT_SID", "SK" + "0a" * 16, "E009"),
        ("TWILIO_ACCOUNT_SID", "AC123", "E009"),
        ("TWILIO_API_URL", "http://api.example.com", "E010"),
        ("VAPI_API_URL", "api.vapi.ai", "E011"),
        ("FIELD_ENCRYPTION_KEYS", [], "E012"),
        ("FIELD_ENCRYPTION_KEYS", [GOOD["FIELD_ENCRYPTION_KEYS"][0], "short"], "E013"),
        ("DATABASE_URL", "sqlite:///x", "E014"),
        ("REDIS_URL", "h:6379", "E015"),
        ("REDIS_URL", "redis://", "E015"),
        ("REDIS_URL", "redis://h:port/0", "E015"),
        ("SPOOL_DIR", "/dev/null/spool", "E016"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector", "E017"),
        ("ALLOWED_HOSTS", ["*"], "W002"),
    ],
)
def test_a_wrong_setting_is_found_with_a_hint(setting: str, value: object, check_id: str) -> None:
    messages = found(**{setting: value})

    assert [message.id for message in messages] == [f"tandem.{check_id}"]
    assert messages[0].hint


def test_debug_is_noticed_where_the_public_can_see_it() -> None:
    assert [message.id for message in found(DEBUG=True)] == ["tandem.W001"]


def test_plain_protocols_are_fine_on_this_machine() -> None:
    simulator = "http://127.0.0.1:8002"

    assert not found(
        DEBUG=True,
        PUBLIC_ORIGIN="http://127.0.0.1:8000",
        MEDIA_ORIGIN="ws://127.0.0.1:8001",
        OPENAI_REALTIME_URL="ws://127.0.0.1:8002/v1/realtime",
        TWILIO_API_URL=simulator,
        VAPI_API_URL=simulator,
    )


def test_missing_keys_do_not_stop_development() -> None:
    assert not found(
        DEBUG=True,
        PUBLIC_ORIGIN="http://127.0.0.1:8000",
        OPENAI_API_KEY="",
        TWILIO_ACCOUNT_SID="",
        TWILIO_AUTH_TOKENS=[],
    )


def test_a_spool_that_does_not_exist_yet_may_be_made(tmp_path: Path) -> None:
    assert not found(SPOOL_DIR=tmp_path / "new" / "spool")


def test_django_runs_the_checks() -> None:
    assert apps.is_installed("config")
    with override_settings(**{**GOOD, "OPENAI_API_KEY": ""}):
        ids = [message.id for message in run_checks(tags=["tandem"])]

    assert ids == ["tandem.E005"]
