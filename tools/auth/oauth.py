"""Access tokens of customers' OAuth2 servers: fetched once for all workers, kept encrypted until shortly before they end."""

import base64
import json
import time
import uuid
from urllib.parse import quote, urlencode

from redis.exceptions import RedisError

from tools.auth.credentials import OAuth2
from tools.clients import HttpAnswer, HttpRequest, ToolError, http_send
from tools.encryption import SecretUnreadableError, decrypt, encrypt
from tools.shared_state import key, store

FETCH_TIMEOUT_S = 5.0
# RFC 6749 leaves the life of a token without expires_in open; a guess that is wrong costs one 401.
LIFE_UNSAID_S = 300
LIFE_MAX_S = 24 * 3600
# Used up to here before its end, so that it does not end on its way.
MARGIN_S = 30
_POLL_S = 0.05


def access_token(client: OAuth2) -> str:
    """A token that should be in force. Raises ToolError when none can be had; nothing of the tool's was sent then."""
    try:
        return _shared(client)
    except RedisError:
        return _fetched(client)[0]


def access_token_refused(client: OAuth2, token: str) -> None:
    """Forget the token, unless somebody has already fetched another."""
    try:
        if _cached(client) == token:
            store().delete(_place(client))
    except RedisError:
        return  # without Redis nothing was kept


def _shared(client: OAuth2) -> str:
    """The kept token, or a fresh one: whoever holds the lock fetches, and all others wait for what they get."""
    lock, mine = key("oauth-lock", client.cache_key), uuid.uuid4().hex
    give_up_at = time.monotonic() + FETCH_TIMEOUT_S
    while True:
        token = _cached(client)
        if token is not None:
            return token
        if store().set(lock, mine, nx=True, px=int(FETCH_TIMEOUT_S * 1000) + 1000):
            break
        if time.monotonic() >= give_up_at:
            break
        time.sleep(_POLL_S)
    try:
        # Whoever held the lock until now may have fetched one since we looked.
        token = _cached(client)
        if token is not None:
            return token
        token, life_s = _fetched(client)
        if life_s > MARGIN_S:
            store().set(_place(client), encrypt(token), ex=life_s - MARGIN_S)
        return token
    finally:
        if store().get(lock) == mine:
            store().delete(lock)


def _cached(client: OAuth2) -> str | None:
    kept = store().get(_place(client))
    if kept is None:
        return None
    try:
        return decrypt(str(kept))
    except SecretUnreadableError:  # the key was changed meanwhile
        return None


def _fetched(client: OAuth2) -> tuple[str, int]:
    """A token and its life in seconds. The client names itself in the body, and in the header for servers that want it there."""
    fields = {
        "grant_type": "client_credentials",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
    }
    if client.scope:
        fields["scope"] = client.scope
    answer = _ask(client, fields, {})
    if answer.http_status == 401:
        named = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
        basic = {"Authorization": b"Basic " + base64.b64encode(named.encode())}
        kept = {name: value for name, value in fields.items() if name in ("grant_type", "scope")}
        answer = _ask(client, kept, basic)
    return _read(answer)


def _ask(client: OAuth2, fields: dict[str, str], headers: dict[str, bytes]) -> HttpAnswer:
    request = HttpRequest(
        method="POST",
        url=client.url,
        body=urlencode(fields).encode(),
        headers={
            "Content-Type": b"application/x-www-form-urlencoded",
            "Accept": b"application/json",
            **headers,
        },
    )
    try:
        return http_send(request, timeout_s=FETCH_TIMEOUT_S, send_within_s=FETCH_TIMEOUT_S)
    except ToolError as exc:
        raise _error(f"its OAuth2 server could not be asked for a token: {exc.why}") from exc


def _read(answer: HttpAnswer) -> tuple[str, int]:
    if not 200 <= answer.http_status < 300:
        raise _error(f"its OAuth2 server gave no token (HTTP status {answer.http_status})")
    try:
        given = json.loads(answer.body)
    except (ValueError, RecursionError):
        given = None
    token = given.get("access_token") if isinstance(given, dict) else None
    if not isinstance(token, str) or not token:
        raise _error("its OAuth2 server answered without an access_token")
    try:
        life_s = int(float(given.get("expires_in", LIFE_UNSAID_S)))
    except (TypeError, ValueError, OverflowError):
        life_s = LIFE_UNSAID_S
    return token, min(life_s, LIFE_MAX_S)


def _error(why: str) -> ToolError:
    return ToolError(code="credential_failed", why=why, sent=False)


def _place(client: OAuth2) -> str:
    return key("oauth", client.cache_key)
