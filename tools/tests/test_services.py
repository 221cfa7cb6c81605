"""The ledger of tool calls: each order is taken by one, settled once, and told as it was."""

import json
import threading
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tools import outcomes, services
from tools.models import ToolCall
from tools.orders import ToolRefusal
from tools.services import InFlight, Settled, Taken
from tools.tests.factories import MOMENT, make_order, make_order_tool, make_tool, make_tool_call
from tools.tests.ledger import ANSWERED, Status, refuse, row_of, settle, take, tell, told_message

pytestmark = pytest.mark.django_db

# --- Taking and settling


def test_the_first_to_take_an_order_may_send_it() -> None:
    tool = make_tool()
    order = make_order(tool=make_order_tool(id=str(tool.pk)))

    assert take(order) == Taken()

    row = row_of(order)
    assert (row.status, row.sent_at, row.tool) == (Status.SENT, order.requested_at, tool)
    assert (row.name, row.arguments, row.requested_at) == (
        "book_appointment",
        order.arguments,
        order.requested_at,
    )


def test_a_new_order_is_taken_in_one_statement(django_assert_num_queries: Any) -> None:
    tool = make_tool()
    order = make_order(tool=make_order_tool(id=str(tool.pk)))

    with django_assert_num_queries(1):
        assert take(order) == Taken()

    assert row_of(order).attempts_begun == 1


def test_an_order_whose_tool_was_deleted_is_still_forwarded() -> None:
    order = make_order()

    assert take(order) == Taken()
    assert row_of(order).tool is None


def test_a_second_take_waits_while_the_sender_may_live() -> None:
    order = make_order(timeout_s=20)
    take(order)

    again = take(order, order.requested_at + timedelta(seconds=15))

    assert again == InFlight(wait_s=10.0)
    assert row_of(order).status == Status.SENT


def test_a_row_left_by_a_lost_worker_ends_as_unknown() -> None:
    order = make_order(timeout_s=20)
    take(order)

    again = take(order, order.requested_at + timedelta(seconds=25))

    assert isinstance(again, Settled)
    assert again.outcome.status == "timed_out"
    assert "may or may not" in told_message(again.outcome)
    assert row_of(order).status == Status.TIMED_OUT
    assert row_of(order).sent_at == order.requested_at


def test_a_settled_call_is_answered_from_its_row() -> None:
    order = make_order()
    take(order)
    settle(order)

    again = take(order, order.expires_at + timedelta(minutes=1))

    assert isinstance(again, Settled)
    assert (again.outcome.status, again.outcome.output) == ("answered", "Booked.")


def test_an_expired_order_is_refused_and_says_that_nothing_was_done() -> None:
    order = make_order()

    taken = take(order, order.expires_at)

    assert isinstance(taken, Settled)
    assert taken.outcome.status == "refused"
    assert "Nothing was done" in told_message(taken.outcome)
    assert (row_of(order).status, row_of(order).sent_at) == (Status.REFUSED, None)


@pytest.mark.parametrize(
    "tool", [make_order_tool(server_url=""), make_order_tool(kind="endCall")], ids=["url", "kind"]
)
def test_what_has_no_server_is_refused(tool: Any) -> None:
    order = make_order(tool=tool)

    taken = take(order)

    assert isinstance(taken, Settled)
    assert json.loads(taken.outcome.output)["error"] == "no_server"


def test_an_outcome_is_written_once() -> None:
    order = make_order()
    take(order)

    assert settle(order)
    assert not settle(order, outcomes.unknown(code="timeout", why="no answer came"))

    row = row_of(order)
    assert (row.status, row.outcome, row.error, row.http_status, row.answer) == (
        "answered",
        "Booked.",
        "",
        200,
        "{}",
    )
    assert row.duration_ms == 40


def test_a_request_that_never_left_has_no_moment_of_sending() -> None:
    order = make_order()
    take(order)

    settle(order, outcomes.not_reached(code="tls_failed", why="the TLS handshake failed"))

    assert (row_of(order).status, row_of(order).sent_at) == (Status.FAILED, None)


def test_what_postgres_refuses_is_replaced() -> None:
    order = make_order(
        tool=make_order_tool(name="a\x00" + "b" * 100), arguments={"\x00k": ["\ud800", float("nan"), 4.0]}
    )
    take(order)
    tell(order, output="\x00\ud800")

    assert settle(order, replace(ANSWERED, error="\x00"))

    assert row_of(order).arguments == {"\ufffdk": ["\ufffd", None, 4]}
    assert len(row_of(order).name) == 64


def test_only_one_of_two_workers_at_once_sends(transactional_db: None) -> None:
    order = make_order()
    barrier = threading.Barrier(4)
    taken: list[object] = []

    def work() -> None:
        barrier.wait()
        try:
            taken.append(take(order))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(type(one).__name__ for one in taken) == ["InFlight", "InFlight", "InFlight", "Taken"]


@pytest.mark.parametrize("settings", [{}, {"url": ""}])
def test_an_http_request_without_a_url_has_no_server(settings: dict[str, Any]) -> None:
    tool = make_order_tool(kind="apiRequest", settings=settings)

    taken = take(make_order(tool=replace(tool, server_url="")))

    assert isinstance(taken, Settled)
    assert taken.outcome.status == "refused"


def test_what_the_call_learnt_and_what_was_to_be_spoken_stand_in_the_row() -> None:
    order = make_order()
    take(order)
    message = {"type": "request-complete", "content": "Done."}
    settle(order, replace(ANSWERED, variables={"slot": "nine"}, message=message))

    row = row_of(order)
    assert (row.variables, row.message) == ({"slot": "nine"}, message)
    again = take(order)
    assert isinstance(again, Settled)
    assert (again.outcome.variables, again.outcome.message) == ({"slot": "nine"}, message)


def test_the_ledger_holds_no_argument_that_only_the_server_may_read() -> None:
    schema = {"type": "object", "properties": {"ssn": {"type": "string"}, "slot": {"type": "string"}}}
    tool = make_order_tool(parameters=schema, encrypted_paths=["ssn"])
    order = make_order(tool=tool, arguments={"ssn": "123-45-6789", "slot": "nine"})

    take(order)

    assert row_of(order).arguments == {"ssn": "[encrypted]", "slot": "nine"}


# --- Telling, refusing, forgetting


def test_what_the_model_was_told_stands_beside_what_came() -> None:
    order = make_order()
    take(order)
    tell(order, output="it timed out")
    settle(order)

    row = row_of(order)
    assert (row.status, row.outcome, row.told_at) == (Status.ANSWERED, "it timed out", order.expires_at)


def test_a_call_that_ended_first_leaves_an_orphan_with_its_outcome() -> None:
    order = make_order()
    take(order)
    settle(order)
    tell(order, orphaned=True)

    row = row_of(order)
    assert (row.status, row.orphaned, row.told_at, row.outcome) == (Status.ANSWERED, True, None, "Booked.")


def test_told_before_the_order_came_is_kept_and_the_order_is_not_sent() -> None:
    order = make_order()
    tell(order, output="it timed out")

    taken = take(order)

    row = row_of(order)
    assert isinstance(taken, Settled)
    assert (row.status, row.outcome, row.name) == (Status.REFUSED, "it timed out", "book_appointment")
    assert row.arguments == order.arguments
    assert row.requested_at == order.requested_at


def test_a_call_that_ended_before_the_order_came_is_still_carried_out() -> None:
    order = make_order()
    tell(order, orphaned=True)

    assert take(order) == Taken()
    assert row_of(order).orphaned


def test_a_refused_call_says_why() -> None:
    order = make_order()

    refuse(order)
    refuse(order)

    row = row_of(order)
    assert (row.status, row.error, row.outcome, row.told_at) == (
        Status.REFUSED,
        "Unknown tool.",
        "refused",
        None,
    )


@pytest.mark.parametrize("told_first", ["no", "told", "orphaned"])
def test_what_needed_no_server_is_answered_at_once_whatever_comes_first(told_first: str) -> None:
    order = make_order(requested_at=MOMENT)
    refusal = ToolRefusal.from_json(order.to_json())
    if told_first != "no":
        tell(order, output="Goodbye.", orphaned=told_first == "orphaned")

    for _ in range(2):
        services.tool_call_done(refusal=refusal, at=order.expires_at, output="Goodbye.")

    row = row_of(order)
    assert (row.status, row.outcome, row.error) == (Status.ANSWERED, "Goodbye.", "")
    assert (row.name, row.told_at, row.sent_at) == ("book_appointment", order.expires_at, None)


def test_the_least_refusal_makes_a_row() -> None:
    call_id = uuid.uuid4()
    refusal = ToolRefusal.from_json({"call_id": str(call_id), "tool_call_id": "call_1"})

    services.tool_call_refuse(refusal=refusal, at=MOMENT, reason="Unknown tool.", output="refused")

    assert ToolCall.objects.get(call_id=call_id).name == "?"


def test_forgotten_calls_get_their_outcome_and_others_are_left_alone() -> None:
    now = timezone.now()
    long_ago = now - services.STALE_AFTER - timedelta(seconds=1)
    sent = make_tool_call(status=Status.SENT, requested_at=long_ago, sent_at=long_ago)
    requested = make_tool_call(requested_at=long_ago)
    fresh = make_tool_call(status=Status.SENT, sent_at=now)

    assert services.tool_calls_expire(now=now) == 2
    assert services.tool_calls_expire(now=now) == 0

    for row, status in ((sent, Status.TIMED_OUT), (requested, Status.REFUSED), (fresh, Status.SENT)):
        row.refresh_from_db()
        assert row.status == status


def test_a_call_that_nobody_waits_for_is_carried_out_although_the_model_was_told_at_once() -> None:
    order = make_order(tool=make_order_tool(asynchronous=True))
    services.tool_call_told(
        call_id=order.call_id,
        item_id=order.tool_call_id,
        at=order.requested_at,
        output="accepted",
        orphaned=False,
        awaited=False,
    )

    assert take(order) == Taken()
    settle(order)
    row = row_of(order)
    assert (row.status, row.outcome, row.answer) == (Status.ANSWERED, "accepted", "{}")


def test_a_late_answer_is_kept_and_known_as_late() -> None:
    order = make_order(requested_at=timezone.now() - timedelta(seconds=30))
    take(order)
    tell(order, at=order.requested_at + timedelta(seconds=20), output="timed out")
    settle(order, replace(ANSWERED, elapsed_ms=25_000))

    row = row_of(order)
    assert (row.status, row.outcome, row.came_late) == (Status.ANSWERED, "timed out", True)
