"""Spans on their way to an OTLP receiver: a bounded queue and one thread, which nothing else ever waits for.

OpenTelemetry's own variables say where to and how: OTEL_EXPORTER_OTLP_ENDPOINT (and _HEADERS, _TIMEOUT, _COMPRESSION,
_CERTIFICATE, each also as OTEL_EXPORTER_OTLP_TRACES_…), OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
OTEL_TRACES_SAMPLER, OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BSP_MAX_EXPORT_BATCH_SIZE, OTEL_BSP_SCHEDULE_DELAY and
OTEL_SDK_DISABLED.
"""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tools.observing import metrics, tracing

logger = logging.getLogger(__name__)

SCOPE = InstrumentationScope("tandem")
FLAGS = TraceFlags(TraceFlags.SAMPLED)
LAST_WORDS_WITHIN_S = 3.0
KINDS = {
    tracing.Kind.INTERNAL: SpanKind.INTERNAL,
    tracing.Kind.SERVER: SpanKind.SERVER,
    tracing.Kind.CLIENT: SpanKind.CLIENT,
    tracing.Kind.PRODUCER: SpanKind.PRODUCER,
    tracing.Kind.CONSUMER: SpanKind.CONSUMER,
}


class Exporting(Protocol):
    """The part of a SpanExporter that is used here."""

    def export(self, spans: Sequence[ReadableSpan], /) -> SpanExportResult:
        """Send them; waits, and tries again, for as long as the exporter's own limit says."""

    def shutdown(self) -> None:
        """Send nothing more."""


class SpanQueue:
    """Takes spans at once, and hands them over in batches from a thread of its own. What does not fit is dropped, and counted."""

    def __init__(
        self,
        exporter: Exporting | SpanExporter,
        *,
        resource: Resource,
        sampler: Sampler,
        longest: int = 2048,
        batch: int = 512,
        every_s: float = 5.0,
    ) -> None:
        self._exporter = exporter
        self._resource = resource
        self._sampler = sampler
        self._longest = longest
        self._batch = min(batch, longest)
        self._every_s = every_s
        self._waiting: deque[tracing.Span] = deque()
        self._news = threading.Event()
        self._handing_over = threading.Lock()
        self._closed = False
        self._process = 0
        self._thread = threading.Thread()

    def start(self) -> None:
        """Begin, or begin again in a process that was forked from one where it had."""
        self._process = os.getpid()
        self._waiting.clear()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def put(self, span: tracing.Span) -> None:
        """Take a span. Returns at once, whatever the receiver does."""
        if self._process != os.getpid():
            self.start()
        if len(self._waiting) >= self._longest:
            metrics.SPANS.labels("dropped").inc()
            return
        self._waiting.append(span)
        if len(self._waiting) >= self._batch:
            self._news.set()

    def flush(self) -> None:
        """Hand over what waits now, in the calling thread; for tests and for the end."""
        with self._handing_over:
            while self._waiting:
                self._hand_over()

    def close(self) -> None:
        """Hand over what can be handed over in a moment; the rest is dropped."""
        self._closed = True
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(LAST_WORDS_WITHIN_S)
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._closed:
            self._news.wait(self._every_s)
            self._news.clear()
            self.flush()

    def _hand_over(self) -> None:
        taken = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
        spans = [self._readable(span) for span in taken if self._sampled(span)]
        metrics.SPANS.labels("sampled_out").inc(len(taken) - len(spans))
        if not spans:
            return
        try:
            done = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception:
            # Whatever a library that sends to somebody else's server raises, calls go on, and so does this thread.
            logger.exception("traces could not be sent")
            done = False
        metrics.SPANS.labels("sent" if done else "failed").inc(len(spans))

    def _sampled(self, span: tracing.Span) -> bool:
        """Whether the call's trace is kept: the same answer for each of its spans, in every process."""
        trace_id = tracing.trace_id(span.call_id)
        decision = self._sampler.should_sample(None, trace_id, tracing.ROOT).decision
        return decision is Decision.RECORD_AND_SAMPLE

    def _readable(self, span: tracing.Span) -> ReadableSpan:
        trace_id = tracing.trace_id(span.call_id)

        def context(key: str, *, is_remote: bool) -> SpanContext:
            return SpanContext(trace_id, tracing.span_id(span.call_id, key), is_remote, FLAGS)

        return ReadableSpan(
            name=span.name,
            context=context(span.key, is_remote=False),
            # A process cannot know whether the span above its own is from here.
            parent=context(span.parent, is_remote=True) if span.key != tracing.ROOT else None,
            resource=self._resource,
            attributes={**span.attributes, "tandem.call_id": span.call_id},
            kind=KINDS[span.kind],
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=span.began_ns,
            end_time=span.ended_ns,
            instrumentation_scope=SCOPE,
        )


def traces_begin(service: str, environ: Mapping[str, str] = os.environ) -> SpanQueue:
    """Have this process's spans sent to where the variables say. ``service`` is its name unless they give one."""
    named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if named else {"service.name": service})
    # The provider reads OTEL_TRACES_SAMPLER; it makes no spans here.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    queue = SpanQueue(
        OTLPSpanExporter(),
        resource=resource,
        sampler=provider.sampler,
        longest=_number(environ, "OTEL_BSP_MAX_QUEUE_SIZE", 2048),
        batch=_number(environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
        every_s=_number(environ, "OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000,
    )
    queue.start()
    tracing.sink_set(queue.put)
    atexit.register(queue.close)
    return queue


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip()
    return int(text) if text.isdecimal() and int(text) > 0 else default
