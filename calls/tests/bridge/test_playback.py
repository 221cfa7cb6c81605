"""What the caller has heard, by marks and by the clock between them."""

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.bridge.playback import LOST_ECHO_S, MARK_EVERY_MS, Playback

SECOND = 8000


def test_nothing_is_heard_before_anything_is_sent() -> None:
    playback = Playback()

    assert playback.heard_bytes("item", now=5.0) == 0
    assert not playback.holds_audio(5.0)


def test_audio_is_heard_by_the_clock_until_its_mark_returns() -> None:
    playback = Playback()
    playback.add("item", SECOND, now=10.0)
    playback.mark_due()

    assert playback.heard_bytes("item", now=10.25) == SECOND // 4
    assert playback.remaining_s(10.25) == 0.75


def test_a_mark_is_due_every_200_ms_and_for_the_rest_when_flushed() -> None:
    playback = Playback()
    playback.add("item", MARK_EVERY_MS * 8 - 1, now=0.0)
    assert playback.mark_due() is None

    playback.add("item", 1, now=0.0)
    assert playback.mark_due() == "g1:1"
    assert playback.mark_due(flush=True) is None
    playback.add("item", 1, now=0.0)
    assert playback.mark_due(flush=True) == "g1:2"


def test_the_clock_does_not_run_past_a_mark_that_has_not_returned() -> None:
    playback = Playback()
    playback.add("item", SECOND, now=0.0)
    playback.mark_due()
    playback.add("item", SECOND, now=0.0)

    assert playback.heard_bytes("item", now=1.7) == SECOND


def test_a_returned_mark_sets_the_clock_right() -> None:
    playback = Playback()
    playback.add("item", SECOND, now=0.0)
    name = playback.mark_due()
    assert name is not None
    playback.add("item", SECOND, now=0.0)

    playback.echo(name, now=1.4)

    assert playback.heard_bytes("item", now=1.5) == SECOND + SECOND // 10


def test_a_mark_that_was_skipped_counts_as_played_with_the_next() -> None:
    playback = Playback()
    for _ in range(2):
        playback.add("item", SECOND, now=0.0)
        playback.mark_due()

    playback.echo("g1:2", now=2.0)
    playback.echo("g1:1", now=2.1)

    assert playback.heard_bytes("item", now=2.1) == 2 * SECOND
    assert not playback.holds_audio(2.1)


@pytest.mark.parametrize("name", ["", "unknown", "g2:1", "g1:9"])
def test_a_mark_that_nobody_sent_changes_nothing(name: str) -> None:
    playback = Playback()
    playback.add("item", SECOND, now=0.0)
    playback.mark_due()

    playback.echo(name, now=0.1)

    assert playback.heard_bytes("item", now=0.1) == SECOND // 10


def test_marks_that_a_clear_shakes_loose_are_not_heard() -> None:
    playback = Playback()
    playback.add("item", SECOND, now=0.0)
    name = playback.mark_due()
    assert name is not None

    assert playback.interrupt(now=0.5) == ["item"]
    playback.echo(name, now=0.51)

    assert playback.heard_bytes("item", now=9.0) == SECOND // 2
    playback.add("next", SECOND, now=10.0)
    assert playback.mark_due() == "g2:2"


def test_an_interruption_names_the_items_that_were_not_heard_out() -> None:
    playback = Playback()
    for item in ("heard", "playing", "waiting"):
        playback.add(item, SECOND, now=0.0)

    assert playback.interrupt(now=1.5) == ["playing", "waiting"]
    heard = [playback.heard_bytes(item, now=9.0) for item in ("heard", "playing", "waiting")]
    assert heard == [SECOND, SECOND // 2, 0]


def test_audio_after_a_pause_plays_from_when_it_came() -> None:
    playback = Playback()
    playback.add("item", SECOND, now=0.0)
    playback.echo(playback.mark_due() or "", now=1.0)

    playback.add("item", SECOND, now=5.0)

    assert playback.heard_bytes("item", now=5.25) == SECOND + SECOND // 4


def test_audio_after_a_pause_plays_from_when_it_came_though_the_rest_before_it_was_never_marked() -> None:
    playback = Playback()
    playback.add("item", MARK_EVERY_MS * 8, now=0.0)
    name = playback.mark_due()
    playback.add("item", 800, now=0.0)
    playback.echo(name or "", now=0.2)

    playback.add("item", SECOND, now=1.5)

    assert playback.heard_bytes("item", now=1.5) == MARK_EVERY_MS * 8 + 800


def test_what_is_queued_counts_as_heard_when_its_mark_is_lost() -> None:
    playback = Playback()
    playback.add("item", SECOND, now=0.0)
    playback.mark_due()

    assert playback.gives_up_at() == 1.0 + LOST_ECHO_S
    assert playback.holds_audio(playback.gives_up_at() - 0.001)
    assert not playback.holds_audio(playback.gives_up_at())
    assert playback.heard_bytes("item", now=playback.gives_up_at()) == SECOND


def test_a_mark_that_returns_after_it_was_given_up_takes_nothing_back() -> None:
    playback = Playback()
    for _ in range(2):
        playback.add("item", SECOND, now=0.0)
        playback.mark_due()
    playback.add("item", SECOND, now=10.0)

    playback.echo("g1:1", now=10.1)

    assert playback.heard_bytes("item", now=10.1) == 2 * SECOND + SECOND // 10


# Against a telephone that keeps its own books --------------------------------------------------------------------


@dataclass
class Truth:
    """Twilio and the way to it: audio arrives late, plays without a pause, and its marks come back later still."""

    up_s: float
    queue: deque[tuple[str, int, float]] = field(
        default_factory=deque
    )  # name of a mark or "", bytes, arrival
    heard: float = 0.0
    free_at: float = 0.0

    def play(self, until: float) -> list[tuple[str, float]]:
        """Play to a moment; return the marks that were reached, and when."""
        reached = []
        while self.queue:
            name, n_bytes, arrives = self.queue[0]
            begins = max(self.free_at, arrives)
            if begins + n_bytes / SECOND > until:
                break
            self.queue.popleft()
            self.free_at = begins + n_bytes / SECOND
            self.heard += n_bytes
            if name:
                reached.append((name, self.free_at))
        return reached

    def heard_at(self, now: float) -> float:
        if not self.queue:
            return self.heard
        _, n_bytes, arrives = self.queue[0]
        return self.heard + min(n_bytes, max(0.0, now - max(self.free_at, arrives)) * SECOND)


STEPS = st.lists(
    st.tuples(st.sampled_from(["audio", "audio", "flush", "wait", "wait"]), st.integers(1, 12_000)),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, up_ms=st.integers(0, 150), down_ms=st.lists(st.integers(0, 300), min_size=1, max_size=5))
def test_it_is_never_further_from_the_truth_than_the_line_is_slow(
    steps: list[tuple[str, int]], up_ms: int, down_ms: list[int]
) -> None:
    playback, truth = Playback(), Truth(up_ms / 1000)
    echoes: deque[tuple[float, str]] = deque()
    delays = deque(down_ms)
    now = 50.0

    def reach(moment: float) -> None:
        nonlocal now
        for name, at in truth.play(moment):
            delays.rotate()
            # The socket keeps the order.
            echoes.append((max(at + delays[0] / 1000, echoes[-1][0] if echoes else 0.0), name))
        while echoes and echoes[0][0] <= moment:
            at, name = echoes.popleft()
            playback.echo(name, now=at)
        now = moment

    for kind, amount in steps:
        if kind == "wait":
            for _ in range(4):
                reach(now + amount / 4 / SECOND)
                estimate = playback.heard_bytes("item", now=now)
                assert estimate <= truth.heard_at(now) + up_ms * 8 + 8
                assert estimate >= truth.heard_at(now) - max(down_ms) * 8 - 8
            continue
        if kind == "audio":
            playback.add("item", amount, now=now)
            truth.queue.append(("", amount, now + truth.up_s))
        name = playback.mark_due(flush=kind == "flush")
        if name is not None:
            truth.queue.append((name, 0, now + truth.up_s))
