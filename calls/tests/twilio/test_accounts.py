"""Which credentials act on which account, also when the database or a secret cannot be read."""

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from calls.models import TwilioAccount
from calls.twilio import accounts

OURS = "AC" + "0" * 32
THEIRS = "AC" + "5" * 32


@pytest.fixture(autouse=True)
def environment(settings: Settings) -> None:
    settings.TWILIO_ACCOUNT_SID = OURS


def test_the_environments_account_needs_no_database() -> None:
    assert accounts.credentials_for(OURS).username == OURS
    assert accounts.credentials_for("").username == OURS
    assert accounts.auth_tokens_for(OURS) == ("test-token",)


def test_a_call_of_another_account_can_be_ended_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(_: str) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(accounts, "_row", away)

    assert accounts.credentials_for(THEIRS).username == OURS


@pytest.mark.django_db
def test_a_secret_that_cannot_be_read_is_as_good_as_none() -> None:
    TwilioAccount.objects.create(sid=THEIRS, auth_token="theirs")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE calls_twilioaccount SET auth_token = 'under another key'")

    assert accounts.credentials_for(THEIRS).username == OURS
    assert accounts.auth_tokens_for(THEIRS) == ("test-token",)


@pytest.mark.django_db
def test_secrets_are_stored_encrypted_and_shown_nowhere() -> None:
    TwilioAccount.objects.create(sid=THEIRS, auth_token="theirs", api_key_sid="SK1", api_key_secret="s3cr3t")

    with connection.cursor() as cursor:
        cursor.execute("SELECT auth_token || api_key_secret FROM calls_twilioaccount")
        stored = cursor.fetchone()[0]
    assert "theirs" not in stored
    assert "s3cr3t" not in stored + repr(accounts.credentials_for(THEIRS))
