"""One desk for each test; no worker takes up what is ordered unless the test does it."""

from typing import Any

import pytest
from pytest_django import Settings

from assistants.tests.factories import make_assistant
from calls.placing import tasks
from calls.tests.factories import make_phone_number
from calls.tests.placing.desk import ACCOUNT, DID, Desk


@pytest.fixture
def kicked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that were asked for, by their last names."""
    names: list[str] = []
    for name in ("placings_dial", "calls_hang_up", "machine_answered"):
        task: Any = getattr(tasks, name)
        monkeypatch.setattr(task, "delay", lambda _name=name, **_: names.append(_name))
    return names


@pytest.fixture
def desk(db: None, settings: Settings, kicked: list[str]) -> Desk:
    settings.PUBLIC_ORIGIN = "https://tandem.test"
    settings.MEDIA_ORIGIN = "wss://tandem.test"
    settings.TWILIO_ACCOUNT_SID = ACCOUNT
    settings.OPENAI_API_KEY = "sk-test"
    number = make_phone_number(did=DID)
    return Desk(make_assistant(published=True), number)
