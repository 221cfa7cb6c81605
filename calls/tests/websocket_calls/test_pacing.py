"""What a listener has heard who tells nothing: never more than was sent, never faster than it is spoken."""

from hypothesis import given, settings
from hypothesis import strategies as st

from calls.websocket_calls.pacing import FRAME_MS, LEAD_MS, Pacer

RATE = 8
SECOND = b"\x20" * 8000


def drain(pacer: Pacer, now: float) -> bytes:
    """All that is due."""
    sent = b""
    while frame := pacer.take(now):
        sent += frame
        pacer.sent(now)
    return sent


def test_a_burst_goes_out_at_the_pace_of_speech_a_little_ahead() -> None:
    pacer = Pacer(RATE)
    pacer.play(SECOND)

    lengths = [len(drain(pacer, 50.0 + tenth / 10)) for tenth in range(12)]

    assert lengths[0] == LEAD_MS * RATE
    assert lengths[1:5] == [100 * RATE] * 4
    assert sum(lengths) == len(SECOND)
    assert pacer.queued == 0


def test_a_mark_is_told_when_what_is_before_it_was_heard_and_not_when_it_was_sent() -> None:
    pacer = Pacer(RATE)
    pacer.play(b"\x20" * 100 * RATE)
    pacer.mark("m1")
    drain(pacer, 10.0)

    assert pacer.reached(10.05) == []
    assert pacer.reached(10.101) == ["m1"]
    assert pacer.reached(11.0) == []


def test_what_comes_after_a_silence_is_heard_from_then_on() -> None:
    pacer = Pacer(RATE)
    pacer.play(b"\x20" * 40 * RATE)
    drain(pacer, 10.0)
    pacer.play(b"\x20" * 100 * RATE)
    pacer.mark("m1")
    drain(pacer, 20.0)

    assert pacer.position(20.0) == 40 * RATE
    assert pacer.reached(20.05) == []
    assert pacer.reached(20.101) == ["m1"]


def test_a_clear_takes_back_all_but_the_lead() -> None:
    pacer = Pacer(RATE)
    pacer.play(SECOND)
    pacer.mark("m1")
    out = drain(pacer, 10.0)

    assert pacer.clear() == ["m1"]
    assert drain(pacer, 10.5) == b""
    assert len(out) == LEAD_MS * RATE
    assert pacer.position(12.0) == LEAD_MS * RATE
    assert pacer.next_at(12.0) is None


def test_while_a_slow_reader_takes_nothing_the_clock_stands_still() -> None:
    pacer = Pacer(RATE)
    pacer.play(SECOND)
    drain(pacer, 10.0)
    frame = pacer.take(10.02)
    assert frame

    before = pacer.position(15.0)  # the frame is still on its way
    pacer.sent(15.0)

    assert before == LEAD_MS * RATE
    assert pacer.position(15.0) == before
    assert pacer.position(15.01) == before + 10 * RATE


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(0, 900)),
        st.tuples(st.just("mark"), st.integers(0, 9)),
        st.tuples(st.just("clear"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 400)),
    ),
    max_size=40,
)


@settings(max_examples=50, deadline=None)
@given(steps=STEPS)
def test_in_any_order_marks_come_once_in_order_and_nobody_hears_the_future(
    steps: list[tuple[str, int]],
) -> None:
    pacer, now, sent, named, told = Pacer(RATE), 100.0, 0, 0, list[str]()
    cleared = list[str]()
    for step, amount in steps:
        before = pacer.position(now)
        match step:
            case "play":
                pacer.play(b"\x20" * amount)
            case "mark":
                named += 1
                pacer.mark(f"m{named}")
            case "clear":
                cleared += pacer.clear()
            case _:
                for _ in range(amount // 10 + 1):
                    now += 0.01
                    out = len(drain(pacer, now))
                    sent += out
                    told += pacer.reached(now)
        assert before <= pacer.position(now) <= sent
    for _ in range(4000):
        at = pacer.next_at(now)
        if at is None:
            break
        assert at >= now
        now = at
        sent += len(drain(pacer, now))
        told += pacer.reached(now)
    assert pacer.next_at(now) is None
    assert sorted(told + cleared, key=lambda name: int(name[1:])) == [f"m{n + 1}" for n in range(named)]
    assert told == sorted(told, key=lambda name: int(name[1:]))
    assert FRAME_MS < LEAD_MS
