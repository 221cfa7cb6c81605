from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone
from pytest_django import Settings

from assistants.tests.factories import make_assistant
from calls.erasing import retention
from calls.erasing.retention import calls_expire, retention_days_by_assistant
from calls.models import Call, CallStripped
from calls.tests.factories import make_call
from tools.models import ToolCall
from tools.tests.factories import make_tool_call
from transcripts.models import Utterance
from transcripts.tests.factories import make_transcript, make_utterance

pytestmark = pytest.mark.django_db


def spoken_call(*, days_old: int, **fields: object) -> Call:
    """A call of that age, with something said and a tool called."""
    call = make_call(**fields)
    at = timezone.now() - timedelta(days=days_old)
    Call.objects.filter(pk=call.pk).update(created_at=at, started_at=at)
    make_utterance(transcript=make_transcript(call_id=call.pk, started_at=at))
    make_tool_call(call_id=call.pk, arguments={"ticket": "481"}, requested_at=at)
    return call


def is_stripped(call: Call) -> bool:
    call.refresh_from_db()
    said = Utterance.objects.filter(transcript__call_id=call.pk).exclude(text="").exists()
    asked = ToolCall.objects.filter(call_id=call.pk).exclude(arguments={}).exists()
    assert CallStripped.objects.filter(call_id=call.pk).exists() == (not said)
    assert said == asked == bool(call.caller)
    return not said


def test_each_assistant_has_its_calls_kept_as_long_as_it_says(settings: Settings) -> None:
    settings.RETENTION_DAYS = 30
    short = make_assistant(published=True, retention_days=7)
    usual = make_assistant(published=True)
    old, young = spoken_call(days_old=8, assistant=short), spoken_call(days_old=6, assistant=short)
    kept, gone = spoken_call(days_old=29, assistant=usual), spoken_call(days_old=31, assistant=usual)
    nobodys = spoken_call(days_old=31)

    assert calls_expire(now=timezone.now()) == 3

    assert [is_stripped(one) for one in (old, young, kept, gone, nobodys)] == [True, False, False, True, True]
    assert calls_expire(now=timezone.now()) == 0


def test_what_counts_is_the_published_version_and_not_the_draft() -> None:
    assistant = make_assistant(published=True, retention_days=7)
    assistant.retention_days = 1
    assistant.save()

    assert retention_days_by_assistant() == {assistant.pk: 7}


def test_without_a_limit_nothing_is_deleted(settings: Settings) -> None:
    settings.RETENTION_DAYS = 0
    call = spoken_call(days_old=4000)

    assert calls_expire(now=timezone.now()) == 0
    assert not is_stripped(call)


def test_a_call_that_goes_on_is_left_alone_whatever_its_age(settings: Settings) -> None:
    settings.RETENTION_DAYS = 1
    call = spoken_call(days_old=5, status=Call.Status.IN_PROGRESS, ended_at=None)

    assert calls_expire(now=timezone.now()) == 0
    assert not is_stripped(call)


def test_the_time_of_a_call_that_was_scheduled_begins_with_the_call(settings: Settings) -> None:
    settings.RETENTION_DAYS = 7
    call = spoken_call(days_old=40)
    Call.objects.filter(pk=call.pk).update(started_at=timezone.now() - timedelta(days=6))

    assert calls_expire(now=timezone.now()) == 0
    assert not is_stripped(call)
    assert calls_expire(now=timezone.now() + timedelta(days=2)) == 1


def test_a_run_does_no_more_than_its_share(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RETENTION_DAYS = 1
    monkeypatch.setattr(retention, "BATCH", 2)
    calls = [spoken_call(days_old=2 + n) for n in range(5)]

    assert calls_expire(now=timezone.now(), most=3) == 3
    assert [is_stripped(one) for one in calls] == [True, True, True, False, False]
    assert calls_expire(now=timezone.now(), most=3) == 2


def test_what_was_said_in_a_call_without_a_row_of_its_own_goes_too(settings: Settings) -> None:
    settings.RETENTION_DAYS = 1
    transcript = make_transcript(started_at=timezone.now() - timedelta(days=2))
    utterance = make_utterance(transcript=transcript)

    calls_expire(now=timezone.now())

    utterance.refresh_from_db()
    assert utterance.text == ""


@pytest.mark.django_db(transaction=True)
def test_a_row_that_is_being_written_is_waited_for_by_nobody(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RETENTION_DAYS = 1
    monkeypatch.setattr("calls.erasing.stripping._LOCK_TIMEOUT", "20ms")
    call = spoken_call(days_old=2)
    writer = connections.create_connection("default")
    try:
        with transaction.atomic():
            pass
        writer.set_autocommit(False)
        with writer.cursor() as cursor:
            cursor.execute("SELECT 1 FROM calls_call WHERE id = %s FOR UPDATE", [call.pk])

        assert calls_expire(now=timezone.now()) == 0

        writer.rollback()
        assert calls_expire(now=timezone.now()) == 1
    finally:
        writer.close()
