"""Two people, two workers, two watches at once, against the real database."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from django.db import connections

from assistants.tests.factories import make_assistant
from calls.cutover.batches import batch_carry_out, batch_create
from calls.cutover.services import Outcome, cutover_apply, operations_recover, rollback_all
from calls.cutover.syncing import numbers_sync
from calls.cutover.watch import numbers_verify
from calls.models import OPEN, CutoverEvent, CutoverOperation, PhoneNumber
from calls.tests.cutover.conftest import known
from calls.tests.cutover.test_operations import as_after_a_crash
from calls.tests.cutover.twilio import ACCOUNT, Crash, FakeTwilio

T = TypeVar("T")
pytestmark = pytest.mark.django_db(transaction=True)
VAPIS = "https://api.vapi.ai/twilio/inbound_call"


@pytest.fixture(autouse=True)
def environment(settings: Any) -> None:
    settings.TWILIO_ACCOUNT_SID = ACCOUNT


def at_once(*works: Callable[[], T]) -> list[T]:
    """What each gives, when they all begin at the same moment in threads of their own."""
    barrier = threading.Barrier(len(works))
    results: dict[int, T] = {}

    def run(index: int, work: Callable[[], T]) -> None:
        try:
            barrier.wait(120)
            results[index] = work()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(results) == len(works)
    return [results[index] for index in range(len(works))]


def mover(
    number: PhoneNumber, twilio: FakeTwilio, kind: str = "cutover", **fields: Any
) -> Callable[[], Outcome]:
    seen = PhoneNumber.objects.select_related("assistant", "snapshot").get(pk=number.pk)

    def work() -> Outcome:
        return cutover_apply(
            seen,
            kind=kind,
            reason="because",
            actor_label="test",
            check_gates=False,
            twilio=twilio,
            pause=lambda _: None,
            **fields,
        )

    return work


def make(twilio: FakeTwilio) -> PhoneNumber:
    desk = make_assistant(published=True)
    return known(twilio, desk, twilio.numbers.add(f"+1202555{len(twilio.numbers.held):04}"))


def test_a_double_click_writes_once(twilio: FakeTwilio) -> None:
    for _ in range(4):
        number = make(twilio)
        twilio.written.clear()

        results = [one.result for one in at_once(*[mover(number, twilio)] * 3)]

        assert results.count("done") == 1
        assert set(results) <= {"done", "busy", "already"}
        assert len(twilio.written) == 1
        number.refresh_from_db()
        assert number.state == "ours"
        assert CutoverEvent.objects.filter(number=number, kind="cutover").count() == 1


def test_two_people_who_want_different_things_do_not_mix(twilio: FakeTwilio) -> None:
    for _ in range(4):
        number = make(twilio)
        mover(number, twilio)()
        before_snapshots = number.snapshots.count()

        results = at_once(mover(number, twilio, "rollback"), mover(number, twilio, "canary", percent=30))

        number.refresh_from_db()
        held = twilio.numbers.held[number.twilio_sid]
        if number.state == "rolled_back":
            assert held["voice_url"] == VAPIS
        else:
            assert "/twilio/voice" in held["voice_url"]
            assert (number.state, number.canary_percent) == ("canary", 30)
        assert "done" in [one.result for one in results]
        assert not CutoverOperation.objects.filter(number=number, status__in=OPEN).exists()
        assert number.snapshots.count() >= before_snapshots


def test_two_workers_find_the_same_crash_and_one_goes_on(twilio: FakeTwilio) -> None:
    number = make(twilio)
    twilio.trouble = {1: "done_crash"}
    with pytest.raises(Crash):
        mover(number, twilio)()
    twilio.trouble = {}
    as_after_a_crash()

    found = at_once(*[lambda: operations_recover(twilio=twilio)] * 3)

    assert [one.result for outcomes in found for one in outcomes] == ["done"]
    assert CutoverEvent.objects.filter(number=number, kind="cutover").count() == 1


def test_two_watches_fight_once(twilio: FakeTwilio) -> None:
    number = make(twilio)
    mover(number, twilio)()
    PhoneNumber.objects.update(fight_once=True)
    twilio.numbers.change(number.did, voice_url=VAPIS)
    twilio.written.clear()

    at_once(*[lambda: numbers_verify(twilio=twilio, pause=lambda _: None)] * 3)

    assert len(twilio.written) == 1
    assert CutoverEvent.objects.filter(number=number, kind="fought").count() == 1
    assert CutoverEvent.objects.filter(number=number, kind="changed").count() == 1


def test_two_syncs_add_each_number_once(twilio: FakeTwilio) -> None:
    twilio.numbers.seed(30)

    at_once(*[lambda: numbers_sync(twilio=twilio)] * 2)

    assert PhoneNumber.objects.count() == CutoverEvent.objects.filter(kind="found").count() == 30


def test_the_watch_beside_a_move_sees_no_ghosts(twilio: FakeTwilio) -> None:
    for _ in range(5):
        number = make(twilio)

        at_once(mover(number, twilio), lambda: numbers_verify(twilio=twilio))

        number.refresh_from_db()
        assert number.state == "ours"
        assert not CutoverEvent.objects.filter(number=number, kind="changed").exists()


def test_many_numbers_are_given_back_at_once(twilio: FakeTwilio) -> None:
    desk = make_assistant(published=True)
    numbers = [known(twilio, desk, row) for row in twilio.numbers.seed(24)]
    for number in numbers:
        mover(number, twilio)()
    number = numbers[3]
    twilio.numbers.change(number.did, voice_url="https://somebody.example.net/")
    told: list[tuple[int, int]] = []

    outcomes = rollback_all(
        reason="outage",
        actor_label="test",
        twilio=twilio,
        progress=lambda _, done, total: told.append((done, total)),
    )

    assert {one.number.did for one in outcomes if not one.ok} == {number.did}
    assert told == [(done, 24) for done in range(1, 25)]
    assert PhoneNumber.objects.filter(state="rolled_back").count() == 23

    again = batch_create(
        kind="rollback", numbers=[PhoneNumber.objects.get(pk=number.pk)], reason="seen", actor_label="test"
    )
    batch_carry_out(again.pk, twilio=twilio)
    again.refresh_from_db()
    assert again.status == "done"
    assert twilio.numbers.held[number.twilio_sid]["voice_url"] == VAPIS
