"""Messages that make trouble, and what they may cost the others of their call, and other calls: little."""

from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from calls.messages import outbox, sending
from calls.messages.bodies import message_body
from calls.messages.outbox import Result, claim, lanes_due
from calls.messages.sending import lane_send, retry_after_s
from calls.messages.services import calls_untold, messages_notice, status_changed
from calls.models import Call, ServerMessage
from calls.tests.messages.factories import BEGAN, Hooks, make_desk, make_told_call
from tools.backoff import Backoff
from tools.clients import HttpAnswer, HttpRequest, ToolError

pytestmark = pytest.mark.django_db

AWAY = Result("timeout", "It was not taken.")


@pytest.fixture(autouse=True)
def empty(redis_client: "redis.Redis") -> None:
    """What workers know together is not of another test."""


def noticed(*listed: str) -> Call:
    return many_noticed(1, *listed)[0]


def many_noticed(n: int, *listed: str) -> list[Call]:
    """Calls of one desk, with their messages in the outbox."""
    desk = make_desk(server_messages=list(listed or ("status-update", "end-of-call-report")))
    calls = [make_told_call(assistant=desk) for _ in range(n)]
    messages_notice([one.pk for one in calls], now=timezone.now())
    return calls


def states(call: Call) -> list[str]:
    return list(call.server_messages.order_by("id").values_list("state", flat=True))


def answering(status: int, **headers: str) -> Any:
    def send(request: HttpRequest, *, timeout_s: float, send_within_s: float) -> HttpAnswer:
        return HttpAnswer(status, "", b"", 10, headers)

    return send


def failing(error: ToolError) -> Any:
    def send(request: HttpRequest, *, timeout_s: float, send_within_s: float) -> HttpAnswer:
        raise error

    return send


# --- Of its own call ------------------------------------------------------------------------------------------------


def test_the_end_of_a_call_that_a_server_cannot_stand_holds_the_report_up_for_minutes_and_not_for_hours() -> (
    None
):
    hooks = Hooks(lambda _: 500)
    call = noticed("status-update", "end-of-call-report")
    call.server_messages.filter(key="status:in-progress").update(state="sent")

    def choosy(request: HttpRequest, **given: Any) -> HttpAnswer:
        answer = hooks(request, **given)
        return answer if hooks.messages[-1]["type"] == "status-update" else HttpAnswer(200, "", b"", 5)

    for _ in range(outbox.HOLDS_UP):
        assert lane_send(call.pk, send=choosy) == 1
        assert states(call)[1:] == ["waiting", "waiting"]
        call.server_messages.filter(state="waiting", attempts_n__lt=outbox.HOLDS_UP).update(
            due_at=timezone.now()
        )

    assert lanes_due(now=timezone.now()) == [call.pk]
    lane_send(call.pk, send=choosy)

    assert hooks.kinds[-1] == "end-of-call-report"
    assert states(call) == ["sent", "waiting", "sent"]
    ended = call.server_messages.get(key="status:ended")
    ServerMessage.objects.filter(pk=ended.pk).update(due_at=timezone.now())
    assert (
        lane_send(call.pk, send=answering(200)) == 1
    )  # and is told all the same, when the server can stand it


def test_what_is_overtaken_and_what_overtakes_it_are_not_on_their_way_together() -> None:
    call = noticed("status-update", "end-of-call-report")
    ServerMessage.objects.filter(key__startswith="status").update(attempts_n=outbox.HOLDS_UP)
    first = claim(call.pk, now=timezone.now())
    assert first is not None

    assert claim(call.pk, now=timezone.now()) is None
    assert lanes_due(now=timezone.now()) == []


def test_a_message_that_ends_whoever_sends_it_is_given_up_after_a_few_attempts() -> None:
    call, hooks = noticed(), Hooks()
    for _ in range(outbox.MOST_LOST):
        assert claim(call.pk, now=timezone.now()) is not None
        call.server_messages.update(leased_until=None)  # nobody has settled it

    lane_send(call.pk, send=hooks)

    assert states(call) == ["dead", "sent", "sent"]
    assert "did not come back" in call.server_messages.order_by("id")[0].error


def test_a_body_that_cannot_be_made_is_given_up_and_the_next_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = message_body

    def breaks(row: ServerMessage, subject: Any) -> Any:
        if row.key == "status:in-progress":
            raise KeyError("id")
        return made(row, subject)

    monkeypatch.setattr(sending, "message_body", breaks)
    call = noticed()

    lane_send(call.pk, send=answering(200))

    assert states(call) == ["dead", "sent", "sent"]


@pytest.mark.parametrize("code", ["answer_too_large", "answer_incomplete", "timeout"])
def test_a_server_that_said_yes_has_the_message_whatever_comes_behind_it(code: str) -> None:
    call = noticed("end-of-call-report")

    lane_send(call.pk, send=failing(ToolError(code=code, why="it was too large", sent=True, http_status=200)))

    assert states(call) == ["sent"]


def test_a_server_that_says_when_to_come_again_is_asked_then() -> None:
    call = noticed("end-of-call-report")

    lane_send(call.pk, send=answering(429, **{"Retry-After": "1800"}))

    row = call.server_messages.get()
    assert row.due_at is not None
    assert timedelta(minutes=29) < row.due_at - timezone.now() <= timedelta(minutes=30)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("", 0),
        ("-1", 0),
        ("soon", 0),
        ("9" * 400, 0),
        ("Fri, 20 Nov 2026 09:31:00 GMT", 59.876544),
        ("Fri, 20 Nov 2026 09:31:00 -0000", 59.876544),
        ("Fri, 20 Nov 2020 09:31:00 GMT", 0),
        ("Fri, 99 Nov 2026 09:31:00 GMT", 0),
        ("Fri, 20 Nov 99999999999 09:31:00 GMT", 0),
        ("Fri, 20 Nov 2026 09:31:00 +99999999999999", 0),
    ],
)
def test_when_to_come_again_is_read_as_servers_write_it(given: str, seconds: float) -> None:
    assert retry_after_s({"Retry-After": given}, now=BEGAN) == seconds


def test_a_server_cannot_put_a_message_off_for_longer_than_its_own_patience() -> None:
    row = ServerMessage(kind="end-of-call-report", key="report", attempts_n=1)
    later = Result("http_error", "", 503, retry_after_s=10**7)

    assert outbox.pause_after(row, later, plan=Backoff()) == outbox.LONGEST_PAUSE_S


def test_a_status_that_comes_behind_the_end_is_told_to_nobody() -> None:
    call = noticed()

    assert not status_changed(call.pk, "ringing", timezone.now())
    assert not call.server_messages.filter(key="status:ringing").exists()


# --- Of other calls -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_server_that_does_not_like_a_message_is_in_no_trouble(status: int) -> None:
    calls = many_noticed(4, "end-of-call-report")
    lane_send(calls[0].pk, send=answering(status))

    assert all(claim(call.pk, now=timezone.now()) for call in calls[1:])


def test_a_server_is_out_of_trouble_when_it_has_taken_something_since() -> None:
    calls = many_noticed(6, "end-of-call-report")
    lane_send(calls[0].pk, send=answering(503))
    assert claim(calls[1].pk, now=timezone.now()) is not None
    assert claim(calls[2].pk, now=timezone.now()) is None  # one at a time

    calls[1].server_messages.update(leased_until=None)
    lane_send(calls[1].pk, send=answering(200))
    ServerMessage.objects.update(due_at=timezone.now())

    assert all(claim(call.pk, now=timezone.now()) for call in calls[2:5])


def test_a_server_that_answers_quickly_is_sent_more_at_a_time_but_not_all_that_a_worker_can(
    settings: Settings,
) -> None:
    settings.SERVER_MESSAGES_AT_ONCE = 8
    calls = many_noticed(9, "end-of-call-report")
    lane_send(calls[0].pk, send=answering(200))

    taken = [claim(call.pk, now=timezone.now()) for call in calls[1:]]

    assert [one is not None for one in taken] == [True] * 6 + [False] * 2
    assert taken[0] is not None
    outbox.settle(taken[0], Result("", "", 200, 3000), plan=Backoff(), now=timezone.now())
    ServerMessage.objects.update(due_at=timezone.now())
    assert claim(calls[-1].pk, now=timezone.now()) is None  # it has become slow: four at a time


def test_without_redis_messages_go_out_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(outbox, "store", away)
    calls = many_noticed(2, "end-of-call-report")

    assert [lane_send(call.pk, send=answering(200)) for call in calls] == [1, 1]


def test_a_call_that_wants_no_report_is_not_looked_at_for_hours() -> None:
    told = make_told_call(assistant=make_desk(server_messages=["status-update"]))
    wants = make_told_call(assistant=make_desk())
    half_an_hour = timezone.now() - timedelta(minutes=30)
    Call.objects.update(ended_at=half_an_hour)

    assert calls_untold(now=timezone.now()) == [wants.pk]
    Call.objects.update(ended_at=timezone.now())
    assert set(calls_untold(now=timezone.now())) == {told.pk, wants.pk}


def test_a_message_takes_few_queries(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    call = noticed("status-update", "conversation-update", "end-of-call-report")
    hooks = Hooks()
    young = timezone.now() + timedelta(hours=1)  # however long the sending takes
    n = call.server_messages.update(at=young)

    with django_assert_max_num_queries(10 * n + 20):
        lane_send(call.pk, send=hooks)

    assert len(hooks.requests) == n
