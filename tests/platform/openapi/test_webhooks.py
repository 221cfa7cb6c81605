"""What customers' servers are sent, held against what the description says of it: with the bodies that are really sent."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as DjangoClient
from django.utils import timezone

from calls import recorder
from calls.bridge import commands as do
from calls.choosing.services import choose
from calls.messages import kinds
from calls.messages.asking import request_body
from calls.messages.bodies import message_body, passing_body
from calls.messages.sending import subject_read
from calls.messages.services import messages_notice
from calls.models import Call, CostLine, Recording, ServerMessage
from calls.recorder import Recorder
from calls.tests.factories import make_phone_number, make_refused_call
from calls.tests.messages.factories import BEGAN, make_desk, make_told_call
from calls.tests.messages.test_bodies import eventful, settled
from calls.tests.stage import CALL, LOOKUP, FakeOutbox
from config.openapi.parts import PARTS
from tests.platform.openapi.test_document import DOCUMENT, valid
from tools.envelope import transfer_destination_body, webhook_body
from tools.jsontext import json_text
from tools.orders import ToolOrder

pytestmark = pytest.mark.django_db

GOLDEN = Path(__file__).parent / "golden"
WEBHOOKS = {one.kind: one for part in PARTS for one in part.webhooks}
# Told only of calls that a program has made, or of rare ends: tests of those read them back.
RARE = {
    *("call.name", "call.metadata", "call.schedulePlan", "call.assistantOverrides", "call.squadId", "call.monitor"),
    *("status-update.destination", "end-of-call-report.endedMessage", "end-of-call-report.destination"),
}  # fmt: skip


def plain(body: Mapping[str, Any]) -> Any:
    return json.loads(json_text(body))


def kind_of(message: Mapping[str, Any]) -> str:
    return str(message["type"]).partition("[")[0]


def of_rows() -> Iterator[Any]:
    """The bodies of calls in which everything happened."""
    rows = eventful()
    call = rows[0].call
    Recording.objects.create(
        call=call, state=Recording.State.STORED, size=9, file="kept.wav", stored_at=BEGAN, channels=2, content_type="audio/wav"
    )  # fmt: skip
    CostLine.objects.create(
        call=call, provider="openai", kind="response", item="gpt", part="audio_in", quantity=10,
        amount_usd="0.01", written_at=BEGAN,
    )  # fmt: skip
    subject = subject_read(call.pk)
    yield from (message_body(row, subject) for row in rows)
    final_alone = make_told_call(assistant=make_desk(server_messages=[kinds.FINAL_TRANSCRIPT]))
    messages_notice([final_alone.pk], now=timezone.now())
    yield from (message_body(row, subject_read(final_alone.pk)) for row in final_alone.server_messages.all())
    refused = make_refused_call(
        ended_at=timezone.now(), ended_reason="assistant-request-failed", call_sid="CA1"
    )
    for status in ("ended", "queued"):
        row = ServerMessage.objects.create(
            call=refused, kind="status-update", key=f"status:{status}", at=BEGAN, facts={"status": status}
        )
        yield message_body(row, subject_read(refused.pk))


def of_passing() -> Iterator[Any]:
    """The bodies of what is told in passing."""
    surroundings = subject_read(
        make_told_call(assistant=make_desk(name="Desk"), call_sid="CA3").pk
    ).surroundings(0)
    speech = {"status": "started", "role": "user", "turn": 3}
    yield passing_body(kinds.SPEECH, 1795167000123, speech, surroundings)
    for role in ("assistant", "user"):
        words = {"role": role, "transcript": "Is it"}
        yield passing_body(kinds.TRANSCRIPT, 1795167000123, words, surroundings)


def of_tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The bodies that ask tools' servers."""
    outbox = FakeOutbox()
    monkeypatch.setattr(recorder, "process_outbox", lambda: outbox)
    whole = replace(
        LOOKUP, static_parameters=[{"key": "shop", "value": 7}], rejection_plan={"conditions": []},
        variable_extraction={"schema": {}}, backoff_plan={"maxRetries": 1}, settings={"strict": True},
    )  # fmt: skip
    for tool in (whole, replace(LOOKUP, legacy_form=True), replace(LOOKUP, kind="transferCall")):
        one = Recorder(replace(CALL, snapshot=replace(CALL.snapshot, tools=(tool,))))
        spoken = do.Spoken("item_1", do.Speaker.CALLER, "Ready?", "Ready?", 100, 900)
        one.note(do.UtteranceEnded(spoken))
        one.tool_forward(do.RunTool("call_1", tool.name, {"ticket": "481"}, 20.0), reply_channel="c")
        one.note(do.ToolSettled("call_1", "ready", orphaned=False))
        one.tool_forward(do.RunTool("call_2", tool.name, {"ticket": "482"}, 20.0), reply_channel="c")
        order = ToolOrder.from_json(outbox.of("tool_call_forward")[-1]["order"])
        body = transfer_destination_body if tool.kind == "transferCall" else webhook_body
        yield body(order, now_ms=1795167000123)


def question() -> Any:
    """The body that asks who takes a call."""
    number = make_phone_number(label="Main line")
    call = Call.objects.create(call_sid="CA9", did=number.did, caller="+13125550177", phone_number=number)
    return request_body(ServerMessage(call=call, kind=kinds.ASSISTANT_REQUEST, at=timezone.now()))


def test_everything_that_is_sent_is_as_it_is_described_and_everything_described_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, set[str]] = {kind: set() for kind in WEBHOOKS}
    around: set[str] = set()
    for body in map(plain, [*of_rows(), *of_passing(), *of_tools(monkeypatch), question()]):
        message = body["message"]
        kind = kind_of(message)
        assert valid(WEBHOOKS[kind].body, body) == [], kind
        seen[kind] |= message.keys()
        around |= {f"call.{name}" for name in message["call"]}

    described = {kind: set(one.body["properties"]["message"]["properties"]) for kind, one in WEBHOOKS.items()}
    untold = {f"{kind}.{name}" for kind, names in described.items() for name in names - seen[kind]}
    # Who had it and on which number stands in every kind, and not in every call.
    surroundings = {"assistant", "customer", "phoneNumber", "assistantVersion"}
    assert {one for one in untold if one.rpartition(".")[2] not in surroundings} <= RARE
    calls = {f"call.{name}" for name in DOCUMENT["components"]["schemas"]["MessageCall"]["properties"]}
    assert calls - around <= RARE


def test_what_no_row_tells_is_as_its_golden_file_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for body in map(plain, [*of_passing(), *of_tools(monkeypatch), question()]):
        message = timeless(body["message"])
        name = "-".join(str(message[one]) for one in ("type", "transcriptType", "role") if one in message)
        path = GOLDEN / f"{name}.json"
        if os.environ.get("MESSAGES_GOLDEN") == "write":
            GOLDEN.mkdir(exist_ok=True)
            path.write_text(json.dumps(message, indent=2, sort_keys=True) + "\n")
        assert message == json.loads(path.read_text()), name
        seen.add(name)
    assert {path.stem for path in GOLDEN.glob("*.json")} == seen


def timeless(message: dict[str, Any]) -> Any:
    """The message without what is different in each run."""
    text = json.dumps(settled(message))
    text = re.sub(r'("(?:time|endTime|timestamp|secondsFromStart)": )[0-9.]+', r"\g<1>0", text)
    return json.loads(re.sub(r"20\d\d-\d\d-\d\dT[0-9:.]+Z", "2026-11-20T09:30:00.123Z", text))


@pytest.mark.parametrize(
    ("kind", "answer", "fine"),
    [
        ("tool-calls", {"results": [{"toolCallId": "call_1", "result": {"day": "Tuesday"}}]}, True),
        ("tool-calls", {"results": [{"toolCallId": "call_1", "error": "It is closed."}]}, True),
        ("tool-calls", {"result": "Tuesday"}, True),
        ("tool-calls", "Tuesday", True),
        ("tool-calls", {"results": "Tuesday"}, False),
        ("transfer-destination-request", {"destination": {"type": "number", "number": "+13125550142"}}, True),
        ("transfer-destination-request", {"error": "Nobody is there."}, True),
        ("transfer-destination-request", {"destination": "+13125550142"}, False),
        ("assistant-request", {"assistantId": "a", "assistantOverrides": {"variableValues": {}}}, True),
        ("assistant-request", {"messageResponse": {"squadId": "s"}}, True),
        ("assistant-request", {"error": "We are closed."}, True),
        ("assistant-request", {"error": {"code": 3}}, False),
    ],
)
def test_an_answer_that_counts_is_one_that_is_described(kind: str, answer: Any, fine: bool) -> None:
    schema = DOCUMENT["webhooks"][kind]["post"]["responses"]["2XX"]["content"]["application/json"]["schema"]

    assert (valid(schema, answer) == []) is fine


def test_the_page_shows_what_is_sent(admin_client: DjangoClient) -> None:
    page = admin_client.get("/docs").content.decode()

    for kind, one in DOCUMENT["webhooks"].items():
        assert f'id="{one["post"]["operationId"]}"' in page
        assert f"<code>{kind}</code>" in page


def test_an_assistant_that_came_with_the_call_has_no_id_and_is_told_all_the_same() -> None:
    came = {
        "name": "Night desk",
        "firstMessage": "Good evening.",
        "model": {"provider": "openai", "messages": [{"role": "system", "content": "Be brief."}]},
        "server": {"url": "https://hooks.example/vapi"},
        "serverMessages": ["transcript"],
    }
    call = make_told_call()
    Call.objects.filter(pk=call.pk).update(**choose({"assistant": came}, actor="test").columns())
    messages_notice([call.pk], now=timezone.now())

    bodies = [plain(message_body(row, subject_read(call.pk))) for row in call.server_messages.all()]

    assert {one["message"].get("assistantName") for one in bodies} == {"Night desk", None}
    assert not any("assistantId" in one["message"] for one in bodies)
    for body in bodies:
        assert valid(WEBHOOKS["transcript"].body, body) == []
