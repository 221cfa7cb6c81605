"""Moments as lists tell them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tools.access.lists import moment_text

MOMENTS = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001  # the strategy adds the zone
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=8))]),
)


@given(MOMENTS)
@example(datetime(2026, 11, 23, 5, 34, 28, tzinfo=UTC))
@example(datetime(2026, 11, 23, 5, 34, 28, 999, tzinfo=UTC))
@settings(max_examples=50)
def test_a_moment_is_told_in_utc_and_cut_to_milliseconds(moment: datetime) -> None:
    told = moment.astimezone(UTC).isoformat(timespec="milliseconds")

    assert moment_text(moment) == told.replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("microsecond", "told"), [(0, "000"), (999, "000"), (1000, "001"), (120_000, "120"), (999_999, "999")]
)
def test_a_moment_is_cut_and_not_rounded(microsecond: int, told: str) -> None:
    moment = datetime(2026, 11, 23, 5, 34, 28, microsecond, tzinfo=UTC)

    assert moment_text(moment) == f"2026-11-23T05:34:28.{told}Z"
