"""API keys: making one, finding whose it is, and revoking it."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime
from http import HTTPStatus
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from tools.access.errors import ApiError
from tools.access.failures import refusal
from tools.models import ApiKey

# What a key may do, and how people read it. Reading is GET; writing is everything else.
SCOPES: Final[dict[str, str]] = {
    "assistant:read": "Read assistants",
    "assistant:write": "Create, change and delete assistants",
    "tool:read": "Read tools",
    "tool:write": "Create, change and delete tools",
    "squad:read": "Read squads",
    "squad:write": "Create, change and delete squads",
    "phone-number:read": "Read phone numbers",
    "phone-number:write": "Register phone numbers, and choose who answers them",
    "call:read": "Read calls, read along and listen",
    "call:write": "Place, control and erase calls",
    "analytics:read": "Count and sum up calls",
}
_START: Final = "tandem_"
_SHOWN: Final = len(_START) + 6
# Longer than any key of ours; nothing more is worth hashing.
_LONGEST: Final = 200
NO_KEY: Final = "Unauthorized"
# Vapi's very words, which clients may look for.
INVALID_KEY: Final = (
    "Invalid Key. Hot tip, you may be using the private key instead of the public key, or vice versa."
)


def key_create(
    *,
    name: str,
    scopes: Collection[str] = tuple(SCOPES),
    kind: str = ApiKey.Kind.PRIVATE,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key, and its text, which can be read only now."""
    key = ApiKey(name=name, kind=kind, scopes=sorted(scopes), expires_at=expires_at)
    text = key_renew(key)
    key.full_clean()
    key.save(force_insert=True)
    return key, text


def key_renew(key: ApiKey) -> str:
    """A new text of the key, which is not saved yet."""
    text = _START + secrets.token_urlsafe(32)
    key.prefix, key.key_hash = text[:_SHOWN], key_hash(text)
    return text


def key_hash(text: str) -> str:
    """What is stored of a key. A plain digest will do: nobody guesses 32 random bytes."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def key_authenticate(
    authorization: str, *, address: str, kinds: Collection[str] = (ApiKey.Kind.PRIVATE,)
) -> ApiKey:
    """The key of an Authorization header, of HTTP or of a WebSocket.

    Raises ApiError where it opens nothing: 401, or 429 after too many of those from this ``address`` (tools.access.asking).
    """
    scheme, _, text = authorization.strip().partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text:
        raise refusal(NO_KEY, why="no key", address=address)
    digest = key_hash(text[:_LONGEST])
    key = ApiKey.objects.filter(key_hash=digest).first()
    # The index compares digests, whose beginnings nobody can choose; the whole is compared in constant time.
    if key is None or not hmac.compare_digest(key.key_hash, digest):
        raise refusal(INVALID_KEY, why="unknown", address=address)
    if key.kind not in kinds:
        raise refusal(INVALID_KEY, why="wrong kind", address=address)
    if not is_open(key):
        raise refusal(INVALID_KEY, why="revoked" if key.revoked_at else "expired", address=address)
    return key


def is_open(key: ApiKey, *, now: datetime | None = None) -> bool:
    """Whether the key is neither revoked nor expired."""
    if key.revoked_at is not None:
        return False
    return key.expires_at is None or key.expires_at > (now or timezone.now())


def scope_require(key: ApiKey, scope: str) -> None:
    """Raises ApiError 403 where the key may not do that."""
    if scope not in key.scopes:
        raise ApiError(
            HTTPStatus.FORBIDDEN,
            f"This key may not do that: it lacks {scope}. Give it that under API keys in the admin, or use another.",
        )


def keys_revoke(keys: QuerySet[ApiKey]) -> int:
    """How many keys were revoked. A revoked key never opens anything again."""
    return keys.filter(revoked_at=None).update(revoked_at=timezone.now())
