"""The same for many numbers, by a worker."""

from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from calls.cutover import tasks
from calls.cutover.batches import batch_carry_out, batch_create, batches_waiting
from calls.models import CutoverBatch, CutoverEvent, PhoneNumber
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.test_operations import move
from calls.tests.cutover.twilio import Crash, FakeTwilio


@pytest.fixture(autouse=True)
def no_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calls.cutover.services.gates_for", lambda _: [])


def test_each_number_says_how_it_went(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    good, done, changed, fax = (
        make_number(),
        make_number(),
        make_number(),
        make_number(voice_receive_mode="fax"),
    )
    move(done, twilio)
    done.refresh_from_db()
    twilio.numbers.change(changed.did, voice_url="https://other.example.net/")
    batch = batch_create(
        kind="cutover", numbers=[good, done, changed, fax], reason="all of them", actor_label="ops"
    )

    batch_carry_out(batch.pk, twilio=twilio)

    batch.refresh_from_db()
    assert [item.status for item in batch.items.all()] == ["done", "already", "refused", "refused"]
    assert "Somebody changed the number" in batch.items.all()[2].message
    assert (batch.status, batch.done, batch.total) == ("failed", 4, 4)
    assert batch.progress == "2 of 4 done."
    assert batch.summary == {"done": 1, "already": 1, "refused": 2}
    event = CutoverEvent.objects.get(number=good, kind="cutover")
    assert (event.actor_label, event.reason) == ("ops", "all of them")


def test_what_the_preview_showed_is_what_counts(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    shown = dict(number.config)
    twilio.numbers.change(number.did, voice_url="https://other.example.net/")
    PhoneNumber.objects.update(config=dict(twilio.numbers.held[number.twilio_sid]))  # the watch saw it since
    batch = batch_create(
        kind="cutover", numbers=[number], seen={number.pk: shown}, reason="r", actor_label="ops"
    )

    batch_carry_out(batch.pk, twilio=twilio)

    assert batch.items.get().status == "refused"


def test_a_batch_whose_worker_died_is_gone_on_with(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    numbers = [make_number() for _ in range(3)]
    batch = batch_create(kind="canary", percent=20, numbers=numbers, reason="r", actor_label="ops")
    twilio.trouble = {5: "crash"}  # the last look at the second number
    with pytest.raises(Crash):
        batch_carry_out(batch.pk, twilio=twilio)
    twilio.trouble = {}
    assert batch_carry_out(batch.pk, twilio=twilio) is None  # it might be alive
    later = timezone.now() - timedelta(minutes=10)
    CutoverBatch.objects.update(beat_at=later)
    PhoneNumber.objects.get(pk=numbers[1].pk).operations.update(beat_at=later)
    assert list(batches_waiting(now=timezone.now())) == [batch]

    batch_carry_out(batch.pk, twilio=twilio)

    batch.refresh_from_db()
    assert batch.status == "done"
    assert set(PhoneNumber.objects.values_list("state", "canary_percent")) == {("canary", 20)}
    assert len(twilio.written) == 3


@pytest.mark.django_db
def test_reading_all_numbers_shows_how_far_it_is(twilio: FakeTwilio, settings: object) -> None:
    twilio.numbers.seed(3)
    settings.TWILIO_ACCOUNT_SID = twilio.accounts_held.main.sid  # type: ignore[attr-defined]  # of pytest-django
    batch = batch_create(kind="sync", actor_label="ops")

    batch_carry_out(batch.pk, twilio=twilio)

    batch.refresh_from_db()
    assert (batch.status, batch.done, batch.progress) == ("done", 3, "3 numbers read, 3 new.")
    assert len(batch.summary["found"]) == 3


@pytest.mark.django_db
def test_the_beats_tasks_have_nothing_to_do_where_there_is_nothing() -> None:
    tasks.recover()
    tasks.numbers_watch()
    tasks.schedules()


def test_what_the_beat_asks_for_is_there() -> None:
    app = current_app
    app.loader.import_default_modules()

    asked = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {task for task in asked if task.startswith("calls.cutover")} == {
        "calls.cutover.tasks.numbers_watch",
        "calls.cutover.tasks.operations_recover",
        "calls.cutover.tasks.schedules_run",
    }
    assert asked <= set(app.tasks)
