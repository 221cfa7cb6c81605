"""Origins: scheme, host and port of a URL, and what they say about who can reach it."""

import ipaddress
from urllib.parse import urlsplit

LOOPBACK_NAMES = {"localhost"}
PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".test")


def origin_host(origin: str) -> str:
    """The host of an origin, without port and brackets; empty where there is none."""
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def host_is_loopback(host: str) -> bool:
    """Whether the host is this machine itself."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_is_private(host: str) -> bool:
    """Whether the host is this machine or one that only a private network can reach, as far as its name tells."""
    if (
        host_is_loopback(host)
        or host.endswith(PRIVATE_SUFFIXES)
        or (host and "." not in host and ":" not in host)
    ):
        return True  # a name without a dot is a container or a machine on the same network
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def media_origin_for(public_origin: str) -> str:
    """The WebSocket origin that belongs to an HTTP origin."""
    for http, websocket in (("https://", "wss://"), ("http://", "ws://")):
        if public_origin.startswith(http):
            return websocket + public_origin.removeprefix(http)
    return public_origin


def host_header_for(origin: str) -> list[str]:
    """What ALLOWED_HOSTS needs for requests to this origin: one entry, or none where the origin has no host."""
    host = origin_host(origin)
    if not host:
        return []
    return [f"[{host}]" if ":" in host else host]
