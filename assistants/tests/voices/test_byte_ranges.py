"""Parts of files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistants.voices.byte_ranges import UnsatisfiableRangeError, byte_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", range(100)),
        ("bytes=0-0", range(1)),
        ("bytes=10-19", range(10, 20)),
        ("Bytes = 90-500", range(90, 100)),
        ("bytes=-30", range(70, 100)),
        ("bytes=-500", range(100)),
        ("", None),
        ("bytes=-", None),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
        ("bytes=1e3-", None),
        ("bytes=" + "9" * 500 + "-", None),
    ],
)
def test_a_range_header_means_a_part_or_the_whole(header: str, part: range | None) -> None:
    assert byte_range(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_part_behind_the_end_cannot_be_had(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        byte_range(header, 100)


@given(st.text(alphabet="bytes=0123456789-, ", max_size=30), st.integers(0, 1000))
def test_a_part_is_never_empty_and_never_leaves_the_file(header: str, size: int) -> None:
    try:
        part = byte_range(header, size)
    except UnsatisfiableRangeError:
        return
    assert part is None or 0 <= part.start < part.stop <= size
