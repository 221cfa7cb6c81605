"""What forwarding a tool call leaves behind for whoever looks from outside."""

import json
from collections.abc import Iterator

import pytest
from django.utils import timezone
from prometheus_client import REGISTRY
from pytest_django import Settings

from tools.mocks import order_mocked
from tools.observing import tracing
from tools.outcomes import Outcome
from tools.sending import order_send
from tools.tests.factories import make_order
from tools.tests.servers import answering, serve
from tools.tracks import order_ended

pytestmark = pytest.mark.usefixtures("loopback")
ANSWER = json.dumps({"results": [{"toolCallId": "call_bK2zT7", "result": "Done."}]})


@pytest.fixture
def spans() -> Iterator[list[tracing.Span]]:
    """The spans that are written meanwhile."""
    written: list[tracing.Span] = []
    tracing.sink_set(written.append)
    yield written
    tracing.sink_set(None)


def headers_sent(settings: Settings, *, wanted: bool) -> dict[str, str]:
    settings.WEBHOOK_TRACEPARENT = wanted
    with serve(answering(ANSWER)) as server:
        order = make_order(url=server.url)
        order_send(order, now=timezone.now(), go_on=lambda _: True)
    return {**{name.lower(): value for name, value in server.requests[0][0].items()}, "": str(order.call_id)}


@pytest.mark.parametrize(("wanted", "traced"), [(False, True), (True, False), (False, False)])
def test_a_server_is_told_of_our_trace_only_where_that_is_wanted_and_there_is_one(
    settings: Settings,
    redis_client: object,
    wanted: bool,
    traced: bool,
) -> None:
    if traced:
        tracing.sink_set(lambda _: None)
    try:
        assert "traceparent" not in headers_sent(settings, wanted=wanted)
    finally:
        tracing.sink_set(None)


def test_the_header_names_the_attempts_own_span(
    settings: Settings, redis_client: object, spans: list[tracing.Span]
) -> None:
    sent = headers_sent(settings, wanted=True)

    assert sent["traceparent"] == tracing.traceparent(sent[""], "attempt:call_bK2zT7:1")


def test_a_smoke_tests_order_is_traced_and_not_counted(spans: list[tracing.Span]) -> None:
    def counted() -> float:
        labels = {"kind": "function", "outcome": "answered"}
        return REGISTRY.get_sample_value("tandem_tool_calls_total", labels) or 0

    before = counted()

    order_ended(order_mocked(make_order(), []), Outcome("answered", "{}"), began_ns=1)
    (span,) = spans
    assert counted() == before
    assert span.attributes["tandem.smoke"] is True

    order_ended(make_order(), Outcome("answered", "{}"), began_ns=1)
    assert counted() == before + 1
