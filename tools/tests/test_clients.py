import gzip
import ipaddress
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from tools import clients, connections
from tools.clients import BODY_MAX_BYTES, HttpAnswer, HttpRequest, ToolError, http_send
from tools.tests.servers import (
    Behaviour,
    ToolServer,
    answering,
    closing,
    deaf,
    five_megabytes,
    half_a_body,
    refused_url,
    serve,
    silent,
    trickling_body,
    trickling_headers,
)

pytestmark = pytest.mark.usefixtures("loopback")

BODY = '{"message":{"type":"tool-calls","text":"für"}}'.encode()


def post(url: str, **fields: Any) -> HttpAnswer:
    headers = {"Content-Type": b"application/json", **fields.pop("headers", {})}
    request = HttpRequest(
        method=fields.pop("method", "POST"), url=url, body=fields.pop("body", BODY), headers=headers
    )
    return http_send(request, **{"timeout_s": 10, "send_within_s": 10, **fields})


def failing(url: str, **fields: Any) -> ToolError:
    with pytest.raises(ToolError) as raised:
        post(url, **fields)
    return raised.value


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
    def endless(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        handler.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nConnection: close\r\n\r\n")
        while not server.stopping.is_set():
            handler.wfile.write(b"x" * 65_536)

    with serve(endless) as server:
        assert failing(server.url, timeout_s=5).code == "redirected"
        assert server.hung_up.wait(5)


@pytest.mark.parametrize("behaviour", [silent, trickling_headers, trickling_body])
def test_the_deadline_holds_whatever_trickles_in(behaviour: Behaviour) -> None:
    with serve(behaviour) as server:
        started = time.monotonic()
        error = failing(server.url, timeout_s=0.4)
        took = time.monotonic() - started

    assert (error.code, error.sent, error.late) == ("timeout", True, True)
    assert 0.4 <= took < 3
    assert len(server.requests) == 1


def test_a_trickling_server_is_hung_up_on() -> None:
    with serve(trickling_body) as server:
        failing(server.url, timeout_s=0.3)

        assert server.hung_up.wait(5)


def test_a_silent_connection_was_certainly_not_sent_to() -> None:
    with deaf() as url:
        error = failing(url, timeout_s=0.3)

    assert (error.code, error.sent) == ("connect_timeout", False)


def test_a_silent_connection_is_given_up_long_before_a_long_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT_S", 0.2)
    with deaf() as url:
        error = failing(url, timeout_s=10)

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


def test_five_megabytes_are_not_read() -> None:
    with serve(five_megabytes) as server:
        error = failing(server.url)

        assert server.hung_up.wait(5)
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
    (record,) = caplog.records
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
        answered.wait(10)
        return resolve(*args, **kwargs)

    with serve(answering("{}")) as server:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        started = time.monotonic()
        error = failing(server.url, timeout_s=0.2)
        took = time.monotonic() - started
        answered.set()
        for thread in threading.enumerate():
            if thread.name == "tool-webhook":
                thread.join(5)

    assert (error.code, error.sent) == ("connect_timeout", False)
    assert took < 3
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


PRIVATE_HOSTS = (
    "127.0.0.1 localhost 2130706433 0x7f000001 [::1] [::ffff:127.0.0.1] 0.0.0.0 10.0.0.1 169.254.169.254 192.168.1.1 "
    "100.64.0.1 [fe80::1] [fd00::1]"
)


@pytest.mark.parametrize("host", PRIVATE_HOSTS.split())
def test_private_addresses_are_refused(host: str, settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False

    error = failing(f"http://{host}:1/")

    assert (error.code, error.sent) in (("forbidden_address", False), ("name_unknown", False))


def test_loopback_alone_is_allowed_for_development(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    settings.DEBUG = True
    with serve(answering("{}")) as server:
        assert post(server.url).http_status == 200

    assert failing("http://10.0.0.1/").code == "forbidden_address"


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


def test_an_untrusted_certificate_is_refused_before_sending(tmp_path: Path) -> None:
    with serve(answering("{}"), tls=server_tls(tmp_path, "127.0.0.1")) as server:
        error = failing(server.url)

    assert (error.code, error.sent) == ("tls_failed", False)
    assert "self-signed" in error.why
    assert server.requests == []


def test_a_trusted_certificate_must_be_for_that_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = server_tls(tmp_path, "localhost")
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    monkeypatch.setattr(connections, "_tls_context", lambda: trusting)
    with serve(answering("{}"), tls=tls) as server:
        assert post(server.url.replace("127.0.0.1", "localhost")).http_status == 200
        error = failing(server.url)

    assert (error.code, error.sent) == ("tls_failed", False)
    assert len(server.requests) == 1


def test_plain_http_at_a_tls_port_was_certainly_not_sent() -> None:
    with serve(answering("{}")) as server:
        error = failing(server.url.replace("http:", "https:"))

    assert (error.code, error.sent) == ("tls_failed", False)


# The worker's connections


def keeping(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Answers, and leaves the connection open; who asks is told by the answer on which connection it came."""
    answering(str(handler.client_address[1]), headers={"Connection": "keep-alive"})(handler, server)


def test_a_connection_is_kept_for_the_next_request() -> None:
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
    with serve(answering("x", headers={"Connection": "keep-alive"})) as server:  # and hangs up all the same
        post(server.url)
        time.sleep(0.1)

        assert post(server.url).http_status == 200
    assert len(server.requests) == 2


def test_what_was_cut_off_is_not_used_again() -> None:
    calls = []

    def slow_then_quick(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        calls.append(handler.client_address[1])
        if len(calls) == 1:
            server.stopping.wait(0.5)
        keeping(handler, server)

    with serve(slow_then_quick, keep_alive=True) as server:
        assert failing(server.url, timeout_s=0.2).code == "timeout"
        assert post(server.url).http_status == 200

    assert len(set(calls)) == 2


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
            thread.join(30)

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


# Addresses


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[Any]:
    """Every name leads to these addresses, one after the other; returns what was asked."""
    asked: list[Any] = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host[:1].isdigit() or ":" in host:
            return real(host, port, *args, **kwargs)
        asked.append(host)
        address = answers[min(len(asked), len(answers)) - 1]
        if ":" in address:
            return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port or 80, 0, 0))]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 80))]

    monkeypatch.setattr("requests_hardened.ip_filter.socket.getaddrinfo", resolve)
    return asked


FORBIDDEN = """
127.0.0.1 127.8.9.1 0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1
192.0.0.8 192.88.99.1 198.18.0.1 203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 ::10.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1
64:ff9b:1::1 2002:7f00:1:: 2001:0:1::1 fc00::1 fd00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 2001:db8::1 100::1
"""
PUBLIC = "1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.63.255.255 192.167.1.1 2606:4700::1111 2a00:1450:4001::1"


@pytest.mark.parametrize("text", FORBIDDEN.split())
def test_an_address_off_the_public_internet_is_forbidden(text: str) -> None:
    assert connections.address_forbidden(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["fe80::1%eth0", "2606:4700::1111%1"])
def test_an_address_with_a_zone_is_forbidden(text: str) -> None:
    assert connections.address_forbidden(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC.split())
def test_an_address_of_the_public_internet_is_not(text: str) -> None:
    assert not connections.address_forbidden(ipaddress.ip_address(text))


@pytest.mark.parametrize("address", FORBIDDEN.split())
def test_a_name_that_leads_there_is_not_asked(
    address: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    resolving(monkeypatch, address)

    error = failing("http://hooks.example/")

    assert (error.code, error.sent) == ("forbidden_address", False)
    assert address not in error.why


@pytest.mark.parametrize("address", ["::127.0.0.1", "fec0::1"])
def test_what_the_filter_of_the_library_lets_through_is_looked_at_again(
    address: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    resolving(monkeypatch, address)
    monkeypatch.setattr(connections, "address_forbidden", lambda _: False)

    assert failing("http://hooks.example/", timeout_s=1).code != "forbidden_address"


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0x7f.1",
        "017700000001",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "localhost",
    ],
)
def test_loopback_in_any_spelling_is_forbidden(host: str, settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False

    assert failing(f"http://{host}:1/").code == "forbidden_address"


@pytest.mark.parametrize("host", ["[fe80::1%25eth0]", "[fe80::1%25lo]"])
def test_a_zone_in_a_url_leads_nowhere(host: str) -> None:
    assert failing(f"http://{host}:1/").code in ("forbidden_address", "name_unknown", "url_invalid")


def test_the_address_that_was_looked_at_is_the_one_connected_to(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that changes its mind between the check and the connection: rebinding."""
    connected: list[Any] = []

    def connect(address: Any, *args: Any, **kwargs: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    settings.WEBHOOK_ALLOW_LOOPBACK = False
    asked = resolving(monkeypatch, "8.8.8.8", "127.0.0.1")
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)

    error = failing("http://hooks.example:8080/")

    assert error.code == "connection_failed"
    assert connected == [("8.8.8.8", 8080)]
    assert len(asked) == 1


def test_a_kept_connection_does_not_save_a_name_from_being_looked_at(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(keeping, keep_alive=True) as server:
        post(server.url.replace("127.0.0.1", "localhost"))
        settings.WEBHOOK_ALLOW_LOOPBACK = False

        assert failing(server.url.replace("127.0.0.1", "localhost")).code == "forbidden_address"
    assert len(server.requests) == 1


def test_a_network_that_the_settings_open_is_reached_and_its_neighbours_are_not(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    settings.TOOL_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("fd00::/64")]
    with serve(answering("{}")) as server:
        answer = post(server.url)
        neighbour = failing(server.url.replace("127.0.0.1", "127.0.0.2"))

    assert answer.http_status == 200
    assert server.requests[0][0]["Host"] == server.url.split("/")[2]
    assert neighbour.code == "forbidden_address"
    assert failing("http://169.254.169.254/").code == "forbidden_address"


def test_in_an_open_network_the_address_is_pinned_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    settings.TOOL_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1/32")]
    with serve(answering("{}")) as server:
        port = server.url.split(":")[2].split("/")[0]
        asked = resolving(monkeypatch, "127.0.0.1", "10.0.0.1")
        answer = post(f"http://hooks.example:{port}/vapi")

    assert answer.http_status == 200
    assert asked[0] == "hooks.example"
    assert server.requests[0][0]["Host"] == f"hooks.example:{port}"


def test_in_an_open_network_the_usual_port_is_not_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    def answer(theirs: socket.socket) -> None:
        sent.append(theirs.recv(65536))
        theirs.close()

    def connect(*args: Any, **kwargs: Any) -> socket.socket:
        ours, theirs = socket.socketpair()
        threading.Thread(target=answer, args=(theirs,), daemon=True).start()
        return ours

    settings.TOOL_ALLOWED_NETWORKS = [ipaddress.ip_network("10.1.0.0/16")]
    resolving(monkeypatch, "10.1.2.3")
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)

    assert failing("http://hooks.example/").sent
    assert b"\r\nHost: hooks.example\r\n" in sent[0]


def test_a_certificate_is_checked_in_an_open_network_too(tmp_path: Path, settings: Settings) -> None:
    settings.TOOL_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with serve(answering("{}"), tls=server_tls(tmp_path, "127.0.0.1")) as server:
        assert failing(server.url).code == "tls_failed"
    assert server.requests == []


def test_a_kept_tls_connection_is_for_that_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = server_tls(tmp_path, "localhost")
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    monkeypatch.setattr(connections, "_tls_context", lambda: trusting)
    with serve(keeping, tls=tls, keep_alive=True) as server:
        named = server.url.replace("127.0.0.1", "localhost")
        first, second = post(named), post(named)
        error = failing(server.url)

    assert first.body == second.body
    assert first.steps.tls_ms is not None
    assert second.steps.tls_ms is None
    assert error.code == "tls_failed"


def test_the_deadline_holds_on_a_kept_tls_connection_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting_folder = server_tls(tmp_path, "localhost")
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    monkeypatch.setattr(connections, "_tls_context", lambda: trusting)
    asked = []

    def quick_then_silent(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        asked.append(1)
        (keeping if len(asked) == 1 else silent)(handler, server)

    with serve(quick_then_silent, tls=trusting_folder, keep_alive=True) as server:
        named = server.url.replace("127.0.0.1", "localhost")
        post(named)
        started = time.monotonic()
        error = failing(named, timeout_s=0.3)

    assert (error.code, error.sent) == ("timeout", True)
    assert time.monotonic() - started < 10


def server_tls(folder: Path, name: str) -> ssl.SSLContext:
    """TLS with a certificate for that name which nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
        key, hashes.SHA256()
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def _endless_stream(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Sends three parts at once and then nothing, and leaves the stream open."""
    handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for part in (b"one ", b"two ", b"three "):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        handler.wfile.flush()
        time.sleep(0.05)
    server.stopping.wait(10)


def _until(mark: bytes) -> HttpAnswer:
    seen = bytearray()

    def enough(part: bytes) -> bool:
        seen.extend(part)
        return mark in seen

    with serve(_endless_stream, keep_alive=True) as server:
        request = HttpRequest("POST", server.url, b"{}", {}, enough=enough)
        return http_send(request, timeout_s=1, send_within_s=1)


def test_a_stream_is_read_until_what_was_waited_for_is_in() -> None:
    answer = _until(b"two")

    assert answer.body == b"one two "
    assert answer.elapsed_ms < 900


def test_a_stream_that_never_brings_it_ends_with_the_deadline() -> None:
    with pytest.raises(ToolError) as raised:
        _until(b"four")

    assert (raised.value.code, raised.value.sent) == ("timeout", True)


def test_what_watches_a_stream_may_end_it_with_an_error() -> None:
    def enough(part: bytes) -> bool:
        raise ToolError(code="other_origin", why="it wants requests sent to another server", sent=False)

    with serve(answering("{}")) as server, pytest.raises(ToolError) as raised:
        http_send(HttpRequest("GET", server.url, None, {}, enough=enough), timeout_s=5, send_within_s=5)

    assert raised.value.code == "other_origin"


@pytest.mark.parametrize("zipped", [False, True])
def test_an_answer_that_is_watched_comes_whole_all_the_same(zipped: bool) -> None:
    body = b"x" * 300_000
    headers = {"Content-Encoding": "gzip"} if zipped else None
    with serve(answering(gzip.compress(body) if zipped else body, headers=headers)) as server:
        request = HttpRequest("POST", server.url, b"{}", {}, enough=lambda _: False)
        answer = http_send(request, timeout_s=5, send_within_s=5)

    assert answer.body == body


def test_a_watched_answer_that_breaks_off_is_incomplete() -> None:
    with serve(half_a_body) as server:
        request = HttpRequest("POST", server.url, b"{}", {}, enough=lambda _: False)
        with pytest.raises(ToolError) as raised:
            http_send(request, timeout_s=5, send_within_s=5)

    assert raised.value.code == "answer_incomplete"
