"""Traces on their way to a receiver."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, TraceIdRatioBased
from prometheus_client import REGISTRY

from config.observing.exporting import SpanQueue, traces_begin
from config.observing.traces import traces_wanted
from tests.platform.observing.otlp import receiving
from tools.observing import tracing

CALL = "6f1f0d64-0000-4000-8000-000000000001"


class Exporter:
    """Takes spans, once it is let."""

    def __init__(self) -> None:
        self.taken: list[ReadableSpan] = []
        self.free = threading.Event()
        self.free.set()
        self.error: Exception | None = None
        self.closed = False

    def export(self, spans: Sequence[ReadableSpan], /) -> SpanExportResult:
        self.free.wait(120)
        if self.error is not None:
            raise self.error
        self.taken.extend(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """No test leaves a sink behind."""
    yield
    tracing.sink_set(None)


def span(n: int = 0, call: str = CALL) -> tracing.Span:
    return tracing.Span(call, f"part:{n}", tracing.ROOT, "part", tracing.Kind.INTERNAL, 1, 2)


def spans_that(result: str) -> float:
    return REGISTRY.get_sample_value("tandem_trace_spans_total", {"result": result}) or 0


def a_queue(exporter: Exporter, **options: Any) -> SpanQueue:
    return SpanQueue(
        exporter, **{"resource": Resource.create(), "sampler": ALWAYS_ON, "every_s": 0.01, **options}
    )


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "  "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://api.honeycomb.io"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://x", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://x", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_sent_only_where_the_variables_say_so(environ: dict[str, str], wanted: bool) -> None:
    assert traces_wanted(environ) is wanted


def test_a_receiver_gets_spans_with_the_variables_headers_and_resource(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiving() as receiver:
        for name, value in {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-honeycomb-team=key-1,x-honeycomb-dataset=voice",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        }.items():
            monkeypatch.setenv(name, value)
        queue = traces_begin("tandem-media")
        tracing.span_write(
            CALL,
            key="tool:call_1",
            parent="stream:0",
            name="tool call",
            began=1_000_000_000,
            ended=3_000_000_000,
            error="timed_out",
            facts={"attempt": 2, "http.route": "voice", "left_out": None, "sent": True},
        )
        queue.flush()
        queue.close()

    (found,) = receiver.spans
    assert receiver.headers[0]["path"] == "/v1/traces"
    assert receiver.headers[0]["x-honeycomb-team"] == "key-1"
    assert receiver.headers[0]["content-encoding"] == "gzip"
    assert receiver.resources[0]["deployment.environment"] == "test"
    assert (found.name, found.service, found.failed) == ("tool call", "tandem-media", "timed_out")
    assert found.trace == f"{tracing.trace_id(CALL):032x}"
    assert found.parent == f"{tracing.span_id(CALL, 'stream:0'):016x}"
    assert found.id == f"{tracing.span_id(CALL, 'tool:call_1'):016x}"
    assert (found.began_ns, found.ended_ns) == (1_000_000_000, 3_000_000_000)
    assert found.attributes == {
        "tandem.attempt": 2,
        "http.route": "voice",
        "tandem.sent": True,
        "tandem.call_id": CALL,
    }


def test_the_service_is_named_as_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "our-voice")
        queue = traces_begin("tandem-web")
        queue.put(span())
        queue.flush()
        queue.close()

    assert receiver.spans[0].service == "our-voice"


def test_a_receiver_that_hangs_keeps_nobody_and_what_does_not_fit_is_counted() -> None:
    exporter = Exporter()
    exporter.free.clear()
    queue = a_queue(exporter, longest=10, batch=5)
    dropped = spans_that("dropped")

    for n in range(100):
        queue.put(span(n))
    assert exporter.taken == []
    exporter.free.set()
    queue.flush()
    queue.close()

    lost = spans_that("dropped") - dropped
    assert len(exporter.taken) + lost == 100
    assert 80 <= lost <= 90  # ten wait, and those of one batch are on their way
    assert exporter.closed


def test_a_receiver_that_fails_costs_its_spans_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Exporter()
    exporter.error = RuntimeError("no")
    queue = a_queue(exporter)
    failed = spans_that("failed")

    queue.put(span(1))
    queue.flush()
    exporter.error = None
    queue.put(span(2))
    queue.flush()
    queue.close()

    assert spans_that("failed") - failed == 1
    assert len(exporter.taken) == 1
    assert "traces could not be sent" in caplog.text


def test_a_call_is_sampled_as_a_whole() -> None:
    exporter = Exporter()
    queue = a_queue(exporter, sampler=TraceIdRatioBased(0.5))
    calls = [f"6f1f0d64-0000-4000-8000-{n:012x}" for n in range(200)]

    for call in calls:
        for n in range(3):
            queue.put(span(n, call))
    queue.flush()
    queue.close()

    kept: dict[int, int] = {}
    for one in exporter.taken:
        assert one.context is not None
        kept[one.context.trace_id] = kept.get(one.context.trace_id, 0) + 1
    assert set(kept.values()) == {3}
    assert 60 < len(kept) < 140


def test_the_root_has_no_parent_and_ids_are_the_same_in_every_process() -> None:
    exporter = Exporter()
    queue = a_queue(exporter)

    queue.put(tracing.Span(CALL, tracing.ROOT, tracing.ROOT, "call", tracing.Kind.SERVER, 1, 2))
    queue.flush()
    queue.close()

    (root,) = exporter.taken
    assert root.parent is None
    header = tracing.traceparent(CALL, "attempt:call_1:1")
    assert header == f"00-{tracing.trace_id(CALL):032x}-{tracing.span_id(CALL, 'attempt:call_1:1'):016x}-01"


def test_without_a_sink_nothing_is_written() -> None:
    tracing.sink_set(None)

    tracing.span_write(CALL, key="x", name="x", began=0)

    assert not tracing.on()
