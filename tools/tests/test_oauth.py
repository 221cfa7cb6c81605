import json
import threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

import pytest
from redis import Redis

from tools.auth import oauth
from tools.auth.credentials import OAuth2
from tools.clients import ToolError
from tools.tests.servers import ToolServer, answering, refused_url, serve

pytestmark = pytest.mark.usefixtures("loopback", "redis_client")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token may take as long to come as a busy machine needs."""
    monkeypatch.setattr(oauth, "FETCH_TIMEOUT_S", 60.0)


class Issuer:
    """A token endpoint that counts."""

    def __init__(self, expires_in: object = 3600) -> None:
        self.given = 0
        self.expires_in = expires_in

    def __call__(self, handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        self.given += 1
        answer = {"access_token": f"token-{self.given}", "expires_in": self.expires_in}
        answering(json.dumps(answer))(handler, server)


def client(url: str, **fields: str) -> OAuth2:
    return OAuth2(**{"cache_key": "c:1", "url": url, "client_id": "id", "client_secret": "s3", **fields})


def test_a_token_is_fetched_once_and_kept_encrypted(redis_client: Redis) -> None:
    issuer = Issuer()
    with serve(issuer) as server:
        mine = client(server.url, scope="book read")
        assert [oauth.access_token(mine), oauth.access_token(mine)] == ["token-1", "token-1"]

    ((headers, body),) = server.requests
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["id"],
        "client_secret": ["s3"],
        "scope": ["book read"],
    }
    kept = {name: redis_client.get(name) for name in redis_client.keys("*")}
    assert kept
    assert "token-1" not in str(kept)


def test_a_token_is_kept_until_shortly_before_its_end(redis_client: Redis) -> None:
    with serve(Issuer(expires_in=1000)) as server:
        oauth.access_token(client(server.url))

    (name,) = redis_client.keys("*oauth:c:1")
    assert 500 < redis_client.ttl(name) <= 1000 - oauth.MARGIN_S


@pytest.mark.parametrize("expires_in", [10, 0, -5])
def test_a_token_that_ends_at_once_is_not_kept(expires_in: int) -> None:
    issuer = Issuer(expires_in)
    with serve(issuer) as server:
        oauth.access_token(client(server.url))
        oauth.access_token(client(server.url))

    assert issuer.given == 2


@pytest.mark.parametrize("expires_in", ["3600", 3600.5, None, "soon", 1e400])
def test_an_odd_life_is_put_up_with(expires_in: object) -> None:
    with serve(Issuer(expires_in)) as server:
        assert oauth.access_token(client(server.url)) == "token-1"


def test_many_at_once_fetch_one_token() -> None:
    issuer = Issuer()
    got: list[str] = []

    def slow(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        server.stopping.wait(0.2)
        issuer(handler, server)

    with serve(slow) as server:
        threads = [
            threading.Thread(target=lambda: got.append(oauth.access_token(client(server.url))))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert got == ["token-1"] * 8
    assert issuer.given == 1


def test_a_token_that_came_between_the_look_and_the_lock_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(issuer := Issuer()) as server:
        mine = client(server.url)
        first = oauth.access_token(mine)
        really, too_early = oauth._cached, iter([True])
        monkeypatch.setattr(oauth, "_cached", lambda one: None if next(too_early, False) else really(one))

        assert oauth.access_token(mine) == first
    assert issuer.given == 1


def test_a_token_that_was_turned_down_is_forgotten_unless_there_is_another() -> None:
    with serve(Issuer()) as server:
        mine = client(server.url)
        first = oauth.access_token(mine)
        oauth.access_token_refused(mine, first)
        second = oauth.access_token(mine)
        oauth.access_token_refused(mine, first)  # by who was slower

        assert oauth.access_token(mine) == second == "token-2"


def test_a_server_that_wants_the_client_in_the_header_gets_it_there() -> None:
    def basic_only(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        if handler.headers.get("Authorization") == "Basic aWQ6czM=":
            Issuer()(handler, server)
        else:
            answering("{}", status=401)(handler, server)

    with serve(basic_only) as server:
        assert oauth.access_token(client(server.url)) == "token-1"

    assert b"s3" not in server.requests[1][1]


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, "{}"), (400, '{"error": "invalid_client"}'), (200, "no json"), (200, "{}"), (200, "[]")],
)
def test_without_a_token_nothing_is_sent_and_no_secret_is_told(status: int, body: str) -> None:
    with serve(answering(body, status=status)) as server, pytest.raises(ToolError) as raised:
        oauth.access_token(client(server.url))

    assert (raised.value.code, raised.value.sent) == ("credential_failed", False)
    assert "s3" not in raised.value.why


def test_a_token_server_that_is_down_or_forbidden_is_told_apart_from_the_tools() -> None:
    for url in (refused_url(), "http://10.0.0.1/token"):
        with pytest.raises(ToolError) as raised:
            oauth.access_token(client(url))
        assert (raised.value.code, raised.value.sent) == ("credential_failed", False)


def test_without_redis_each_request_fetches_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Redis.from_url("redis://127.0.0.1:1/0")
    monkeypatch.setattr(oauth, "store", lambda: nowhere)
    with serve(Issuer()) as server:
        assert oauth.access_token(client(server.url)) == "token-1"
        oauth.access_token_refused(client(server.url), "token-1")
