"""Answering machines: how Twilio is asked to recognise them, and what follows."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from celery.exceptions import Retry

from assistants.snapshots import Snapshot, snapshot_take
from assistants.tests.factories import make_assistant, make_version
from calls.live.control import Outcome, Result
from calls.models import Call
from calls.placing import tasks
from calls.placing.machines import is_machine, machine_options, message_for, rings_for
from calls.placing.telephone import TwilioTelephone
from calls.tests.placing.desk import Desk

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

    def end(call_id: uuid.UUID, reason: str) -> Outcome:
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
