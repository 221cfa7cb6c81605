"""What breaks in the middle of a call: our own services and processes. No word is lost, and the audio never waits.

The services are the stack's own, so nobody else is disturbed.
"""

import sys
import threading
import time
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from calls.models import Call
from simulator import scenario as scenarios
from simulator.harness import Scenario, new_sid
from simulator.rest import Failure
from tests.integration.line import Ticket, line, ring, spoken, ticket
from tests.integration.outside import Connection
from tests.integration.rows import GREETING, in_trouble, make_desk, read, written
from tests.integration.stack import Stack, becomes, eventually
from tests.integration.stories import (
    ASKS,
    ASKS_HOURS,
    CHECKING,
    GOODBYE,
    HOURS,
    OKAY,
    READY_ON,
    UNREACHED,
    Told,
    assert_nobody_complained,
    assert_told_well,
    assert_written_as_heard,
    assert_written_as_said,
    story,
)
from transcripts.models import Utterance

DATABASE_AWAY_S = 12.0
REDIS_AWAY_S = 3.0
# Many times a busy machine's hiccup, and a fraction of each disturbance here.
LONGEST_GAP_S = 2.5


def tell(*caller: dict[str, Any], **parts: Any) -> Scenario:
    """The bike shop's story with another caller."""
    return scenarios.parse({"name": "outage", "extends": "one_tool", "caller": list(caller), **parts})


ASK_HOURS = {"when": {"quiet_ms": 600}, "say": ASKS_HOURS}


@pytest.fixture
def connections(alone: Stack) -> list[Connection]:
    """The connections to the Realtime API that are made in this test."""
    return alone.outside.overhear(but=[str(one) for one in Call.objects.values_list("pk", flat=True)])


def assert_audio_flowed(
    connection: Connection, disturbance: str, capsys: pytest.CaptureFixture[str], *, since: float = 0.0
) -> None:
    """The caller's frames reached the model all the time."""
    gap_s = connection.longest_gap_s(since)
    with capsys.disabled():
        sys.stdout.write(f" [{disturbance}: longest gap between two frames {gap_s * 1000:.0f} ms] ")
    assert 0 < gap_s < LONGEST_GAP_S


# Services


def test_redis_may_go_and_come_back_in_a_call(
    alone: Stack, connections: list[Connection], capsys: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk(alone)
    story = tell(
        ASK_HOURS,
        {"when": {"quiet_ms": 600, "at_ms": 10_000}, "say": ASKS},
        {"when": {"quiet_ms": 700, "heard": "November"}, "hang_up": True},
    )
    live = alone.call(story, desk.did)

    live.wait_for("caller says", text=ASKS_HOURS)
    alone.redis_stop()
    time.sleep(REDIS_AWAY_S)
    alone.redis_start()
    alone.revive()
    report = live.report()

    told = Told(desk, report, written(report.call_sid))
    assert told.heard() == [GREETING, HOURS, CHECKING, READY_ON]
    assert_told_well(told)
    assert [one.status for one in told.rows.tool_calls] == ["answered"]
    assert_audio_flowed(connections[0], "Redis stopped", capsys)


def test_the_database_may_go_and_come_back_in_a_call(
    alone: Stack, connections: list[Connection], capsys: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk(alone)
    live = alone.call(tell(ASK_HOURS, {"when": {"quiet_ms": 600}, "say": OKAY}), desk.did)

    live.wait_for("caller says", text=ASKS_HOURS)
    alone.postgres_stop()
    stopped = time.monotonic()
    try:
        another = ring(alone, desk.did)
        webhook_s = time.monotonic() - stopped
        report = live.report()
        time.sleep(max(0.0, stopped + DATABASE_AWAY_S - time.monotonic()))
    finally:
        alone.postgres_start()
    back = time.monotonic()
    wait_until_calls_are_answered(alone, desk.did)

    assert another.status_code == 200
    assert spoken(another.text)
    told = Told(desk, report, written(report.call_sid, within_s=60, settled=False))
    with capsys.disabled():
        late_s = time.monotonic() - back
        sys.stdout.write(
            f" [database stopped: webhook answered in {webhook_s:.1f} s, all written {late_s:.1f} s after its return] "
        )
    assert told.heard() == [GREETING, HOURS, GOODBYE]
    assert told.rows.call.ended_reason == "assistant-ended-call"
    assert not report.violations
    assert_written_as_heard(told)
    assert_written_as_said(told)
    assert_audio_flowed(connections[0], "database stopped", capsys)


def wait_until_calls_are_answered(stack: Stack, did: str) -> None:
    """Call until several calls in a row are answered."""

    def five_in_a_row() -> bool:
        return all(_is_answered(stack, did) for _ in range(5))

    eventually(five_in_a_row, "calls are answered")


def _is_answered(stack: Stack, did: str) -> bool:
    call_sid = new_sid("CA")
    document = ring(stack, did, call_sid=call_sid).text
    if spoken(document):
        return False
    found = Ticket(call_sid, document)
    try:
        with line(stack, found.url) as socket:
            socket.start(call_sid, token=found.token)
            socket.frames(2)
            socket.expect("media")
            socket.stop(call_sid)
    except (ConnectionClosed, InvalidStatus):
        return False
    return True


def test_a_slow_query_of_one_call_holds_nobody_elses_audio(
    alone: Stack, connections: list[Connection], capsys: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk(alone)
    live = alone.call(tell(ASK_HOURS, {"when": {"at_ms": 9_000}, "hang_up": True}), desk.did)
    waiting = ticket(alone, desk.did)
    live.wait_for("caller says", text=ASKS_HOURS)

    with psycopg.connect(alone.database_url) as blocker:
        blocker.execute("LOCK TABLE calls_call IN ACCESS EXCLUSIVE MODE")
        since = time.monotonic()
        others = [threading.Thread(target=_open_and_wait, args=(alone, waiting.url)) for _ in range(12)]
        for other in others:
            other.start()
        time.sleep(3)
        gap_s = connections[0].longest_gap_s(since)
        blocker.rollback()
    for other in others:
        other.join()
    report = live.report()

    told = Told(desk, report, written(report.call_sid))
    assert told.heard() == [GREETING, HOURS]
    assert_told_well(told)
    assert gap_s < LONGEST_GAP_S
    assert_audio_flowed(connections[0], "table locked for 3 s", capsys, since=since)


def _open_and_wait(stack: Stack, url: str) -> None:
    with suppress(TimeoutError), line(stack, url) as socket:
        socket.close_code(within_s=3)


# Processes


def test_what_was_said_before_the_media_process_was_killed_is_written_when_it_is_back(alone: Stack) -> None:
    desk = make_desk(alone)
    live = alone.call(tell(ASK_HOURS, {"when": {"quiet_ms": 30_000}, "hang_up": True}), desk.did)
    live.wait_for("assistant begins to speak")
    call_id = str(Call.objects.get(did=desk.did).pk)
    alone.redis_stop()  # so that everything is still in the spool
    try:
        # What a caller said is written down a while after it was said, perhaps after the answer to it.
        eventually(
            lambda: all(_is_in_the_spool(alone, call_id, one) for one in (ASKS_HOURS, HOURS)), "all was heard"
        )
        alone.kill("media")
        report = live.report()
    finally:
        alone.redis_start()
        alone.revive()

    becomes(
        lambda: [one.text for one in _utterances(report.call_sid)],
        [GREETING, ASKS_HOURS, HOURS],
        "every word is in the transcript",
    )
    eventually(lambda: not _files(alone), "the spool is empty")
    rows = read(report.call_sid)
    assert rows is not None
    assert [one.heard_text for one in rows.utterances if one.speaker == "assistant"] == [GREETING, HOURS]
    assert report.spoken_by_twilio == [desk.assistant.apology]
    assert rows.call.status == Call.Status.ENDED
    assert rows.call.ended_reason == "call.in-progress.error-vapifault-worker-died"


def _utterances(call_sid: str) -> list[Utterance]:
    call = Call.objects.get(call_sid=call_sid)
    return list(Utterance.objects.filter(transcript__call_id=call.id))


def _is_in_the_spool(stack: Stack, call_id: str, words: str) -> bool:
    # Calls before it said the same, and a part of the journal goes only when all of it is done.
    lines = (line for text in _files(stack) for line in text.splitlines())
    return any(call_id.encode() in line and words.encode() in line for line in lines)


def _files(stack: Stack) -> list[bytes]:
    return [text for path in stack.spool.glob("*.jsonl") if (text := path.read_bytes())]


@pytest.mark.long
def test_a_media_process_that_is_told_to_stop_writes_its_calls_down(alone: Stack) -> None:
    desk = make_desk(alone)
    live = alone.call(tell(ASK_HOURS, {"when": {"quiet_ms": 30_000}, "hang_up": True}), desk.did)
    live.wait_for("turn answered")
    time.sleep(1)

    alone.stop("media")
    report = live.report()
    alone.start("media")

    told = Told(desk, report, written(report.call_sid))
    # Nobody was there to go on with the call for as long as that was tried.
    assert told.rows.call.ended_reason == "call.in-progress.error-vapifault-worker-died"
    assert report.spoken_by_twilio == [desk.assistant.apology]
    assert_written_as_said(told)
    assert_written_as_heard(told)
    assert set(told.rows.codes()) == {"stream_error", "stream_lost"}
    eventually(lambda: _files(alone) == [], "the spool is empty")


def test_a_worker_killed_in_the_middle_of_a_tool_call_is_told_honestly_and_nothing_is_asked_twice(
    alone: Stack,
) -> None:
    desk = make_desk(alone, tool={"timeout_s": 4})
    story = tell(
        {"when": {"quiet_ms": 600}, "say": ASKS},
        {"when": {"quiet_ms": 700, "heard": "workshop just now"}, "hang_up": True},
        tools={"get_repair_status": {"delay_ms": 8000, "result": "too late"}},
    )
    live = alone.call(story, desk.did)

    live.wait_for("tool server asked")
    alone.kill("worker")
    alone.start("worker", wait=False)
    report = live.report()

    told = Told(desk, report, written(report.call_sid, settled=False))
    assert told.heard() == [GREETING, CHECKING, UNREACHED]
    assert len(report.tool_requests) == 1
    lookup = told.rows.tool_calls[0]
    assert lookup.told_at is not None
    assert report.tool_calls[0].outputs == [lookup.outcome]
    assert "timeout" in lookup.outcome
    assert told.rows.codes() == ["tool_timed_out"]
    assert_written_as_heard(told)
    assert_written_as_said(told)


# Twilio's REST


LEAVES = [{"when": {"quiet_ms": 600}, "say": OKAY}]


@story("one_tool", makes=in_trouble(Failure(500, 20500)), caller=LEAVES)
def test_a_hang_up_that_twilio_refuses_ends_the_call_all_the_same(told: Told) -> None:
    assert told.heard() == [GREETING, GOODBYE]
    assert all(line.complete for line in told.report.heard)
    assert told.report.reason == "hung up by TwiML"
    assert told.report.spoken_by_twilio == []
    assert told.rows.call.ended_reason == "assistant-ended-call"
    assert "hang_up_failed" in told.rows.codes()


@story("one_tool", makes=in_trouble(Failure(429, 20429)), caller=LEAVES)
def test_a_hang_up_that_twilio_puts_off_is_asked_for_again(told: Told) -> None:
    assert told.report.reason == "completed by REST"
    assert told.heard() == [GREETING, GOODBYE]
    assert_nobody_complained(told)
