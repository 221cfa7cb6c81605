"""Attempts at one order by its plan, and the rules by which an answer counts."""

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tools import outcomes, services
from tools.models import ToolCall
from tools.orders import ToolOrder
from tools.outcomes import Outcome
from tools.services import InFlight, Settled, Taken
from tools.tests.factories import make_order, make_order_tool
from tools.tests.ledger import Status, row_of, settle, take, tell, told_message
from tools.tests.servers import answering, booking, serve

pytestmark = pytest.mark.django_db


def carry_out(order: ToolOrder) -> Outcome:
    """As the task does it: take, send, settle, write the attempts down."""
    assert take(order) == Taken()
    sent = services.tool_call_send(order=order, now=timezone.now())
    settle(order, sent.outcome)
    services.tool_attempts_write(call_id=order.call_id, item_id=order.tool_call_id, attempts=sent.attempts)
    return sent.outcome


QUICK = {"type": "fixed", "maxRetries": 2, "baseDelaySeconds": 0}


def test_each_attempt_is_a_row(loopback: None) -> None:
    with serve(answering("oops", status=503)) as server:
        order = make_order(tool=make_order_tool(backoff_plan=QUICK), url=server.url)
        carry_out(order)

    row = row_of(order)
    attempts = list(row.attempts.all())
    assert row.attempts_begun == 3
    assert [(one.n, one.code, one.http_status, one.answer) for one in attempts] == [
        (n, "http_error", 503, "oops") for n in (1, 2, 3)
    ]
    assert all(one.finished_at >= one.started_at for one in attempts)
    assert all(one.whole_ms is not None and one.first_byte_ms is not None for one in attempts)


def test_attempts_are_written_once_however_often(loopback: None) -> None:
    with serve(booking) as server:
        order = make_order(url=server.url)
        take(order)
        sent = services.tool_call_send(order=order, now=timezone.now())
    for _ in range(2):
        services.tool_attempts_write(
            call_id=order.call_id, item_id=order.tool_call_id, attempts=sent.attempts
        )

    assert row_of(order).attempts.count() == 1


def test_attempts_of_nobody_are_left_aside() -> None:
    services.tool_attempts_write(call_id=uuid.uuid4(), item_id="x", attempts=[])


def test_once_the_model_was_told_the_plan_is_over(loopback: None) -> None:
    order = make_order(tool=make_order_tool(backoff_plan=QUICK))

    with serve(answering("oops", status=503)) as server:
        order = replace(order, tool=replace(order.tool, server_url=server.url))
        take(order)
        tell(order, output="timed out")
        services.tool_call_send(order=order, now=timezone.now())

    assert len(server.requests) == 1
    assert row_of(order).attempts_begun == 1


def test_whoever_lost_the_row_sends_no_more(loopback: None) -> None:
    with serve(answering("oops", status=503)) as server:
        order = make_order(tool=make_order_tool(backoff_plan=QUICK), url=server.url)
        take(order)
        ToolCall.objects.filter(call_id=order.call_id).update(status=Status.TIMED_OUT)
        services.tool_call_send(order=order, now=timezone.now())

    assert len(server.requests) == 1


def test_a_worker_that_died_between_attempts_is_known_by_the_attempt_without_an_end(loopback: None) -> None:
    plan = {**QUICK, "maxRetries": 5}
    with serve(answering("oops", status=503)) as server:
        order = make_order(tool=make_order_tool(backoff_plan=plan), url=server.url, timeout_s=60)
        take(order)
        dies_after = iter([True, True])

        class Killed(BaseException):
            pass

        real = services._sent_again

        def sent_again(order: ToolOrder, failed: Any) -> bool:
            if not next(dies_after, False):
                raise Killed
            return real(order, failed)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(services, "_sent_again", sent_again)
            with pytest.raises(Killed):
                services.tool_call_send(order=order, now=timezone.now())

    # Another worker gets the order; the one that sent it may be alive until its time is over.
    assert isinstance(take(order, order.requested_at + timedelta(seconds=61)), InFlight)
    late = take(order, order.expires_at + timedelta(seconds=6))

    row = row_of(order)
    assert isinstance(late, Settled)
    assert "may or may not" in told_message(late.outcome)
    assert (row.status, row.attempts_begun, row.attempts.count()) == (Status.TIMED_OUT, 3, 2)
    assert len(server.requests) == 3


def test_with_a_plan_a_sender_may_live_until_the_orders_end() -> None:
    moment = timezone.now()
    order = make_order(
        tool=make_order_tool(backoff_plan=QUICK),
        timeout_s=2,
        requested_at=moment,
        expires_at=moment + timedelta(seconds=30),
    )
    take(order)

    again = take(order, moment + timedelta(seconds=20))

    assert again == InFlight(wait_s=15.0)


def test_a_huge_result_of_many_lines_reaches_the_model_clipped_and_in_one_line(loopback: None) -> None:
    result = "line\n" * 100_000
    answer = {"results": [{"toolCallId": "call_bK2zT7", "result": result}]}
    with serve(answering(json.dumps(answer))) as server:
        order = make_order(url=server.url)
        outcome = carry_out(order)

    assert outcome.status == "answered"
    assert len(outcome.output) < 21_000
    assert "\n" not in outcome.output
    assert "[cut here" in outcome.output
    assert len(row_of(order).answer) <= outcomes.ANSWER_KEPT_CHARS


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ({"results": [{"toolCallId": "call_bK2zT7", "result": {"a": [1]}}]}, '{"a":[1]}'),
        ({"results": [{"toolCallId": "call_bK2zT7", "result": "a\nb\r\nc"}]}, "a b c"),
        (
            {
                "results": [
                    {"toolCallId": "x", "result": "no"},
                    {"toolCallId": "call_bK2zT7", "result": "yes"},
                ]
            },
            "yes",
        ),
        ({"results": [{"toolCallId": "call_bK2zT7", "result": "yes"}], "extra": 1}, "yes"),
    ],
    ids=["object", "lines", "extra ids", "extra keys"],
)
@pytest.mark.parametrize("status", [200, 500])
def test_results_in_the_body_count_whatever_the_status(
    answer: dict[str, Any], output: str, status: int, loopback: None
) -> None:
    with serve(answering(json.dumps(answer), status=status)) as server:
        order = make_order(tool=make_order_tool(backoff_plan=QUICK), url=server.url)
        assert carry_out(order).output == output

    assert len(server.requests) == 1
    assert row_of(order).http_status == status
