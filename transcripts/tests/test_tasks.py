"""The task behind the transcript: tried again as long as the database is away."""

import uuid
from typing import Any

import pytest
from celery.exceptions import Retry
from django.db import InterfaceError, OperationalError

from transcripts import services
from transcripts.models import Transcript
from transcripts.tasks import utterances_write
from transcripts.tests.test_services import said

MOMENT = "2026-11-22T08:00:00+00:00"


@pytest.mark.django_db
@pytest.mark.parametrize("closed_at", [None, MOMENT])
def test_the_task_takes_what_json_carries(closed_at: str | None) -> None:
    call_id = uuid.uuid4()

    utterances_write(call_id=str(call_id), started_at=MOMENT, utterances=[said()], closed_at=closed_at)

    transcript = Transcript.objects.get(call_id=call_id)
    assert transcript.utterances.count() == 1
    assert (transcript.closed_at is not None) is (closed_at is not None)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_away_puts_the_task_off(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(**_: Any) -> None:
        raise error("away")

    monkeypatch.setattr(services, "utterances_write", gone)

    with pytest.raises(Retry):
        utterances_write.apply(
            kwargs={"call_id": str(uuid.uuid4()), "started_at": MOMENT, "utterances": []},
            throw=True,
            retries=50,
        ).get()


def test_the_task_is_never_given_up() -> None:
    assert utterances_write.max_retries is None
