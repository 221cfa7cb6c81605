"""Networks of tool webhooks."""

from ipaddress import ip_network

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.networks import networks


def test_networks_of_both_families_are_read() -> None:
    assert networks("NETS", ["10.1.0.0/16", "fd00:1::/32", "10.9.8.7"]) == [
        ip_network("10.1.0.0/16"),
        ip_network("fd00:1::/32"),
        ip_network("10.9.8.7/32"),
    ]


@pytest.mark.parametrize("text", ["10.1.2.3/16", "nowhere", "10.0.0.0/99"])
def test_what_is_no_network_is_refused_by_name(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="NETS"):
        networks("NETS", [text])
