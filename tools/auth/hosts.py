"""To which hosts a credential's secret may go: reading the list that people keep, and judging the address of a request.

An entry is one host or, by ``*.``, all hosts below one; with a port it means that port, without one the usual port. It means
HTTPS alone, unless it begins with ``http://``. An address is judged as the HTTP client will understand it: by what comes out
when it is prepared for sending, where all readers find the same host in it.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

HOST_MAX: Final = 300
ENTRIES_MAX: Final = 200
# What orders of a release without such lists are taken for: they are on their way for minutes only.
ANY: Final = "*"
_PORTS: Final = {"http": 80, "https": 443}
_ENTRY: Final = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<below>\*\.)?(?P<host>[^/\\?#@*\s]+)/?", re.IGNORECASE
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# A template in the part of an address that names the host; and one that leaves all but the first names to be read.
_TEMPLATE_HOST: Final = re.compile(r"\s*[a-z]*:?/{0,2}[^/?#]*\{[{%]", re.IGNORECASE)
_BELOW: Final = re.compile(
    r"\s*(https?)://[^/?#@]*\}\}\.([a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?)(?=[/?#]|$)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes: the part of its address that decides who reads it."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """The place as an entry is written."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{'http://' if self.scheme == 'http' else ''}{host}{port}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list. ``below``: any host below this one, and not this one itself."""

    place: Place
    below: bool = False

    def __str__(self) -> str:
        """The entry as it is kept."""
        if not self.below:
            return str(self.place)
        scheme, mark, rest = str(self.place).rpartition("://")
        return f"{scheme}{mark}*.{rest}"

    def lets(self, place: Place) -> bool:
        """Whether the secret may go there for this entry."""
        if (place.scheme, place.port) != (self.place.scheme, self.place.port):
            return False
        return place.host.endswith(f".{self.place.host}") if self.below else place.host == self.place.host


class EntryError(ValueError):
    """A line that is no entry. The text is a sentence for people."""


def place_of(url: str) -> Place | None:
    """Where a request to this address goes; None where it goes nowhere, or not every reader finds the same host."""
    try:
        # What the client makes of it: letters outside ASCII and escaped ones become what the name is asked by.
        request = requests.Request("GET", url).prepare()
        sent = request.url or ""
        parts, other = urlsplit(sent), parse_url(sent)
        port, host = parts.port, parts.hostname or ""
    except (requests.RequestException, HTTPError, ValueError):
        return None
    scheme = parts.scheme.lower()
    told = (other.host or "").strip("[]").lower()
    if scheme not in _PORTS or not host or host.lower() != told or port != other.port or port == 0:
        return None
    if "\\" in sent or "%" in host:
        return None
    return Place(scheme, _host(host), port or _PORTS[scheme])


def has_template_host(url: str) -> bool:
    """Whether the host of an address is known only when a template in it is rendered."""
    return _TEMPLATE_HOST.match(url) is not None


def entry_read(text: str) -> Entry:
    """The entry of a line. Raises EntryError."""
    found = _ENTRY.fullmatch(text.strip())
    if found is None or len(text) > HOST_MAX:
        raise EntryError(
            f"“{_short(text)}” is no host: write one such as api.example.com, api.example.com:8443 or *.example.com, without a path."
        )
    place = place_of(f"{found['scheme'] or 'https'}://{found['host']}")
    if place is None or not _is_name(place.host):
        raise EntryError(f"“{_short(text)}” is no host that a request can go to.")
    below = found["below"] is not None
    if below and (_is_address(place.host) or "." not in place.host):
        raise EntryError(
            f"“{_short(text)}” would let the secret go to anybody: name at least two parts after the star, as in *.example.com."
        )
    return Entry(place, below)


def entry_for(url: str) -> Entry | None:
    """The entry that lets requests to this address have the secret; None where it does not say which host that is.

    Where a template stands for the first part of the name alone, it is one for every host below the rest.
    """
    below = _BELOW.match(url)
    try:
        if below is not None:
            return entry_read(f"{below[1]}://*.{below[2]}")
        place = None if has_template_host(url) else place_of(url)
        return entry_read(str(place)) if place is not None else None
    except EntryError:
        return None


def entries_read(text: str) -> list[Entry]:
    """The entries of a list with one in each line, each once. Raises EntryError for the first that is none."""
    entries = list(dict.fromkeys(entry_read(line) for line in text.splitlines() if line.strip()))
    if len(entries) > ENTRIES_MAX:
        raise EntryError(f"These are {len(entries)} hosts; {ENTRIES_MAX} can be kept.")
    return entries


def entries_text(entries: Iterable[Entry]) -> str:
    """The list as it is kept."""
    return "\n".join(map(str, entries))


def entry_added(hosts: str, entry: Entry) -> str:
    """The stored list with this entry, as it was where it has it."""
    listed = _kept(hosts)
    return hosts if entry in listed else entries_text([*listed, entry])


def is_allowed(hosts: str, url: str) -> bool:
    """Whether the list lets a secret go with a request to this address."""
    if hosts == ANY:
        return True
    place = place_of(url)
    return place is not None and any(entry.lets(place) for entry in _kept(hosts))


def host_told(url: str) -> str:
    """The host of an address as it would be allowed, for people; a clause where there is none."""
    if has_template_host(url):
        return "a host that only a call knows"
    place = place_of(url)
    return str(place) if place is not None else "an address that names no host plainly"


@lru_cache(maxsize=1024)
def _kept(hosts: str) -> tuple[Entry, ...]:
    """The entries of a stored list. A line that no form of ours let through lets nothing through."""
    entries = []
    for line in hosts.splitlines():
        try:
            entries.append(entry_read(line))
        except EntryError:
            continue
    return tuple(entries)


def _host(host: str) -> str:
    host = host.lower().removesuffix(".")  # with a dot at the end it is the same name
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_name(host: str) -> bool:
    return _is_address(host) or all(_LABEL.fullmatch(label) for label in host.split("."))


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
