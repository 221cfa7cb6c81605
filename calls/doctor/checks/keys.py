"""Keys and tokens that are being exchanged for new ones, and how far that has come."""

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db.models import Model

from calls.doctor.report import Finding, failed, ok, warning
from tools.encryption import EncryptedTextField, stored_token

# Captures are many and short-lived; the newest of each column tell enough.
_MOST_PER_COLUMN = 500


@dataclass(slots=True)
class Count:
    """How many secrets were read, and under which keys they are."""

    read: int = 0
    under_old: int = 0
    unreadable: int = 0


def encryption_keys() -> Finding:
    """Whether every stored secret can be decrypted, and by the first key."""
    keys: list[str] = settings.FIELD_ENCRYPTION_KEYS
    if not keys:
        return failed(
            "FIELD_ENCRYPTION_KEY is not set.",
            'Set it to the output of python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())".',
        )
    counts = {name: counted(tokens, keys) for name, tokens in _columns()}
    return counts_told(counts, len(keys))


def counted(tokens: Iterator[str], keys: list[str]) -> Count:
    """The tokens, counted by the key that opens them."""
    first, *others = [Fernet(one) for one in keys]
    count = Count()
    for token in tokens:
        count.read += 1
        if _opens(first, token):
            continue
        if any(_opens(other, token) for other in others):
            count.under_old += 1
        else:
            count.unreadable += 1
    return count


def _opens(fernet: Fernet, token: str) -> bool:
    try:
        fernet.decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def _columns() -> Iterator[tuple[str, Iterator[str]]]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedTextField):
                yield f"{model._meta.verbose_name}: {field.verbose_name}", _tokens(model, field.name)


def _tokens(model: type[Model], column: str) -> Iterator[str]:
    rows = model._default_manager.exclude(**{column: ""}).order_by("-pk")
    tokens = rows.annotate(doctor_token=stored_token(column)).values_list("doctor_token", flat=True)
    return (token for token in tokens[:_MOST_PER_COLUMN] if token)


def counts_told(counts: dict[str, Count], keys: int) -> Finding:
    """What secrets under these keys mean."""
    read = sum(one.read for one in counts.values())
    facts = {"keys": keys, "secrets": read}
    lost = {name: one.unreadable for name, one in counts.items() if one.unreadable}
    if lost:
        where = ", ".join(f"{name} ({many})" for name, many in lost.items())
        return failed(
            f"Secrets that no key opens: {where}.",
            "Put the key they were stored under at the end of FIELD_ENCRYPTION_KEY, or enter them again.",
            **facts,
        )
    old = {name: one.under_old for name, one in counts.items() if one.under_old}
    if old:
        where = ", ".join(f"{name} ({many})" for name, many in old.items())
        return warning(
            f"Still under an older key: {where}.",
            "Keep the older key in FIELD_ENCRYPTION_KEY until these have been saved again.",
            **facts,
        )
    if keys > 1 and read:
        return warning(
            f"All {read} secrets are under the first of {keys} keys.",
            "The rotation is through: take the older keys out of FIELD_ENCRYPTION_KEY, if no backup needs them.",
            **facts,
        )
    if not read:
        return ok("No secret is stored.", **facts)
    return ok("Every stored secret can be decrypted.", **facts)


def token_rotation() -> Finding:
    """Whether Twilio's auth token is being rotated."""
    if settings.TWILIO_AUTH_TOKEN_SECONDARY:
        return warning(
            "TWILIO_AUTH_TOKEN_SECONDARY is set: webhooks are believed with either token.",
            "When the new token is the primary one in Twilio's console, make it TWILIO_AUTH_TOKEN and empty the secondary one.",
        )
    return ok("No token is being rotated.")
