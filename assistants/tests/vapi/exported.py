"""What tests of reading exports share: one object of each kind, and what is read of a text or said of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from assistants.vapi.exports import Export, ExportError, export_read

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"
ASSISTANT: dict[str, Any] = {"id": "a1", "orgId": "o", "name": "Desk", "model": {"provider": "openai"}}
TOOL: dict[str, Any] = {"id": "t1", "orgId": "o", "type": "function", "function": {"name": "find"}}
SQUAD: dict[str, Any] = {"id": "s1", "orgId": "o", "members": [{"assistantId": "a1"}]}
NUMBER: dict[str, Any] = {"id": "p1", "orgId": "o", "provider": "twilio", "number": "+13125550100"}


def read(value: object, name: str = "x.json") -> Export:
    return export_read(json.dumps(value).encode(), name=name)


def complaint(content: bytes, name: str = "x.json") -> str:
    with pytest.raises(ExportError) as caught:
        export_read(content, name=name)
    return str(caught.value)


def complaint_about(value: object) -> str:
    return complaint(json.dumps(value).encode())


def kinds(export: Export) -> list[str]:
    return [item.kind for item in export.items]


def outcome(content: bytes) -> tuple[Export, str]:
    try:
        return export_read(content, name="some.json"), ""
    except ExportError as error:
        return Export(), str(error)
