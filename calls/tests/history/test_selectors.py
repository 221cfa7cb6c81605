"""Calls at Vapi as a reference for drift: the right ones, in order, and cheaply."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from assistants.models import VapiImport, VapiObject
from assistants.tests.factories import make_assistant
from calls.history.reading import CallRecord, record_read
from calls.history.selectors import reference_calls
from calls.history.writing import calls_write
from calls.models import VapiCall
from calls.tests.factories import make_call, make_phone_number

pytestmark = pytest.mark.django_db

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"
CALL = json.loads((FIXTURES / "call.json").read_text())


def write(n: int, **fields: Any) -> None:
    made_at = datetime(2026, 6, 10 + n, tzinfo=UTC).isoformat()
    value = {
        **CALL,
        "id": str(uuid.UUID(int=n + 1)),
        "createdAt": made_at,
        "phoneCallProviderId": "",
        "transport": {},
    }
    record = record_read({**value, **fields}, where="a test")
    assert isinstance(record, CallRecord)
    calls_write([record], source=VapiCall.Source.API)


def test_calls_come_newest_first_with_tools_and_words_in_three_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_call()
    make_call(stack="vapi")  # sent there, not imported yet
    for n in range(4):
        write(n)

    with django_assert_num_queries(3):
        found = reference_calls(limit=3)

    assert [call.created_at.day for call in found] == [13, 12, 11]
    assert found[0].tools == ("find_slots", "book_appointment", "log_complaint", "endCall")
    assert [step.outcome for step in found[0].steps] == ["answered", "answered", "failed", "answered"]
    assert found[0].steps[1].arguments["when"] == {"slotId": "n-0611-0930"}
    assert [line.speaker for line in found[0].lines][:3] == ["assistant", "caller", "assistant"]
    assert found[0].assistants == (CALL["assistantId"],)


def test_calls_are_found_by_assistant_number_and_time() -> None:
    for n in range(3):
        write(n, **({"assistantId": "other"} if n == 1 else {}))
    number = make_phone_number(did="+13125550100")
    assistant = make_assistant()
    run = VapiImport.objects.create(source="a test")
    VapiObject.objects.create(
        kind="assistant",
        key=CALL["assistantId"],
        raw={},
        assistant=assistant,
        last_import=run,
        imported_at=datetime.now(UTC),
    )

    assert len(reference_calls(assistant=assistant)) == 2
    assert reference_calls(assistant=make_assistant(name="Nobody's")) == []
    assert len(reference_calls(number=number)) == 3
    assert len(reference_calls(since=datetime(2026, 6, 12, tzinfo=UTC))) == 1
