"""The rows of orders: written once, however often; read by the session that goes on."""

import itertools
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from assistants.tests.factories import make_version
from calls import services
from calls.erasing.stripping import calls_strip
from calls.lines.after import GoesOn, call_after_stream
from calls.live.orders import order_received
from calls.models import Call, CallStripped, LiveOrder
from calls.orders.book import OrderBook, unanswered
from calls.orders.by import By
from calls.orders.rows import ENDED_FIRST, orders_forget_left, orders_open, orders_write
from calls.orders.tasks import order_write
from calls.privacy.keeping import CallKeeping
from calls.resumptions import history_stored, resumption_of
from calls.tests.factories import make_call, make_transfer
from calls.tests.stage import CALL, SNAPSHOT

pytestmark = pytest.mark.django_db
SAY = {"type": "call.say", "content": "A colleague will call you back.", "interruptible": True}


def talking(**fields: Any) -> Call:
    return make_call(**{"status": Call.Status.IN_PROGRESS, "ended_at": None, "ended_reason": "", **fields})


class Process:
    """The process that has the call: what it puts into the outbox is kept until somebody writes it."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.puts: list[dict[str, Any]] = []
        self.book = OrderBook(call.pk, CallKeeping(SNAPSHOT), lambda _, kwargs: self.puts.append(kwargs))
        self.book.begun()
        self.n = itertools.count(1)

    def takes(self, message: dict[str, Any], *, done: bool | str = False, refusal: str = "") -> str:
        order_id = f"order_{self.call.pk.hex[:8]}_{next(self.n)}"
        self.book.received({**message, "order_id": order_id})
        self.book.answered(order_id, refusal)
        if done:
            self.book.settled(order_id, "" if done is True else done)
        return order_id

    def write(self) -> None:
        for kwargs in self.puts:
            order_write(**kwargs)


def over(call: Call, reason: str = "customer-ended-call", session: int = 0) -> None:
    """The call's process says that it is over."""
    services.call_finish(
        call_id=call.pk, ended_at=timezone.now(), ended_reason=reason, facts={}, session=session
    )


def mute(who: str, *, on: bool) -> dict[str, Any]:
    return {"type": "call.mute", "who": who, "on": on}


def note(text: str, role: str = "system") -> dict[str, Any]:
    return {"type": "call.add_message", "message": {"role": role, "content": text}}


@pytest.mark.parametrize("sequence", [(0, 1), (1, 0), (0, 0, 1, 1), (1, 0, 1)])
def test_in_whatever_order_and_however_often_it_is_written_it_is_one_row(sequence: tuple[int, ...]) -> None:
    process = Process(talking())
    process.takes(SAY, done=True)

    for n in sequence:
        order_write(**process.puts[n])

    row = LiveOrder.objects.get()
    assert (row.kind, row.words, row.result, row.order) == ("say", SAY["content"], "taken", "")
    assert row.taken_at is not None
    assert row.done_at is not None
    assert row.asked_at <= row.taken_at <= row.done_at


def test_the_call_s_own_word_outdoes_that_of_somebody_who_gave_up_waiting_but_not_the_other_way_round() -> (
    None
):
    process = Process(talking())
    order_id = process.takes(SAY)
    gave_up = unanswered({**SAY, "order_id": order_id}, LiveOrder.Result.NOBODY)
    assert gave_up is not None

    for writes in ([gave_up], [process.puts[0]["order"]], [gave_up]):
        orders_write(process.call.pk, writes)

    row = LiveOrder.objects.get()
    assert (row.result, row.words, row.why) == ("taken", SAY["content"], "")
    assert row.order, "and the next session may have to do it"


def test_a_refusal_outdoes_that_of_somebody_who_gave_up_waiting_and_not_that_it_was_taken_elsewhere() -> None:
    process = Process(talking())
    refused = process.takes(SAY, refusal="The call is about to end.")
    taken = process.takes(SAY)
    late = {"result": "refused", "why": "The stream never began.", "taken_at": "", "order": ""}
    gave_up = unanswered({**SAY, "order_id": refused}, LiveOrder.Result.UNKNOWN)
    assert gave_up is not None

    orders_write(process.call.pk, [gave_up, *(one["order"] for one in process.puts)])
    orders_write(process.call.pk, [{**process.puts[1]["order"], **late}])

    by_id = {row.order_id: row for row in LiveOrder.objects.all()}
    assert (by_id[refused].result, by_id[refused].why) == ("refused", "The call is about to end.")
    assert (by_id[taken].result, by_id[taken].why) == ("taken", "")


def test_words_stay_though_somebody_is_quicker_who_has_forgotten_them() -> None:
    process = Process(talking())
    process.takes(SAY, done=True)
    process.takes({"type": "call.transfer", "destination": {"number": "+13125550100"}}, done=True)

    orders_write(process.call.pk, process.book.rows())
    process.write()
    orders_write(process.call.pk, process.book.rows())

    said, dialled = LiveOrder.objects.order_by("id")
    assert (said.words, bool(said.done_at)) == (SAY["content"], True)
    assert (dialled.destination, bool(dialled.done_at)) == ("+13125550100", True)


def test_of_an_unknown_call_nothing_is_written_and_of_one_that_is_over_nothing_waits() -> None:
    over = Process(make_call())
    over.takes(SAY)
    over.write()

    assert LiveOrder.objects.get().order == ""
    assert not orders_write(uuid.uuid4(), [over.puts[0]["order"]])


def test_whoever_gave_it_may_be_gone_when_it_is_written() -> None:
    user = User.objects.create_user("maria")
    process = Process(talking())
    process.takes({**SAY, "by": By(LiveOrder.By.USER, "maria", user_id=user.pk).to_json()})
    process.takes({**SAY, "by": By(LiveOrder.By.KEY, "API key x", key_id=str(uuid.uuid4())).to_json()})
    process.write()

    by_user, by_key = LiveOrder.objects.order_by("id")
    assert (by_user.by, by_user.by_label, by_user.actor) == ("user", "maria", user)
    assert (by_key.by, by_key.by_label, by_key.key) == ("key", "API key x", None)


# The session that goes on -----------------------------------------------------------------------------------------


def test_the_next_session_is_ordered_again_what_was_taken_and_not_done() -> None:
    process = Process(talking())
    process.takes(SAY, done=True)
    process.takes({**SAY, "content": "Refused."}, refusal="The call is over.")
    process.takes({**SAY, "content": "Cut."}, done="It was cut short.")
    waiting = process.takes({**SAY, "content": "Still to be said.", "end_after": True})
    process.write()

    (again,) = orders_open(process.call)

    assert (again["content"], again["end_after"], again["order_id"]) == ("Still to be said.", True, waiting)
    assert not isinstance(order_received(again, CALL), str)


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([("customer", True)], {"customer"}),
        ([("customer", True), ("assistant", True)], {"customer", "assistant"}),
        ([("customer", True), ("customer", False)], set()),
        ([("customer", False), ("customer", True)], {"customer"}),
        ([("assistant", True), ("customer", True), ("customer", False)], {"assistant"}),
    ],
)
def test_who_was_muted_is_muted_again(orders: list[tuple[str, bool]], expected: set[str]) -> None:
    process = Process(talking())
    for who, on in orders:
        process.takes(mute(who, on=on), done=True)
    process.write()

    again = orders_open(process.call)

    assert {one["who"] for one in again if one["on"]} == expected
    assert len(again) == len(expected)


def test_a_transfer_that_was_begun_is_not_begun_again_though_nobody_could_say_so() -> None:
    process = Process(talking())
    order_id = process.takes(
        {"type": "call.transfer", "destination": {"type": "number", "number": "+13125550100"}}
    )
    process.write()
    assert len(orders_open(process.call)) == 1

    make_transfer(call=process.call, tool_call_id=order_id)

    assert orders_open(process.call) == []


def test_messages_that_were_added_are_part_of_what_is_written_down() -> None:
    call = talking(started_at=timezone.now() - timedelta(seconds=60))
    process = Process(call)
    process.takes(note("A regular."), done=True)
    process.takes(note("I have paid.", role="user"), done=True)
    process.takes(note("Not taken."), refusal="The call is over.")
    process.write()

    first, second = history_stored(call)

    assert (first["role"], first["message"]) == ("system", "A regular.")
    assert (second["role"], second["message"], second["duration"]) == ("user", "I have paid.", 0)
    assert 59 < first["secondsFromStart"] < 90


def test_a_call_that_comes_back_brings_its_orders_from_whatever_it_was_away_for() -> None:
    for kind in ("keys", "lost", "transfer"):
        call = talking(started_at=timezone.now() - timedelta(seconds=60))
        process = Process(call)
        process.takes(mute("assistant", on=True), done=True)
        process.write()
        if kind == "transfer":
            make_transfer(call=call, dial_status="busy", resumed_at=timezone.now())
        else:
            call.breaks.create(kind=kind, began_at=timezone.now(), asked={})

        back = resumption_of(call, language="en")

        assert back is not None
        assert [one["type"] for one in back.orders] == ["call.mute"]


# The end ----------------------------------------------------------------------------------------------------------


def test_when_the_call_is_over_nothing_of_it_waits_any_more() -> None:
    call = talking(started_at=timezone.now())
    process = Process(call)
    process.takes(SAY)
    process.write()

    services.call_over(call_sid=call.call_sid, ended_reason="customer-ended-call")

    row = LiveOrder.objects.get()
    assert (row.order, row.result, row.done_at) == ("", "taken", None)
    assert row.failed_at is not None, "whoever looks at it need not look at the call to know"
    assert row.why == ENDED_FIRST


@pytest.mark.parametrize("written", ["before", "after"])
def test_of_what_was_done_in_the_last_moment_the_call_s_own_word_counts_whenever_it_is_written(
    written: str,
) -> None:
    call = talking(started_at=timezone.now())
    process = Process(call)
    order_id = process.takes(SAY)
    cut = process.takes(SAY)
    if written == "before":
        process.write()
    over(call)
    process.write()
    assert {row.why for row in LiveOrder.objects.all()} == {ENDED_FIRST}

    process.book.settled(order_id, "")
    process.book.settled(cut, "It was cut short.")
    process.write()

    done, failed = LiveOrder.objects.order_by("id")
    assert (bool(done.done_at), done.failed_at, done.why) == (True, None, "")
    assert (failed.done_at, bool(failed.failed_at), failed.why) == (None, True, "It was cut short.")


@pytest.mark.parametrize("written", ["before", "after"])
def test_a_call_that_has_lost_its_stream_may_come_back_and_then_does_what_was_not_done(written: str) -> None:
    call = talking(started_at=timezone.now(), token_used_at=timezone.now(), version=make_version())
    process = Process(call)
    order_id = process.takes(SAY)
    if written == "before":
        process.write()
    over(call, "phone-call-provider-closed-websocket")
    if written == "after":
        process.write()

    assert isinstance(call_after_stream(call_sid=call.call_sid), GoesOn)

    assert [one["order_id"] for one in orders_open(call)] == [order_id]
    # It has come back once. Whoever loses it once more does not get it again.
    call.breaks.update(began_at=timezone.now() - timedelta(minutes=5))
    over(call, "phone-call-provider-closed-websocket", session=1)
    assert orders_open(call) == []
    assert LiveOrder.objects.get().why == ENDED_FIRST


def test_a_call_that_has_lost_its_stream_and_does_not_come_back_forgets_with_twilio_s_word() -> None:
    call = talking(started_at=timezone.now(), version=make_version())
    process = Process(call)
    process.takes(SAY)
    process.write()
    over(call, "phone-call-provider-closed-websocket")
    assert LiveOrder.objects.get().order

    services.call_over(call_sid=call.call_sid, ended_reason="customer-ended-call")

    row = LiveOrder.objects.get()
    assert (row.order, row.why) == ("", ENDED_FIRST)


def test_of_a_call_of_whose_end_nobody_tells_the_beat_forgets_what_was_kept() -> None:
    call = talking(started_at=timezone.now(), version=make_version())
    process = Process(call)
    process.takes(SAY)
    process.write()
    over(call, "phone-call-provider-closed-websocket")

    assert orders_forget_left(now=timezone.now()) == 0
    assert orders_forget_left(now=timezone.now() + timedelta(hours=1)) == 1
    row = LiveOrder.objects.get()
    assert (row.order, row.why) == ("", ENDED_FIRST)


def test_a_transfer_that_twilio_has_taken_is_done_though_its_process_died_before_it_could_say_so() -> None:
    call = talking(started_at=timezone.now())
    process = Process(call)
    to = {"type": "call.transfer", "destination": {"type": "number", "number": "+13125550100"}}
    dialled, refused = process.takes(to), process.takes(to)
    process.write()
    make_transfer(call=call, tool_call_id=dialled, dialled_at=timezone.now())
    make_transfer(call=call, tool_call_id=refused, dialled_at=None)

    over(call)

    done, failed = LiveOrder.objects.order_by("id")
    assert (bool(done.done_at), done.failed_at, done.why) == (True, None, "")
    assert (failed.done_at, failed.why) == (None, ENDED_FIRST)


def test_erasing_takes_what_was_said_and_leaves_who_ordered_what() -> None:
    process = Process(make_call())
    process.takes(SAY, done="It was cut short.")
    process.takes({"type": "call.transfer", "destination": {"type": "number", "number": "+13125550100"}})
    process.write()

    calls_strip([process.call.pk], why=CallStripped.Why.ERASED)

    for row in LiveOrder.objects.all():
        assert (row.words, row.destination, row.why, row.order) == ("", "", "", "")
        assert row.by_label == "Tandem"
