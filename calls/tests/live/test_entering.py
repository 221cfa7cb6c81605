"""Who may open a stream: by key, or logged in to the admin on a page of ours, and nobody else."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from redis import Redis

from calls.live.entering import (
    READS,
    Entrant,
    is_own_page,
    key_entrant,
    knows_address,
    may_stay,
    monitor_entrant,
    monitor_token,
    monitor_urls,
    session_entrant,
    socket_header,
)
from tools.access.errors import ApiError
from tools.access.keys import key_create
from tools.models import ApiKey

CALL_ID = uuid.uuid4()
VIEW = "calls.view_call"


def scope_of(**headers: str) -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "websocket", "headers": pairs}


def refused(work: Any) -> int:
    with pytest.raises(ApiError) as told:
        work()
    return told.value.status


def logged_in(*, staff: bool = True, may_view: bool = True) -> str:
    """The cookie of somebody who has logged in."""
    user = User.objects.create_user(f"u{uuid.uuid4().hex[:6]}", is_staff=staff)
    if may_view:
        user.user_permissions.add(Permission.objects.get(codename="view_call"))
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def entered(cookie: str, origin: str = settings.PUBLIC_ORIGIN, host: str = "tandem.test") -> Entrant:
    return session_entrant(scope_of(cookie=cookie, origin=origin, host=host), VIEW)


def test_somebody_of_ops_staff_enters_from_a_page_of_ours(db: None) -> None:
    cookie = logged_in()

    entrant = entered(cookie)

    assert entrant.user is not None
    assert entrant.label == f"user {entrant.user.pk}"
    assert entered(cookie, "http://127.0.0.1:8000", "127.0.0.1:8000").user == entrant.user


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "tandem.test"),
        ("https://tandem.test.evil.example", "tandem.test"),
        ("https://evil.example", "evil.example"),
        ("null", "tandem.test"),
        ("", "tandem.test"),
        ("file://tandem.test", "tandem.test"),
        ("https://tandem.test:444", "tandem.test"),
        ("https://[", "tandem.test"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000\r\nx: y"),
    ],
)
def test_a_cookie_from_a_page_of_somebody_elses_opens_nothing(db: None, origin: str, host: str) -> None:
    cookie = logged_in()

    assert refused(lambda: entered(cookie, origin, host)) == HTTPStatus.UNAUTHORIZED


def test_two_origins_are_none() -> None:
    scope = scope_of(origin=settings.PUBLIC_ORIGIN, host="tandem.test")
    scope["headers"].append((b"origin", b"https://evil.example"))

    assert socket_header(scope, b"origin") == ""
    assert not is_own_page(scope)


def test_only_staff_that_may_see_calls_reads_along(db: None) -> None:
    assert refused(lambda: entered(logged_in(staff=False))) == HTTPStatus.UNAUTHORIZED
    assert refused(lambda: entered(logged_in(may_view=False))) == HTTPStatus.FORBIDDEN
    assert refused(lambda: entered("sessionid=made-up")) == HTTPStatus.UNAUTHORIZED
    assert refused(lambda: entered("")) == HTTPStatus.UNAUTHORIZED


def test_a_session_ends_with_the_password_that_it_began_with(db: None) -> None:
    cookie = logged_in()
    user = User.objects.get()
    user.set_password("another")
    user.save()

    assert refused(lambda: entered(cookie)) == HTTPStatus.UNAUTHORIZED


def test_a_key_reads_along_if_it_may_and_has_not_expired(db: None, redis_client: "Redis") -> None:
    _, good = key_create(name="good", scopes=[READS])
    _, writes = key_create(name="writes", scopes=["call:write"])
    _, expired = key_create(name="expired", scopes=[READS], expires_at=timezone.now() - timedelta(seconds=1))
    _, public = key_create(name="public", scopes=[READS], kind=ApiKey.Kind.PUBLIC)

    def by(text: str) -> Entrant:
        return key_entrant(f"Bearer {text}", READS, address="")

    assert by(good).key is not None
    assert refused(lambda: by(writes)) == HTTPStatus.FORBIDDEN
    assert [refused(lambda one=one: by(one)) for one in (expired, public, "x")] == [401] * 3
    assert refused(lambda: key_entrant("Basic abc", READS, address="")) == HTTPStatus.UNAUTHORIZED


def test_who_was_let_in_stays_as_long_as_the_key_or_the_right_does(db: None) -> None:
    key, _ = key_create(name="listener", scopes=[READS])
    user = User.objects.create_user("olga", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_call"))

    def stays(entrant: Entrant) -> bool:
        return may_stay(entrant, READS, VIEW)

    assert [stays(one) for one in (Entrant(key=key), Entrant(user=user), Entrant())] == [True] * 3

    changes: tuple[dict[str, Any], ...] = (
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"scopes": []},
    )
    for change in changes:
        before = {name: getattr(key, name) for name in change}
        ApiKey.objects.filter(pk=key.pk).update(**change)
        assert not stays(Entrant(key=key)), change
        ApiKey.objects.filter(pk=key.pk).update(**before)
    assert stays(Entrant(key=key))

    user.user_permissions.clear()
    assert not stays(Entrant(user=user))
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    assert stays(Entrant(user=user))
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not stays(Entrant(user=user))


def test_the_address_of_a_monitor_belongs_to_one_call_and_may_not_be_enough(db: None) -> None:
    token = monitor_token(CALL_ID)
    demanding = {"listenAuthenticationEnabled": True}

    def come(plan: Mapping[str, Any], token: str) -> Entrant:
        return monitor_entrant(CALL_ID, plan, "listen", authorization="", token=token, address="")

    assert come({}, token) == Entrant()
    assert knows_address(CALL_ID, token)
    assert not knows_address(uuid.uuid4(), token)
    assert not knows_address(CALL_ID, "é")
    assert refused(lambda: come(demanding, token)) == HTTPStatus.UNAUTHORIZED
    assert refused(lambda: come({}, "")) == HTTPStatus.UNAUTHORIZED


def test_the_addresses_are_given_as_far_as_the_assistant_allows() -> None:
    urls = monitor_urls(CALL_ID, {}, public_origin="https://tandem.test")
    closed = monitor_urls(
        CALL_ID, {"listenEnabled": False, "controlEnabled": False}, public_origin="https://tandem.test"
    )

    token = monitor_token(CALL_ID)
    assert urls == {
        "listenUrl": f"wss://tandem.test/call/{CALL_ID}/listen?token={token}",
        "controlUrl": f"https://tandem.test/call/{CALL_ID}/control?token={token}",
    }
    assert closed == {}
