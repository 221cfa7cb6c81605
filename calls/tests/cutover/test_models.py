"""What the database itself promises about the history of a number."""

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from calls.cutover.history import Who, event_write, who
from calls.models import CutoverEvent, CutoverOperation, NumberSnapshot, PhoneNumber
from calls.tests.factories import make_phone_number

pytestmark = pytest.mark.django_db


def refused(work: object) -> None:
    """Whether the database refuses it."""
    assert callable(work)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        work()


def test_events_are_never_changed_or_deleted() -> None:
    event = event_write(make_phone_number(), "found", actor=Who("sync"))

    refused(lambda: CutoverEvent.objects.filter(pk=event.pk).update(reason="another"))
    refused(lambda: CutoverEvent.objects.filter(pk=event.pk).update(actor_label=""))
    refused(event.delete)
    assert CutoverEvent.objects.get().reason == ""


def test_snapshots_are_never_changed_or_deleted() -> None:
    snapshot = NumberSnapshot.objects.create(
        number=make_phone_number(), taken_at=timezone.now(), config={"voice_url": "x"}, origin="https://t"
    )

    refused(lambda: NumberSnapshot.objects.filter(pk=snapshot.pk).update(config={}))
    refused(snapshot.delete)


def test_a_user_who_leaves_stays_by_name() -> None:
    user = User.objects.create(username="alice")
    event = event_write(make_phone_number(), "found", actor=who(user))

    user.delete()

    event.refresh_from_db()
    assert (event.actor_id, event.actor_label) == (None, "alice")


def test_a_user_cannot_be_exchanged_for_another() -> None:
    alice, bob = User.objects.create(username="alice"), User.objects.create(username="bob")
    event = event_write(make_phone_number(), "found", actor=who(alice))

    refused(lambda: CutoverEvent.objects.filter(pk=event.pk).update(actor=bob))


def test_a_number_with_a_history_is_not_deleted() -> None:
    number = make_phone_number()
    event_write(number, "found", actor=Who("sync"))

    with pytest.raises(ProtectedError):
        number.delete()


def test_one_operation_is_open_for_a_number() -> None:
    number = make_phone_number()

    def begin() -> None:
        CutoverOperation.objects.create(
            number=number, kind="cutover", from_state="on_vapi", actor_label="test", beat_at=timezone.now()
        )

    begin()
    with pytest.raises(IntegrityError), transaction.atomic():
        begin()
    CutoverOperation.objects.update(status="done")
    begin()


def test_somebody_must_have_done_it() -> None:
    with pytest.raises(ValueError, match="Somebody must have done it"):
        who(None)


def test_a_share_is_at_most_everything() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        PhoneNumber.objects.create(did="+12025550100", canary_percent=101)
