"""How a request convinces the server: signatures, tokens, and what is not sent without them."""

import hashlib
import hmac
import json
from http.server import BaseHTTPRequestHandler

import pytest

from tools.auth.credentials import ServerAuth
from tools.tests.factories import make_order
from tools.tests.orders import QUICK, after, credential, planned, send
from tools.tests.servers import (
    ToolServer,
    answering,
    booking,
    closing,
    refused_url,
    serve,
)

pytestmark = pytest.mark.usefixtures("loopback", "redis_client")


def test_a_signature_is_over_the_bytes_that_arrive_and_new_for_each_attempt() -> None:
    auth = credential("hmac", {"secretKey": "k", "payloadFormat": "{svix-id}.{timestamp}.{body}"})
    with serve(after(1, closing)) as server:
        order = planned(server.url, {**QUICK, "baseDelaySeconds": 1.1}, auth=auth)
        send(order)

    stamps = []
    for headers, body in server.requests:
        stamps.append(headers["x-timestamp"])
        payload = f"call_bK2zT7.{headers['x-timestamp']}.".encode() + body
        assert headers["x-signature"] == hmac.new(b"k", payload, hashlib.sha256).hexdigest()
    assert len(set(stamps)) == 2


def test_a_token_in_the_url_arrives_as_it_was_entered() -> None:
    with serve(booking) as server:
        send(make_order(url=f"{server.url}?secret=a%20b+c&x=%2F"))

    assert server.paths == ["/vapi?secret=a%20b+c&x=%2F"]


class OAuthServer:
    """Gives numbered tokens below /token, and carries out requests that have the newest."""

    def __init__(self, *, refuse: int = 0) -> None:
        self.given = 0
        self.refuse = refuse

    def __call__(self, handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        if handler.path == "/token":
            self.given += 1
            answering(json.dumps({"access_token": f"t{self.given}", "expires_in": 3600}))(handler, server)
        elif self.refuse > 0:
            self.refuse -= 1
            answering("{}", status=401)(handler, server)
        else:
            answering(json.dumps({"result": handler.headers["Authorization"]}))(handler, server)


def oauth(server: ToolServer) -> ServerAuth:
    settings = {"url": server.url.replace("/vapi", "/token"), "clientId": "id", "clientSecret": "s3"}
    return credential("oauth2", settings)


def test_a_token_is_fetched_once_for_many_requests() -> None:
    issuer = OAuthServer()
    with serve(issuer) as server:
        outcomes = [send(make_order(url=server.url, auth=oauth(server))).outcome for _ in range(3)]

    assert [one.output for one in outcomes] == ["Bearer t1"] * 3
    assert issuer.given == 1


def test_after_a_401_a_fresh_token_is_tried_once() -> None:
    with serve(OAuthServer(refuse=1)) as server:
        sent = send(make_order(url=server.url, auth=oauth(server)))
    with serve(OAuthServer(refuse=9)) as stubborn:
        refused = send(make_order(url=stubborn.url, auth=oauth(stubborn)))

    assert (sent.outcome.output, len(sent.attempts)) == ("Bearer t2", 2)
    assert [one.http_status for one in refused.attempts] == [401, 401]
    assert refused.outcome.status == "failed"


def test_without_a_token_the_tool_was_certainly_not_asked() -> None:
    with serve(booking) as server:
        dead = credential("oauth2", {"url": refused_url(), "clientId": "id", "clientSecret": "s3"})
        sent = send(make_order(url=server.url, auth=dead))

    assert server.requests == []
    assert (sent.outcome.status, sent.outcome.sent) == ("failed", False)
    assert "Nothing was done" in sent.outcome.output


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        (ServerAuth(secret_token="gAAAA"), "secret_unreadable"),
        (ServerAuth(credential_id="c-1"), "credential_unusable"),
        (ServerAuth(headers_token="-"), "secret_unreadable"),
    ],
)
def test_who_cannot_convince_does_not_ask(auth: ServerAuth, code: str) -> None:
    with serve(booking) as server:
        sent = send(make_order(url=server.url, auth=auth))

    assert server.requests == []
    assert json.loads(sent.outcome.output)["error"] == code
    assert not sent.outcome.sent
