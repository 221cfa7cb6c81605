"""From where a request comes: the address of whoever asks, as far as that can be known behind proxies."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

UNKNOWN: Final = "unknown"
# More addresses than any chain of proxies has are not read.
_MOST_HOPS: Final = 20
_V6_OF_ONE: Final = 64  # so many bits of an address are one customer's of a network

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def request_address(request: HttpRequest) -> str:
    """The address that this request of HTTP comes from."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return address_of(str(request.META.get("REMOTE_ADDR") or ""), forwarded)


def scope_address(scope: Mapping[str, Any]) -> str:
    """The same of a WebSocket."""
    named = [value for name, value in scope.get("headers") or () if name.lower() == b"x-forwarded-for"]
    client = scope.get("client")
    return address_of(str(client[0]) if client else "", b",".join(named).decode("latin-1"))


def address_of(peer: str, forwarded: str) -> str:
    """The nearest address that is no proxy of ours.

    What ``X-Forwarded-For`` says is believed from the right, as long as whoever said it is a proxy that ``TRUSTED_PROXIES``
    names: everybody may write anything to its left. Of IPv6 it is the network, whose addresses are all one customer's.
    """
    address = _read(peer)
    # Through a Unix socket nobody but a proxy comes.
    if address is not None and not _is_ours(address):
        return _told(address)
    for hop in reversed(forwarded.split(",")[-_MOST_HOPS:]):
        said = _read(hop)
        if said is None:
            break
        address = said
        if not _is_ours(said):
            break
    return _told(address) if address is not None else UNKNOWN


def _is_ours(address: _Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)


def _read(text: str) -> _Address | None:
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]  # with a port, as some proxies write it
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _told(address: _Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, _V6_OF_ONE), strict=False))
