"""The arithmetic, against scipy, and against published figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]  # the library has no types

from calls.smoke.statistics import LIMIT, clean_calls_needed, difference, wilson


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 20, 49, 50, 72, 73, 100, 137, 250, 1000])
def test_wilsons_interval_is_that_of_scipy_for_every_count(n: int) -> None:
    for hits in range(n + 1):
        independent = binomtest(hits, n).proportion_ci(confidence_level=0.95, method="wilson")

        ours = wilson(hits, n)

        assert ours.lower == pytest.approx(independent.low, abs=1e-9)
        assert ours.upper == pytest.approx(independent.high, abs=1e-9)


def test_fifty_clean_calls_bound_the_rate_only_below_7_1_percent() -> None:
    assert wilson(0, 50).upper == pytest.approx(0.0713, abs=1e-4)
    assert clean_calls_needed(0, 50) == 23


def test_nothing_seen_says_nothing() -> None:
    assert (wilson(0, 0).lower, wilson(0, 0).upper) == (0.0, 1.0)
    assert clean_calls_needed(0, 0) == 73


@pytest.mark.parametrize(("hits", "n"), [(-1, 5), (6, 5), (1, 0)])
def test_a_share_that_is_none_is_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        wilson(hits, n)


@given(st.integers(0, 40), st.integers(0, 400))
def test_so_many_clean_calls_decide_and_one_fewer_does_not(hits: int, more: int) -> None:
    n = hits + more

    needed = clean_calls_needed(hits, n)

    assert needed is not None
    assert wilson(hits, n + needed).upper <= LIMIT
    assert needed == 0 or wilson(hits, n + needed - 1).upper > LIMIT


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_interval_holds_the_rate_and_narrows_with_calls(hits: int, more: int) -> None:
    n = hits + more
    if n == 0:
        return
    one, ten = wilson(hits, n), wilson(hits * 10, n * 10)

    assert 0 <= one.lower <= hits / n <= one.upper <= 1
    assert ten.upper - ten.lower < one.upper - one.lower


# Newcombe (1998), Statistics in Medicine 17: 873-890, table II, method 10, cases (a), (b), (c), (f) and (g).
@pytest.mark.parametrize(
    ("counts", "lower", "upper"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
    ],
)
def test_the_difference_of_two_rates_is_newcombes(
    counts: tuple[int, int, int, int], lower: float, upper: float
) -> None:
    interval = difference(*counts)

    assert interval.lower == pytest.approx(lower, abs=1e-4)
    assert interval.upper == pytest.approx(upper, abs=1e-4)


def test_the_difference_to_nothing_says_nothing() -> None:
    assert (difference(1, 2, 0, 0).lower, difference(1, 2, 0, 0).upper) == (-1.0, 1.0)
