"""Fixtures of the tool tests."""

import pytest
from pytest_django import Settings


@pytest.fixture
def loopback(settings: Settings) -> None:
    """Webhooks may go to servers on this machine."""
    settings.WEBHOOK_ALLOW_LOOPBACK = True
