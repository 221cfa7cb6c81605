import time

import pytest
from redis import Redis

from tools import breaker, shared_state
from tools.breaker import FAILURES_TO_OPEN, Permit

pytestmark = pytest.mark.usefixtures("redis_client")

HOST = "hooks.example:443"


def fail(times: int, host: str = HOST) -> None:
    for _ in range(times):
        permit = breaker.permit(host)
        assert permit is not None
        breaker.failed(permit, code="timeout")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Hooks.example/x?secret=s", "hooks.example:443"),
        ("http://hooks.example", "hooks.example:80"),
        ("http://10.0.0.1:8080/", "10.0.0.1:8080"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("nonsense://", ""),
        ("http://[", ""),
    ],
)
def test_a_breaker_is_named_by_host_and_port(url: str, host: str) -> None:
    assert breaker.host_of(url) == host


def test_a_host_is_asked_until_its_fifth_failure_in_a_row() -> None:
    fail(FAILURES_TO_OPEN - 1)
    assert breaker.permit(HOST) == Permit(HOST, FAILURES_TO_OPEN - 1)

    fail(1)

    assert breaker.permit(HOST) is None
    assert breaker.permit("other.example:443") == Permit("other.example:443")


def test_an_answer_ends_the_series() -> None:
    fail(FAILURES_TO_OPEN - 1)
    permit = breaker.permit(HOST)
    assert permit is not None

    breaker.succeeded(permit)
    fail(FAILURES_TO_OPEN - 1)

    assert breaker.permit(HOST) is not None


class Later:
    """The machine's clock, put on."""

    def __init__(self) -> None:
        self.by_s = 0.0

    def time(self) -> float:
        return time.time() + self.by_s


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """The breaker's clock; the moment for which a way is closed is longer than any test."""
    made = Later()
    monkeypatch.setattr(breaker, "time", made)
    monkeypatch.setattr(breaker, "OPEN_S", 600.0)
    return made


def test_after_the_moment_one_probe_goes_out_and_its_answer_opens_the_way(later: Later) -> None:
    fail(FAILURES_TO_OPEN)
    later.by_s += 601

    probe, second = breaker.permit(HOST), breaker.permit(HOST)

    assert probe == Permit(HOST, FAILURES_TO_OPEN, probe=True)
    assert second is None
    breaker.succeeded(probe)
    assert breaker.permit(HOST) == Permit(HOST)
    assert breaker.breakers_list() == []


def test_a_probe_that_fails_closes_the_way_again(later: Later) -> None:
    fail(FAILURES_TO_OPEN)
    later.by_s += 601
    probe = breaker.permit(HOST)
    assert probe is not None

    breaker.failed(probe, code="timeout")

    assert breaker.permit(HOST) is None
    later.by_s += 601
    assert breaker.permit(HOST) is not None  # and the next probe may go


@pytest.mark.parametrize(
    ("code", "http_status", "against"),
    [
        ("connection_failed", None, True),
        ("timeout", None, True),
        ("connection_lost", None, True),
        ("http_error", 502, True),
        ("http_error", 503, True),
        ("http_error", 500, False),
        ("http_error", 400, False),
        ("http_error", 404, False),
        ("http_error", 429, False),
        ("forbidden_address", None, False),
        ("expired", None, False),
        ("", 200, False),
    ],
)
def test_only_what_speaks_against_the_host_counts(code: str, http_status: int | None, against: bool) -> None:
    assert breaker.counts(code=code, http_status=http_status) is against


def test_ops_see_the_hosts_and_may_close_a_series() -> None:
    fail(FAILURES_TO_OPEN)
    fail(1, "other.example:443")

    other, open_one = breaker.breakers_list()

    assert (other.host, other.failures, other.is_open(time.time())) == ("other.example:443", 1, False)
    assert (open_one.host, open_one.failures, open_one.last_code) == (HOST, FAILURES_TO_OPEN, "timeout")
    assert open_one.is_open(time.time())
    breaker.breaker_close(HOST)
    assert breaker.permit(HOST) == Permit(HOST)
    assert [one.host for one in breaker.breakers_list()] == ["other.example:443"]


def test_without_redis_every_request_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Redis.from_url("redis://127.0.0.1:1/0")
    monkeypatch.setattr(breaker, "store", lambda: nowhere)

    permit = breaker.permit(HOST)

    assert permit == Permit(HOST)
    breaker.failed(permit, code="timeout")
    breaker.succeeded(Permit(HOST, 3))


def test_nothing_stays_in_redis_for_good(redis_client: Redis) -> None:
    fail(FAILURES_TO_OPEN)

    assert redis_client.ttl(shared_state.key("breaker", HOST)) > 0
