"""Fixtures that more than one app uses."""

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings as django_settings
from hypothesis import settings as hypothesis_settings

# The clocks of busy machines lie, so no example fails for being slow.
hypothesis_settings.register_profile("tandem", deadline=None)
hypothesis_settings.load_profile("tandem")


@pytest.fixture
def redis_client() -> Iterator["redis.Redis"]:
    """A client of this worker's own, empty Redis database."""
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushdb()
        yield client
