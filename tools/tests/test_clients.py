"""One attempt at a customer's server: the answers it may give, the ways it may fail, and what was surely not sent."""

import gzip
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tools import clients, connections
from tools.clients import BODY_MAX_BYTES
from tools.tests.posting import BODY, failing, post
from tools.tests.servers import (
    Behaviour,
    ToolServer,
    answering,
    closing,
    deaf,
    endless,
    half_a_body,
    reaching,
    refused_url,
    serve,
    silent,
    trickling_body,
    trickling_headers,
)

pytestmark = pytest.mark.usefixtures("loopback")


def test_the_server_gets_the_exact_bytes_and_the_headers() -> None:
    with serve(answering("{}")) as server:
        answer = post(f"{server.url}?secret=a%20b&x=1", headers={"X-Vapi-Secret": "geheim-ß".encode()})

    ((headers, body),) = server.requests
    assert answer.http_status == 200
    assert answer.body == b"{}"
    assert answer.content_type == "application/json"
    assert answer.elapsed_ms >= 0
    assert body == BODY
    assert server.paths == ["/vapi?secret=a%20b&x=1"]
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Length"] == str(len(BODY))
    assert headers["X-Vapi-Secret"].encode("latin-1").decode() == "geheim-ß"


@pytest.mark.parametrize("status", [201, 204, 400, 404, 500])
def test_any_status_but_a_redirect_is_an_answer(status: int) -> None:
    content = "" if status == 204 else "x"
    with serve(answering(content, status=status, content_type="text/plain")) as server:
        assert post(server.url).http_status == status


def test_a_redirect_is_named_without_its_secrets_and_not_followed() -> None:
    with serve(answering("{}")) as other:
        target = f"{other.url}?token=s3cret"
        with serve(answering("", status=307, headers={"Location": target})) as server:
            error = failing(server.url)

    assert other.requests == []
    assert (error.code, error.sent, error.http_status) == ("redirected", True, 307)
    assert other.url in error.why
    assert "s3cret" not in error.why


@pytest.mark.parametrize("location", ["", "http://[", "/elsewhere"])
def test_a_redirect_to_anywhere_is_a_failure(location: str) -> None:
    with serve(answering("", status=302, headers={"Location": location})) as server:
        assert failing(server.url).code == "redirected"


def test_the_body_of_a_redirect_is_not_read() -> None:
    def leading_away(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        handler.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nConnection: close\r\n\r\n")
        while not server.stopping.is_set():
            handler.wfile.write(b"x" * 65_536)

    with serve(leading_away) as server:
        assert failing(server.url).code == "redirected"
        assert server.hung_up.wait(60)


@pytest.mark.parametrize("behaviour", [silent, trickling_headers, trickling_body])
def test_the_deadline_holds_whatever_trickles_in(behaviour: Behaviour) -> None:
    with serve(behaviour) as server:
        started = time.monotonic()
        error = reaching(server, lambda timeout_s: failing(server.url, timeout_s=timeout_s), first_s=0.4)
        took = time.monotonic() - started

    assert (error.code, error.sent, error.late) == ("timeout", True, True)
    assert 0.4 <= took < 150  # these servers go on for ten minutes
    assert 1 <= len(server.requests) <= server.asked


def test_a_trickling_server_is_hung_up_on() -> None:
    with serve(trickling_body) as server:
        reaching(server, lambda timeout_s: failing(server.url, timeout_s=timeout_s), first_s=0.3)

        assert server.hung_up.wait(60)


def test_a_silent_connection_was_certainly_not_sent_to() -> None:
    with deaf() as url:
        error = failing(url, timeout_s=0.3)

    assert (error.code, error.sent) == ("connect_timeout", False)


def test_a_silent_connection_is_given_up_long_before_a_long_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT_S", 0.2)
    with deaf() as url:
        error = failing(url)

    assert (error.code, error.sent) == ("connect_timeout", False)
    assert error.why == "no connection was made within 0.2 seconds"


def test_a_connection_that_is_lost_after_sending_leaves_the_outcome_open() -> None:
    with serve(closing) as server:
        error = failing(server.url)

    assert (error.code, error.sent, error.http_status) == ("connection_lost", True, None)
    assert len(server.requests) == 1


def test_half_a_body_is_no_answer() -> None:
    with serve(half_a_body) as server:
        error = failing(server.url)

    assert (error.code, error.sent, error.http_status) == ("answer_incomplete", True, 200)


def test_an_answer_without_end_is_not_read() -> None:
    with serve(endless) as server:
        error = failing(server.url)

        assert server.hung_up.wait(60)
    assert (error.code, error.sent, error.http_status) == ("answer_too_large", True, 200)


def test_an_answer_of_just_the_limit_is_read() -> None:
    with serve(answering(b"x" * BODY_MAX_BYTES)) as server:
        assert len(post(server.url).body) == BODY_MAX_BYTES


def test_a_compressed_answer_is_read_and_a_bomb_is_not() -> None:
    gzipped = {"Content-Encoding": "gzip"}
    with serve(answering(gzip.compress(b"{}"), headers=gzipped)) as server:
        assert post(server.url).body == b"{}"
    with serve(answering(gzip.compress(bytes(100 * BODY_MAX_BYTES)), headers=gzipped)) as server:
        assert failing(server.url).code == "answer_too_large"
    with serve(answering(b"no gzip", headers=gzipped)) as server:
        assert failing(server.url).code == "answer_incomplete"


def test_a_bug_of_ours_is_logged_without_its_text_and_still_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text = "s3cret"

    def broken() -> None:
        raise TypeError(text)

    monkeypatch.setattr(connections, "_tls_context", broken)

    error = failing("https://127.0.0.1:1/")

    assert not error.sent
    (record,) = [one for one in caplog.records if one.name == clients.__name__]
    assert record.message == "webhook attempt failed for no known reason"
    assert text not in str(vars(record))


def test_a_refused_connection_was_certainly_not_sent() -> None:
    error = failing(refused_url())

    assert (error.code, error.sent) == ("connection_failed", False)
    assert "refused" in error.why


def test_an_unknown_name_was_certainly_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    error = failing("https://no-such-host.example/x?secret=s3cret")

    assert (error.code, error.sent) == ("name_unknown", False)
    assert "s3cret" not in error.why


def test_a_hanging_resolver_does_not_outlast_the_deadline_and_nothing_is_sent_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()
    resolve = socket.getaddrinfo

    def slow(*args: Any, **kwargs: Any) -> Any:
        answered.wait(60)
        return resolve(*args, **kwargs)

    with serve(answering("{}")) as server:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        error = failing(server.url, timeout_s=0.2)
        assert not answered.is_set()
        answered.set()
        for thread in threading.enumerate():
            if thread.name == "tool-webhook":
                thread.join(60)

    assert (error.code, error.sent) == ("connect_timeout", False)
    assert server.requests == []


def test_after_its_time_a_request_is_not_let_out() -> None:
    with serve(answering("{}")) as server:
        error = failing(server.url, send_within_s=0)

    assert (error.code, error.sent) == ("expired", False)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "ftp://host.example/x",
        "file:///etc/passwd",
        "http://",
        "http://a..b/",
        "http://[::1",
        "http://host.example:99999/",
        f"http://{'a' * 300}.example/",
    ],
)
def test_a_url_that_cannot_be_asked_was_certainly_not_sent(url: str) -> None:
    assert not failing(url).sent


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", refused_url())
    monkeypatch.setenv("ALL_PROXY", refused_url())
    with serve(answering("{}")) as server:
        assert post(server.url).http_status == 200


@pytest.mark.parametrize("value", [b"a\nX-Injected: b", b"a\r\n\r\nGET / HTTP/1.1"])
def test_a_value_that_would_forge_a_header_was_certainly_not_sent(value: bytes) -> None:
    with serve(answering("{}")) as server:
        error = failing(server.url, headers={"X-Vapi-Secret": value})

    assert (error.code, error.sent) == ("url_invalid", False)
    assert server.requests == []
