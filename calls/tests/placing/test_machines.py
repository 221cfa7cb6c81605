"""Answering machines: how Twilio is asked to recognise them, and what follows."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from celery.exceptions import Retry
from django.utils import timezone

from assistants.snapshots import Snapshot, snapshot_take
from assistants.tests.factories import make_assistant, make_version
from calls.costs.reckoning import call_reckon
from calls.live.control import Outcome, Result, order_message
from calls.models import Call, LiveOrder, Placing
from calls.orders.book import unanswered
from calls.orders.by import TANDEM
from calls.orders.rows import orders_write
from calls.placing import tasks
from calls.placing.deeds import machines_due
from calls.placing.machines import is_machine, machine_options, message_for, rings_for
from calls.placing.telephone import TwilioTelephone
from calls.tests.placing.desk import Desk
from tools.tests.vapi_schema import complaints

SID = f"CA{1:032}"


@pytest.fixture
def snapshot(db: None) -> Snapshot:
    return snapshot_take(make_assistant())


@pytest.mark.parametrize(
    ("placing", "types"),
    [
        ({}, None),
        ({"voicemailDetection": "off"}, None),
        ({"voicemailDetection": {"provider": "twilio", "enabled": False}}, None),
        ({"voicemailDetectionEnabled": True}, ["machine_end_beep", "machine_end_silence"]),
        ({"voicemailDetection": {"provider": "openai"}}, ["machine_end_beep", "machine_end_silence"]),
        ({"voicemailDetection": {"provider": "twilio", "voicemailDetectionTypes": ["fax"]}}, ["fax"]),
    ],
    ids=["none", "off", "disabled", "legacy", "openai", "fax"],
)
def test_machines_are_looked_for_where_the_assistant_says_so(
    snapshot: Snapshot, placing: dict[str, Any], types: list[str] | None
) -> None:
    assert machine_options(replace(snapshot, placing=placing)).get("types") == types


def test_twilios_own_options_carry_over_within_their_bounds(snapshot: Snapshot) -> None:
    plan = {
        "provider": "twilio",
        "voicemailDetectionTypes": ["machine_start"],
        "machineDetectionTimeout": 90,
        "machineDetectionSpeechThreshold": 2600,
        "machineDetectionSilenceTimeout": "long",
    }
    asked = replace(snapshot, placing={"voicemailDetection": plan})

    assert machine_options(asked)["options"] == {
        "machine_detection": "Enable",
        "async_amd": "true",
        "machine_detection_timeout": 59,
        "machine_detection_speech_threshold": 2600,
    }
    waiting = machine_options(replace(asked, voicemail_message="Call us back."))
    assert waiting["options"]["machine_detection"] == "DetectMessageEnd"


@pytest.mark.parametrize(
    ("configurations", "rings"),
    [(None, 60), ([{"provider": "twilio", "timeout": 25}], 25), ([{"timeout": 9000}], 600), (["x"], 60)],
    ids=["none", "25", "too long", "odd"],
)
def test_how_long_it_rings(snapshot: Snapshot, configurations: Any, rings: int) -> None:
    assert rings_for(replace(snapshot, placing={"transportConfigurations": configurations})) == rings


@pytest.mark.parametrize("told", ["human", "unknown", "machine_start", ""])
def test_nobody_else_is_a_machine(told: str) -> None:
    assert not is_machine(told, ["machine_end_beep", "human", "unknown"])
    assert not is_machine(told, None)


def called(desk: Desk, *, message: str = "Hello {{ customer.name }}, call {{ clinic }} back.") -> Call:
    """A call that a machine may answer."""
    desk.assistant.plans = {"voicemailDetection": {"provider": "twilio"}}
    desk.assistant.voicemail_message = message
    desk.assistant.save()
    make_version(assistant=desk.assistant)
    told = desk.place(
        customer={"number": "+13125550177", "name": "Ann"},
        assistantOverrides={"variableValues": {"clinic": "Riverbend"}},
    )
    desk.dial()
    return desk.call(told)


def test_a_machine_is_told_of_once_and_a_person_is_left_alone(desk: Desk, kicked: list[str]) -> None:
    call = called(desk)
    (order,) = desk.telephone.orders
    place = f"https://tandem.test/twilio/outbound/{call.pk}/machine"
    assert order.machine["async_amd_status_callback"] == place
    kicked.clear()

    for answered_by in ("human", "machine_end_beep", "machine_end_beep"):
        desk.tell(call.pk, "/machine", CallSid=SID, AnsweredBy=answered_by)
    desk.tell(call.pk, "/machine", CallSid="CAother", AnsweredBy="machine_end_silence")

    assert kicked == ["machine_answered"]
    assert desk.call(call.pk).placing.answered_by == "machine_end_beep"


def test_the_message_is_rendered_with_the_values_of_the_call(desk: Desk) -> None:
    call = Call.objects.select_related("version", "phone_number").get(pk=called(desk).pk)

    assert message_for(call) == "Hello Ann, call Riverbend back."


@pytest.mark.parametrize(("message", "said"), [("Call us.", "Call us."), ("", None)], ids=["message", "none"])
def test_the_message_is_left_or_the_call_is_just_ended(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, message: str, said: str | None
) -> None:
    call = called(desk, message=message)
    Call.objects.filter(pk=call.pk).update(status=Call.Status.IN_PROGRESS)
    orders: list[tuple[Any, ...]] = []

    def say(call_id: uuid.UUID, content: str, **how: Any) -> Outcome:
        orders.append((content, how["reason"], how["end_after"], how["interrupt"]))
        return Outcome(Result.TAKEN)

    def end(call_id: uuid.UUID, reason: str, **_: Any) -> Outcome:
        orders.append((None, reason, True, True))
        return Outcome(Result.TAKEN)

    monkeypatch.setattr(tasks, "call_say", say)
    monkeypatch.setattr(tasks, "call_end", end)
    tasks.machine_answered(call_id=str(call.pk))

    assert orders == [(said, "voicemail", True, True)]


def test_a_stream_that_is_not_open_yet_is_waited_for_and_at_last_the_machine_is_hung_up_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = called(desk)
    Call.objects.filter(pk=call.pk).update(status=Call.Status.RINGING)
    hung_up: list[str] = []
    monkeypatch.setattr(tasks, "call_say", lambda *_, **__: Outcome(Result.NOBODY, "not yet"))
    monkeypatch.setattr(TwilioTelephone, "hang_up", lambda _, sid, **__: hung_up.append(sid))
    retried: list[int] = []

    def retry(countdown: int) -> Retry:
        retried.append(countdown)
        return Retry()

    monkeypatch.setattr(tasks.machine_answered, "retry", retry)
    with pytest.raises(Retry):
        tasks.machine_answered(call_id=str(call.pk))
    tasks.machine_answered.push_request(retries=8)
    try:
        tasks.machine_answered.run(call_id=str(call.pk))
    finally:
        tasks.machine_answered.pop_request()

    assert (retried, hung_up) == ([1], [SID])
    assert desk.call(call.pk).ended_reason == "voicemail"


def test_what_was_lost_with_its_worker_the_beat_does_and_nobody_does_it_twice(
    desk: Desk, kicked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TwilioTelephone", lambda: desk.telephone)
    call = called(desk)
    desk.tell(call.pk, "/machine", CallSid=SID, AnsweredBy="machine_end_beep")
    Call.objects.filter(pk=call.pk).update(status=Call.Status.IN_PROGRESS)
    kicked.clear()

    tasks.placings_go_on()
    assert "machine_answered" not in kicked, "the task for it may still come"
    Placing.objects.filter(pk=call.pk).update(machine_due_at=timezone.now())
    tasks.placings_go_on()
    assert kicked.count("machine_answered") == 1

    said: list[str] = []

    def say(_: uuid.UUID, content: str, *, order_id: str, **__: Any) -> Outcome:
        said.append(order_id)
        return Outcome(Result.TAKEN)

    monkeypatch.setattr(tasks, "call_say", say)
    tasks.machine_answered(call_id=str(call.pk))
    kicked.clear()
    tasks.placings_go_on()
    assert kicked == []

    # It comes once more, as tasks may.
    order = {**order_message({"type": "call.say", "content": "Hello", "order_id": said[0]}, TANDEM)}
    written = {**(unanswered(order, LiveOrder.Result.NOBODY) or {}), "result": "taken"}
    orders_write(call.pk, [written])
    Placing.objects.filter(pk=call.pk).update(
        machine_due_at=timezone.now()
    )  # its worker died after the order
    tasks.machine_answered(call_id=str(call.pk))
    assert len(said) == 1
    assert machines_due(now=timezone.now()) == [], "and nobody comes for it again and again"
    assert desk.telephone.hung_up == []


def test_of_a_call_that_is_over_nothing_is_due_any_more(desk: Desk) -> None:
    call = called(desk)
    desk.tell(call.pk, "/machine", CallSid=SID, AnsweredBy="machine_end_beep")
    Placing.objects.filter(pk=call.pk).update(machine_due_at=timezone.now())
    Call.objects.filter(pk=call.pk).update(status=Call.Status.ENDED)

    assert machines_due(now=timezone.now()) == []
    assert Placing.objects.get(pk=call.pk).machine_due_at is None


def test_what_twilio_charges_for_listening_stands_where_vapi_has_it(desk: Desk) -> None:
    told = desk.place()
    desk.dial()
    call = desk.call(told)
    Placing.objects.filter(pk=call.pk).update(machine={"types": [], "options": {"async_amd": "true"}})
    desk.tell(told["id"], CallSid=SID, CallStatus="in-progress")
    desk.tell(told["id"], CallSid=SID, CallStatus="completed")

    assert call_reckon(call_id=call.pk, now=timezone.now())
    read = desk.ask("GET", f"/call/{told['id']}")

    assert complaints("Call", read) == []
    assert read["costBreakdown"]["voicemailDetectionCost"] == 0.0075
    assert "voicemail-detection" in [one["type"] for one in read["costs"]]
    assert round(sum(one["cost"] for one in read["costs"]), 6) == read["cost"] == 0.0215


def test_numbers_beyond_all_numbers_are_no_time_to_ring(snapshot: Snapshot) -> None:
    endless = [{"provider": "twilio", "timeout": float("inf")}]
    plan = {"provider": "twilio", "machineDetectionTimeout": float("-inf")}
    odd = replace(snapshot, placing={"transportConfigurations": endless, "voicemailDetection": plan})

    assert rings_for(odd) == 600
    assert machine_options(odd)["options"]["machine_detection_timeout"] == 3
