import uuid
from typing import Any

import pytest
from django.utils import timezone

from assistants.models import VapiImport, VapiObject
from assistants.tests.factories import make_assistant
from calls.history.reading import record_read
from calls.history.writing import calls_write
from calls.models import VapiCall
from tools.models import ToolCall
from tools.redaction.keeping import NOT_KEPT
from transcripts.models import Utterance

pytestmark = pytest.mark.django_db
CARD = "4111 1111 1111 1111"
BODY: dict[str, Any] = {
    "status": "ended", "type": "inboundPhoneCall", "createdAt": "2026-06-01T10:00:00Z", "assistantId": "desk",
    "startedAt": "2026-06-01T10:00:01Z", "endedAt": "2026-06-01T10:01:00Z", "endedReason": "customer-ended-call",
    "analysis": {"summary": f"Paid with {CARD}"},
    "artifact": {
        "messages": [
            {"role": "user", "message": f"It is {CARD}", "time": 1780308002000, "secondsFromStart": 1},
            {"role": "tool_calls", "message": "", "time": 1780308003000, "secondsFromStart": 2,
             "toolCalls": [{"id": "c1", "type": "function", "function": {"name": "pay", "arguments": f'{{"card": "{CARD}"}}'}}]},
            {"role": "tool_call_result", "toolCallId": "c1", "name": "pay", "result": f"Charged {CARD}",
             "time": 1780308004000, "secondsFromStart": 3},
        ]
    },
}  # fmt: skip


def write(**fields: Any) -> VapiCall:
    """A call at Vapi of an assistant with these settings, imported."""
    assistant = make_assistant(published=True, **fields)
    run = VapiImport.objects.create(status=VapiImport.Status.DONE)
    VapiObject.objects.create(
        kind=VapiObject.Kind.ASSISTANT, key="desk", raw={}, assistant=assistant, last_import=run, imported_at=timezone.now()
    )  # fmt: skip
    record: Any = record_read({**BODY, "id": str(uuid.uuid4())}, where="here")
    calls_write([record], source=VapiCall.Source.API)
    return VapiCall.objects.get()


def test_what_an_import_brings_is_redacted_as_the_assistant_wants_it() -> None:
    row = write(redact=["card"])

    assert Utterance.objects.get().text == Utterance.objects.get().heard_text == "It is [card]"
    step = ToolCall.objects.get()
    assert (step.arguments, step.outcome, step.answer) == (
        {"card": "[card]"},
        "Charged [card]",
        "Charged [card]",
    )
    assert row.analysis == {"summary": "Paid with [card]"}


def test_under_the_hipaa_switch_an_import_brings_no_words() -> None:
    row = write(hipaa=True)

    assert Utterance.objects.get().text == NOT_KEPT
    step = ToolCall.objects.get()
    assert (step.arguments, step.outcome, step.name) == ({}, NOT_KEPT, "pay")
    assert row.analysis == {}


def test_without_a_setting_everything_comes_as_it_was() -> None:
    write()

    assert Utterance.objects.get().text == f"It is {CARD}"
