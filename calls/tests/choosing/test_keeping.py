"""How long documents are kept that came with calls, and that two at once, or one that goes meanwhile, break nobody's call."""

import threading
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from assistants.models import Assistant, AssistantVersion, Squad, Transient
from assistants.snapshots import snapshot_read
from assistants.transient import once
from calls.choosing import keeping
from calls.choosing.keeping import transients_expire, transients_hold
from calls.choosing.services import choice_pin, choices_pin, choose
from calls.erasing.stripping import calls_strip
from calls.models import Call, CallStripped
from calls.tests.choosing.test_services import BOOK, INLINE, PROMPT, catalogue, desk, placed
from calls.tests.factories import make_call
from tools.access.errors import ApiError
from tools.models import Tool

__all__ = ["catalogue"]
pytestmark = pytest.mark.django_db

ERASED = CallStripped.Why.ERASED
PERSONAL: dict[str, Any] = {
    **INLINE,
    "firstMessage": "Hello Marta Ilves.",
    "endCallPhrases": ["Goodbye Marta"],
    "server": {"url": "https://desk.example.com/hooks?who=Marta"},
    "model": {**PROMPT, "tools": [BOOK, {**BOOK, "function": {"name": "note", "description": "Of Marta."}}]},
}


def aged(days: int) -> None:
    Transient.objects.update(used_at=timezone.now() - timedelta(days=days))


def test_what_no_call_ran_on_goes_after_a_while_and_what_one_ran_on_stays() -> None:
    tools = {"model": {**PROMPT, "tools": [BOOK]}}
    choose({"assistant": {**INLINE, **tools}})
    choose(
        {"squad": {"members": [{"assistant": {**INLINE, **tools}}, {"assistant": {**INLINE, "name": "Ida"}}]}}
    )
    placed({"assistant": {**INLINE, "firstMessage": "Kept."}})
    aged(29)
    assert transients_expire(now=timezone.now()) == (0, 0)

    aged(31)
    assert transients_expire(now=timezone.now()) == (2, 0)

    assert [one.first_message for one in Assistant.every.all()] == ["Kept."]
    assert (Squad.every.count(), Tool.every.count(), Transient.objects.count()) == (0, 0, 1)


def over(call_id: Any) -> None:
    Call.objects.filter(pk=call_id).update(status=Call.Status.ENDED)


def stored() -> str:
    """All that is kept of documents and of what was made of them."""
    every: Any = (Transient.objects, Assistant.every, AssistantVersion.objects, Tool.every)
    return str([list(rows.values()) for rows in every])


def test_what_only_erased_calls_ran_on_is_emptied_with_them() -> None:
    first, second = placed({"assistant": PERSONAL}), placed({"assistant": PERSONAL})
    over(first.call_id)
    over(second.call_id)

    assert calls_strip([first.call_id], why=ERASED)["assistants_transient"] == 0
    assert "Marta" in stored()
    assert calls_strip([second.call_id], why=ERASED)["assistants_transient"] == 1

    assert "Marta" not in stored()
    assert "s3same" not in stored()
    assert snapshot_read(AssistantVersion.objects.get().snapshot).name == "Mary"
    assert transients_expire(now=timezone.now()) == (0, 0)
    # Sent once more, it is made anew: the calls that were erased stay empty.
    assert placed({"assistant": PERSONAL}).snapshot.first_message == "Hello Marta Ilves."
    assert Transient.objects.count() == 2


def test_overrides_and_squads_are_emptied_with_their_calls() -> None:
    assistant = desk()
    words = {"firstMessage": "Hello Marta."}
    calls = [
        placed({"assistantId": str(assistant.pk), "assistantOverrides": words}),
        placed({"squad": {"members": [{"assistant": PERSONAL}, {"assistant": {**INLINE, **words}}]}}),
    ]
    for call in calls:
        over(call.call_id)

    assert calls_strip([call.call_id for call in calls], why=ERASED)["assistants_transient"] == 2

    assert "Marta" not in stored()
    assert assistant.live_version is not None
    assert Assistant.objects.get().live_version == assistant.live_version


def test_what_was_left_is_emptied_by_the_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    call = placed({"assistant": PERSONAL})
    over(call.call_id)
    with monkeypatch.context() as missed:
        missed.setattr("calls.erasing.stripping.transients_empty", lambda _: 0)
        calls_strip([call.call_id], why=CallStripped.Why.RETENTION)
    assert "Marta" in stored()

    assert transients_expire(now=timezone.now()) == (0, 1)
    assert "Marta" not in stored()


def test_the_beat_goes_on_until_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_BATCH", 2)
    for n in range(5):
        choose({"assistant": {**INLINE, "firstMessage": f"Hello {n}."}})
    aged(31)

    assert transients_expire(now=timezone.now()) == (5, 0)


@pytest.mark.parametrize("many", [False, True])
def test_a_document_that_is_emptied_while_a_call_is_made_of_it_refuses_that_call(many: bool) -> None:
    before = placed({"assistant": PERSONAL})
    over(before.call_id)
    choice = choose({"assistant": PERSONAL})
    calls_strip([before.call_id], why=ERASED)

    call = make_call(**choice.columns())
    with pytest.raises(ApiError) as caught, transaction.atomic():
        choices_pin([(call, choice)]) if many else choice_pin(call, choice)

    assert caught.value.status == 409
    assert "Send it again" in str(caught.value.message)


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_call_and_an_erasing_that_want_the_same_squad_do_not_wait_for_each_other() -> None:
    member, squad = uuid.UUID(int=1), uuid.UUID(int=2)
    for pk, kind in ((squad, Transient.Kind.SQUAD), (member, Transient.Kind.MEMBER)):
        Transient.objects.create(pk=pk, kind=kind, used_at=timezone.now())
    held: list[bool] = []

    def call_made() -> None:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    # By the index, as in a table of many rows: that has the member first.
                    cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
                held.append(transients_hold({member, squad}))
        finally:
            connection.close()

    other = threading.Thread(target=call_made)
    with transaction.atomic():
        Transient.objects.select_for_update().get(pk=squad)
        other.start()
        while other.is_alive() and not _somebody_waits():
            time.sleep(0.01)
        Transient.objects.filter(pk=member).update(document={})
    other.join()

    assert held == [True]


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_a_document_that_is_sent_and_erased_every_day_is_found_in_few_steps() -> None:
    for _ in range(12):
        call = placed({"assistant": INLINE})
        over(call.call_id)
        calls_strip([call.call_id], why=ERASED)
    choice = choose({"assistant": INLINE})
    assert Transient.objects.count() == 13

    with CaptureQueriesContext(connection) as queries:
        again = choose({"assistant": INLINE})

    assert again.version == choice.version
    assert len([one for one in queries if 'FROM "assistants_transient"' in one["sql"]]) <= 9


@pytest.mark.parametrize("gone", [False, True])
def test_of_two_requests_at_once_one_makes_it_and_both_run_on_it(
    monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    body = {"assistant": {**INLINE, "model": {**PROMPT, "tools": [BOOK]}}}
    first = choose(body)
    looked, first_look = once._used, iter([True])
    # The second one has looked before the first was done; or it was there, and is emptied while the second looks.
    if gone:
        Transient.objects.update(kind=Transient.Kind.EMPTIED)
    monkeypatch.setattr(once, "_used", lambda ids, now: {} if next(first_look, False) else looked(ids, now))

    second = choose(body)

    assert (second.version == first.version) is not gone
    assert Transient.objects.exclude(kind=Transient.Kind.EMPTIED).count() == 1
