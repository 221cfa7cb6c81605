"""Connection overrides: the part of a webhook's URL after `#`, which Twilio obeys and never sends.

`#ct=1000&rt=2000&rc=2&rp=5xx,ct` of the vendor's page "Webhooks connection overrides". Which of 11240 to 11243 stands
for which mistake is our reading: 11240 a time limit, or no override at all; 11241 `rc`; 11242 `rp`; 11243 `e`.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

_EDGES: Final = frozenset(
    {"ashburn", "dublin", "frankfurt", "sao-paulo", "singapore", "sydney", "tokyo", "umatilla"}
)
_POLICIES: Final = frozenset({"4xx", "5xx", "ct", "rt", "all"})
_LIMITS: Final = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000)}


class OverrideError(ValueError):
    """A fragment that Twilio does not accept; `code` is Twilio's."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


@dataclass(frozen=True, slots=True)
class Overrides:
    """How a URL is requested: time limits in milliseconds, and what is tried again how often."""

    connect_ms: int = 5_000
    read_ms: int = 15_000
    total_ms: int = 15_000
    retries: int = 1
    retry_on: frozenset[str] = frozenset({"ct"})

    def retries_after(self, what: str) -> bool:
        """Whether such a failure ("ct", "rt", "4xx", "5xx") is tried again."""
        return what in self.retry_on or "all" in self.retry_on


def split(url: str) -> tuple[str, Overrides]:
    """The URL as it is requested, and how. Raises OverrideError for a fragment that is none."""
    parts = urlsplit(url)
    bare = urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, ""))
    return bare, parse(parts.fragment) if "#" in url else Overrides()


def parse(fragment: str) -> Overrides:
    """The overrides of a fragment. Raises OverrideError if Twilio does not accept it."""
    given: dict[str, str] = {}
    for part in fragment.split("&"):
        key, equals, value = part.partition("=")
        if not equals or key not in {*_LIMITS, "rc", "rp", "e"} or key in given:
            raise OverrideError(11240, f"{part!r} is no connection override")
        given[key] = value
    limits = {key: _limit(key, given[key]) for key in _LIMITS if key in given}
    policies = frozenset(given["rp"].split(",")) if "rp" in given else frozenset({"ct"})
    if unknown := policies - _POLICIES:
        raise OverrideError(11242, f"rp holds {sorted(unknown)}")
    retries = given.get("rc", "1")
    if not retries.isdecimal() or int(retries) > 5:
        raise OverrideError(11241, f"rc={retries} is not from 0 to 5")
    if "e" in given and not set(given["e"].split(",")) <= _EDGES:
        raise OverrideError(11243, f"e={given['e']} is no edge")
    return Overrides(
        connect_ms=limits.get("ct", 5_000),
        read_ms=limits.get("rt", 15_000),
        total_ms=limits.get("tt", 15_000),
        retries=int(retries),
        retry_on=policies,
    )


def _limit(key: str, text: str) -> int:
    least, most = _LIMITS[key]
    if not text.isdecimal() or not least <= int(text) <= most:
        raise OverrideError(11240, f"{key}={text} is not from {least} to {most} milliseconds")
    return int(text)
