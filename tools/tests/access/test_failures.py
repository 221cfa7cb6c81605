"""Who shows wrong keys is told to wait; who has a good one is not, whoever else is behind the same address."""

import logging
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings
from redis.exceptions import RedisError

from tools import shared_state
from tools.access.asking import UNKNOWN, address_of, request_address, scope_address
from tools.access.keys import key_create, keys_revoke
from tools.models import ApiKey
from tools.observing import metrics

pytestmark = pytest.mark.django_db
HOME = "203.0.113.7"


@pytest.fixture(autouse=True)
def one_minute(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few may fail, in a minute that does not end in the middle of a test, and of which nothing is known yet."""
    settings.API_FAILURES_PER_MINUTE = 3
    now = timezone.now().replace(second=18)
    monkeypatch.setattr("tools.access.failures.timezone.now", lambda: now)
    for place in shared_state.store().scan_iter(shared_state.key("api", "refused", "*")):
        shared_state.store().delete(place)


def ask(key: str, *, address: str = HOME) -> Any:
    return Client().get("/tool", headers={"Authorization": f"Bearer {key}"}, REMOTE_ADDR=address)


def test_after_so_many_wrong_keys_an_address_is_told_to_wait(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        answers = [ask(f"tandem_wrong_{n}") for n in range(6)]

    assert [one.status_code for one in answers] == [401] * 3 + [429] * 3
    told = answers[-1].json()
    assert (told["statusCode"], told["error"]) == (429, "Too Many Requests")
    assert "wrong key from your address: 3 a minute" in told["message"]
    assert answers[-1].headers["Retry-After"] == "42"
    warned = [one for one in caplog.records if one.message == "too many wrong keys from one address"]
    assert [one.client_address for one in warned] == [HOME]  # type: ignore[attr-defined]
    assert not any("tandem_wrong" in str(one.__dict__) for one in caplog.records)


def test_a_good_key_passes_behind_the_same_address() -> None:
    _, text = key_create(name="booking", scopes=["tool:read"])
    assert [ask("wrong").status_code for _ in range(9)][-1] == 429

    assert ask(text).status_code == 200
    assert ask("wrong").status_code == 429
    assert ask("wrong", address="203.0.113.8").status_code == 401


@pytest.mark.parametrize(
    ("why", "made"),
    [("unknown", {}), ("revoked", {"revoke": True}), ("wrong kind", {"kind": "public"}), ("no key", None)],
)
def test_each_kind_of_refusal_is_counted_under_its_name(why: str, made: dict[str, Any] | None) -> None:
    given = "wrong"
    if made:
        revoke = made.pop("revoke", False)
        _, given = key_create(name="x", **made)
        if revoke:
            keys_revoke(ApiKey.objects.all())
    before = metrics.API_REFUSED.labels(why, "401")._value.get()

    assert (ask(given) if made is not None else Client().get("/tool")).status_code == 401

    assert metrics.API_REFUSED.labels(why, "401")._value.get() == before + 1


def test_nobody_waits_while_redis_is_away_or_without_a_limit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise RedisError

    with monkeypatch.context() as patched:
        patched.setattr("tools.shared_state.store", away)
        assert {ask("wrong").status_code for _ in range(5)} == {401}
    settings.API_FAILURES_PER_MINUTE = 0
    assert {ask("wrong").status_code for _ in range(5)} == {401}


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (HOME, "", HOME),
        (HOME, "198.51.100.1", HOME),  # whoever comes straight may say what he likes
        ("10.0.0.2", "198.51.100.1", "198.51.100.1"),
        (
            "10.0.0.2",
            "8.8.8.8, 198.51.100.1, 10.0.0.9",
            "198.51.100.1",
        ),  # what a client itself has put before it
        ("10.0.0.2", "198.51.100.1:5123", "198.51.100.1"),
        ("10.0.0.2", "8.8.8.8, nonsense", "10.0.0.2"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("10.0.0.2", "10.0.0.3, 10.0.0.9", "10.0.0.3"),
        ("", "198.51.100.1", "198.51.100.1"),  # a proxy at a Unix socket
        ("", "", UNKNOWN),
        ("::ffff:203.0.113.7", "", HOME),
        ("10.0.0.2", "[2001:db8:1:2::5]:443", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "", "2001:db8:1:2::/64"),
    ],
)
def test_whose_address_it_is_behind_proxies(
    settings: Settings, peer: str, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]

    assert address_of(peer, forwarded) == address
    request = RequestFactory().get("/tool", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR=peer)
    assert request_address(request) == address
    scope = {"client": (peer, 1) if peer else None, "headers": [(b"x-forwarded-for", forwarded.encode())]}
    assert scope_address(scope) == address


def test_without_a_trusted_proxy_nothing_that_is_said_counts() -> None:
    assert address_of("127.0.0.1", "198.51.100.1") == "127.0.0.1"
