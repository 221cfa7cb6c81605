"""Requests to the server that is measured, one after the other on one connection, each beside one to the bare view."""

import http.client
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

WARM_UPS = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that is measured. ``body`` makes the body of the nth request; ``status`` is what must be answered."""

    name: str
    method: str
    path: str
    times: int
    status: int = 200
    body: Callable[[int], dict[str, Any]] | None = None
    least_rows: int = 0
    target_ms: float | None = None


@dataclass(slots=True)
class Timed:
    """What came of it, in ms."""

    asked: Asked
    took_ms: list[float] = field(default_factory=list)
    bare_ms: list[float] = field(default_factory=list)
    bytes_n: int = 0
    cpu_ms: float = 0.0
    postgres_ms: float = 0.0
    peak_mib: float = 0.0

    @property
    def missed(self) -> bool:
        """Whether the middle lies beyond the target."""
        return self.asked.target_ms is not None and percentile(self.took_ms, 50) > self.asked.target_ms


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds since their start, of the server and of PostgreSQL."""

    server_s: float = 0.0
    postgres_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Meter:
    """What tells of the server's and the database's use; the peak of memory is that since it was last reset."""

    spent: Callable[[], Spent]
    peak_reset: Callable[[], None]
    peak_mib: Callable[[], float]


class WrongAnswerError(Exception):
    """The server answered something else than it should; the text says what."""


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which so many percent lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share / 100 * (len(ordered) - 1)))]


class Caller:
    """A connection to the server, which stays open."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes, float]:
        """The status, the whole body, and how long that took in ms."""
        began = time.perf_counter()
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, content, (time.perf_counter() - began) * 1000

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def measure(asked: Asked, caller: Caller, meter: Meter) -> Timed:
    """So many requests and as many bare ones in turn. Raises WrongAnswerError."""
    timed = Timed(asked)
    for n in range(-WARM_UPS, 0):
        _once(asked, caller, n)
    server_s = postgres_s = 0.0
    meter.peak_reset()
    for n in range(asked.times):
        _, _, bare_ms = caller.ask("GET", "/bare")
        before = meter.spent()
        content, took_ms = _once(asked, caller, n)
        after = meter.spent()
        server_s += after.server_s - before.server_s
        postgres_s += after.postgres_s - before.postgres_s
        timed.bare_ms.append(bare_ms)
        timed.took_ms.append(took_ms)
        timed.bytes_n = len(content)
    timed.cpu_ms, timed.postgres_ms = server_s * 1000 / asked.times, postgres_s * 1000 / asked.times
    timed.peak_mib = meter.peak_mib()
    return timed


def _once(asked: Asked, caller: Caller, n: int) -> tuple[bytes, float]:
    body = orjson.dumps(asked.body(n)) if asked.body is not None else None
    status, content, took_ms = caller.ask(asked.method, asked.path, body)
    if status != asked.status:
        raise WrongAnswerError(f"{asked.name}: {status} {content[:300].decode(errors='replace')}")
    if asked.least_rows and len(orjson.loads(content)) < asked.least_rows:
        raise WrongAnswerError(f"{asked.name}: fewer rows than {asked.least_rows}")
    return content, took_ms
