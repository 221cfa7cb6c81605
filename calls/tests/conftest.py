"""Fixtures that several kinds of tests of calls use."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from calls import recorder
from calls.tests.stage import FakeOutbox


@pytest.fixture
def midday(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon when the test begins, and time goes on from there: no midnight comes between its lines."""
    began = timezone.now()
    ahead = began.replace(hour=12, minute=0, second=0, microsecond=0) - began
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + ahead)


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> FakeOutbox:
    """Where everything is put."""
    made = FakeOutbox()
    monkeypatch.setattr(recorder, "process_outbox", lambda: made)
    return made
