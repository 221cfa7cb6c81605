"""Who may read along, listen or give orders: by key, by the address that a call was given, or logged in to the admin."""

import hmac
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.request import validate_host
from django.utils.crypto import salted_hmac

from calls.models import LiveOrder
from calls.orders.by import ADDRESS, By
from tools.access.errors import ApiError
from tools.access.failures import refusal
from tools.access.keys import NO_KEY, is_open, key_authenticate, scope_require
from tools.access.uses import use_count
from tools.models import ApiKey

READS: Final = "call:read"
CONTROLS: Final = "call:write"
_SALT: Final = "calls.live.monitor"


@dataclass(frozen=True, slots=True)
class Entrant:
    """Whoever was let in; neither a key nor a user for one who knows the call's own address."""

    key: ApiKey | None = None
    user: User | None = None

    @property
    def label(self) -> str:
        """Who that is, for a log."""
        if self.key is not None:
            return f"key {self.key.prefix}"
        return f"user {self.user.pk}" if self.user is not None else "monitor url"

    @property
    def by(self) -> By:
        """Who that is, for the rows of what they order."""
        if self.key is not None:
            return By(LiveOrder.By.KEY, f"API key {self.key}", key_id=str(self.key.pk))
        if self.user is not None:
            return By(LiveOrder.By.USER, self.user.get_username(), user_id=self.user.pk)
        return ADDRESS


# The addresses of a call ----------------------------------------------------------------------------------------


def monitor_token(call_id: uuid.UUID | str) -> str:
    """What makes the address of a call's monitor one that cannot be guessed from the call's id, which many know."""
    return salted_hmac(_SALT, str(call_id), algorithm="sha256").hexdigest()[:40]


def monitor_urls(call_id: uuid.UUID | str, plan: Mapping[str, Any], *, public_origin: str) -> dict[str, str]:
    """The addresses at which a call can be listened to and controlled, as far as its assistant allows that."""
    token = monitor_token(call_id)
    sockets = public_origin.replace("http", "ws", 1)
    urls = {}
    if allowed(plan, "listen"):
        urls["listenUrl"] = f"{sockets}/call/{call_id}/listen?token={token}"
    if allowed(plan, "control"):
        urls["controlUrl"] = f"{public_origin}/call/{call_id}/control?token={token}"
    return urls


def allowed(plan: Mapping[str, Any], what: str) -> bool:
    """Whether an assistant lets its calls be listened to, or controlled. Vapi's default is yes."""
    return plan.get(f"{what}Enabled") is not False


def wants_key(plan: Mapping[str, Any], what: str) -> bool:
    """Whether knowing the address is not enough."""
    return plan.get(f"{what}AuthenticationEnabled") is True


def knows_address(call_id: uuid.UUID, token: str) -> bool:
    """Whether this token belongs to this call's addresses."""
    return hmac.compare_digest(monitor_token(call_id).encode(), token.encode(errors="replace"))


# Keys -----------------------------------------------------------------------------------------------------------


def key_entrant(authorization: str, scope_name: str, *, address: str, public_too: bool = False) -> Entrant:
    """Whoever has this key. Raises ApiError where it opens nothing, may not do this, or was used too often.

    ``public_too``: as at Vapi, monitors are open to public keys, too.
    """
    kinds = (ApiKey.Kind.PRIVATE, *((ApiKey.Kind.PUBLIC,) if public_too else ()))
    key = key_authenticate(authorization, address=address, kinds=kinds)
    use_count(key)
    scope_require(key, scope_name)
    return Entrant(key=key)


def may_stay(entrant: Entrant, scope_name: str, permission: str) -> bool:
    """Whether somebody who was let in may be there still; whoever came by a call's own address stays until its end."""
    if entrant.key is not None:
        key = ApiKey.objects.filter(pk=entrant.key.pk).first()
        return key is not None and is_open(key) and scope_name in key.scopes
    if entrant.user is not None:
        user = User.objects.filter(pk=entrant.user.pk, is_active=True, is_staff=True).first()
        return user is not None and user.has_perm(permission)
    return True


def monitor_entrant(
    call_id: uuid.UUID,
    plan: Mapping[str, Any],
    what: str,
    *,
    authorization: str,
    token: str,
    address: str,
) -> Entrant:
    """Whoever may listen to (`listen`) or control (`control`) a call. Raises ApiError for anybody else."""
    if authorization:
        scope_name = READS if what == "listen" else CONTROLS
        return key_entrant(authorization, scope_name, address=address, public_too=True)
    if wants_key(plan, what) or not knows_address(call_id, token):
        raise refusal(NO_KEY, why="no key", address=address)
    return Entrant()


# WebSockets -----------------------------------------------------------------------------------------------------


def socket_header(scope: Mapping[str, Any], name: bytes) -> str:
    """A header of the request that opens a WebSocket; empty where it is missing or comes twice."""
    found = [value for key, value in scope.get("headers", ()) if key.lower() == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""


def socket_query(scope: Mapping[str, Any], name: str) -> str:
    """A parameter of its address."""
    query = parse_qs(bytes(scope.get("query_string", b"")).decode("latin-1"))
    return query.get(name, [""])[0]


def session_entrant(scope: Mapping[str, Any], permission: str) -> Entrant:
    """Whoever is logged in to the admin, and may do that. Raises ApiError for anybody else.

    A browser sends cookies along whatever page asks it to, so the page must be one of ours.
    """
    if not is_own_page(scope):
        raise ApiError(HTTPStatus.UNAUTHORIZED, NO_KEY)
    request = HttpRequest()
    request.session = _session(socket_header(scope, b"cookie"))
    user = get_user(request)
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        raise ApiError(HTTPStatus.UNAUTHORIZED, NO_KEY)
    if not user.has_perm(permission):
        raise ApiError(HTTPStatus.FORBIDDEN, "You may not do that.")
    return Entrant(user=user)


def is_own_page(scope: Mapping[str, Any]) -> bool:
    """Whether the WebSocket was opened by a page of ours."""
    origin, host = socket_header(scope, b"origin"), socket_header(scope, b"host")
    if not origin:
        return False
    if origin == settings.PUBLIC_ORIGIN:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return (
        bool(host)
        and parts.scheme in ("http", "https")
        and parts.netloc == host
        and validate_host(host.rpartition(":")[0] or host, settings.ALLOWED_HOSTS)
    )


def _session(cookies: str) -> Any:
    engine = import_module(settings.SESSION_ENGINE)
    try:
        morsel = SimpleCookie(cookies).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        morsel = None
    return engine.SessionStore(morsel.value if morsel is not None else None)
