"""An order on its way: attempts by the tool's plan, what goes out, what comes of it, and hosts in trouble."""

import json
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from tools import breaker, sending
from tools.auth.credentials import ServerAuth
from tools.orders import ToolOrder
from tools.sending import Attempt, Sent, order_send
from tools.tests.factories import make_order, make_order_tool
from tools.tests.orders import QUICK, after, planned, send
from tools.tests.servers import (
    Behaviour,
    answering,
    booking,
    closing,
    half_a_body,
    refused_url,
    serve,
    silent,
)
from tools.tests.test_encrypted_arguments import PEM, opened

pytestmark = pytest.mark.usefixtures("loopback", "redis_client")


# --- Attempts


@pytest.mark.parametrize(
    "bad",
    [answering("oops", status=503), answering("{}", status=500), closing, half_a_body],
    ids=["503", "500", "closes", "half a body"],
)
def test_a_plan_has_the_same_request_sent_again(bad: Behaviour) -> None:
    with serve(after(2, bad)) as server:
        sent = send(planned(server.url))

    assert (sent.outcome.status, sent.outcome.output) == ("answered", "Booked n-0611-0930.")
    assert [one.n for one in sent.attempts] == [1, 2, 3]
    assert [bool(one.code) for one in sent.attempts] == [True, True, False]
    bodies = {body for _, body in server.requests}
    assert len(server.requests) == 3
    assert len(bodies) == 1
    assert {headers["Idempotency-Key"] for headers, _ in server.requests} == {"call_bK2zT7"}


@pytest.mark.parametrize(
    ("plan", "bad", "requests"),
    [
        ({}, answering("oops", status=503), 1),
        ({}, closing, 1),
        ({**QUICK, "maxRetries": 0}, closing, 1),
        ({**QUICK, "maxRetries": 1}, closing, 2),
        ({**QUICK, "excludedStatusCodes": [503]}, answering("oops", status=503), 1),
        (QUICK, answering("<html>", content_type="text/html"), 1),
        (QUICK, answering("", status=302, headers={"Location": "/x"}), 1),
        (QUICK, answering('{"results":[{"toolCallId":"call_bK2zT7","error":"no"}]}', status=500), 1),
        (QUICK, answering('{"results":[{"toolCallId":"call_bK2zT7","error":"no"}]}'), 1),
    ],
    ids=["no plan", "no plan, lost", "0", "1", "excluded", "html", "redirect", "error in results", "error"],
)
def test_nothing_is_sent_again_that_the_plan_does_not_ask_for(
    plan: dict[str, Any], bad: Behaviour, requests: int
) -> None:
    with serve(bad) as server:
        sent = send(planned(server.url, plan))

    assert len(server.requests) == len(sent.attempts) == requests
    assert sent.outcome.status in ("failed", "timed_out")


def test_a_connection_that_was_refused_is_tried_again_and_was_certainly_never_sent() -> None:
    sent = send(planned(refused_url()))

    assert [(one.code, one.sent) for one in sent.attempts] == [("connection_failed", False)] * 3
    assert (sent.outcome.status, sent.outcome.sent) == ("failed", False)


def test_no_attempt_begins_after_the_orders_time() -> None:
    plan = {"type": "exponential", "maxRetries": 5, "baseDelaySeconds": 10}
    with serve(answering("oops", status=503)) as server:
        now = timezone.now()
        order = planned(server.url, plan, requested_at=now, expires_at=now + timedelta(seconds=9.8))
        started = time.monotonic()
        sent = send(order)

    assert len(sent.attempts) == 1
    assert time.monotonic() - started < 150  # the plan would take five minutes


def test_a_later_attempt_waits_no_longer_than_the_order_lives() -> None:
    started = time.monotonic()
    asked, sent = _sent_to_who_closes_and_is_silent(life_s=1)
    if asked < 2:  # a busy machine may need more than a second for both
        _, sent = _sent_to_who_closes_and_is_silent(life_s=30)

    assert [one.code for one in sent.attempts] == ["connection_lost", "timeout"]
    assert sent.outcome.status == "timed_out"
    assert time.monotonic() - started < 150  # the tool has 500 s


def _sent_to_who_closes_and_is_silent(*, life_s: float) -> tuple[int, Sent]:
    with serve(after(1, closing, silent)) as server:
        now = timezone.now()
        order = planned(
            server.url, requested_at=now, expires_at=now + timedelta(seconds=life_s), timeout_s=500
        )
        sent = send(order)
    return len(server.requests), sent


def test_who_has_lost_the_order_meanwhile_sends_no_more() -> None:
    asked: list[Attempt] = []

    def lost(attempt: Attempt) -> bool:
        asked.append(attempt)
        return False

    with serve(closing) as server:
        sent = send(planned(server.url), lost)

    assert len(server.requests) == 1
    assert asked == list(sent.attempts)


def test_the_pauses_are_those_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(sending, "time", SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic))
    plan = {"type": "exponential", "maxRetries": 2, "baseDelaySeconds": 0.1}
    with serve(closing) as server:
        sent = send(planned(server.url, plan))

    assert len(sent.attempts) == 3
    assert pauses == [0.1, 0.2]


def test_nothing_is_called_not_done_while_an_earlier_attempt_may_have_done_it() -> None:
    def lost(attempt: Attempt) -> bool:
        ending.close()  # the server is down from now on
        return True

    with ExitStack() as ending:
        server = ending.enter_context(serve(closing))
        sent = send(planned(server.url), lost)

    assert [one.code for one in sent.attempts] == [
        "connection_lost",
        "connection_failed",
        "connection_failed",
    ]
    assert (sent.outcome.status, sent.outcome.sent) == ("timed_out", True)
    assert "may or may not" in sent.outcome.output
    assert "Nothing was done" not in sent.outcome.output


def test_a_refusal_after_a_lost_attempt_is_no_proof_either() -> None:
    with serve(after(1, closing, answering('{"error": "taken"}', status=409))) as server:
        sent = send(planned(server.url, {**QUICK, "excludedStatusCodes": [409]}))

    assert [one.http_status for one in sent.attempts] == [None, 409]
    assert (sent.outcome.status, sent.outcome.http_status) == ("timed_out", 409)
    assert "may or may not" in sent.outcome.output


def test_after_plain_refusals_the_last_word_stands() -> None:
    with serve(answering("{}", status=429)) as server:
        sent = send(planned(server.url))

    assert (sent.outcome.status, sent.outcome.http_status, len(sent.attempts)) == ("failed", 429, 3)
    assert "Most likely nothing was done" in sent.outcome.output


def test_an_attempt_survives_json() -> None:
    with serve(booking) as server:
        (attempt,) = send(make_order(url=server.url)).attempts

    assert Attempt.from_json(json.loads(json.dumps(attempt.to_json()))) == attempt
    assert attempt.steps.whole_ms is not None


# --- What goes out and what comes of it


def test_static_values_and_the_name_on_the_wire_go_out() -> None:
    static = [{"key": "site", "value": "north"}, {"key": "caller", "value": "{{customer.number}}"}]
    tool = make_order_tool(static_parameters=static, wire_name="Book an appointment!")
    with serve(booking) as server:
        send(make_order(tool=tool, url=server.url))

    function = server.bodies[0]["message"]["toolCallList"][0]["function"]
    assert function["name"] == "Book an appointment!"
    assert function["arguments"] == {
        "slot": "n-0611-0930",
        "site": "north",
        "caller": "+13125550177",
    }


def test_a_required_value_that_is_static_is_not_asked_of_the_model() -> None:
    parameters = {"type": "object", "properties": {"site": {"type": "string"}}, "required": ["site"]}
    tool = make_order_tool(parameters=parameters, static_parameters=[{"key": "site", "value": "north"}])
    with serve(answering('{"result": "ok"}')) as server:
        assert send(make_order(tool=tool, url=server.url, arguments={})).outcome.status == "answered"


def test_arguments_that_do_not_fit_are_not_sent() -> None:
    parameters = {"type": "object", "properties": {"slot": {"type": "string"}}, "required": ["slot"]}
    with serve(booking) as server:
        sent = send(make_order(tool=make_order_tool(parameters=parameters), url=server.url, arguments={}))

    assert server.requests == []
    assert (sent.outcome.status, json.loads(sent.outcome.output)["error"]) == ("refused", "invalid_arguments")


def test_the_first_form_of_webhooks_goes_out_and_its_answer_is_read() -> None:
    tool = make_order_tool(legacy_form=True)
    with serve(answering('{"result": "Booked."}')) as server:
        sent = send(make_order(tool=tool, url=server.url))

    message = server.bodies[0]["message"]
    assert message["type"] == "function-call"
    assert message["functionCall"] == {"name": "book_appointment", "parameters": {"slot": "n-0611-0930"}}
    assert sent.outcome.output == "Booked."


@pytest.mark.parametrize("result", [{"slots": [{"label": "nine"}]}, '{"slots": [{"label": "nine"}]}'])
def test_variables_come_from_the_result_of_this_call(result: Any) -> None:
    plan = {"aliases": [{"key": "offered", "value": "{{ $.slots[0].label }} for {{ customer.number }}"}]}
    answer = {"results": [{"toolCallId": "call_bK2zT7", "result": result}]}
    with serve(answering(json.dumps(answer))) as server:
        tool = make_order_tool(variable_extraction=plan)
        sent = send(make_order(tool=tool, url=server.url))

    assert sent.outcome.variables == {"offered": "nine for +13125550177"}


def test_a_failure_teaches_nothing() -> None:
    plan = {"aliases": [{"key": "x", "value": "1"}]}
    with serve(answering("oops", status=500)) as server:
        sent = send(make_order(tool=make_order_tool(variable_extraction=plan), url=server.url))

    assert sent.outcome.variables == {}


def test_what_the_server_wants_spoken_is_passed_on() -> None:
    message = {"type": "request-complete", "content": "All done."}
    answer = {"results": [{"toolCallId": "call_bK2zT7", "result": "ok", "message": message}]}
    with serve(answering(json.dumps(answer))) as server:
        assert send(make_order(url=server.url)).outcome.message == message


# --- A host in trouble


def test_a_host_that_fails_again_and_again_is_left_alone_and_the_model_hears_that_nothing_was_done() -> None:
    with serve(closing) as server:
        for _ in range(breaker.FAILURES_TO_OPEN):
            send(make_order(url=server.url))
        sent = send(make_order(url=server.url))

    assert len(server.requests) == breaker.FAILURES_TO_OPEN
    assert (sent.outcome.status, sent.outcome.sent) == ("failed", False)
    assert json.loads(sent.outcome.output)["error"] == "breaker_open"
    assert "Nothing was done" in sent.outcome.output


def test_the_attempts_of_one_order_speak_against_a_host_once() -> None:
    with serve(closing) as server:
        for _ in range(breaker.FAILURES_TO_OPEN - 1):
            send(planned(server.url))
        (state,) = breaker.breakers_list()

    assert state.failures == breaker.FAILURES_TO_OPEN - 1
    assert len(server.requests) == 3 * (breaker.FAILURES_TO_OPEN - 1)


def test_a_probe_that_fails_counts_at_once_although_its_order_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(breaker, "OPEN_S", 0.0)
    with serve(closing) as server:
        for _ in range(breaker.FAILURES_TO_OPEN):
            send(make_order(url=server.url))
        monkeypatch.setattr(breaker, "OPEN_S", 15.0)
        sent = send(planned(server.url))

    assert [one.code for one in sent.attempts] == ["connection_lost", "breaker_open"]
    assert "may or may not" in sent.outcome.output


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_answers_that_are_a_requests_own_fault_never_open_a_breaker(status: int) -> None:
    with serve(answering("{}", status=status)) as server:
        for _ in range(breaker.FAILURES_TO_OPEN + 2):
            send(make_order(url=server.url))

    assert len(server.requests) == breaker.FAILURES_TO_OPEN + 2


def test_an_order_for_elsewhere_is_not_held_back() -> None:
    with serve(closing) as bad, serve(booking) as good:
        for _ in range(breaker.FAILURES_TO_OPEN):
            send(make_order(url=bad.url))

        assert send(make_order(url=good.url)).outcome.status == "answered"


def test_a_late_start_is_no_fault_of_the_host() -> None:
    with serve(booking) as server:
        order = make_order(url=server.url)
        for _ in range(breaker.FAILURES_TO_OPEN + 1):
            order_send(order, now=order.expires_at, go_on=lambda _: True)

        assert send(replace(order, tool_call_id="call_2")).outcome.output != ""
    assert len(server.requests) == 1


# --- Encrypted arguments


SSN = {"type": "object", "properties": {"ssn": {"type": "string"}}}


def guarded(url: str, *, key: str = PEM, **tool: Any) -> ToolOrder:
    made = make_order_tool(parameters=SSN, encrypted_paths=["ssn"], **tool)
    # An id of its own, for any other may hold a part of the number.
    call_id = uuid.UUID("91e4c7a2-0d3b-4f58-9c26-6a7b8d9e0f66")
    order = make_order(tool=made, url=url, arguments={"ssn": "123-45-6789"}, call_id=call_id)
    return replace(order, auth=ServerAuth(encryption_key=key))


@pytest.mark.parametrize("kind", ["function", "apiRequest"])
@pytest.mark.parametrize("legacy", [False, True])
def test_what_only_the_server_may_read_leaves_encrypted_wherever_it_stands(kind: str, legacy: bool) -> None:
    with serve(booking) as server:
        settings = {"url": f"{server.url}?ssn={{{{ ssn }}}}"} if kind == "apiRequest" else {}
        sent = send(guarded(server.url, kind=kind, legacy_form=legacy, settings=settings))

    ((_, body),) = server.requests
    assert sent.outcome.sent
    assert b"123-45" not in body
    assert "123-45" not in server.paths[0]
    given = json.loads(body)
    if kind == "function":
        message = given["message"]
        given = (
            message["functionCall"]["parameters"]
            if legacy
            else message["toolCallList"][0]["function"]["arguments"]
        )
    assert opened(given["ssn"]) == "123-45-6789"


@pytest.mark.parametrize("key", ["", "nonsense"])
def test_without_a_key_for_it_nothing_is_sent_and_the_model_is_told_so(key: str) -> None:
    with serve(booking) as server:
        sent = send(guarded(server.url, key=key))

    assert server.requests == []
    assert (sent.outcome.status, sent.outcome.sent) == ("refused", False)
    assert "not_encrypted" in sent.outcome.output
    assert "123-45" not in sent.outcome.output + sent.outcome.error
