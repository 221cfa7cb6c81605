"""How far a rotation is: of the keys that secrets are stored under, and of Twilio's auth token."""

import secrets

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from calls.doctor.checks import keys
from calls.doctor.report import Verdict
from tools.encryption import encrypt
from tools.tests.factories import make_tool


@pytest.mark.django_db
def test_a_rotation_of_the_key_is_followed_to_its_end(settings: Settings) -> None:
    old, new = settings.FIELD_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    make_tool(server_secret="s3cret")
    assert keys.encryption_keys().verdict is Verdict.OK

    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    found = keys.encryption_keys()
    assert (found.verdict, "Still under an older key" in found.found) == (Verdict.WARNING, True)

    settings.FIELD_ENCRYPTION_KEYS = [new]
    found = keys.encryption_keys()
    assert (found.verdict, "no key opens" in found.found) == (Verdict.FAILED, True)
    assert "(1)" in found.found


def test_secrets_under_the_first_of_several_keys_end_the_rotation(settings: Settings) -> None:
    first, second = settings.FIELD_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    count = keys.counted(iter([encrypt("a"), encrypt("b")]), [first, second])

    assert (count.read, count.under_old, count.unreadable) == (2, 0, 0)
    assert "rotation is through" in keys.counts_told({"x": count}, 2).what_to_do


def test_a_second_auth_token_is_a_reminder(settings: Settings) -> None:
    assert keys.token_rotation().verdict is Verdict.OK
    settings.TWILIO_AUTH_TOKEN_SECONDARY = secrets.token_hex()
    assert keys.token_rotation().verdict is Verdict.WARNING
