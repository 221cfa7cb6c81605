"""Lists of MCP servers that come with a call: asked for when they are first needed, and shared for some minutes.

Kept in Redis for all workers, encrypted. While a server is away, what it last told is offered.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.crypto import salted_hmac
from redis.exceptions import RedisError

from tools.auth.credentials import ServerAuth
from tools.encryption import SecretUnreadableError, decrypt, encrypt
from tools.mcp.servers import Protocol
from tools.mcp.services import McpRefreshError, mcp_list_fetch
from tools.shared_state import key, store

FRESH_S: Final = 300
KEPT_S: Final = 24 * 3600
# For so long nobody waits once more for a server that has just failed.
FAILED_S: Final = 20
NO_TIME: Final = "It was not asked: the servers before it took all the time that there is."


@dataclass(frozen=True, slots=True)
class Source:
    """A server and what convinces it. ``same`` is a text that is the same for the same server and the same secrets."""

    url: str = field(repr=False)
    protocol: Protocol
    auth: ServerAuth
    same: str = field(repr=False)

    @property
    def place(self) -> str:
        """Where its list is kept."""
        text = json.dumps([self.url, self.protocol, self.same])
        return key("mcp-list", salted_hmac("tools.mcp.lists", text, algorithm="sha256").hexdigest())


def list_shared(source: Source, *, timeout_s: float) -> dict[str, Any]:
    """What the server tells of its tools, as it is kept among a tool's settings. Raises McpRefreshError.

    Without time it is not asked, and only what is known of it is told.
    """
    known = _kept(source.place)
    now = time.time()
    if known is not None and now < known["until"]:
        if known["list"] is None:
            raise McpRefreshError(known["why"])
        return dict(known["list"])
    if timeout_s <= 0:
        if known is None or known["list"] is None:
            raise McpRefreshError(NO_TIME)
        return dict(known["list"])
    try:
        fetched = mcp_list_fetch(source.url, source.protocol, source.auth, timeout_s=timeout_s)
    except McpRefreshError as exc:
        last = known["list"] if known is not None else None
        _keep(source.place, {"list": last, "why": str(exc), "until": now + FAILED_S})
        if last is None:
            raise
        return dict(last)
    _keep(source.place, {"list": fetched, "why": "", "until": now + FRESH_S})
    return fetched


def _kept(place: str) -> dict[str, Any] | None:
    try:
        token = store().get(place)
        return dict(json.loads(decrypt(str(token)))) if token is not None else None
    except (RedisError, SecretUnreadableError):
        return None


def _keep(place: str, found: dict[str, Any]) -> None:
    try:
        store().set(place, encrypt(json.dumps(found)), ex=KEPT_S)
    except RedisError:
        return  # the next one asks again
