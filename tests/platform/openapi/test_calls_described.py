"""Real calls, told as their description says: nothing that is not described, and nothing described that is never told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assistants.models import Squad
from assistants.tests.factories import make_assistant, make_version
from calls.api.described import CALL_FIELDS
from calls.models import Call, CallAnalysis, CallPart, CallRequest, CostLine, Placing, Recording, VapiCall
from calls.tests.api.test_calls import talked
from calls.tests.factories import make_call, make_phone_number, make_transfer
from tests.platform.openapi.asking import Program
from tests.platform.openapi.test_document import DOCUMENT, valid
from tools.access.described import record, ref
from transcripts.models import Utterance

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 9, 31, tzinfo=UTC)
# What only an assistant, a squad or overrides that came with a call have it told, and what its own socket has:
# `calls/tests/placing` and `calls/tests/websocket_calls` read those back.
SENT_ALONG = {"assistant", "assistantOverrides", "squad", "squadOverrides"}
WITH_SOCKETS = {
    "transport.websocketCallUrl",
    *("transport.audioFormat", "transport.audioFormat.format", "transport.audioFormat.container"),
    "transport.audioFormat.sampleRate",
}
# Taken as they were given: a customer's fields but the number, what a plan asked for.
GIVEN = {"customer.email", "customer.externalId", "customer.extension", "customer.numberE164CheckEnabled"}


def calls() -> Iterator[Call]:
    """Calls that have everything between them."""
    number = make_phone_number()
    whole = talked(phone_number=number, account_sid="AC" + "1" * 32, name="The bike")
    for_everybody = {
        "message": "One moment.",
        "description": "The desk.",
        "transferPlan": {"mode": "blind-transfer"},
    }
    make_transfer(
        call=whole, dialled_at=NOW, destination={
            "type": "number", "number": "+13125550142", "extension": "7", "numberE164CheckEnabled": True,
            "callerId": "+13125550177", **for_everybody,
        },
    )  # fmt: skip
    Recording.objects.create(
        call=whole,
        state=Recording.State.STORED,
        size=1000,
        file="kept.wav",
        stored_at=NOW,
        channels=2,
        content_type="audio/wav",
    )
    CallAnalysis.objects.create(
        call=whole, state=CallAnalysis.State.DONE, summary="A bike.", structured_data={"ready": True},
        structured_data_multi=[{"key": "a", "result": {}}], success_evaluation="true",
    )  # fmt: skip
    for kind, part in (
        ("response", "audio_in"),
        ("transcription", "audio_in"),
        ("analysis", "text_in"),
        ("line", "minutes"),
    ):
        CostLine.objects.create(
            call=whole, provider="openai" if kind != "line" else "twilio", kind=kind, item="gpt", part=part, quantity=10,
            amount_usd="0.01", written_at=NOW,
        )  # fmt: skip
    yield whole

    first = make_assistant(name="Front desk")
    version = make_version(assistant=first)
    squad = Squad.objects.create(name="Everybody")
    handed = talked(assistant=first, version=version, squad=squad)
    Utterance.objects.filter(transcript__call_id=handed.pk).update(assistant="Front desk")
    CallPart.objects.create(call=handed, n=0, assistant=first, version=version, began_at=NOW)
    yield handed
    to_sip = talked(assistant=first, version=version)
    make_transfer(call=to_sip, dialled_at=NOW, destination={"type": "sip", "sipUri": "sip:desk@example.org"})
    yield to_sip
    yield make_call(status=Call.Status.IN_PROGRESS, ended_at=None, ended_reason="")
    yield make_call(status=Call.Status.REFUSED, refused_because="Nobody answers this number.")

    at_vapi = talked(stack=Call.Stack.VAPI)
    VapiCall.objects.create(
        call=at_vapi, vapi_id="vapi-7", source="api", cost="0.1", imported_at=NOW, analysis={"summary": "Fine."},
        costs=[{"type": "voice", "characters": 7, "cost": 0.05}], cost_breakdown={"chat": 0, "total": 0.1},
    )  # fmt: skip
    yield at_vapi

    placed = make_call(
        status=Call.Status.SCHEDULED, direction=Call.Direction.OUTBOUND, started_at=None, ended_at=None
    )
    Placing.objects.create(
        call=placed, request=CallRequest.objects.create(by_label="test", digest="x"), earliest_at=NOW,
        latest_at=NOW + timedelta(hours=1), due_at=NOW, give_up_at=NOW + timedelta(hours=1), customer={"number": placed.caller, "name": "Marta"},
        metadata={"order": 7},
    )  # fmt: skip
    yield placed


def places(schema: Any, path: str = "") -> Iterator[str]:
    """Every field of a schema, with its way there."""
    if "$ref" in schema:
        yield from places(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]], path)
    for one in schema.get("anyOf", ()):
        yield from places(one, path)
    if "items" in schema:
        yield from places(schema["items"], path)
    for name, inner in schema.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        yield here
        yield from places(inner, here)


def told(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from told(one, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            here = f"{path}.{name}".lstrip(".")
            yield here
            yield from told(inner, here)


def test_calls_are_told_as_they_are_described_and_everything_described_is_told() -> None:
    documents = {call.pk: None for call in calls()}
    program = Program()
    answers = [program.ask("GET", f"/call/{pk}") for pk in documents]
    for answer in answers:
        assert valid(ref("Call"), answer) == []

    described = set(places(record(CALL_FIELDS)))
    seen = {place for answer in answers for place in told(answer)}
    assert described - seen - SENT_ALONG - WITH_SOCKETS - GIVEN == set()
    assert described >= SENT_ALONG | GIVEN
    assert sorted(one["id"] for one in program.ask("GET", "/call")) == sorted(one["id"] for one in answers)
