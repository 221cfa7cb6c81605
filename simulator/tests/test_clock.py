"""The clock of a call never runs ahead of those who sleep by it, however late this process is."""

import asyncio
import time

import pytest

from simulator import clock as clocks
from simulator.clock import Clock


class Wall:
    """The machine's clock, and how long this process was not let run in all."""

    def __init__(self) -> None:
        self.stopped_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.stopped_s


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall()
    monkeypatch.setattr(clocks, "time", wall)
    return wall


@pytest.mark.parametrize("speed", [1.0, 4.0])
async def test_it_stands_still_while_a_sleeper_is_late(wall: Wall, speed: float) -> None:
    clock = Clock(speed=speed)
    sleeping = asyncio.create_task(clock.sleep_until(40))
    await asyncio.sleep(0)
    asleep = clock.now_ms()  # later than 40, where the machine let nobody run before that

    wall.stopped_s = 3600.0
    shown = clock.now_ms()
    woken = await sleeping

    assert 40 <= shown == woken <= max(40, asleep) + 50
    assert clock.lost_ms > 3_500_000


async def test_who_wakes_finds_it_standing_until_others_have_had_their_turn(wall: Wall) -> None:
    clock = Clock()

    woken = await clock.sleep_until(20)
    wall.stopped_s = 3600.0

    assert clock.now_ms() <= woken + 50


async def test_nobody_sleeps_too_short_for_another_who_was_late(wall: Wall) -> None:
    clock = Clock()
    sleeping = [asyncio.create_task(clock.sleep_until(ms)) for ms in (10, 60, 110)]
    await asyncio.sleep(0)
    asleep = clock.now_ms()
    wall.stopped_s = 0.1

    woken = await asyncio.gather(*sleeping)

    assert all(due <= at <= max(due, asleep) + 50 for due, at in zip((10, 60, 110), woken, strict=True))


async def test_it_runs_like_the_walls_where_nobody_sleeps(wall: Wall) -> None:
    clock = Clock(speed=2.0)

    wall.stopped_s = 60.0

    assert clock.now_ms() >= 120_000
    assert clock.lost_ms == 0


async def test_an_event_that_comes_in_time_ends_the_wait(wall: Wall) -> None:
    clock, event = Clock(), asyncio.Event()
    waiting = asyncio.create_task(clock.comes(event, within_ms=60_000))
    await asyncio.sleep(0)

    wall.stopped_s = 59.0
    event.set()

    assert await waiting
    assert not await clock.comes(asyncio.Event(), within_ms=5)
