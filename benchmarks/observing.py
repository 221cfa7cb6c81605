"""What being seen from outside costs: each event by itself, and a call's worth of them beside the call's own work.

python -m benchmarks.observing
"""

import logging
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

import django

from config.local_environment import complete_environment

complete_environment(["observing"])
django.setup()

from opentelemetry.sdk.resources import Resource  # noqa: E402
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: E402
from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: E402
from prometheus_client import REGISTRY, generate_latest  # noqa: E402

from calls.bridge import commands as do  # noqa: E402
from calls.observing.stream import CallWatch  # noqa: E402
from calls.tests.stage import CALL  # noqa: E402
from config.observing.exporting import SpanQueue  # noqa: E402
from tools.observing import metrics, tracing  # noqa: E402

TIMES = 20_000
TURNS = 20  # of a call of two minutes
CALL_CPU_MS = 120 * 3.0  # what a call of two minutes costs a plain Node bridge, at 3 ms a call-second


class Nowhere(SpanExporter):
    """Takes every span and does nothing with it."""

    def export(self, spans: object) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def microseconds(work: Callable[[int], None], times: int = TIMES) -> float:
    """How long one of it takes, by the processor time of all threads."""
    began = time.process_time()
    for n in range(times):
        work(n)
    return (time.process_time() - began) / times * 1e6


def whole_call(_: int) -> None:
    """All that a call of two minutes has to tell."""
    watch = CallWatch(replace(CALL, call_id=uuid.uuid4()))
    watch.started()
    for n in range(TURNS):
        speaker = do.Speaker.ASSISTANT if n % 2 else do.Speaker.CALLER
        watch.happened(
            do.UtteranceEnded(
                do.Spoken(f"item_{n}", speaker, "x", "x", n * 6000, n * 6000 + 5000, latency_ms=700)
            )
        )
    for n in range(3):
        watch.happened(do.RunTool(f"call_{n}", "lookup", {}, 20.0))
        watch.happened(do.ToolSettled(f"call_{n}", "{}", orphaned=False))
    watch.problem(do.Source.OPENAI, "server_error", benign=True)
    watch.ended(
        do.Ended("customer-ended-call", (), 1, 6000, 500), reason="customer-ended-call", frames_dropped=0
    )


def main() -> None:
    """Print the figures."""
    logging.disable(logging.CRITICAL)
    print(
        f"a counter with labels      {microseconds(lambda _: metrics.TOOL_CALLS.labels('function', 'answered').inc()):8.2f} us"
    )
    print(
        f"a histogram                {microseconds(lambda n: metrics.TURN_LATENCY.observe(n / TIMES)):8.2f} us"
    )
    print(
        f"a span where nobody looks  {microseconds(lambda _: tracing.span_write('c', key='k', name='n', began=0)):8.2f} us"
    )
    quiet = microseconds(whole_call, 500)
    print(
        f"a call of two minutes      {quiet:8.0f} us, {quiet / 1000 / CALL_CPU_MS:.2%} of what its sound costs a Node bridge"
    )
    queue = SpanQueue(Nowhere(), resource=Resource.create(), sampler=ALWAYS_ON, longest=1_000_000)
    queue.start()
    tracing.sink_set(queue.put)
    traced = microseconds(whole_call, 500)
    began = time.process_time()
    queue.flush()
    traced += (time.process_time() - began) / 500 * 1e6
    tracing.sink_set(None)
    queue.close()
    print(
        f"the same with its trace    {traced:8.0f} us, {traced / 1000 / CALL_CPU_MS:.2%}, most of it in a thread of its own"
    )
    began = time.process_time()
    size = len(generate_latest(REGISTRY))
    print(
        f"a scrape                   {(time.process_time() - began) * 1000:8.1f} ms for {size / 1024:.0f} KiB"
    )
    print("a frame                        0    : nothing here is called for one")


if __name__ == "__main__":
    main()
