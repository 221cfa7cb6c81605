import asyncio
import base64
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from celery.exceptions import OperationalError as BrokerError
from celery.exceptions import Retry
from channels.layers import get_channel_layer
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import Settings
from redis import Redis
from redis.exceptions import RedisError

from tools import replies, services, tasks
from tools.auth.credentials import ServerAuth
from tools.encryption import encrypt
from tools.models import ToolCall
from tools.orders import ToolOrder
from tools.tests.factories import make_order, make_order_tool
from tools.tests.servers import ToolServer, answering, booking, refused_url, serve

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback", "redis_client")]

CHANNEL = "call-under-test"


@contextmanager
def database_away(times: int = 1_000_000) -> Iterator[None]:
    """So many statements fail, as when PostgreSQL has gone."""
    left = [times]

    def fail(execute: Callable[..., Any], *args: Any) -> Any:
        if left[0] <= 0:
            return execute(*args)
        left[0] -= 1
        raise OperationalError("the database is away")

    with connection.execute_wrapper(fail):
        yield


def forward(order: ToolOrder) -> None:
    tasks.tool_call_forward(json.loads(json.dumps(order.to_json())), CHANNEL)


def reply(wait_s: float = 60.0) -> dict[str, Any]:
    """The next message on the reply channel."""

    async def receive() -> dict[str, Any]:
        layer: Any = get_channel_layer()
        async with asyncio.timeout(wait_s):
            message: dict[str, Any] = await layer.receive(CHANNEL)
        # Without this the loop would end before the message is crossed off, and it would come again.
        await asyncio.gather(*layer.receive_cleaners)
        return message

    return async_to_sync(receive)()


def no_reply() -> bool:
    with pytest.raises(TimeoutError):
        reply(0.1)
    return True


def row_of(order: ToolOrder) -> ToolCall:
    return ToolCall.objects.get(call_id=order.call_id)


def test_an_order_is_forwarded_and_its_call_gets_the_result() -> None:
    with serve(booking) as server:
        order = make_order(url=server.url, server_secret_token=encrypt("s3"))
        forward(order)

    assert reply() == {
        "type": "tool.result",
        "call_id": str(order.call_id),
        "tool_call_id": "call_bK2zT7",
        "status": "answered",
        "output": "Booked n-0611-0930.",
    }
    row = row_of(order)
    assert (row.status, row.http_status, row.outcome) == (
        ToolCall.Status.ANSWERED,
        200,
        "Booked n-0611-0930.",
    )
    assert json.loads(row.answer)["results"][0]["result"] == "Booked n-0611-0930."
    assert row.duration_ms is not None
    assert no_reply()


def test_a_second_delivery_repeats_the_reply_and_not_the_request() -> None:
    with serve(booking) as server:
        order = make_order(url=server.url)
        forward(order)
        forward(order)

    assert reply() == reply()
    assert len(server.requests) == 1


def test_a_delivery_while_the_first_is_under_way_looks_again_later() -> None:
    with serve(booking) as server:
        order = make_order(url=server.url)
        services.tool_call_take(order=order, now=timezone.now())
        with pytest.raises(Retry):
            forward(order)

    assert server.requests == []
    assert no_reply()


def test_after_a_workers_death_the_model_hears_that_the_outcome_is_unknown() -> None:
    with serve(booking) as server:
        order = make_order(url=server.url, requested_at=timezone.now() - timedelta(seconds=30))
        services.tool_call_take(order=order, now=order.requested_at)
        forward(order)

    assert server.requests == []
    assert reply()["status"] == "timed_out"
    assert row_of(order).status == ToolCall.Status.TIMED_OUT


def test_an_expired_order_is_refused() -> None:
    with serve(booking) as server:
        order = make_order(url=server.url, requested_at=timezone.now() - timedelta(seconds=30))
        forward(order)

    assert server.requests == []
    assert reply()["status"] == "refused"


@pytest.mark.django_db(transaction=True)
def test_a_short_outage_of_the_database_is_waited_out() -> None:
    with serve(booking) as server, database_away(times=2):
        order = make_order(url=server.url)
        forward(order)

    assert reply()["status"] == "answered"
    assert len(server.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_database_nothing_is_sent_and_the_model_hears_it() -> None:
    with serve(booking) as server:
        order = make_order(url=server.url, timeout_s=1)
        with database_away():
            forward(order)

    told = reply()
    assert told["status"] == "refused"
    assert "Nothing was done" in json.loads(told["output"])["message"]
    assert server.requests == []
    assert not ToolCall.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_outcome_that_cannot_be_written_is_told_first_and_written_later(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SETTLE_PATIENCE", timedelta(0))
    real_send = services.tool_call_send
    with serve(booking) as server, ExitStack() as outage:
        order = make_order(url=server.url)

        def send_and_lose_the_database(**kwargs: Any) -> Any:
            outcome = real_send(**kwargs)
            outage.enter_context(database_away())
            return outcome

        monkeypatch.setattr(services, "tool_call_send", send_and_lose_the_database)
        forward(order)

    assert reply()["status"] == "answered"
    assert row_of(order).status == ToolCall.Status.SENT
    (message,) = redis_client.lrange("records", 0, -1)
    args, _, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
    tasks.tool_call_settle(*args)
    assert row_of(order).status == ToolCall.Status.ANSWERED
    assert row_of(order).outcome == "Booked n-0611-0930."


@pytest.mark.django_db(transaction=True)
def test_with_database_and_broker_away_the_model_is_told_and_the_loss_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_broker(*_: object) -> None:
        raise BrokerError

    def no_database(**_: object) -> None:
        raise OperationalError

    monkeypatch.setattr(tasks, "SETTLE_PATIENCE", timedelta(0))
    monkeypatch.setattr(tasks.tool_call_settle, "delay", no_broker)
    monkeypatch.setattr(services, "tool_call_settle", no_database)
    with serve(booking) as server:
        order = make_order(url=server.url)
        forward(order)

    assert reply()["status"] == "answered"
    own = [record for record in caplog.records if record.name == tasks.__name__]
    assert [record.message for record in own if record.levelno == logging.ERROR] == [
        "outcome of a tool call lost: database and broker are away"
    ]


def test_the_caller_is_not_kept_waiting_for_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    settle, told = services.tool_call_settle, []

    def settle_after(**kwargs: Any) -> bool:
        told.append(reply())
        return settle(**kwargs)

    monkeypatch.setattr(services, "tool_call_settle", settle_after)
    with serve(booking) as server:
        order = make_order(url=server.url)
        forward(order)

    assert told[0]["status"] == "answered"
    assert row_of(order).status == ToolCall.Status.ANSWERED
    assert no_reply()


def test_a_reply_that_fails_at_first_is_given_once_the_row_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send, tried = replies.message_send, []

    def send_at_last(channel: str, message: dict[str, Any]) -> None:
        tried.append(ToolCall.objects.get().status)
        if len(tried) == 1:
            raise RedisError
        send(channel, message)

    monkeypatch.setattr(replies, "message_send", send_at_last)
    with serve(booking) as server:
        forward(make_order(url=server.url))

    assert tried == [ToolCall.Status.SENT, ToolCall.Status.ANSWERED]
    assert reply()["status"] == "answered"
    assert no_reply()


def test_a_number_beyond_64_bits_in_an_answer_reaches_the_call_digit_by_digit() -> None:
    big = 2**70
    message = {"type": "request-complete", "content": "Done.", "ticket": big}
    result = {"order": big, "parts": [big, 7]}
    answer = {"results": [{"toolCallId": "call_bK2zT7", "result": result, "message": message}]}
    plan = {"schema": {"type": "object", "properties": {"order": {}, "parts": {}}}}
    with serve(answering(json.dumps(answer))) as server:
        order = make_order(tool=make_order_tool(variable_extraction=plan), url=server.url)
        forward(order)

    told = reply()
    assert told["variables"] == {"order": str(big), "parts": [str(big), 7]}
    assert told["message"] == {**message, "ticket": str(big)}
    assert row_of(order).status == ToolCall.Status.ANSWERED


def test_a_worker_that_dies_between_reply_and_row_leaves_an_unknown_outcome_and_sends_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class DeathError(BaseException):
        """What nothing catches."""

    def die(**_: object) -> bool:
        raise DeathError

    with serve(booking) as server:
        order = make_order(url=server.url)
        with monkeypatch.context() as dying:
            dying.setattr(services, "tool_call_settle", die)
            with pytest.raises(DeathError):
                forward(order)
        assert reply()["status"] == "answered"
        ToolCall.objects.update(sent_at=timezone.now() - timedelta(minutes=5))
        forward(order)

    assert len(server.requests) == 1
    assert row_of(order).status == ToolCall.Status.TIMED_OUT


def test_an_outcome_that_came_too_late_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(services, "tool_call_settle", lambda **_: False)
    with serve(booking) as server:
        forward(make_order(url=server.url))

    assert "tool call had its outcome already" in [record.message for record in caplog.records]


def test_a_reply_that_cannot_be_delivered_leaves_the_row_standing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "REPLY_PAUSES_S", (0.01, 0.01))
    away = refused_url().removeprefix("http://").removesuffix("/vapi")
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [f"redis://{away}/0"]},
        }
    }
    with serve(booking) as server:
        order = make_order(url=server.url)
        forward(order)

    assert row_of(order).status == ToolCall.Status.ANSWERED


def test_the_caller_hanging_up_while_the_server_works_leaves_an_orphan() -> None:
    def booking_while_hanging_up(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        hung_up.append(True)
        booking(handler, server)

    hung_up: list[bool] = []
    with serve(booking_while_hanging_up) as server:
        order = make_order(url=server.url)
        tasks.tool_call_told(
            str(order.call_id), order.tool_call_id, timezone.now().isoformat(), "", orphaned=True
        )
        forward(order)

    assert hung_up
    assert (row_of(order).status, row_of(order).orphaned) == (ToolCall.Status.ANSWERED, True)


def test_what_the_model_was_told_is_noted() -> None:
    with serve(booking) as server:
        order = make_order(url=server.url)
        forward(order)
    at = timezone.now()

    for _ in range(2):
        tasks.tool_call_told(
            str(order.call_id), order.tool_call_id, at.isoformat(), "Booked.", orphaned=False
        )

    assert (row_of(order).told_at, row_of(order).outcome, row_of(order).orphaned) == (at, "Booked.", False)


def test_a_refusal_is_noted() -> None:
    call_id = uuid.uuid4()
    order = {"call_id": str(call_id), "tool_call_id": "call_1", "name": "no_such_tool"}

    for _ in range(2):
        tasks.tool_call_refuse(order, timezone.now().isoformat(), "There is no such tool.", "{}")

    row = ToolCall.objects.get(call_id=call_id)
    assert (row.status, row.name, row.error) == (
        ToolCall.Status.REFUSED,
        "no_such_tool",
        "There is no such tool.",
    )


def test_what_needed_no_server_is_noted() -> None:
    call_id = uuid.uuid4()

    tasks.tool_call_done(
        {"call_id": str(call_id), "tool_call_id": "call_1"}, timezone.now().isoformat(), "Goodbye."
    )

    assert ToolCall.objects.get(call_id=call_id).outcome == "Goodbye."


@pytest.mark.django_db(transaction=True)
def test_the_records_wait_for_the_database() -> None:
    order = make_order()
    now = timezone.now().isoformat()

    with database_away(times=2):
        tasks.tool_call_refuse.apply((order.to_json(), now, "Unknown.", "{}"))
    with database_away(times=2):
        tasks.tool_call_told.apply((str(order.call_id), order.tool_call_id, now, "{}", False))

    assert row_of(order).status == ToolCall.Status.REFUSED
    assert row_of(order).told_at is not None


def test_the_queues_are_those_of_the_settings_and_no_header_shows_arguments(
    redis_client: Redis,
) -> None:
    order = make_order(arguments={"slot": "spoken"})

    tasks.tool_call_forward.delay(order.to_json(), CHANNEL)
    tasks.tool_call_told.delay(
        str(order.call_id), "call_1", timezone.now().isoformat(), "spoken", orphaned=False
    )

    for queue in ("tools", "records"):
        (message,) = redis_client.lrange(queue, 0, -1)
        headers = json.loads(message)["headers"]
        assert (headers["argsrepr"], headers["kwargsrepr"]) == ("(…)", "{…}")


def test_forgotten_calls_are_swept(caplog: pytest.LogCaptureFixture) -> None:
    order = make_order(requested_at=timezone.now() - timedelta(hours=1))
    services.tool_call_take(order=order, now=order.requested_at)

    tasks.tool_calls_expire()
    tasks.tool_calls_expire()

    assert row_of(order).status == ToolCall.Status.TIMED_OUT
    own = [record for record in caplog.records if record.name == tasks.__name__]
    assert [record.message for record in own] == ["tool calls had been forgotten"]


def test_no_log_line_holds_what_was_said_or_any_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    spoken = {"slot": "spoken-argument"}
    context = {
        "customer": {"number": "+13125550177"},
        "messages": [{"role": "user", "message": "spoken-words"}],
    }
    with serve(booking) as server:
        order = make_order(
            url=f"{server.url}?secret=url-secret",
            arguments=spoken,
            context=context,
            server_secret_token=encrypt("header-secret"),
        )
        forward(order)
        forward(order)
        forward(make_order(url=refused_url() + "?secret=url-secret", arguments=spoken))
        forward(replace(order, tool_call_id="call_2", auth=ServerAuth(secret_token="no token")))

    written = "\n".join(str(vars(record)) for record in caplog.records)
    assert "tool call forwarded" in written
    for private in ("spoken", "secret", "+1312", "Booked"):
        assert private not in written
