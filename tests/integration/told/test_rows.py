"""Whole calls in the database: one row each, written soon, and none knows of another."""

import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from assistants.tests.factories import make_version
from calls.models import Call
from simulator import scenario as scenarios
from tests.integration.outside import LiveCall
from tests.integration.rows import GREETING, Desk, make_desk, written
from tests.integration.stack import Stack, eventually
from tests.integration.stories import (
    ASKS_HOURS,
    HOURS,
    Told,
    assert_nobody_complained,
    assert_told_well,
    assert_written_as_heard,
    story,
)
from transcripts.models import Utterance


@story("one_tool")
def test_a_call_has_one_row_under_its_own_id(told: Told, stack: Stack) -> None:
    assert Call.objects.filter(call_sid=told.report.call_sid).count() == 1
    assert told.rows.transcript is not None
    assert told.rows.transcript.call_id == told.rows.call.id
    assert told.rows.call.phone_number == told.desk.number
    assert told.rows.call.account_sid
    assert told.rows.call.caller


def test_a_call_keeps_its_version_when_a_new_one_is_published_in_the_middle(stack: Stack) -> None:
    desk = make_desk(stack)
    first = desk.assistant.live_version
    live = stack.call("hang_up_in_answer", desk.did)
    live.wait_for("assistant begins to speak")
    desk.assistant.first_message = "This is the new greeting."
    desk.assistant.instructions = "The new prompt."
    desk.assistant.save()
    second = make_version(assistant=desk.assistant)

    report = live.report()
    then = stack.call("hang_up_in_greeting", desk.did).report()

    rows = written(report.call_sid)
    assert rows.call.version == first
    assert report.heard[0].text == GREETING
    assert all("The new prompt." not in str(event) for event in report.realtime_events)
    assert report.heard[1].line == HOURS
    assert written(then.call_sid).call.version == second
    assert then.heard[0].line == "This is the new greeting."


def test_two_calls_to_one_number_one_after_the_other_know_nothing_of_each_other(stack: Stack) -> None:
    desk = make_desk(stack)

    told = []
    for _ in range(2):
        report = stack.call("hang_up_in_greeting", desk.did).report()
        told.append(Told(desk, report, written(report.call_sid)))

    for one in told:
        assert one.report.heard[0].line == GREETING
        assert_told_well(one)
    assert told[0].rows.call.id != told[1].rows.call.id


def test_three_calls_to_one_number_at_once_are_three_conversations(stack: Stack) -> None:
    desk = make_desk(stack)

    begun = [stack.call(name, desk.did) for name in ("greeting", "hang_up_in_answer", "hang_up_mid_word")]
    reports = [live.report() for live in begun]

    told = [Told(desk, report, written(report.call_sid)) for report in reports]
    for one in told:
        assert one.heard()[0] == GREETING
        assert_nobody_complained(one)
        assert_written_as_heard(one)
    assert [len(one.rows.said("caller")) for one in told] == [0, 1, 1]
    assert len({one.rows.call.id for one in told}) == 3


def test_every_utterance_is_in_the_database_while_the_call_goes_on(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk(stack, silence_timeout_s=120)
    live = stack.call(STAYS, desk.did)
    seen = eventually(lambda: three_of(live, desk), "three utterances are written")
    now = timezone.now()
    assert seen is not None
    call = Call.objects.get(did=desk.did)
    assert call.status == Call.Status.IN_PROGRESS

    assert stack.outside.hang_up(call.call_sid) == 200

    said = [one.text for one in written(live.report().call_sid).utterances]
    assert said[0] == GREETING
    assert said[:3] == [one.text for one in seen]
    ended = max(one.transcript.started_at + timedelta(milliseconds=one.ended_ms) for one in seen)
    with capsys.disabled():
        late_s = (now - ended).total_seconds()
        sys.stdout.write(f" [three utterances: in the database {late_s:.2f} s after the end of the last] ")


STAYS = scenarios.parse(
    {
        "name": "stays",
        "extends": "hang_up_in_answer",
        "caller": [
            {"when": {"quiet_ms": 600}, "say": ASKS_HOURS},
            {"when": {"at_ms": 600_000}, "hang_up": True},
        ],
        "patience_ms": 120_000,
    }
)


def three_of(live: LiveCall, desk: Desk) -> list[Utterance] | None:
    """The first three utterances of a running call, when they are in the database."""
    assert live.placed is not None
    assert not live.placed.done(), f"the call ended before they were written: {live.events}"
    calls = Call.objects.filter(did=desk.did).values("id")
    found = Utterance.objects.filter(transcript__call_id__in=calls).select_related("transcript")[:3]
    return list(found) if len(found) == 3 else None
