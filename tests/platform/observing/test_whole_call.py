"""One call through web, media and worker, as it is seen from outside: its trace, its log lines, its counts. Never its words."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.test import Client
from prometheus_client import REGISTRY, generate_latest
from pytest_django import Settings

from assistants.tests.factories import make_assistant
from calls import tasks as call_tasks
from calls.models import Call
from calls.selectors import SmokeCall
from calls.tests.factories import make_phone_number
from calls.tests.stage import CALL, LOOKUP, SNAPSHOT, Stage, playing, stage, until
from config.logging import JsonFormatter
from config.observing.exporting import SpanQueue, traces_begin
from simulator.signature import sign
from tests.platform.observing.otlp import Receiver, receiving
from tools import tasks as tool_tasks
from tools.observing import tracing
from tools.tests.servers import ToolServer, answering, serve

__all__ = ["stage"]

DID, CALLER, SID = "+14155550123", "+13125550188", "CA" + "7" * 32
SAID, ANSWERED, PROMPT, ARGUMENT = "cormorant", "marzipan", "velociraptor", "xylophone"
TOOL_SAID, URL_SECRET, KEY = "tambourine", "s3cr3t-in-url", "sk-canary-key"
ANSWER = json.dumps({"results": [{"toolCallId": "call_1", "result": TOOL_SAID}]})
CANARIES = (SAID, ANSWERED, PROMPT, ARGUMENT, TOOL_SAID, URL_SECRET, KEY, CALLER, CALLER[2:])
OURS = ("calls", "tools", "transcripts", "assistants", "config")


@dataclass(frozen=True, slots=True)
class Outside:
    """What could be seen of a call from outside."""

    call: Call
    receiver: Receiver
    lines: list[dict[str, Any]]
    text: str
    server: ToolServer


@contextmanager
def listening() -> Iterator[io.StringIO]:
    """All that our loggers write, from the lowest level on, as production writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    before = {name: logging.getLogger(name).level for name in OURS}
    root.addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


async def talk(stage: Stage, settings: Settings) -> None:
    """A call in which both speak, and a tool is asked."""
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.say(type="input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_c")
        stage.realtime.say(type="input_audio_buffer.speech_stopped", audio_end_ms=900, item_id="item_c")
        stage.realtime.say(
            type="conversation.item.input_audio_transcription.completed",
            item_id="item_c",
            content_index=0,
            transcript=f"My word is {SAID}.",
        )
        stage.speak()
        keys = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
        stage.realtime.say(
            type="response.output_audio_transcript.done", **keys, transcript=f"Mine is {ANSWERED}."
        )
        item = {"type": "function_call", "call_id": "call_1", "name": LOOKUP.name}
        item["arguments"] = json.dumps({"slot": ARGUMENT})
        stage.realtime.say(
            type="response.done",
            response={"id": "resp_1", "status": "completed", "output": [{"id": "item_f", **item}]},
        )
        stage.realtime.say(
            type="error",
            error={"code": "server_error", "message": f"About {PROMPT}.", "type": "server_error"},
        )
        await until(lambda: stage.outbox.of("tool_call_forward"))
        stage.layer.messages.put_nowait(
            {
                "type": "tool.result",
                "tool_call_id": "call_1",
                "status": "answered",
                "output": TOOL_SAID,
                "variables": {"word": TOOL_SAID},
            }
        )
        await until(lambda: any("function_call_output" in json.dumps(event) for event in stage.realtime.sent))
        stage.hang_up()


@pytest.fixture
def outside(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch, redis_client: Any, db: None
) -> Iterator[Outside]:
    """A call that was made, and all that is to be seen of it."""
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    settings.OPENAI_API_KEY = KEY
    make_phone_number(did=DID, assistant=make_assistant(published=True, instructions=PROMPT))
    with (
        receiving() as receiver,
        serve(answering(ANSWER)) as server,
        listening() as text,
    ):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        queue = traces_begin("tandem")
        try:
            call = _make(stage, settings, server, queue)
        finally:
            tracing.sink_set(None)
            queue.close()
        lines = [json.loads(line) for line in text.getvalue().splitlines()]
        yield Outside(call, receiver, lines, text.getvalue(), server)


def _make(stage: Stage, settings: Settings, server: ToolServer, queue: SpanQueue) -> Call:
    form = {"CallSid": SID, "AccountSid": settings.TWILIO_ACCOUNT_SID, "To": DID, "From": CALLER}
    signature = sign(
        f"{settings.PUBLIC_ORIGIN}/twilio/voice", list(form.items()), auth_token=settings.TWILIO_AUTH_TOKEN
    )
    Client().post("/twilio/voice", form, headers={"X-Twilio-Signature": signature})
    call = Call.objects.get(call_sid=SID)
    asks = replace(LOOKUP, server_url=f"{server.url}/hook?secret={URL_SECRET}", parameters={"type": "object"})
    snapshot = replace(SNAPSHOT, instructions=PROMPT, tools=(asks,))
    stage.call = replace(CALL, call_id=call.id, caller=CALLER, snapshot=snapshot)
    asyncio.run(talk(stage, settings))
    (order,) = stage.outbox.of("tool_call_forward")
    tool_tasks.tool_call_forward(json.loads(json.dumps(order["order"])), order["reply_channel"])
    (end,) = stage.outbox.of("call_finish")
    call_tasks.call_finish(**json.loads(json.dumps(end)))
    queue.flush()
    call.refresh_from_db()
    return call


def test_a_call_is_one_trace_whose_spans_hang_together(outside: Outside) -> None:
    receiver = outside.receiver
    root = receiver.one("call")

    above = {span.id: span for span in receiver.spans}

    def chain(name: str) -> list[str]:
        span, names = receiver.one(name), []
        while span.parent:
            span = above[span.parent]
            names.append(span.name)
        return names

    assert {span.trace for span in receiver.spans} == {f"{tracing.trace_id(outside.call.id):032x}"}
    assert len(above) == len(receiver.spans)
    assert root.parent == ""
    assert chain("tool request") == ["tool forward", "tool call", "stream", "call"]
    for name in ("POST twilio-voice", "realtime connect", "stream"):
        assert chain(name) == ["call"]
    for name in ("caller turn", "assistant turn", "problem"):
        assert chain(name) == ["stream", "call"]
    assert all(span.began_ns <= span.ended_ns for span in receiver.spans)
    assert root.attributes["tandem.ended_reason"] == "customer-ended-call"
    assert receiver.one("tool forward").attributes["tandem.outcome"] == "answered"
    assert receiver.one("tool request").attributes["http.response.status_code"] == 200
    assert receiver.one("assistant turn").attributes["tandem.latency_ms"] >= 0


def test_nothing_that_was_said_or_is_secret_is_seen_and_every_line_names_the_call(outside: Outside) -> None:
    exposed = generate_latest(REGISTRY).decode()

    assert outside.server.requests  # the words were there to be told
    assert outside.receiver.raw
    assert outside.lines
    for canary in CANARIES:
        assert canary not in outside.text
        assert not any(canary.encode() in body for body in outside.receiver.raw)
        assert canary not in exposed
    assert "traceparent" not in {name.lower() for name in outside.server.requests[0][0]}
    # Every line names the call, and its trace.
    # The outbox is the process's own and speaks for many calls, those of other tests among them.
    ours = [line for line in outside.lines if line["logger"].split(".")[0] in OURS]
    about = [line for line in ours if line["logger"] != "calls.lasting.outbox"]

    assert {"request", "inbound call answered", "tool call forwarded"} <= {line["message"] for line in about}
    assert {line.get("call_id") for line in about} == {str(outside.call.id)}
    (request,) = [line for line in about if line["message"] == "request"]
    assert (request["method"], request["route"], request["status"]) == ("POST", "twilio-voice", 200)
    assert request["trace_id"] == f"{tracing.trace_id(outside.call.id):032x}"


def test_counts_follow_a_call(stage: Stage, settings: Settings) -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    watched: dict[str, Callable[[], float]] = {
        "started": lambda: value("tandem_calls_started_total", kind="call"),
        "ended": lambda: value("tandem_calls_ended_total", kind="call", reason="caller"),
        "connects": lambda: value("tandem_realtime_connects_total", result="ok"),
        "turns": lambda: value("tandem_turn_latency_seconds_count"),
        "problems": lambda: value("tandem_problems_total", source="openai", code="server_error", benign="no"),
        "first sounds": lambda: value("tandem_first_sound_seconds_count"),
        "live": lambda: value("tandem_calls_live"),
    }
    before = {name: look() for name, look in watched.items()}
    stage.call = replace(CALL, snapshot=replace(SNAPSHOT, tools=(LOOKUP,)))

    asyncio.run(talk(stage, settings))

    gained = {name: look() - before[name] for name, look in watched.items()}
    assert gained == {
        "started": 1,
        "ended": 1,
        "connects": 1,
        "turns": 1,
        "problems": 1,
        "first sounds": 1,
        "live": 0,
    }


def test_a_smoke_test_is_nobodys_experience(stage: Stage, settings: Settings) -> None:
    before = REGISTRY.get_sample_value("tandem_turn_latency_seconds_count")
    smoked = REGISTRY.get_sample_value("tandem_calls_started_total", {"kind": "smoke"}) or 0
    stage.call = replace(CALL, smoke=SmokeCall(mocks=[], off_network=True))

    asyncio.run(talk(stage, settings))

    assert REGISTRY.get_sample_value("tandem_turn_latency_seconds_count") == before
    assert REGISTRY.get_sample_value("tandem_calls_started_total", {"kind": "smoke"}) == smoked + 1
