"""For what callers waited: the pieces of an answer's time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from calls.page.waterfall import WIDTH, Answer, Span, waterfall


def pieces(answer: Answer, *tools: Span, silence_ms: int | None = 500) -> list[tuple[str, int]]:
    found = waterfall([answer], tools, silence_ms=silence_ms)
    assert found is not None
    return [(piece.kind, piece.ms) for piece in found.bars[0].pieces]


def test_a_plain_answer_is_silence_and_then_the_model() -> None:
    assert pieces(Answer(10_000, 1200, "")) == [("silence", 500), ("model", 700)]


def test_a_tool_stands_where_it_was_asked() -> None:
    asked = pieces(Answer(10_000, 3000, ""), Span(7800, 9000))

    assert asked == [("silence", 500), ("model", 300), ("tool", 1200), ("model", 1000)]


def test_tools_side_by_side_are_waited_for_once() -> None:
    asked = pieces(
        Answer(10_000, 3000, ""), Span(8000, 9000), Span(8500, 9400), Span(0, 2000), Span(9900, 12_000)
    )

    assert asked == [("silence", 500), ("model", 500), ("tool", 1400), ("model", 500), ("tool", 100)]


def test_an_answer_that_comes_before_the_silence_is_over_was_all_silence() -> None:
    assert pieces(Answer(1000, 300, "")) == [("silence", 300)]


def test_where_turns_end_by_what_was_said_nothing_is_called_silence() -> None:
    assert pieces(Answer(1000, 300, ""), silence_ms=None) == [("model", 300)]


def test_a_call_without_answers_has_no_waits() -> None:
    assert waterfall([], [Span(0, 1)], silence_ms=500) is None


def test_the_middle_and_the_tail_are_waits_that_really_were() -> None:
    found = waterfall([Answer(n * 10_000, n * 100, "") for n in range(1, 21)], [], silence_ms=None)

    assert found is not None
    assert (found.median_ms, found.p95_ms, found.longest_ms) == (1000, 1900, 2000)


_TIME = st.integers(-5000, 100_000)


@settings(max_examples=50)
@given(
    st.lists(st.builds(Answer, _TIME, st.integers(0, 90_000), st.just("")), min_size=1, max_size=6),
    st.lists(st.builds(Span, _TIME, _TIME), max_size=6),
    st.none() | st.integers(0, 5000),
)
def test_the_pieces_are_the_whole_wait_and_nothing_else(
    answers: list[Answer], tools: list[Span], silence_ms: int | None
) -> None:
    found = waterfall(answers, tools, silence_ms=silence_ms)

    assert found is not None
    for bar in found.bars:
        assert sum(piece.ms for piece in bar.pieces) == bar.answer.waited_ms
        assert all(piece.ms > 0 and 0 <= piece.x <= WIDTH for piece in bar.pieces)
        assert (bar.silence_ms or 0) + bar.tool_ms + bar.rest_ms == bar.answer.waited_ms
