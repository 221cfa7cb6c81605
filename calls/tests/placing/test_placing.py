"""Calls that programs have placed: asked for by HTTP, dialled once, and followed to their end."""

from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.utils import timezone
from pytest_django import Settings

from calls.dialling.ordering import NeverSentError, NotPlacedError, UnsureError
from calls.models import Call, Placing
from calls.placing.dialling import Dialled, placings_find, placings_hang_up, placings_look
from calls.placing.turns import placings_give_up
from calls.selectors import call_for_stream
from calls.services import call_finish, stream_claim
from calls.tests.placing.desk import ACCOUNT, CALLEE, DID, Desk, age
from calls.variables import call_rendered

Status = Call.Status
NOW = timezone.now


def test_a_call_is_answered_as_queued_and_then_dialled_with_its_own_addresses(
    desk: Desk, kicked: list[str]
) -> None:
    told = desk.place(
        name="reminder", metadata={"order": 7}, customer={"number": CALLEE, "name": "Marta Ilves"}
    )

    assert (told["status"], told["type"]) == ("queued", "outboundPhoneCall")
    assert told["customer"] == {"number": CALLEE, "name": "Marta Ilves"}
    assert (told["name"], told["metadata"]) == ("reminder", {"order": 7})
    assert told["phoneNumberId"] == str(desk.number.pk)
    assert told["monitor"]["controlUrl"].startswith(f"https://tandem.test/call/{told['id']}/control?token=")
    assert told["subscriptionLimits"] == {
        "concurrencyBlocked": False,
        "concurrencyLimit": 10,
        "remainingConcurrentCalls": 10,
    }
    assert kicked == ["placings_dial"]
    assert desk.telephone.orders == []

    assert desk.dial() == [Dialled.PLACED]

    (order,) = desk.telephone.orders
    place = f"https://tandem.test/twilio/outbound/{told['id']}"
    assert (order.to, order.caller, order.url, order.status_url) == (CALLEE, DID, place, f"{place}/status")
    assert order.events == ("initiated", "ringing", "answered", "completed")
    assert not order.machine
    again = desk.ask("GET", f"/call/{told['id']}")
    assert (again["phoneCallProviderId"], again["status"]) == (f"CA{1:032}", "queued")
    assert desk.dial() == []


@pytest.mark.parametrize("path", ["/call", "/call/phone", "/assistant/start"])
def test_three_paths_place_the_same_call(desk: Desk, path: str) -> None:
    assert desk.place(path=path)["status"] == "queued"


def test_a_whole_call_in_the_order_in_which_twilio_tells_it(desk: Desk) -> None:
    told = desk.place(
        assistantOverrides={"variableValues": {"clinic": "Riverbend"}},
        customer={"number": CALLEE, "name": "Ann"},
    )
    call_id, sid = told["id"], f"CA{1:032}"
    desk.dial()

    desk.tell(call_id, CallSid=sid, CallStatus="initiated")
    desk.tell(call_id, CallSid=sid, CallStatus="ringing")
    assert desk.call(told).status == Status.RINGING
    desk.tell(call_id, CallSid=sid, CallStatus="in-progress")
    document = ET.fromstring(desk.tell(call_id, "", CallSid=sid, CallStatus="in-progress").content)

    stream = document.find("Connect/Stream")
    assert stream is not None
    assert stream.attrib["url"] == f"wss://tandem.test/media/{call_id}"
    token = stream[0].attrib["value"]
    call = desk.call(told)
    before = call_for_stream(call.pk)
    assert before is not None
    variables = call_rendered(before, now=NOW()).variables
    assert variables["customer"] == {"number": CALLEE, "name": "Ann"}
    assert (variables["clinic"], variables["call"]["type"]) == ("Riverbend", "outboundPhoneCall")
    assert stream_claim(call_id=call.pk, call_sid=sid, account_sid=ACCOUNT, stream_sid="MZ1", token=token)
    assert desk.ask("GET", f"/call/{call_id}")["status"] == "in-progress"
    call_finish(call_id=call.pk, ended_at=NOW(), ended_reason="customer-ended-call", facts={})
    desk.tell(call_id, CallSid=sid, CallStatus="completed", CallDuration="12")

    over = desk.ask("GET", f"/call/{call_id}")
    assert (over["status"], over["endedReason"]) == ("ended", "customer-ended-call")
    assert "subscriptionLimits" not in over


@pytest.mark.parametrize(
    ("status", "sip", "reason"),
    [
        ("busy", "486", "customer-busy"),
        ("no-answer", "", "customer-did-not-answer"),
        ("failed", "503", "twilio-failed-to-connect-call"),
        ("failed", "404", "twilio-reported-customer-misdialed"),
        ("canceled", "", "manually-canceled"),
        ("completed", "", "call.in-progress.twilio-completed-call"),
    ],
)
def test_a_call_that_never_began_says_why(desk: Desk, status: str, sip: str, reason: str) -> None:
    told = desk.place()
    desk.dial()

    desk.tell(told["id"], CallSid=f"CA{1:032}", CallStatus=status, SipResponseCode=sip)
    desk.tell(told["id"], CallSid=f"CA{1:032}", CallStatus="ringing")  # late
    desk.tell(told["id"], CallSid=f"CA{1:032}", CallStatus=status)  # twice

    call = desk.call(told)
    assert (call.status, call.ended_reason) == (Status.ENDED, reason)
    assert desk.telephone.hung_up == []


def test_a_strangers_account_or_a_second_call_changes_nothing(desk: Desk) -> None:
    told = desk.place()
    desk.dial()
    desk.tell(told["id"], CallSid=f"CA{1:032}", CallStatus="in-progress")
    answered = desk.tell(told["id"], "", CallSid=f"CA{1:032}")
    call = desk.call(told)
    assert call.token_minted_at is not None
    Call.objects.filter(pk=call.pk).update(started_at=NOW(), status=Status.IN_PROGRESS)

    second = desk.tell(told["id"], "", CallSid="CA" + "9" * 32)
    Call.objects.filter(pk=call.pk).update(account_sid="AC" + "2" * 32)
    stranger = desk.tell(told["id"], CallSid=f"CA{1:032}", CallStatus="failed")

    assert b"<Stream" in answered.content
    assert b"<Hangup" in second.content
    assert b"<Stream" not in second.content
    assert stranger.status_code == 204
    assert desk.call(told).status == Status.IN_PROGRESS


# What is lost on the way ---------------------------------------------------------------------------------------


def test_callbacks_may_come_before_the_answer_to_the_order(desk: Desk) -> None:
    told = desk.place()

    def tells(_: Any, sid: str) -> None:
        desk.tell(told["id"], CallSid=sid, CallStatus="ringing")
        desk.tell(told["id"], CallSid=sid, CallStatus="busy")

    desk.telephone.during = tells

    assert desk.dial() == [Dialled.PLACED]

    call = desk.call(told)
    assert (call.status, call.ended_reason, call.call_sid) == (Status.ENDED, "customer-busy", f"CA{1:032}")


@pytest.mark.parametrize("told_by", ["callback", "list"])
def test_an_order_whose_answer_was_lost_is_never_sent_again(desk: Desk, told_by: str) -> None:
    told = desk.place()
    desk.telephone.faults, desk.telephone.executes = [UnsureError("Timeout")], True
    if told_by == "callback":
        desk.telephone.during = lambda _, sid: desk.tell(told["id"], CallSid=sid, CallStatus="initiated")

    assert desk.dial() == [Dialled.UNSURE]
    assert desk.dial() == []
    age(desk.call(told), seconds=20)
    placings_find(desk.telephone, now=NOW())

    call = desk.call(told)
    assert (call.call_sid, call.placing.state) == (f"CA{1:032}", Placing.State.PLACED)
    assert desk.dial() == []
    assert len(desk.telephone.orders) == 1


def test_an_order_of_which_nothing_is_ever_heard_is_closed_and_hung_up_on_if_it_was_placed_after_all(
    desk: Desk, kicked: list[str]
) -> None:
    told = desk.place()
    desk.telephone.faults = [UnsureError("Timeout")]
    desk.dial()

    age(desk.call(told), seconds=60)
    placings_find(desk.telephone, now=NOW())
    assert desk.call(told).status == Status.QUEUED
    age(desk.call(told), seconds=90)
    placings_find(desk.telephone, now=NOW())

    call = desk.call(told)
    assert (call.status, call.ended_reason) == (Status.ENDED, "twilio-failed-to-connect-call")
    assert [one.code for one in call.problems.all()] == ["order_lost"]
    assert desk.dial() == []
    kicked.clear()
    desk.tell(told["id"], CallSid="CAlate", CallStatus="ringing")
    assert b"<Stream" not in desk.tell(told["id"], "", CallSid="CAlate").content
    assert kicked == ["calls_hang_up"]
    placings_hang_up(desk.telephone)
    assert desk.telephone.hung_up == ["CAlate"]


def test_a_worker_that_dies_between_order_and_row_leaves_a_call_that_is_found(desk: Desk) -> None:
    told = desk.place()

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    desk.telephone.during = dies
    with pytest.raises(KeyboardInterrupt):
        desk.dial()
    desk.telephone.during = None

    assert desk.dial() == []
    age(desk.call(told), seconds=20)
    placings_find(desk.telephone, now=NOW())

    assert desk.call(told).call_sid == f"CA{1:032}"
    assert len(desk.telephone.orders) == 1


def test_a_call_that_was_found_in_the_list_belongs_to_one_row_only(desk: Desk) -> None:
    first, second = desk.place(), desk.place(name="the other one")
    desk.telephone.faults, desk.telephone.executes = [UnsureError("Timeout")] * 2, True
    desk.dial()
    for told in (first, second):
        age(desk.call(told), seconds=20)

    placings_find(desk.telephone, now=NOW())
    desk.tell(first["id"], CallSid=f"CA{1:032}", CallStatus="ringing")
    desk.tell(second["id"], CallSid=f"CA{2:032}", CallStatus="ringing")

    assert [desk.call(one).call_sid for one in (first, second)] == [f"CA{1:032}", f"CA{2:032}"]
    assert len(desk.telephone.orders) == 2


@pytest.mark.parametrize(
    "fault",
    [NotPlacedError(429, 20429, later=True), NeverSentError("ConnectTimeout")],
    ids=["429", "never sent"],
)
def test_what_was_certainly_not_placed_is_ordered_again_after_a_pause(
    desk: Desk, fault: NotPlacedError | NeverSentError
) -> None:
    told = desk.place()
    desk.telephone.faults = [fault]

    now = NOW()
    assert desk.dial(now=now) == [Dialled.LATER]
    assert desk.dial(now=now) == []
    assert desk.dial(now=NOW() + timedelta(seconds=5)) == [Dialled.PLACED]
    assert desk.call(told).placing.attempts == 2


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, 21211, "twilio-reported-customer-misdialed"),
        (400, 21215, "twilio-failed-to-connect-call"),
        (401, 20003, "twilio-failed-to-connect-call"),
    ],
)
def test_what_twilio_refuses_ends_with_vapis_words_and_ours(
    desk: Desk, status: int, code: int, reason: str
) -> None:
    told = desk.place()
    desk.telephone.faults = [NotPlacedError(status, code)]

    assert desk.dial() == [Dialled.REFUSED]

    call = desk.call(told)
    assert (call.status, call.ended_reason, call.placing.error_code) == (Status.ENDED, reason, str(code))
    (problem,) = call.problems.all()
    assert f"error {code}" in problem.message
    assert CALLEE not in problem.message


@pytest.mark.parametrize(
    ("state", "reason"), [("no-answer", "customer-did-not-answer"), ("", "twilio-failed-to-connect-call")]
)
def test_a_call_whose_callbacks_were_lost_is_asked_about(desk: Desk, state: str, reason: str) -> None:
    told = desk.place()
    desk.dial()
    desk.telephone.states[f"CA{1:032}"] = "ringing"
    age(desk.call(told), minutes=2)

    assert placings_look(desk.telephone, now=NOW()) == []
    desk.telephone.states[f"CA{1:032}"] = state
    age(desk.call(told), minutes=10)
    (heard,) = placings_look(desk.telephone, now=NOW() + timedelta(minutes=2))

    assert heard.over == reason
    assert desk.call(told).status == Status.ENDED


# Turns ---------------------------------------------------------------------------------------------------------


def test_calls_wait_in_their_order_until_there_is_room(desk: Desk, settings: Settings) -> None:
    settings.OUTBOUND_CONCURRENCY = 2
    told = [desk.place(name=str(n)) for n in range(4)]

    assert len(desk.dial()) == 2
    late = desk.place(name="4")
    assert late["subscriptionLimits"]["concurrencyBlocked"] is True
    desk.tell(told[0]["id"], CallSid=f"CA{1:032}", CallStatus="busy")
    desk.dial()

    dialled = Placing.objects.exclude(state="waiting").values_list("call__name", flat=True)
    assert sorted(dialled) == ["0", "1", "2"]


def test_a_number_takes_as_many_calls_as_it_may_and_others_go_first(desk: Desk, settings: Settings) -> None:
    settings.OUTBOUND_CONCURRENCY_PER_NUMBER = 1
    other = type(desk.number).objects.create(did="+14155550199")
    desk.place(name="a")
    desk.place(name="b")
    desk.place(name="c", phoneNumberId=str(other.pk))

    desk.dial()

    dialled = Placing.objects.exclude(state="waiting").values_list("call__name", flat=True)
    assert sorted(dialled) == ["a", "c"]


def test_a_call_that_waits_for_too_long_is_given_up(desk: Desk, settings: Settings) -> None:
    told = desk.place()

    assert placings_give_up(now=NOW() + timedelta(minutes=59)) == []
    assert len(placings_give_up(now=NOW() + timedelta(minutes=61))) == 1

    call = desk.call(told)
    assert call.ended_reason == "call.start.error-subscription-concurrency-limit-reached"
    assert desk.dial(now=NOW() + timedelta(minutes=61)) == []


def test_what_changed_while_a_call_waited_is_seen_to(desk: Desk) -> None:
    told = desk.place()
    type(desk.number).objects.filter(pk=desk.number.pk).update(state="rolled_back")

    assert desk.dial() == []

    assert "rolled back" in desk.call(told).problems.get().message
    assert desk.call(told).status == Status.ENDED


def test_a_scheduled_call_is_dialled_when_its_time_has_come_on_what_is_published_then(desk: Desk) -> None:
    at = NOW() + timedelta(hours=2)
    told = desk.place(
        schedulePlan={"earliestAt": at.isoformat(), "latestAt": (at + timedelta(hours=1)).isoformat()}
    )
    assert (told["status"], told["schedulePlan"].keys()) == ("scheduled", {"earliestAt", "latestAt"})
    version = desk.assistant.live_version
    assert version is not None
    newer = type(version).objects.create(
        assistant=desk.assistant, number=version.number + 1, snapshot=version.snapshot
    )
    desk.assistant.live_version = newer
    desk.assistant.save()

    assert desk.dial(now=at - timedelta(minutes=1)) == []
    assert desk.dial(now=at) == [Dialled.PLACED]

    assert desk.call(told).version_id == newer.pk
    assert placings_give_up(now=at + timedelta(hours=2)) == []


# Calling off ---------------------------------------------------------------------------------------------------


def test_deleting_a_scheduled_call_calls_it_off_and_deleting_it_again_erases_it(desk: Desk) -> None:
    told = desk.place(schedulePlan={"earliestAt": (NOW() + timedelta(days=1)).isoformat()})

    off = desk.ask("DELETE", f"/call/{told['id']}", {})

    assert (off["status"], off["endedReason"]) == ("ended", "scheduled-call-deleted")
    assert desk.dial(now=NOW() + timedelta(days=2)) == []
    desk.ask("DELETE", f"/call/{told['id']}", {})
    desk.ask("GET", f"/call/{told['id']}", status=404)
    assert desk.call(told).placing.customer == {}


@pytest.mark.parametrize("when", ["waiting", "dialling", "placed", "ringing"])
@pytest.mark.parametrize("way", ["delete", "control"])
def test_a_call_that_nobody_has_answered_is_called_off_wherever_it_is(
    desk: Desk, when: str, way: str
) -> None:
    told = desk.place()

    def off(*_: Any) -> None:
        if way == "delete":
            assert desk.ask("DELETE", f"/call/{told['id']}", {})["endedReason"] == "call-deleted"
        else:
            desk.ask("POST", f"/call/{told['id']}/control", {"type": "end-call"})

    if when == "dialling":
        desk.telephone.during = off
    if when != "waiting":
        desk.dial()
    if when == "ringing":
        desk.tell(told["id"], CallSid=f"CA{1:032}", CallStatus="ringing")
    if when != "dialling":
        off()
    desk.dial()
    placings_hang_up(desk.telephone)

    call = desk.call(told)
    assert (call.status, call.ended_reason) == (
        Status.ENDED,
        "call-deleted" if way == "delete" else "manually-canceled",
    )
    assert desk.telephone.hung_up == ([] if when == "waiting" else [f"CA{1:032}"])
    assert not call.placing.hang_up
    desk.tell(told["id"], CallSid=f"CA{1:032}", CallStatus="completed")
    assert desk.call(told).ended_reason == call.ended_reason


def test_a_call_that_was_called_off_and_answered_at_that_moment_hears_nothing(desk: Desk) -> None:
    told = desk.place()
    desk.dial()
    desk.telephone.refuses_hang_up = True
    desk.ask("DELETE", f"/call/{told['id']}", {})
    assert placings_hang_up(desk.telephone) == 0

    assert b"<Stream" not in desk.tell(told["id"], "", CallSid=f"CA{1:032}").content
    desk.telephone.refuses_hang_up = False
    assert placings_hang_up(desk.telephone) == 1
    assert placings_hang_up(desk.telephone) == 0


def test_a_call_in_which_somebody_talks_is_not_deleted_and_neither_is_what_was_named_beside_it(
    desk: Desk,
) -> None:
    talking, waiting = desk.place(), desk.place(name="next")
    desk.dial()
    desk.tell(talking["id"], CallSid=f"CA{1:032}", CallStatus="in-progress")

    answer = desk.ask("DELETE", f"/call/{waiting['id']}", {"ids": [talking["id"]]}, status=400)

    assert "Has Not Ended" in answer["message"]
    assert desk.call(waiting).status == Status.QUEUED
