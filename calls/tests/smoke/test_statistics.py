"""The arithmetic, against what Wilson's interval is by definition, and against published figures."""

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.smoke.statistics import LIMIT, clean_calls_needed, difference, wilson


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 20, 49, 50, 72, 73, 100, 137, 250, 1000])
def test_at_the_ends_of_the_interval_the_score_test_just_does_not_reject_for_every_count(n: int) -> None:
    # Wilson (1927): the rates p from which the observed one is no further than z standard deviations, p's own.
    z = NormalDist().inv_cdf(0.975)
    for hits in range(n + 1):
        rate = hits / n

        ours = wilson(hits, n)

        for end, is_bare in ((ours.lower, hits == 0), (ours.upper, hits == n)):
            # Nothing lies beyond 0 and 1, where the deviation is nothing, too.
            assert abs(rate - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), abs=1e-9)
            assert (end == rate) is is_bare
        assert ours.lower <= rate <= ours.upper


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
