"""What comes in any order, twice, or at the same moment."""

import itertools
import random
import threading
import uuid
from typing import Any

import pytest
from celery.exceptions import OperationalError as BrokerError
from django.db import connection, connections, transaction
from django.utils import timezone

from calls.models import Call, CallRequest, Placing
from calls.placing import tasks
from calls.placing.cancelling import call_cancel
from calls.placing.progress import answer_told, placing_placed, status_told
from calls.placing.turns import placing_take
from calls.tests.placing.desk import ACCOUNT, DID, Desk

SID = f"CA{1:032}"
Status = Call.Status


def dialled() -> Call:
    """A call that was just ordered from Twilio, and of which nothing is known yet."""
    now = timezone.now()
    call = Call.objects.create(
        direction=Call.Direction.OUTBOUND,
        status=Status.QUEUED,
        account_sid=ACCOUNT,
        did=DID,
        caller="+13125550177",
    )
    request = CallRequest.objects.create(digest=uuid.uuid4().hex)
    Placing.objects.create(
        call=call, request=request, state="dialling", due_at=now, give_up_at=now, claimed_at=now, customer={}
    )
    return call


def told(call: Call, what: str) -> None:
    """One thing that happens to a call: a callback, Twilio's answer to the order, or somebody who calls it off."""
    now = timezone.now()
    match what:
        case "answer":
            placing_placed(call.pk, SID)
        case "cancel":
            call_cancel(call.pk, now=now)
        case "voice":
            answer_told(call.pk, call_sid=SID, account_sid=ACCOUNT, at=now)
        case _:
            status_told(call.pk, call_sid=SID, account_sid=ACCOUNT, status=what, at=now)


FIRST_FOUR = ("answer", "ringing", "in-progress", "voice")
ORDERS = {last: list(itertools.permutations([*FIRST_FOUR, last])) for last in ("busy", "completed", "cancel")}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("last", "few"),
    [("busy", 4), ("cancel", 6), *(pytest.param(one, 120, marks=pytest.mark.long) for one in ORDERS)],
)
def test_in_whatever_order_things_happen_a_call_that_is_over_stays_over(last: str, few: int) -> None:
    for order in random.Random(last).sample(ORDERS[last], few):  # noqa: S311  # no secret
        with transaction.atomic():
            call = dialled()
            ended = False
            for what in (*order, order[0], order[2]):  # some of it twice
                told(call, what)
                call.refresh_from_db()
                ended = ended or call.status == Status.ENDED
                assert ended == (call.status == Status.ENDED), order
            placing = Placing.objects.get(pk=call.pk)
            answered_first = {"in-progress", "voice"} & set(order[: order.index(last)])
            assert ended == (last != "cancel" or not answered_first), order
            assert (call.call_sid, placing.state) == (SID, "placed" if last == "cancel" else "over"), order
            # Whoever called it off, or is called by a call that is off, is hung up on.
            assert placing.hang_up == (last == "cancel" and ended), order
            transaction.set_rollback(True)


@pytest.mark.long  # the tables are emptied after it
@pytest.mark.django_db(transaction=True)
def test_two_workers_take_one_call_once() -> None:
    for _ in range(3):
        call = dialled()
        Placing.objects.filter(pk=call.pk).update(state="waiting", give_up_at=timezone.now())
    taken: list[uuid.UUID] = []
    together = threading.Barrier(4)

    def work() -> None:
        try:
            together.wait(120)
            while (placing := placing_take(now=timezone.now())) is not None:
                taken.append(placing.pk)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)

    assert sorted(taken) == sorted(Placing.objects.values_list("pk", flat=True))
    assert set(Placing.objects.values_list("attempts", flat=True)) == {1}
    assert connection.vendor == "postgresql"


def test_the_worker_goes_from_one_to_the_next_and_tells_of_scheduled_ones(
    desk: Desk, kicked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses: list[tuple[str, int]] = []
    monkeypatch.setattr(tasks, "TwilioTelephone", lambda: desk.telephone)
    monkeypatch.setattr(
        tasks,
        "status_changed",
        lambda _, status, __: statuses.append((status, len(desk.telephone.orders))),
    )
    desk.place(name="a")
    later = desk.place(name="b", schedulePlan={"earliestAt": timezone.now().isoformat()})
    Placing.objects.filter(pk=desk.call(later).pk).update(due_at=timezone.now())

    tasks.placings_go_on()

    assert len(desk.telephone.orders) == 2
    assert statuses == [("queued", 0), ("queued", 1)], (
        "each before it is dialled, so before Twilio says that it rings"
    )
    assert [one.state for one in Placing.objects.all()] == ["placed", "placed"]


def test_what_the_broker_does_not_take_the_beat_does(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> None:
        raise BrokerError

    monkeypatch.setattr(tasks.placings_dial, "delay", away)

    told_of = desk.place()

    assert told_of["status"] == "queued"
    assert [one.value for one in desk.dial()] == ["placed"]
