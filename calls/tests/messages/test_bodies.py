"""The bodies: by golden files, and by Vapi's own schemas. MESSAGES_GOLDEN=write writes the files anew."""

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from calls.messages.bodies import message_body
from calls.messages.sending import subject_read
from calls.messages.services import messages_notice
from calls.models import CallAnalysis, CallProblem, ServerMessage
from calls.tests.factories import make_refused_call, make_transfer
from calls.tests.messages.factories import BEGAN, make_desk, make_parts, make_told_call
from tools.envelope import epoch_ms
from tools.tests.vapi_schema import complaints

pytestmark = pytest.mark.django_db

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = {
    "assistant.started": "ServerMessage",
    "assistant.speechStarted": "ServerMessageAssistantSpeech",
    "conversation-update": "ServerMessageConversationUpdate",
    "end-of-call-report": "ServerMessageEndOfCallReport",
    "hang": "ServerMessageHang",
    "model-output": "ServerMessageModelOutput",
    "status-update": "ServerMessageStatusUpdate",
    "transcript": "ServerMessageTranscript",
    'transcript[transcriptType="final"]': "ServerMessageTranscript",
    "transfer-update": "ServerMessageTransferUpdate",
    "user-interrupted": "ServerMessageUserInterrupted",
}
EVERY = [
    "assistant.speechStarted", "assistant.started", "conversation-update", "end-of-call-report", "hang", "model-output",
    "status-update", "transfer-update", "user-interrupted",
]  # fmt: skip
DESTINATION = {
    "type": "number",
    "number": "+13125550142",
    "message": "One moment.",
    "description": "The workshop",
}


def eventful(transcript: str = "transcript") -> list[ServerMessage]:
    """The messages of a call in which everything happened."""
    desk = make_desk(name="Front desk", server_messages=[*EVERY, transcript], metadata={"shop": 7})
    other = make_desk(name="Workshop", server_messages=EVERY)
    call = make_told_call(assistant=desk, call_sid="CA00000000000000000000000000000001")
    make_parts(call, desk, other)
    make_transfer(
        call=call, requested_at=BEGAN + timedelta(seconds=9), dialled_at=BEGAN + timedelta(seconds=10),
        destination=DESTINATION, dial_status="no-answer", resumed_at=BEGAN + timedelta(seconds=15),
    )  # fmt: skip
    CallProblem.objects.create(
        call=call, key="3", source="openai", code="no_answer", at=BEGAN + timedelta(seconds=8)
    )
    CallAnalysis.objects.create(
        call=call, state="done", summary="A bike was asked for.", success_evaluation="true", structured_data={"found": True}
    )  # fmt: skip
    messages_notice([call.pk], now=BEGAN + timedelta(seconds=70))
    return list(call.server_messages.order_by("id"))


def told(rows: list[ServerMessage]) -> list[dict[str, Any]]:
    subject = subject_read(rows[0].call_id)
    return [message_body(row, subject)["message"] for row in rows]


def settled(message: dict[str, Any]) -> dict[str, Any]:
    """The message without what is different in each run."""
    text = json.dumps(message)
    for found in dict.fromkeys(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", text)):
        text = text.replace(found, "00000000-0000-4000-8000-000000000000")
    text = re.sub(r'("number": ")\+1415555\d{4}', r"\g<1>+14155550100", text)
    text = re.sub(r"token=[0-9a-f]+", "token=x", text)
    settled: dict[str, Any] = json.loads(text)
    return settled


def golden(name: str, message: dict[str, Any]) -> dict[str, Any]:
    path = GOLDEN / f"{name}.json"
    if os.environ.get("MESSAGES_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(json.dumps(message, indent=2, sort_keys=True) + "\n")
    wanted: dict[str, Any] = json.loads(path.read_text())
    return wanted


def name_of(row: ServerMessage) -> str:
    words = [
        row.kind.partition("[")[0],
        str(row.facts.get("status") or ""),
        "handover" if "part" in row.facts else "",
    ]
    return "-".join(filter(None, words)).replace(".", "-")


def unlike_vapi(kind: str, message: dict[str, Any]) -> list[str]:
    """What Vapi's schema has against a message.

    Apart from an account's SID, which nobody is to be told, and from text as the model's output, which the schema calls an
    object, and Vapi's pages do not.
    """
    schema = SCHEMAS[kind]
    if schema == "ServerMessage":
        return []  # its own schema is not in Vapi's document
    return [one for one in complaints(schema, message) if not one.startswith(("phoneNumber: ", "output: "))]


def test_every_kind_is_told_as_its_golden_file_has_it_and_as_vapis_schema_wants_it() -> None:
    rows = eventful()

    seen: dict[str, ServerMessage] = {}
    for row, message in zip(rows, told(rows), strict=True):
        assert (message["type"], message["timestamp"]) == (row.kind, epoch_ms(row.at))
        name = name_of(row)
        if name not in seen:
            assert unlike_vapi(row.kind, message) == [], row.key
            assert settled(message) == golden(name, settled(message)), name
        seen[name] = row

    assert {row.kind for row in rows} == {*EVERY, "transcript"}
    if GOLDEN.exists():
        assert {path.stem for path in GOLDEN.glob("*.json")} == seen.keys() | {"status-update-refused"}


def test_the_filter_form_of_a_transcript_has_the_filter_as_its_type() -> None:
    rows = eventful('transcript[transcriptType="final"]')

    found = [one for one in told(rows) if one["type"].startswith("transcript")]

    assert [one["type"] for one in found] == ['transcript[transcriptType="final"]'] * 3
    assert [(one["role"], one["transcript"]) for one in found] == [
        ("assistant", "Harbour Bikes, good morning."),
        ("user", "Is it ready?"),
        ("assistant", "It is ready"),
    ]
    assert all(unlike_vapi(one["type"], one) == [] for one in found)


def test_a_message_tells_what_was_known_then_however_late_it_goes_and_the_call_as_it_was_made() -> None:
    messages = told(eventful())

    lengths = [len(one["messages"]) for one in messages if one["type"] == "conversation-update"]
    assert lengths == [1, 2, 5]
    for message in messages:
        assert message["call"]["status"] == "ringing"
        assert not message["call"].keys() & {"endedAt", "endedReason", "artifact", "messages", "cost"}


def test_a_call_that_nobody_took_says_why() -> None:
    call = make_refused_call(ended_at=timezone.now(), ended_reason="assistant-not-valid", call_sid="CA1")
    row = ServerMessage.objects.create(
        call=call, kind="status-update", key="status:ended", at=BEGAN, facts={"status": "ended"}
    )

    (message,) = told([row])

    assert unlike_vapi(row.kind, message) == []
    assert message["inboundPhoneCallDebuggingArtifacts"]["error"].startswith("The number has no assistant.")
    message = settled(message)
    message["call"]["createdAt"] = message["call"]["updatedAt"] = ""
    assert message == golden("status-update-refused", message)


def test_nothing_secret_stands_in_a_body() -> None:
    desk = {"server_secret": "s3cret-1", "server_headers": '{"Authorization": "s3cret-2"}'}
    call = make_told_call(assistant=make_desk(**desk))
    messages_notice([call.pk], now=timezone.now())

    text = json.dumps(told(list(call.server_messages.all())))

    assert "s3cret" not in text
    assert "secret=1" not in text
