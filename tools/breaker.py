"""A host that fails again and again is left alone for a moment, so that callers hear of it at once.

Known to all workers, in Redis. After the moment one request goes out as a probe; its end opens the way or closes it
again. Without Redis every request goes out: this is a courtesy to callers and to the host, and no safeguard.
"""

import logging
import time
from dataclasses import dataclass

from redis.exceptions import RedisError
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from tools.shared_state import key, store

logger = logging.getLogger(__name__)

FAILURES_TO_OPEN = 5
OPEN_S = 15.0
# Failures further apart than this are no series.
SERIES_S = 120
# A probe whose worker died is given up after this.
_PROBE_MS = 30_000
_INDEX = "breakers"
# An answer of 500 may be one request's own fault, and one of 4xx is: neither says that the host is in trouble.
_STATUSES = frozenset({502, 503, 504})
_CODES = frozenset(
    {"connect_timeout", "connection_failed", "name_unknown", "tls_failed", "timeout", "connection_lost"}
)


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to ask a host. ``failures`` is how many came before in this series."""

    host: str
    failures: int = 0
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Breaker:
    """A host with failures behind it, as ops see it; times are epoch seconds."""

    host: str
    failures: int
    last_code: str
    failed_at: float
    open_until: float

    def is_open(self, now: float) -> bool:
        """Whether requests are held back now."""
        return now < self.open_until


def host_of(url: str) -> str:
    """The host and port that a URL leads to, as a breaker's name; empty where there is none."""
    try:
        parsed = parse_url(url)
    except (HTTPError, ValueError):
        return ""
    if not parsed.host:
        return ""
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    return f"{parsed.host.lower()}:{port}"


def permit(host: str) -> Permit | None:
    """Leave to ask this host, or None while it is left alone."""
    try:
        failures, open_until = store().hmget(_state(host), "failures", "open_until")
        if failures is None or not open_until:
            return Permit(host, int(failures or 0))
        if time.time() < float(open_until):
            return None
        if store().set(_probe(host), "1", nx=True, px=_PROBE_MS):
            return Permit(host, int(failures), probe=True)
    except RedisError:
        return Permit(host)
    return None


def counts(*, code: str, http_status: int | None) -> bool:
    """Whether such an end speaks against the host: it could not be asked, or says itself that it cannot answer."""
    return code in _CODES or (code == "http_error" and http_status in _STATUSES)


def succeeded(given: Permit) -> None:
    """Note that the host answered: the series is over."""
    if not given.failures and not given.probe:
        return
    try:
        breaker_close(given.host)
    except RedisError:
        return
    if given.probe:
        logger.info("tool server answers again", extra={"host": given.host})


def failed(given: Permit, *, code: str) -> None:
    """Note that the host failed; from the fifth time on it is left alone for a moment."""
    now = time.time()
    state = _state(given.host)
    try:
        series = store().pipeline(transaction=True)
        series.hincrby(state, "failures", 1)
        series.hset(state, mapping={"code": code, "failed_at": now})
        series.expire(state, SERIES_S)
        series.zadd(key(_INDEX), {given.host: now})
        failures, *_ = series.execute()
        if failures < FAILURES_TO_OPEN:
            return
        store().hset(state, "open_until", str(now + OPEN_S))
        store().delete(_probe(given.host))
    except RedisError:
        return
    logger.warning(
        "tool server is left alone for a moment",
        extra={"host": given.host, "failures": failures, "code": code},
    )


def breakers_list() -> list[Breaker]:
    """The hosts with failures behind them, the latest first. Raises RedisError."""
    store().zremrangebyscore(key(_INDEX), "-inf", time.time() - SERIES_S)
    hosts = [str(host) for host in store().zrevrange(key(_INDEX), 0, 199)]
    found = []
    for host in hosts:
        state = store().hgetall(_state(host))
        if state:
            found.append(
                Breaker(
                    host=host,
                    failures=int(state.get("failures", 0)),
                    last_code=str(state.get("code", "")),
                    failed_at=float(state.get("failed_at", 0)),
                    open_until=float(state.get("open_until", 0)),
                )
            )
    return found


def breaker_close(host: str) -> None:
    """Forget the host's failures, so that it is asked again. Raises RedisError."""
    store().delete(_state(host), _probe(host))
    store().zrem(key(_INDEX), host)


def _state(host: str) -> str:
    return key("breaker", host)


def _probe(host: str) -> str:
    return key("breaker-probe", host)
