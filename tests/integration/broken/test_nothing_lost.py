"""Twenty calls while Redis, PostgreSQL or both are away for a minute, and workers and the web process are killed: every word is there once."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from calls.models import Call, UnwrittenRecord
from simulator import scenario as scenarios
from tests.integration.rows import GREETING, Desk, make_desk, written
from tests.integration.stack import Stack, eventually
from tests.integration.stories import (
    ASKS_HOURS,
    HOURS,
    Told,
    assert_written_as_heard,
    assert_written_as_said,
)

CALLS = 20
AWAY_S = 60.0
ASKED = 6
STORY = scenarios.parse(
    {
        "name": "patient",
        "extends": "one_tool",
        "caller": [
            *(
                {"when": {"quiet_ms": 600, "at_ms": 3_000 + 11_000 * n}, "say": ASKS_HOURS}
                for n in range(ASKED)
            ),
            {"when": {"quiet_ms": 600, "at_ms": 66_000}, "hang_up": True},
        ],
    }
)
Trouble = Callable[[Stack], None]


def both_away(stack: Stack) -> None:
    """Everything that keeps words is gone for a minute, and whoever works with it dies."""
    stack.redis_stop()
    stack.postgres_stop()
    _workers_die(stack)
    stack.postgres_start()
    stack.redis_start()


def redis_away(stack: Stack) -> None:
    """Redis is gone for a minute."""
    stack.redis_stop()
    _workers_die(stack)
    stack.redis_start()


def database_away(stack: Stack) -> None:
    """PostgreSQL is gone for a minute; what Redis took meanwhile is lost with a worker that had it in hand."""
    stack.postgres_stop()
    _workers_die(stack, start_at_once=True)
    stack.postgres_start()


def redis_forgets(stack: Stack) -> None:
    """Nobody works for a minute; then Redis comes back with nothing of what it had been given."""
    _workers_die(stack)
    with redis.Redis.from_url(stack.redis_url) as client:
        assert client.llen("records")
        client.flushall()


def _workers_die(stack: Stack, *, start_at_once: bool = False) -> None:
    until = time.monotonic() + AWAY_S
    stack.kill("worker")
    if start_at_once:
        stack.start("worker", wait=False)
    time.sleep(AWAY_S / 2)
    stack.kill("web")
    time.sleep(max(0.0, until - time.monotonic()))


@pytest.mark.long
@pytest.mark.parametrize("trouble", [redis_away, database_away, both_away, redis_forgets])
def test_every_word_of_twenty_calls_is_written_once(
    alone: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trouble: Trouble
) -> None:
    monkeypatch.setattr(alone.outside, "_lines", asyncio.Semaphore(CALLS))
    monkeypatch.setattr(alone.outside, "_fewest", CALLS)  # all of them are to be there when it breaks
    desk = make_desk(alone)
    lives = [alone.call(STORY, desk.did) for _ in range(CALLS)]
    for live in lives:
        live.wait_for("caller says", text=ASKS_HOURS)

    trouble(alone)
    alone.revive()  # as a process manager does
    time.sleep(2)  # in the middle of catching up
    alone.kill("worker")
    alone.start("worker")
    back = time.monotonic()
    reports = [live.report() for live in lives]

    for report in reports:
        _assert_all_is_there(desk, report)
    with capsys.disabled():
        sys.stdout.write(
            f" [{trouble.__name__}: all written {time.monotonic() - back:.0f} s after the return] "
        )
    assert not UnwrittenRecord.objects.exists()
    eventually(lambda: _waiting(alone) == 0, "the spool is empty", within_s=150)


def _assert_all_is_there(desk: Desk, report: Any) -> None:
    told = Told(desk, report, written(report.call_sid, within_s=240, settled=False))
    assert told.heard()[:2] == [GREETING, HOURS]
    assert len(report.turns) == ASKED
    assert_written_as_heard(told)
    assert_written_as_said(told)
    assert told.rows.call.status == Call.Status.ENDED
    items = [one.item_id for one in told.rows.utterances]
    assert len(items) == len(set(items))


def _waiting(stack: Stack) -> int:
    return sum(path.stat().st_size for path in stack.spool.glob("*.jsonl"))
