"""Sending messages: in their order, once each as far as anybody can tell, and nobody's at the cost of another's."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import connection, connections
from django.utils import timezone
from pytest_django import Settings

from assistants.tests.factories import make_assistant
from calls.messages import outbox
from calls.messages.outbox import claim, lanes_due, messages_expire, messages_resend
from calls.messages.sending import lane_send
from calls.messages.services import messages_notice
from calls.models import Call, CallStripped, NumberServer, ServerMessage
from calls.tests.factories import make_call
from calls.tests.messages.factories import URL, Hooks, make_desk, make_told_call
from tools.auth.credentials import PRESETS
from tools.auth.hosts import entry_for
from tools.backoff import Backoff
from tools.clients import HttpAnswer, HttpRequest, ToolError
from tools.models import Credential
from tools.observing import metrics

pytestmark = pytest.mark.django_db

TIMEOUT = ToolError(code="timeout", why="no complete answer came within 20 seconds", sent=True, late=True)


@pytest.fixture(autouse=True)
def empty(redis_client: "redis.Redis") -> None:
    """What workers know together of servers in trouble is not of another test."""


FORBIDDEN = ToolError(code="forbidden_address", why="its address is private", sent=False)


def noticed(**fields: Any) -> Call:
    """A call that is over, with its messages in the outbox."""
    listed = fields.pop("listed", ["status-update", "end-of-call-report"])
    desk = make_desk(server_messages=listed, **fields.pop("desk", {}))
    call = make_told_call(assistant=desk, **fields)
    messages_notice([call.pk], now=timezone.now())
    return call


def states(call: Call) -> list[str]:
    return list(call.server_messages.order_by("id").values_list("state", flat=True))


def due_again(call: Call) -> None:
    call.server_messages.filter(state="waiting").update(due_at=timezone.now())


def test_messages_arrive_in_their_order_each_with_a_key_of_its_own() -> None:
    call, hooks = noticed(), Hooks()

    assert lane_send(call.pk, send=hooks) == 3

    assert hooks.kinds == ["status-update in-progress", "status-update ended", "end-of-call-report"]
    assert states(call) == ["sent"] * 3
    assert len(set(hooks.keys())) == 3
    assert {one.url for one in hooks.requests} == {URL}
    assert lane_send(call.pk, send=hooks) == 0


def test_a_later_message_waits_until_an_earlier_one_has_arrived() -> None:
    hooks = Hooks(lambda n: 500 if n == 1 else 200)
    call = noticed()

    lane_send(call.pk, send=hooks)
    assert (hooks.kinds, states(call)) == (["status-update in-progress"], ["waiting"] * 3)
    assert lane_send(call.pk, send=hooks) == 0  # its pause is not over
    due_again(call)
    lane_send(call.pk, send=hooks)

    assert hooks.kinds == [
        "status-update in-progress",
        "status-update in-progress",
        "status-update ended",
        "end-of-call-report",
    ]
    assert hooks.keys()[0] == hooks.keys()[1]
    assert hooks.requests[0].body == hooks.requests[1].body


def test_a_message_that_is_given_up_lets_the_next_one_go() -> None:
    hooks = Hooks(lambda n: 404 if n == 1 else 200)
    call = noticed()

    lane_send(call.pk, send=hooks)

    assert states(call) == ["dead", "sent", "sent"]
    dead = call.server_messages.get(state="dead")
    assert (dead.http_status, dead.error, dead.attempts_n) == (404, "The server answered 404.", 1)


def test_what_fails_for_good_is_given_up_after_the_last_pause() -> None:
    call, hooks = noticed(listed=["end-of-call-report"]), Hooks(lambda _: TIMEOUT)
    ServerMessage.objects.update(attempts_n=8)

    lane_send(call.pk, send=hooks)
    assert states(call) == ["waiting"]
    due_again(call)
    lane_send(call.pk, send=hooks)

    assert (states(call), len(hooks.requests)) == (["dead"], 2)


def test_words_in_passing_are_tried_once_as_at_vapi() -> None:
    hooks = Hooks(lambda _: TIMEOUT)
    call = noticed(listed=["transcript"])

    lane_send(call.pk, send=hooks)

    assert states(call) == ["dead"] * 3


def test_while_a_server_is_slow_the_last_of_passing_messages_stands_for_all() -> None:
    call, hooks = noticed(listed=["conversation-update", "end-of-call-report"]), Hooks()
    ServerMessage.objects.update(at=timezone.now() - timedelta(minutes=1))

    lane_send(call.pk, send=hooks)

    assert hooks.kinds == ["conversation-update", "end-of-call-report"]
    assert states(call) == ["skipped", "skipped", "sent", "sent"]


def test_a_message_whose_worker_died_is_sent_again_with_the_same_key_when_its_lease_is_over() -> None:
    call, hooks = noticed(listed=["end-of-call-report"]), Hooks()
    first = claim(call.pk, now=timezone.now())
    assert first is not None

    assert lane_send(call.pk, send=hooks) == 0
    ServerMessage.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert lane_send(call.pk, send=hooks) == 1

    assert hooks.keys() == [str(first.row.public_id).encode()]
    # The one that had it before comes back: what it knows changes nothing any more.
    assert outbox.settle(first, outbox.Result("timeout", "late"), plan=Backoff(), now=timezone.now()) == ""
    assert states(call) == ["sent"]


def test_secret_headers_and_signature_go_with_a_message_as_with_tools() -> None:
    credential = Credential.objects.create(
        name="Signing",
        kind="hmac",
        settings='{"preset": "x-vapi-signature", "secretKey": "s3cret"}',
        hosts=str(entry_for(URL)),
    )
    assert "x-vapi-signature" in PRESETS
    desk = {"server_secret": "abc", "server_headers": '{"X-Shop": "7"}', "credential": credential}
    call, hooks = noticed(listed=["end-of-call-report"], desk=desk), Hooks()

    lane_send(call.pk, send=hooks)

    headers = hooks.requests[0].headers
    assert (headers["X-Vapi-Secret"], headers["X-Shop"]) == (b"abc", b"7")
    assert len(headers["x-vapi-signature"]) == 64
    assert headers["Content-Type"] == b"application/json"


def test_a_secret_that_cannot_be_read_is_a_dead_letter_with_its_reason(settings: Settings) -> None:
    call, hooks = noticed(listed=["status-update"], desk={"server_secret": "abc"}), Hooks()
    settings.FIELD_ENCRYPTION_KEYS = ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]

    lane_send(call.pk, send=hooks)

    assert hooks.requests == []
    assert "secret cannot be decrypted" in call.server_messages.order_by("id")[0].error


def test_the_number_is_asked_where_the_assistant_has_no_server() -> None:
    desk = make_assistant(published=True, server_messages=["end-of-call-report"])
    call = make_told_call(assistant=desk)
    assert call.phone_number is not None
    NumberServer.objects.create(
        number=call.phone_number, server_url="https://number.example/x", server_secret="n"
    )
    messages_notice([call.pk], now=timezone.now())
    hooks = Hooks()

    lane_send(call.pk, send=hooks)

    assert (hooks.requests[0].url, hooks.requests[0].headers["X-Vapi-Secret"]) == (
        "https://number.example/x",
        b"n",
    )
    assert call.server_messages.get().server_from == "number"


def test_where_the_server_is_gone_the_message_is_left_out_and_says_so() -> None:
    desk = make_assistant(published=True, server_messages=["end-of-call-report"])
    call = make_told_call(assistant=desk)
    assert call.phone_number is not None
    server = NumberServer.objects.create(number=call.phone_number, server_url=URL)
    messages_notice([call.pk], now=timezone.now())
    server.delete()

    assert lane_send(call.pk, send=Hooks()) == 0

    assert call.server_messages.get().error == "There is no server for it any more."


def test_what_was_deleted_meanwhile_is_told_to_nobody() -> None:
    call, hooks = noticed(), Hooks()
    CallStripped.objects.create(call_id=call.pk, why="retention", at=timezone.now())

    lane_send(call.pk, send=hooks)

    assert (hooks.requests, states(call)) == ([], ["skipped"] * 3)


def test_people_have_a_message_sent_again_to_where_the_server_is_now() -> None:
    hooks = Hooks(lambda n: 410 if n == 1 else 200)
    call = noticed(listed=["end-of-call-report"])
    lane_send(call.pk, send=hooks)
    assert call.assistant is not None
    version = call.assistant.live_version
    assert version is not None
    newer = make_desk(server_url="https://new.example/vapi").live_version
    assert newer is not None
    type(call.assistant).objects.filter(pk=call.assistant.pk).update(live_version=newer)

    assert messages_resend(call.server_messages.values_list("pk", flat=True)) == 1
    lane_send(call.pk, send=hooks)

    assert [one.url for one in hooks.requests] == [URL, "https://new.example/vapi"]
    row = call.server_messages.get()
    assert (row.state, row.resent_n, row.attempts_n, row.error) == ("sent", 1, 1, "")


def test_a_message_that_is_on_its_way_is_not_sent_again_beside_itself() -> None:
    call = noticed(listed=["end-of-call-report"])
    assert claim(call.pk, now=timezone.now()) is not None

    assert messages_resend(call.server_messages.values_list("pk", flat=True)) == 0


def test_only_the_first_message_of_each_call_is_due() -> None:
    calm, held = noticed(), noticed()
    first = held.server_messages.order_by("id")[0]
    ServerMessage.objects.filter(pk=first.pk).update(due_at=timezone.now() + timedelta(minutes=5))

    assert lanes_due(now=timezone.now()) == [calm.pk]


def test_attempts_are_counted_by_what_became_of_them() -> None:
    call = noticed(listed=["end-of-call-report"])
    counter = metrics.SERVER_MESSAGES.labels("end-of-call-report", "dead")
    before = counter._value.get()

    lane_send(call.pk, send=Hooks(lambda _: 400))

    assert counter._value.get() == before + 1


def test_old_rows_go_and_what_waits_stays() -> None:
    call = noticed(listed=["status-update", "user-interrupted", "conversation-update", "end-of-call-report"])
    young = timezone.now() + timedelta(hours=1)  # however long the sending takes
    ServerMessage.objects.filter(kind="conversation-update").update(at=young)
    lane_send(call.pk, send=Hooks(lambda n: 503 if n == 7 else 200))
    assert states(call) == ["sent"] * 6 + ["waiting"]

    messages_expire(now=timezone.now() + timedelta(days=2), kept=timedelta(days=30))
    assert set(call.server_messages.values_list("kind", flat=True)) == {"status-update", "end-of-call-report"}
    messages_expire(now=timezone.now() + timedelta(days=31), kept=timedelta(days=30))

    assert set(states(call)) == {"waiting"}


# --- Many at once ------------------------------------------------------------------------------------------------


def test_to_one_server_only_a_few_go_at_a_time_and_to_one_in_trouble_a_single_one() -> None:
    calls = [noticed(listed=["end-of-call-report"]) for _ in range(6)]
    elsewhere = noticed(listed=["end-of-call-report"], desk={"server_url": "https://other.example/hook"})
    now = timezone.now()

    taken = [claim(call.pk, now=now) for call in calls]

    assert [one is not None for one in taken] == [True] * outbox.MOST_AT_ONCE + [False] * 2
    assert claim(elsewhere.pk, now=now) is not None
    waits = ServerMessage.objects.get(call=calls[-1])
    assert waits.due_at is not None
    assert waits.due_at > now

    assert taken[0] is not None
    outbox.settle(taken[0], outbox.Result("timeout", "late"), plan=Backoff(), now=now)
    for one in taken[1:4]:
        assert one is not None
        outbox.settle(one, outbox.Result(), plan=Backoff(), now=now)
    ServerMessage.objects.filter(state="waiting").update(due_at=now)
    assert [claim(call.pk, now=now) is not None for call in calls[4:]] == [True, False]


@pytest.fixture
def committed(transactional_db: None) -> Iterator[None]:
    yield
    connections.close_all()


def test_a_server_that_hangs_holds_up_nobody_elses_messages(committed: None) -> None:
    slow = [noticed(desk={"server_url": "https://slow.example/"}) for _ in range(6)]
    quick = [noticed() for _ in range(4)]
    hangs, hooks = threading.Event(), Hooks()

    def send(request: HttpRequest, *, timeout_s: float, send_within_s: float) -> HttpAnswer:
        if "slow" in request.url:
            hangs.wait(600)
        return hooks(request, timeout_s=timeout_s, send_within_s=send_within_s)

    def run(call: Call) -> int:
        try:
            return lane_send(call.pk, send=send)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        slow_runs = [pool.submit(run, call) for call in slow]
        quick_runs = [pool.submit(run, call) for call in quick]
        # Eight threads, six calls for the slow server: four of them wait there, and the others come through.
        arrived = [one.result(120) for one in quick_runs]
        assert not hangs.is_set()
        hangs.set()
        for one in slow_runs:
            one.result(120)

    assert arrived == [3] * 4


def test_however_many_workers_take_up_a_call_each_message_is_written_and_sent_once_and_in_order(
    committed: None,
) -> None:
    call = make_told_call(assistant=make_desk(server_messages=["status-update", "end-of-call-report"]))
    hooks = Hooks()

    def run(_: int) -> int:
        try:
            messages_notice([call.pk], now=timezone.now())
            return lane_send(call.pk, send=hooks)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        sum(pool.map(run, range(6)))
    lane_send(call.pk, send=hooks)

    assert hooks.kinds == ["status-update in-progress", "status-update ended", "end-of-call-report"]


def test_a_call_that_is_gone_leaves_no_message_behind() -> None:
    call = noticed()
    make_call()

    call.delete()

    assert not ServerMessage.objects.exists()
