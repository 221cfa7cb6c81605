"""Answers that are watched while they come in."""

import gzip
import time
from http.server import BaseHTTPRequestHandler

import pytest

from tools.clients import HttpAnswer, HttpRequest, ToolError, http_send
from tools.tests.servers import (
    RUNAWAY_S,
    ToolServer,
    answering,
    half_a_body,
    reaching,
    serve,
)

pytestmark = pytest.mark.usefixtures("loopback")


def _endless_stream(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Sends three parts at once and then nothing, and leaves the stream open."""
    handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for part in (b"one ", b"two ", b"three "):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        handler.wfile.flush()
        time.sleep(0.05)
    server.stopping.wait(RUNAWAY_S)


def _until(mark: bytes, server: ToolServer, timeout_s: float) -> HttpAnswer:
    seen = bytearray()

    def enough(part: bytes) -> bool:
        seen.extend(part)
        return mark in seen

    request = HttpRequest("POST", server.url, b"{}", {}, enough=enough)
    return http_send(request, timeout_s=timeout_s, send_within_s=timeout_s)


def _failing_until(mark: bytes, server: ToolServer, timeout_s: float) -> ToolError:
    with pytest.raises(ToolError) as raised:
        _until(mark, server, timeout_s)
    return raised.value


def test_a_stream_is_read_until_what_was_waited_for_is_in() -> None:
    with serve(_endless_stream, keep_alive=True) as server:
        answer = _until(b"two", server, 60)

    assert answer.body.startswith(b"one two ")  # what came together with it is there, too


def test_a_stream_that_never_brings_it_ends_with_the_deadline() -> None:
    with serve(_endless_stream, keep_alive=True) as server:
        error = reaching(server, lambda timeout_s: _failing_until(b"four", server, timeout_s), first_s=0.5)

    assert (error.code, error.sent) == ("timeout", True)


def test_what_watches_a_stream_may_end_it_with_an_error() -> None:
    def enough(part: bytes) -> bool:
        raise ToolError(code="other_origin", why="it wants requests sent to another server", sent=False)

    with serve(answering("{}")) as server, pytest.raises(ToolError) as raised:
        http_send(HttpRequest("GET", server.url, None, {}, enough=enough), timeout_s=60, send_within_s=60)

    assert raised.value.code == "other_origin"


@pytest.mark.parametrize("zipped", [False, True])
def test_an_answer_that_is_watched_comes_whole_all_the_same(zipped: bool) -> None:
    body = b"x" * 300_000
    headers = {"Content-Encoding": "gzip"} if zipped else None
    with serve(answering(gzip.compress(body) if zipped else body, headers=headers)) as server:
        request = HttpRequest("POST", server.url, b"{}", {}, enough=lambda _: False)
        answer = http_send(request, timeout_s=60, send_within_s=60)

    assert answer.body == body


def test_a_watched_answer_that_breaks_off_is_incomplete() -> None:
    with serve(half_a_body) as server:
        request = HttpRequest("POST", server.url, b"{}", {}, enough=lambda _: False)
        with pytest.raises(ToolError) as raised:
            http_send(request, timeout_s=60, send_within_s=60)

    assert raised.value.code == "answer_incomplete"
