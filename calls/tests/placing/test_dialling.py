"""Orders that go wrong in ways that are not the call's fault: nobody else's call is touched, and the others go on."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.clients import CallState, TwilioRefusedError
from calls.dialling.ordering import CallOrder, NotPlacedError, UnsureError
from calls.models import Call, Placing
from calls.placing.dialling import Dialled, placing_dial, placings_find, placings_hang_up, placings_look
from calls.placing.turns import placing_take
from calls.tests.placing.desk import CALLEE, DID, Desk, age

NOW = timezone.now
THEIRS = "CA" + "f" * 32


def somebody_else_calls(desk: Desk) -> None:
    """Another program, or Vapi, calls the same person from the same number just now."""
    order = CallOrder(to=CALLEE, caller=DID, url="https://x.test", status_url="https://x.test", rings_s=60)
    desk.telephone.calls[THEIRS] = (order, NOW())


def test_a_call_that_was_called_off_before_its_order_is_looked_for_nowhere(desk: Desk) -> None:
    told = desk.place()
    placing = placing_take(now=NOW())
    assert placing is not None
    desk.ask("DELETE", f"/call/{told['id']}", {})

    assert placing_dial(placing, desk.telephone) is Dialled.UNWANTED
    somebody_else_calls(desk)
    age(desk.call(told), seconds=20)
    placings_find(desk.telephone, now=NOW())
    placings_hang_up(desk.telephone)

    assert (desk.telephone.orders, desk.telephone.hung_up) == ([], [])
    assert (desk.call(told).placing.state, desk.call(told).call_sid) == ("over", "")


def test_what_twilio_tells_of_a_call_counts_more_than_what_was_found_by_looking(desk: Desk) -> None:
    told = desk.place()
    desk.telephone.faults = [UnsureError("ReadTimeout")]
    desk.dial()
    somebody_else_calls(desk)
    age(desk.call(told), seconds=20)
    looked = desk.telephone.seen

    def meanwhile(**asked: Any) -> list[str]:
        found = looked(**asked)
        desk.tell(told["id"], CallSid=f"CA{1:032}", CallStatus="initiated")
        return found

    desk.telephone.seen = meanwhile  # type: ignore[method-assign]
    placings_find(desk.telephone, now=NOW())

    assert desk.call(told).call_sid == f"CA{1:032}"


def test_an_order_is_not_given_up_that_twilio_tells_of_at_that_moment(desk: Desk) -> None:
    told = desk.place()
    desk.telephone.faults = [UnsureError("ReadTimeout")]
    desk.dial()
    age(desk.call(told), minutes=3)

    def meanwhile(**_: Any) -> list[str]:
        desk.tell(told["id"], CallSid=f"CA{1:032}", CallStatus="initiated")
        return []

    desk.telephone.seen = meanwhile  # type: ignore[method-assign]
    placings_find(desk.telephone, now=NOW())

    call = desk.call(told)
    assert (call.status, call.placing.state, call.problems.count()) == ("queued", "placed", 0)


def test_a_call_that_was_scheduled_long_ago_is_known_by_its_own_id(desk: Desk) -> None:
    at = NOW() + timedelta(days=9)
    scheduled, lost = desk.place(schedulePlan={"earliestAt": at.isoformat()}), desk.place(name="lost")
    Call.objects.filter(pk=scheduled["id"]).update(created_at=NOW() - timedelta(days=9))
    Placing.objects.filter(pk=scheduled["id"]).update(due_at=NOW())
    desk.telephone.faults = [UnsureError("ReadTimeout"), None]

    assert desk.dial() == [Dialled.UNSURE, Dialled.PLACED]
    age(desk.call(lost), minutes=1)
    placings_find(desk.telephone, now=NOW())
    assert desk.call(lost).placing.state == "dialling"
    age(desk.call(lost), minutes=2)
    placings_find(desk.telephone, now=NOW())

    # It does not keep its place for ever.
    assert desk.call(lost).problems.get().code == "order_lost"
    assert desk.call(scheduled).call_sid == f"CA{2:032}"


def test_an_account_that_says_nothing_is_asked_once_in_a_run_and_waited_for_longer(desk: Desk) -> None:
    told = [desk.place(name=str(n)) for n in range(3)]
    desk.telephone.faults = [UnsureError("ReadTimeout")] * 3
    desk.dial()
    for one in told:
        age(desk.call(one), minutes=3)
    asked: list[str] = []

    def seen(*, to: str, **_: Any) -> list[str]:
        asked.append(to)
        raise UnsureError("ReadTimeout")

    desk.telephone.seen = seen  # type: ignore[method-assign]

    assert placings_find(desk.telephone, now=NOW()) == 0
    assert placings_find(desk.telephone, now=NOW() + timedelta(minutes=8)) == 3
    assert len(asked) == 2


def test_a_call_that_is_another_rows_by_now_is_no_reason_to_wait_for_ever(desk: Desk) -> None:
    told = desk.place()
    desk.telephone.faults, desk.telephone.executes = [UnsureError("ReadTimeout")], True
    desk.dial()
    Call.objects.create(call_sid=f"CA{1:032}", did="+14155550166", caller=CALLEE)
    age(desk.call(told), minutes=3)

    placings_find(desk.telephone, now=NOW())

    assert desk.call(told).problems.get().code == "order_lost"


@pytest.mark.parametrize("ends", ["refused", "given up", "called off"])
def test_calls_that_are_over_before_they_were_placed_wait_in_nobodys_way(desk: Desk, ends: str) -> None:
    told = desk.place()
    if ends == "refused":
        desk.telephone.faults = [NotPlacedError(400, 21211)]
        desk.dial()
    elif ends == "given up":
        type(desk.number).objects.filter(pk=desk.number.pk).update(enabled=False)
        desk.dial()
    else:
        desk.ask("DELETE", f"/call/{told['id']}", {})

    call = desk.call(told)
    assert call.status == Call.Status.ENDED
    # What was ordered may ring in spite of Twilio's word, and is hung up then.
    assert call.placing.state == ("placed" if ends == "refused" else "over")


def test_an_account_that_is_not_ours_any_more_keeps_no_other_call_from_being_asked_about(desk: Desk) -> None:
    first, second = desk.place(), desk.place(name="the other")
    desk.dial()
    for told in (first, second):
        age(desk.call(told), minutes=3)

    def state(call_sid: str, *, account_sid: str) -> CallState:
        if call_sid == f"CA{1:032}":
            raise TwilioRefusedError("Twilio answered 401, error 20003.")
        return CallState("no-answer", None)

    desk.telephone.state = state  # type: ignore[method-assign]
    placings_look(desk.telephone, now=NOW())

    assert [desk.call(one).status for one in (first, second)] == ["queued", "ended"]
    # Its place is not taken for ever, either.
    age(desk.call(first), minutes=10)
    (heard,) = placings_look(desk.telephone, now=NOW() + timedelta(minutes=2))
    assert (heard.call.pk, heard.over) == (desk.call(first).pk, "twilio-failed-to-connect-call")


def test_a_call_of_which_twilio_says_nothing_keeps_no_other_from_being_asked_about(desk: Desk) -> None:
    first, second = desk.place(), desk.place(name="the other")
    desk.dial()
    for told in (first, second):
        age(desk.call(told), minutes=3)

    def state(call_sid: str, *, account_sid: str) -> CallState:
        if call_sid == f"CA{1:032}":
            raise TwilioRefusedError("Twilio answered 500, error 20500.", unsure=True)
        return CallState("no-answer", None)

    desk.telephone.state = state  # type: ignore[method-assign]

    assert placings_look(desk.telephone, now=NOW()) == []
    (heard,) = placings_look(desk.telephone, now=NOW())
    assert heard.call.pk == desk.call(second).pk


def test_calls_that_cannot_be_hung_up_do_not_keep_others_on_the_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calls.placing.dialling._MOST", 1)
    told = [desk.place(name=str(n)) for n in range(2)]
    desk.dial()
    for one in told:
        desk.ask("DELETE", f"/call/{one['id']}", {})
    hung_up = desk.telephone.hang_up

    def hang_up(call_sid: str, *, account_sid: str) -> None:
        if call_sid == f"CA{1:032}":
            raise TwilioRefusedError("Twilio answered 401, error 20003.")
        hung_up(call_sid, account_sid=account_sid)

    desk.telephone.hang_up = hang_up  # type: ignore[method-assign]
    assert [placings_hang_up(desk.telephone) for _ in range(3)] == [0, 1, 0]

    assert desk.telephone.hung_up == [f"CA{2:032}"]
    # Nobody's telephone rings for a day.
    assert placings_hang_up(FailsTelephone(), clock=lambda: NOW() + timedelta(hours=25)) == 0
    assert Placing.objects.get(hang_up=True).call_id == desk.call(told[0]).pk


def test_twilio_that_is_away_is_asked_to_hang_up_once_in_a_run(desk: Desk) -> None:
    for n in range(3):
        desk.place(name=str(n))
    desk.dial()
    Placing.objects.update(hang_up=True)
    asked: list[str] = []

    def hang_up(call_sid: str, *, account_sid: str) -> None:
        asked.append(call_sid)
        raise TwilioRefusedError("Twilio could not be reached: ReadTimeout.", unsure=True)

    desk.telephone.hang_up = hang_up  # type: ignore[method-assign]
    for _ in range(3):
        assert placings_hang_up(desk.telephone) == 0

    assert sorted(asked) == [f"CA{n:032}" for n in (1, 2, 3)]


class FailsTelephone:
    """It must not be used."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)
