"""Secrets at rest: text that is encrypted in the database and plain in Python.

The keys are ``settings.FIELD_ENCRYPTION_KEYS``: the first encrypts, all of them decrypt, so a key is
rotated by putting the new one in front. They are not derived from ``SECRET_KEY``: rotating that one
must not lose a customer's webhook secrets.
"""

from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Cast


class SecretUnreadableError(Exception):
    """A stored secret was encrypted under a key that is no longer configured."""


def _fernet() -> MultiFernet:
    keys: list[str] = settings.FIELD_ENCRYPTION_KEYS
    if not keys:
        raise ImproperlyConfigured(
            "FIELD_ENCRYPTION_KEY is not set, so no secret can be stored. Set it to the output of "
            'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())".'
        )
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str) -> str:
    """The text as a Fernet token under the first configured key."""
    return _fernet().encrypt(plain.encode()).decode()


def decrypt(token: str) -> str:
    """The text behind a Fernet token. Raises SecretUnreadableError when no configured key opens it."""
    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken as exc:
        raise SecretUnreadableError(
            "A stored secret cannot be decrypted with the configured FIELD_ENCRYPTION_KEY. "
            "Put the key it was stored under at the end of that variable, or enter the secret again."
        ) from exc


def stored_token(column: str) -> Cast:
    """The column as it is stored, for a query: nothing is decrypted, so an unreadable secret breaks nobody's call."""
    return Cast(column, models.TextField())


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # a plain class at run time
    """A text column that holds Fernet tokens; the empty string stays empty, so "is one set?" is cheap to ask."""

    description = "Encrypted text"

    def get_prep_value(self, value: Any) -> Any:
        plain = super().get_prep_value(value)
        return encrypt(plain) if plain else plain

    def from_db_value(
        self, value: str | None, expression: object, connection: BaseDatabaseWrapper
    ) -> str | None:
        return decrypt(value) if value else value
