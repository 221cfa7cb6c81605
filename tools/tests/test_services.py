import json
import threading
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tools import outcomes, services
from tools.encryption import encrypt
from tools.models import ToolCall
from tools.orders import ToolOrder, ToolRefusal
from tools.outcomes import Outcome
from tools.services import InFlight, Settled, Taken
from tools.tests.factories import MOMENT, make_order, make_order_tool, make_tool, make_tool_call
from tools.tests.servers import (
    Behaviour,
    answering,
    booking,
    closing,
    five_megabytes,
    half_a_body,
    refused_url,
    serve,
    silent,
)

pytestmark = pytest.mark.django_db

Status = ToolCall.Status
FINAL = {Status.ANSWERED, Status.FAILED, Status.TIMED_OUT, Status.REFUSED}
ANSWERED = Outcome("answered", "Booked.", http_status=200, answer="{}", elapsed_ms=40)


def row_of(order: ToolOrder) -> ToolCall:
    return ToolCall.objects.get(call_id=order.call_id, item_id=order.tool_call_id)


def take(order: ToolOrder, now: datetime | None = None) -> Taken | InFlight | Settled:
    return services.tool_call_take(order=order, now=now or order.requested_at)


def send(order: ToolOrder, *, now: datetime | None = None) -> Outcome:
    return services.tool_call_send(order=order, now=now or timezone.now()).outcome


def settle(order: ToolOrder, outcome: Outcome = ANSWERED) -> bool:
    return services.tool_call_settle(call_id=order.call_id, item_id=order.tool_call_id, outcome=outcome)


def tell(
    order: ToolOrder, *, at: datetime | None = None, output: str = "told", orphaned: bool = False
) -> None:
    services.tool_call_told(
        call_id=order.call_id,
        item_id=order.tool_call_id,
        at=at or order.expires_at,
        output=output,
        orphaned=orphaned,
    )


def refuse(order: ToolOrder) -> None:
    refusal = ToolRefusal.from_json(order.to_json())
    services.tool_call_refuse(
        refusal=refusal, at=order.requested_at, reason="Unknown tool.", output="refused"
    )


def told_message(outcome: Outcome) -> str:
    message: str = json.loads(outcome.output)["message"]
    return message


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


# --- Sending


@pytest.mark.parametrize(
    ("behaviour", "status", "output"),
    [
        (booking, "answered", "Booked n-0611-0930."),
        (answering("", status=204), "answered", "No result returned."),
        (answering("Booked.\nThursday.", content_type="text/plain"), "answered", "Booked. Thursday."),
    ],
    ids=["booking", "204", "text"],
)
def test_an_answer_reaches_the_model(behaviour: Behaviour, status: str, output: str, loopback: None) -> None:
    with serve(behaviour) as server:
        outcome = send(make_order(url=server.url))

    assert (outcome.status, outcome.output, outcome.sent) == (status, output, True)
    assert outcome.elapsed_ms is not None


@pytest.mark.parametrize(
    ("behaviour", "status", "code", "http_status"),
    [
        (answering('{"results": [{"toolCallId": "other", "result": "x"}]}'), "failed", "no_result", 200),
        (answering("<html>", content_type="text/html"), "failed", "no_result", 200),
        (answering("oops", status=500), "failed", "http_error", 500),
        (answering("", status=302, headers={"Location": "https://x.example/"}), "failed", "redirected", 302),
        (half_a_body, "failed", "answer_incomplete", 200),
        (five_megabytes, "failed", "answer_too_large", 200),
        (closing, "timed_out", "connection_lost", None),
        (silent, "timed_out", "timeout", None),
    ],
    ids=["wrong id", "html", "500", "redirect", "half", "5 MB", "closes", "silent"],
)
def test_a_bad_server_leaves_the_outcome_open(
    behaviour: Behaviour, status: str, code: str, http_status: int | None, loopback: None
) -> None:
    with serve(behaviour) as server:
        outcome = send(make_order(url=server.url, timeout_s=1))

    told = json.loads(outcome.output)
    assert (outcome.status, told["error"], outcome.http_status) == (status, code, http_status)
    assert "may or may not" in told["message"]
    assert outcome.sent
    assert len(server.requests) == 1


def test_an_unreachable_server_did_certainly_nothing(loopback: None) -> None:
    outcome = send(make_order(url=refused_url()))

    assert (outcome.status, outcome.sent, outcome.elapsed_ms) == ("failed", False, None)
    assert "Nothing was done" in told_message(outcome)
    assert outcome.error == "Not sent: the connection failed (Connection refused)."


def test_an_order_that_expires_before_the_connection_stands_is_not_sent(loopback: None) -> None:
    order = make_order()
    with serve(booking) as server:
        order = replace(order, tool=replace(order.tool, server_url=server.url))
        outcome = send(order, now=order.expires_at)

    assert (outcome.status, outcome.sent) == ("refused", False)
    assert server.requests == []


def test_the_server_gets_vapis_envelope_and_the_secret(loopback: None) -> None:
    order = make_order(server_secret_token=encrypt("s3"), server_from="assistant")
    with serve(booking) as server:
        services.tool_call_send(
            order=replace(order, tool=replace(order.tool, server_url=server.url)), now=order.requested_at
        )

    ((headers, _),) = server.requests
    message = server.bodies[0]["message"]
    assert headers["X-Vapi-Secret"] == "s3"
    assert headers["Idempotency-Key"] == order.tool_call_id
    assert message["type"] == "tool-calls"
    assert message["customer"]["number"] == "+13125550177"
    assert message["call"]["id"] == str(order.call_id)


def test_arguments_nested_without_end_are_not_sent(loopback: None) -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    order = make_order(arguments=deep)
    take(order)

    with serve(booking) as server:
        order = replace(order, tool=replace(order.tool, server_url=server.url))
        outcome = send(order, now=order.requested_at)

    assert (outcome.status, outcome.sent) == ("refused", False)
    assert settle(order, outcome)
    assert server.requests == []


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


# --- Any order, any repetition


STEPS = (
    "forward",
    "forward, dies before sending",
    "forward, dies before settling",
    "told",
    "orphaned",
    "refuse",
    "a moment passes",
    "ten minutes pass",
    "forgotten ones are swept",
)
OUTCOMES = st.sampled_from(
    [
        ANSWERED,
        outcomes.unknown(code="timeout", why="no answer came"),
        outcomes.spoiled(code="redirected", why="it was redirected", http_status=302),
        outcomes.not_reached(code="tls_failed", why="the TLS handshake failed"),
    ]
)


class Ledger:
    """Delivers the steps to the services, counts requests, and watches that a final status stays."""

    def __init__(self, outcome: Outcome) -> None:
        self.order = make_order(call_id=uuid.uuid4(), requested_at=MOMENT)
        self.now = MOMENT
        self.outcome = outcome
        self.requests = 0
        self.ended_as = ""
        self.told_at: list[datetime] = []
        self.requests_when_told: int | None = None

    def step(self, name: str) -> None:
        match name:
            case "told":
                self.told_at.append(self.now)
                tell(self.order, at=self.now)
            case "orphaned":
                tell(self.order, at=self.now, orphaned=True)
            case "refuse":
                refuse(self.order)
            case "a moment passes":
                self.now += timedelta(seconds=9)
            case "ten minutes pass":
                self.now += timedelta(minutes=11)
            case "forgotten ones are swept":
                services.tool_calls_expire(now=self.now)
            case _:
                self._forward(name)
        self._watch()

    def _forward(self, name: str) -> None:
        if take(self.order, self.now) != Taken() or name == "forward, dies before sending":
            return
        self.requests += self.outcome.sent
        assert not self.told_at or not self.outcome.sent
        if name == "forward":
            settle(self.order, self.outcome)

    def _watch(self) -> None:
        row = ToolCall.objects.filter(call_id=self.order.call_id).first()
        if row is None:
            return
        if self.ended_as:
            assert row.status == self.ended_as
        elif row.status in FINAL:
            self.ended_as = row.status


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=10), OUTCOMES)
def test_any_order_and_repetition_ends_in_one_honest_outcome(steps: list[str], outcome: Outcome) -> None:
    ledger = Ledger(outcome)

    for step in steps:
        ledger.step(step)
    for step in (
        "ten minutes pass",
        "forward",
        "forgotten ones are swept",
    ):  # what is unacknowledged comes again
        ledger.step(step)

    row = row_of(ledger.order)
    assert row.status in FINAL
    assert ledger.requests <= 1
    assert row.name == "book_appointment"
    assert row.outcome
    if row.status == Status.ANSWERED:
        assert ledger.requests == 1
    if ledger.requests:
        assert row.status in (Status.TIMED_OUT, outcome.status)
    if row.status in (Status.REFUSED, Status.FAILED) and row.sent_at is None:
        assert ledger.requests == 0
    if ledger.told_at:
        assert (row.told_at, row.outcome, row.orphaned) == (min(ledger.told_at), "told", False)
    else:
        assert row.told_at is None
        assert row.orphaned == ("orphaned" in steps)


# --- Attempts, plans and rules


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
        order = make_order(tool=make_order_tool(backoff_plan=plan), url=server.url, timeout_s=5)
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
    assert isinstance(take(order, order.requested_at + timedelta(seconds=6)), InFlight)
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


@pytest.mark.parametrize("settings", [{}, {"url": ""}])
def test_an_http_request_without_a_url_has_no_server(settings: dict[str, Any]) -> None:
    tool = make_order_tool(kind="apiRequest", settings=settings)

    taken = take(make_order(tool=replace(tool, server_url="")))

    assert isinstance(taken, Settled)
    assert taken.outcome.status == "refused"


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


def test_the_ledger_holds_no_argument_that_only_the_server_may_read() -> None:
    schema = {"type": "object", "properties": {"ssn": {"type": "string"}, "slot": {"type": "string"}}}
    tool = make_order_tool(parameters=schema, encrypted_paths=["ssn"])
    order = make_order(tool=tool, arguments={"ssn": "123-45-6789", "slot": "nine"})

    take(order)

    assert row_of(order).arguments == {"ssn": "[encrypted]", "slot": "nine"}
