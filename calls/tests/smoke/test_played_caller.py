"""The caller on our own line: when they speak, wait, interrupt and leave."""

from hypothesis import given
from hypothesis import strategies as st

from calls.smoke.played_caller import (
    FIRST_WORDS_MS,
    FRAME_BYTES,
    PATIENCE_MS,
    QUIET_MS,
    SILENCE,
    PlayedCaller,
)
from calls.smoke.scripts import Turn

HELLO = b"\x10" * (FRAME_BYTES * 3 + 5)


def played(
    turns: list[Turn], assistant: list[tuple[int, int]], *, for_ms: int = 90_000
) -> list[tuple[int, str]]:
    """What the caller did, and when; ``assistant`` are the times in which the assistant speaks."""
    caller = PlayedCaller(turns, {turn.caller: HELLO for turn in turns})
    done: list[tuple[int, str]] = []
    speaking = False
    for now_ms in range(0, for_ms, 20):
        doing = caller.step(now_ms, assistant_speaks=any(a <= now_ms < b for a, b in assistant))
        if doing.hangs_up:
            return [*done, (now_ms, doing.hangs_up)]
        if doing.keys:
            done.append((now_ms, doing.keys))
        if doing.frame != SILENCE and not speaking:
            done.append((now_ms, "speaks"))
        speaking = doing.frame != SILENCE
    return done


def test_they_speak_when_the_assistant_has_spoken_and_fallen_silent() -> None:
    done = played([Turn(caller="Hello"), Turn(hang_up=True)], [(500, 2500), (6000, 7000)])

    assert done == [(2480 + QUIET_MS, "speaks"), (6980 + QUIET_MS, "the caller hung up")]


def test_a_pause_for_breath_is_no_end() -> None:
    done = played([Turn(caller="Hello")], [(0, 1000), (1000 + QUIET_MS - 100, 5000)])

    assert done[0] == (4980 + QUIET_MS, "speaks")


def test_they_begin_themselves_where_the_assistant_waits() -> None:
    assert played([Turn(caller="Hello")], [])[0] == (FIRST_WORDS_MS, "speaks")


def test_they_interrupt_so_long_after_the_assistant_began() -> None:
    done = played([Turn(caller="Wait", interrupts_after_ms=700)], [(1000, 9000)])

    assert done[0] == (1700, "speaks")


def test_keys_are_pressed_and_silences_waited_out() -> None:
    done = played([Turn(press="2#"), Turn(silence_s=10), Turn(caller="Hello")], [(0, 1000), (5000, 6000)])

    pressed, spoke = done[0], done[1]
    assert pressed == (980 + QUIET_MS, "2#")
    assert spoke == (pressed[0] + 10_000 + 20, "speaks")


def test_they_leave_when_nobody_says_anything_any_more() -> None:
    done = played([Turn(caller="Hello"), Turn(caller="Still there?")], [(0, 1000)])

    assert done[1][1] == "nobody said anything any more"
    assert done[1][0] >= PATIENCE_MS


@given(
    st.lists(
        st.one_of(
            st.just(Turn(caller="Hello")),
            st.just(Turn(press="1")),
            st.just(Turn(silence_s=3)),
            st.just(Turn(caller="Wait", interrupts_after_ms=200)),
        ),
        max_size=4,
    ),
    st.lists(st.tuples(st.integers(0, 50_000), st.integers(0, 4000)), max_size=5),
)
def test_every_call_ends(turns: list[Turn], talk: list[tuple[int, int]]) -> None:
    done = played(turns, [(at, at + long) for at, long in talk], for_ms=200_000)

    assert done
    assert done[-1][1] in {"the script is over", "nobody said anything any more"}
