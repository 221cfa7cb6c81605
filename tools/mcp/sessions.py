"""Sessions with MCP servers: one for each phone call, so that no caller meets what another has left behind in one.

Kept in Redis for all workers, encrypted, and only to save their opening: without Redis each request opens its own.
"""

import json
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from tools.encryption import SecretUnreadableError, decrypt, encrypt
from tools.shared_state import key, store

# Longer than calls last; a session that the server has ended earlier is opened again.
LIFE_S = 3600


@dataclass(frozen=True, slots=True)
class Session:
    """An opened session. ``id`` is empty where the server gives none; ``version`` is the protocol's that it chose."""

    version: str
    id: str = field(default="", repr=False)


def session_kept(place: str) -> Session | None:
    """The session of this call with this server, if one is known."""
    try:
        kept = store().get(_key(place)) if place else None
        return Session(**json.loads(decrypt(str(kept)))) if kept is not None else None
    except (RedisError, SecretUnreadableError):
        return None


def session_keep(place: str, session: Session) -> None:
    """Keep the session for the call's next request, unless another worker has opened one meanwhile."""
    if not place:
        return
    kept = encrypt(json.dumps({"version": session.version, "id": session.id}))
    try:
        store().set(_key(place), kept, ex=LIFE_S, nx=True)
    except RedisError:
        return  # the next request opens its own


def session_forget(place: str, session: Session) -> None:
    """Forget a session that the server no longer knows, unless another is kept by now."""
    try:
        if session_kept(place) == session:
            store().delete(_key(place))
    except RedisError:
        return  # nothing was kept


def _key(place: str) -> str:
    return key("mcp-session", place)
