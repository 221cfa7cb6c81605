"""Origins and hosts."""

import pytest

from config.origins import host_header_for, host_is_loopback, host_is_private, media_origin_for, origin_host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_hosts(host: str) -> None:
    assert host_is_loopback(host)
    assert host_is_private(host)


@pytest.mark.parametrize("host", ["10.0.0.7", "192.168.1.2", "redis", "box.local", "fd00::1"])
def test_private_hosts(host: str) -> None:
    assert host_is_private(host)
    assert not host_is_loopback(host)


@pytest.mark.parametrize("host", ["voice.example.com", "8.8.8.8", "2001:4860:4860::8888", ""])
def test_public_hosts(host: str) -> None:
    assert not host_is_private(host)


def test_the_media_origin_follows_the_public_one() -> None:
    assert media_origin_for("https://voice.example.com") == "wss://voice.example.com"
    assert media_origin_for("http://127.0.0.1:8000") == "ws://127.0.0.1:8000"
    assert media_origin_for("nonsense") == "nonsense"


def test_hosts_of_origins() -> None:
    assert origin_host("https://voice.example.com:8443") == "voice.example.com"
    assert origin_host("http://[::1") == ""
    assert host_header_for("https://[2001:db8::1]:8443") == ["[2001:db8::1]"]
    assert host_header_for("nonsense") == []
