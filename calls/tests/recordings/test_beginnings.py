"""Which calls are recorded, and Twilio's webhook of recordings."""

import inspect
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from calls import recorder
from calls.recorder import Recorder
from calls.recordings import tasks, views
from calls.selectors import Member, SmokeCall, StreamCall
from calls.tests.stage import CALL, FakeOutbox
from simulator.signature import sign
from tools.auth.credentials import ServerAuth

FORM = {
    "AccountSid": "AC1",
    "CallSid": "CA" + "1" * 32,
    "RecordingSid": "RE" + "2" * 32,
    "RecordingStatus": "completed",
    "RecordingStartTime": "Sun, 22 Nov 2026 17:00:00 +0000",
    "RecordingUrl": "https://elsewhere.example/",
    "ErrorCode": "0",
}


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> FakeOutbox:
    made = FakeOutbox()
    monkeypatch.setattr(recorder, "process_outbox", lambda: made)
    monkeypatch.setattr(views, "process_outbox", lambda: made)
    return made


def call_with(**settings: Any) -> StreamCall:
    return replace(CALL, snapshot=replace(CALL.snapshot, **settings))


def member(**settings: Any) -> Member:
    return Member("Other", 1, replace(CALL.snapshot, **settings), {}, ServerAuth())


@pytest.mark.parametrize(
    ("call", "is_recorded"),
    [
        (call_with(), False),
        (call_with(recording_enabled=True), True),
        (call_with(recording_enabled=True, hipaa=True), False),
        (replace(call_with(recording_enabled=True), smoke=SmokeCall([], off_network=False)), False),
        (replace(call_with(recording_enabled=True), members={"b": member(recording_enabled=True)}), True),
        (replace(call_with(recording_enabled=True), members={"b": member()}), False),
        (
            replace(
                call_with(recording_enabled=True),
                members={"b": member(recording_enabled=True, hipaa=True)},
            ),
            False,
        ),
    ],
    ids=["usual", "wanted", "hipaa", "smoke-test", "squad", "squad-unwanted", "squad-hipaa"],
)
def test_a_call_is_recorded_where_everyone_in_it_wants_that(
    outbox: FakeOutbox, call: StreamCall, *, is_recorded: bool
) -> None:
    Recorder(call).started()

    asked = outbox.of("recording_start")
    assert asked == ([{"call_id": str(call.call_id)}] if is_recorded else [])
    for kwargs in asked:
        inspect.signature(tasks.recording_start.run).bind(**kwargs)


def test_twilios_word_is_handed_to_a_worker_and_its_address_is_not_trusted(
    outbox: FakeOutbox, settings: Settings
) -> None:
    url = f"{settings.PUBLIC_ORIGIN}/twilio/recording"
    signature = sign(url, list(FORM.items()), auth_token=settings.TWILIO_AUTH_TOKEN)

    answer = Client().post("/twilio/recording", FORM, headers={"X-Twilio-Signature": signature})
    refused = Client().post("/twilio/recording", FORM, headers={"X-Twilio-Signature": "x" * 28})

    assert (answer.status_code, refused.status_code) == (204, 403)
    (told,) = outbox.of("recording_told")
    inspect.signature(tasks.recording_told.run).bind(**told)
    assert told["sid"] == FORM["RecordingSid"]
    assert "elsewhere" not in str(told)
