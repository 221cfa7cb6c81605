"""What a number of calls can prove: Wilson's interval, and what follows from it. Pure arithmetic."""

import math
from dataclasses import dataclass
from typing import Final

LIMIT: Final = 0.05
# The 97.5th percentile of the normal distribution: 95 % lie between it and its negative.
Z: Final = 1.959963984540054
# Beyond so many calls nobody waits for a verdict; the answer is then that there is none.
_MOST_CALLS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a rate lies, with 95 % confidence."""

    lower: float
    upper: float


def wilson(hits: int, n: int) -> Interval:
    """Wilson's score interval for ``hits`` of ``n``; of nothing, the whole range. Raises ValueError for nonsense.

    Unlike the usual plus and minus it is honest where there are few calls, and where none or all of them hit.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no share")
    if n == 0:
        return Interval(0.0, 1.0)
    rate = hits / n
    denominator = 1 + Z * Z / n
    centre = (rate + Z * Z / (2 * n)) / denominator
    half = Z * math.sqrt(rate * (1 - rate) / n + Z * Z / (4 * n * n)) / denominator
    # Rounding must not exclude what was seen.
    lower = 0.0 if hits == 0 else max(0.0, centre - half)
    upper = 1.0 if hits == n else min(1.0, centre + half)
    return Interval(lower, upper)


def difference(hits: int, n: int, other_hits: int, other_n: int) -> Interval:
    """The interval of the first rate less the other, by Newcombe's method from the two Wilson intervals."""
    first, other = wilson(hits, n), wilson(other_hits, other_n)
    if not n or not other_n:
        return Interval(-1.0, 1.0)
    rate, other_rate = hits / n, other_hits / other_n
    gap = rate - other_rate
    return Interval(
        gap - math.hypot(rate - first.lower, other.upper - other_rate),
        gap + math.hypot(first.upper - rate, other_rate - other.lower),
    )


def clean_calls_needed(hits: int, n: int, *, limit: float = LIMIT) -> int | None:
    """How many further calls without a difference would bring the upper end down to the limit; None: hopelessly many."""
    if wilson(hits, n).upper <= limit:
        return 0
    low, high = 0, 1
    while wilson(hits, n + high).upper > limit:
        low, high = high, high * 2
        if high > _MOST_CALLS:
            return None
    # The upper end falls with every clean call.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if wilson(hits, n + middle).upper <= limit else (middle, high)
    return high
