"""Addresses: nothing off the public internet is reached, whatever name or spelling leads there."""

import ipaddress
import socket
import threading
from typing import Any

import pytest
from pytest_django import Settings

from tools import connections
from tools.tests.posting import failing, keeping, post
from tools.tests.servers import (
    answering,
    serve,
)

pytestmark = pytest.mark.usefixtures("loopback")


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
