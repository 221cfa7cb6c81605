"""Fixtures that more than one app uses."""

from collections.abc import Generator, Iterator

import pytest
import redis
from django.conf import settings as django_settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker

from tests.emptying import empty_quickly
from tests.outboxes import end_of_this_process
from tools import shared_state

# The clocks of busy machines lie, so no example fails for being slow, nor the drawing of it. Each day draws other examples, so the few of one day
# add up; `bin/test --hypothesis-profile=thorough -k …` draws many at once, where a test names no number of its own.
for name, examples in (("tandem", 50), ("thorough", 2000)):
    hypothesis_settings.register_profile(
        name, deadline=None, max_examples=examples, suppress_health_check=[HealthCheck.too_slow]
    )
hypothesis_settings.load_profile("tandem")
# Without Redis much goes another way, and silently; on a machine that stood still for a moment it is there all the same.
shared_state._TIMEOUT_S = 30.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """What a test said to the workers ends with it: its outbox would hand it over again in the next one, whose Redis knows nothing of it."""
    yield
    end_of_this_process()


@pytest.fixture
def redis_client() -> Iterator["redis.Redis"]:
    """A client of this worker's own, empty Redis database."""
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushdb()
        yield client


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:  # noqa: ARG001 - widened
    """The test database, which is emptied quickly after a test that commits."""
    with django_db_blocker.unblock():
        empty_quickly()
