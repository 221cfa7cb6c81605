"""Connections of a worker: kept for the next request to the same server, and for nothing else."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest

from tools import connections
from tools.tests.posting import failing, keeping, post
from tools.tests.servers import RUNAWAY_S, ToolServer, answering, closing, refused_url, serve

pytestmark = pytest.mark.usefixtures("loopback")


def test_a_connection_is_kept_for_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_MAX_S", 600)  # a busy machine takes its time between the two
    with serve(keeping, keep_alive=True) as server:
        first, second = post(server.url), post(server.url)

    assert first.body == second.body
    assert first.steps.connect_ms is not None
    assert second.steps.connect_ms is None
    assert second.steps.first_byte_ms is not None


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_MAX_S", 0.05)
    with serve(keeping, keep_alive=True) as server:
        first = post(server.url)
        time.sleep(0.1)

        assert post(server.url).body != first.body


def test_a_connection_that_the_server_has_ended_meanwhile_is_not_used_again() -> None:
    ended = threading.Event()

    def hanging_up(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        keeping(handler, server)
        handler.connection.shutdown(socket.SHUT_RDWR)  # all the same
        ended.set()

    with serve(hanging_up, keep_alive=True) as server:
        post(server.url)
        assert ended.wait(60)

        assert post(server.url).http_status == 200
    assert len(server.requests) == 2


def test_what_was_cut_off_is_not_used_again() -> None:
    calls = []
    given_up = threading.Event()

    def slow_then_quick(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        calls.append(handler.client_address[1])
        given_up.wait(RUNAWAY_S)
        keeping(handler, server)

    with serve(slow_then_quick, keep_alive=True) as server:
        codes = [failing(server.url, timeout_s=0.2).code]
        while codes[-1] == "connect_timeout":  # on a busy machine
            codes.append(failing(server.url, timeout_s=10.0 * len(codes)).code)
        given_up.set()
        assert codes[-1] == "timeout"
        assert post(server.url).http_status == 200

        while len(calls) < 2:
            server.stopping.wait(0.01)

    assert len(set(calls)) == len(calls)


def test_many_requests_at_once_get_each_their_own_answer() -> None:
    def echo(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        answering(handler.path, headers={"Connection": "keep-alive"})(handler, server)

    wrong: list[tuple[bytes, str]] = []

    def ask(worker: int) -> None:
        for n in range(20):
            path = f"/{worker}/{n}"
            body = post(server.url.replace("/vapi", path)).body
            if body != path.encode():
                wrong.append((body, path))

    with serve(echo, keep_alive=True) as server:
        threads = [threading.Thread(target=ask, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)

    assert wrong == []
    assert len(server.requests) == 160


def test_one_customers_cookies_are_not_anothers() -> None:
    with serve(answering("{}", headers={"Set-Cookie": "session=theirs"})) as server:
        post(server.url)
        post(server.url)

    assert "Cookie" not in server.requests[1][0]


def test_the_steps_of_a_failure_are_told_as_far_as_they_went() -> None:
    with serve(closing) as server:
        lost = failing(server.url).steps
    refused = failing(refused_url()).steps

    assert lost.connect_ms is not None
    assert lost.first_byte_ms is None
    assert lost.whole_ms is not None
    assert refused.resolve_ms is not None
    assert refused.connect_ms is None
