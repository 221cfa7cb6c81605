"""Networks by name: which addresses tool webhooks may reach beside the public ones."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured


def networks(name: str, texts: Iterable[str]) -> list[IPv4Network | IPv6Network]:
    """The networks behind their CIDRs. Raises ImproperlyConfigured, naming the variable, for what is none."""
    try:
        return [ip_network(text) for text in texts]
    except ValueError as exc:
        raise ImproperlyConfigured(
            f"{name} has an entry that is no network such as 10.1.0.0/16 or fd00:1::/32: {exc}"
        ) from None
