"""What tests of the translation of tools share: a webhook, its parts, and which kinds run."""

from typing import Any

import pytest

from assistants.tests.vapi.cases import SERVER
from tools.models import Tool

TWO = frozenset({Tool.Kind.FUNCTION, Tool.Kind.END_CALL})
TRANSFERS = TWO | {Tool.Kind.TRANSFER, Tool.Kind.VOICEMAIL, Tool.Kind.API_REQUEST, Tool.Kind.SMS}

PLAN = {"type": "exponential", "maxRetries": 2, "baseDelaySeconds": 1, "excludedStatusCodes": [404]}
EXTRACTION = {
    "schema": {"type": "object", "properties": {"a": {"type": "string"}}},
    "aliases": [{"key": "b", "value": "{{$.b}}"}],
}
REJECTION = {"conditions": [{"type": "regex", "regex": "x", "target": {"role": "user", "position": -1}}]}


def webhook(**more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "find"}, "server": SERVER, **more}


@pytest.fixture(autouse=True)
def two_kinds_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of the others must not depend on how far Tandem has come."""
    monkeypatch.setattr("tools.kinds.RUNS", TWO)


@pytest.fixture
def transfers_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.kinds.RUNS", TRANSFERS)
