import itertools

from hypothesis import given
from hypothesis import strategies as st

from simulator.playout import Playout

Step = tuple[str, int, int]  # what, bytes, ms that pass before it

steps = st.lists(
    st.tuples(st.sampled_from(["play", "mark", "clear", "wait"]), st.integers(0, 2000), st.integers(0, 300)),
    max_size=40,
)


def audio(size: int, seed: int) -> bytes:
    return bytes((seed * 37 + n) % 251 for n in range(size))


class Run:
    """Plays steps and keeps what was sent and which marks came back."""

    def __init__(self, script: list[Step]) -> None:
        self.playout = Playout()
        self.now = 0
        self.sent = b""
        self.marks_sent: list[str] = []
        self.marks_back: list[str] = []
        self.cleared = False
        for number, (what, size, passes) in enumerate(script):
            self.now += passes
            self._step(what, size, number)

    def _step(self, what: str, size: int, number: int) -> None:
        match what:
            case "play":
                taken, reached = self.playout.play(audio(size, number), now_ms=self.now)
                assert taken
                self.sent += audio(size, number)
                self.marks_back += reached
            case "mark":
                self.marks_sent.append(str(number))
                self.marks_back += self.playout.mark(str(number), now_ms=self.now)
            case "clear":
                self.cleared = True
                self.marks_back += self.playout.clear(now_ms=self.now)
                assert self.playout.queued_bytes == 0
                assert self.marks_back == self.marks_sent
            case _:
                self.marks_back += self.playout.advance(self.now)

    @property
    def heard(self) -> bytes:
        return b"".join(bytes(passage.audio) for passage in self.playout.heard)


@given(steps)
def test_no_more_is_heard_than_was_sent_or_than_time_allows(script: list[Step]) -> None:
    run = Run(script)

    assert len(run.heard) <= len(run.sent)
    assert len(run.heard) <= run.now * 8
    for passage in run.playout.heard:
        assert passage.end_ms <= run.now + 1e-6


@given(steps)
def test_without_clear_everything_is_heard_in_order_in_the_end(script: list[Step]) -> None:
    run = Run([step for step in script if step[0] != "clear"])

    run.marks_back += run.playout.advance(run.now + 1_000_000)

    assert run.heard == run.sent
    assert run.marks_back == run.marks_sent


@given(steps)
def test_every_mark_comes_back_once_and_in_order(script: list[Step]) -> None:
    run = Run(script)

    run.marks_back += run.playout.advance(run.now + 1_000_000)

    assert run.marks_back == run.marks_sent


@given(steps)
def test_passages_do_not_overlap(script: list[Step]) -> None:
    run = Run(script)
    run.playout.advance(run.now + 1_000_000)

    passages = run.playout.heard

    for before, after in itertools.pairwise(passages):
        assert before.end_ms <= after.start_ms + 1e-6


@given(steps)
def test_heard_pieces_are_given_once(script: list[Step]) -> None:
    run = Run(script)

    pieces = run.playout.take_heard()

    assert b"".join(piece for _, piece in pieces) == run.heard
    assert run.playout.take_heard() == []


def test_a_mark_is_due_when_the_audio_before_it_has_played() -> None:
    playout = Playout()
    playout.play(b"x" * 800, now_ms=1000)

    assert playout.mark("end", now_ms=1000) == []
    assert playout.next_mark_at_ms() == 1100
    assert playout.advance(1099.9) == []
    assert playout.advance(1100) == ["end"]


def test_a_mark_behind_nothing_comes_back_at_once() -> None:
    assert Playout().mark("m", now_ms=5) == ["m"]


def test_after_clear_the_next_audio_plays_at_once() -> None:
    playout = Playout()
    playout.play(b"a" * 8000, now_ms=0)
    playout.mark("a", now_ms=0)

    assert playout.clear(now_ms=500) == ["a"]
    playout.play(b"b" * 80, now_ms=500)
    playout.advance(510)

    assert playout.heard_bytes == 4000 + 80


def test_more_than_ten_minutes_are_refused() -> None:
    playout = Playout(cap_ms=1000)

    assert playout.play(b"x" * 8000, now_ms=0)[0]
    assert not playout.play(b"x", now_ms=0)[0]
    assert playout.play(b"x", now_ms=1)[0]
