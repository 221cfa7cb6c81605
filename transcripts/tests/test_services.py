"""Writing what was said: any order, any repetition, and the closing word wins."""

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from transcripts.models import Transcript, Utterance
from transcripts.services import utterances_write

BEGAN = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
FIELDS = ("item_id", "speaker", "text", "heard_text", "began_ms", "ended_ms", "heard_ms", "interrupted")


def said(item_id: str = "item_1", **fields: Any) -> dict[str, Any]:
    """One utterance, as the bridge tells it."""
    usual = {
        "item_id": item_id,
        "speaker": "assistant",
        "text": "Good morning.",
        "heard_text": "Good morning.",
        "began_ms": 0,
        "ended_ms": 900,
        "generated_ms": 900,
        "heard_ms": 900,
        "interrupted": False,
        "latency_ms": None,
        "transcribed": True,
    }
    return {**usual, **fields}


def write(
    call_id: uuid.UUID, utterances: list[dict[str, Any]], *, closed_at: datetime | None = None
) -> Transcript:
    """Write them down."""
    return utterances_write(call_id=call_id, started_at=BEGAN, utterances=utterances, closed_at=closed_at)


def rows(call_id: uuid.UUID) -> list[tuple[Any, ...]]:
    """What stands there, in order."""
    return list(Utterance.objects.filter(transcript__call_id=call_id).values_list(*FIELDS))


@pytest.mark.django_db
def test_an_utterance_written_again_changes_nothing() -> None:
    call_id = uuid.uuid4()

    for text in ("Good morning.", "Something else."):
        write(call_id, [said(text=text)])

    assert [row[2] for row in rows(call_id)] == ["Good morning."]
    assert Transcript.objects.get(call_id=call_id).closed_at is None


@pytest.mark.django_db
def test_the_closing_one_overrides_and_a_late_partial_does_not() -> None:
    call_id = uuid.uuid4()
    write(call_id, [said(text="Good", interrupted=False)])

    write(
        call_id, [said(text="Good morning."), said("item_2", began_ms=1000, ended_ms=2000)], closed_at=BEGAN
    )
    write(call_id, [said(text="Late.")])

    assert [row[2] for row in rows(call_id)] == ["Good morning.", "Good morning."]


@pytest.mark.django_db
def test_a_transcript_is_closed_once_and_for_the_last_time_that_was_told() -> None:
    call_id = uuid.uuid4()
    later = BEGAN + timedelta(minutes=5)

    for closed_at in (later, BEGAN, later):
        write(call_id, [said()], closed_at=closed_at)

    assert Transcript.objects.get(call_id=call_id).closed_at == later


@pytest.mark.django_db
def test_a_call_in_which_nothing_was_said_has_a_closed_transcript() -> None:
    transcript = write(uuid.uuid4(), [], closed_at=BEGAN)

    transcript.refresh_from_db()
    assert transcript.closed_at == BEGAN
    assert not transcript.utterances.exists()


@pytest.mark.django_db
def test_a_character_that_the_database_cannot_hold_costs_no_word() -> None:
    call_id = uuid.uuid4()

    write(call_id, [said(text="Good\x00 morning.", heard_text="\x00Good"), said("item_2")], closed_at=BEGAN)

    broken, whole = rows(call_id)
    assert broken[2].startswith("Good")
    assert broken[2].endswith(" morning.")
    assert "\x00" not in broken[2] + broken[3]
    assert whole[2] == "Good morning."


@pytest.mark.django_db
def test_what_cannot_be_true_is_refused_as_a_whole() -> None:
    call_id = uuid.uuid4()

    with pytest.raises(IntegrityError):
        write(call_id, [said(), said("item_2", began_ms=10, ended_ms=9)])


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_write_each_utterance_once() -> None:
    call_id = uuid.uuid4()
    everything = [said(f"item_{n}", began_ms=n, ended_ms=n + 1) for n in range(6)]
    jobs: list[tuple[list[dict[str, Any]], datetime | None]] = [([one], None) for one in everything]
    jobs += [(everything, BEGAN), *jobs]
    random.Random(5).shuffle(jobs)  # noqa: S311 - any order will do

    def work(job: tuple[list[dict[str, Any]], datetime | None]) -> None:
        try:
            write(call_id, job[0], closed_at=job[1])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, jobs))

    assert [row[0] for row in rows(call_id)] == [one["item_id"] for one in everything]
    assert Transcript.objects.get(call_id=call_id).closed_at == BEGAN


class AnyOrder(TestCase):
    """Hypothesis rolls each example back."""

    @given(
        order=st.lists(st.integers(0, 4), min_size=1, max_size=12),
        close_at=st.integers(0, 12),
        partial=st.sampled_from(["Good", "Good mor", ""]),
    )
    @settings(max_examples=40)
    def test_any_order_and_repetition_ends_in_the_same_rows(
        self, order: list[int], close_at: int, partial: str
    ) -> None:
        call_id = uuid.uuid4()
        final = [
            said(f"item_{n}", began_ms=n * 100, ended_ms=n * 100 + 50, text=f"Line {n}.") for n in range(5)
        ]
        deliveries: list[tuple[list[dict[str, Any]], datetime | None]] = [
            ([{**final[n], "text": partial}], None) for n in order
        ]
        deliveries.insert(min(close_at, len(deliveries)), (final, BEGAN))

        for utterances, closed_at in deliveries:
            write(call_id, utterances, closed_at=closed_at)

        assert rows(call_id) == [tuple(one[name] for name in FIELDS) for one in final]
        assert Transcript.objects.get(call_id=call_id).closed_at == BEGAN
