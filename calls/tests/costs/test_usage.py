"""Usage reports, read: every token counted once, cached ones never below nothing."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.costs.usage import (
    TOO_MANY_CACHED,
    UNKNOWN_KIND,
    better,
    response_read,
    transcription_read,
)

# The example of the reference, whose price is known there.
EXAMPLE: dict[str, Any] = {
    "total_tokens": 725,
    "input_tokens": 614,
    "output_tokens": 111,
    "input_token_details": {
        "text_tokens": 514,
        "audio_tokens": 100,
        "image_tokens": 0,
        "cached_tokens": 512,
        "cached_tokens_details": {"text_tokens": 448, "audio_tokens": 64, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 31, "audio_tokens": 80},
}

_figures = st.one_of(
    st.none(), st.integers(-5, 500), st.just("12"), st.booleans(), st.floats(0, 99, allow_nan=False)
)
_kinds = st.dictionaries(st.sampled_from(["text_tokens", "audio_tokens", "image_tokens"]), _figures)
_usages = st.fixed_dictionaries(
    {},
    optional={
        "input_tokens": _figures,
        "output_tokens": _figures,
        "input_token_details": st.one_of(
            st.none(),
            st.builds(
                lambda kinds, cached, details: {
                    **kinds,
                    "cached_tokens": cached,
                    "cached_tokens_details": details,
                },
                _kinds,
                _figures,
                st.one_of(st.none(), _kinds),
            ),
        ),
        "output_token_details": st.one_of(st.none(), _kinds),
        "seconds": _figures,
    },
)


def counted(usage: dict[str, Any]) -> dict[str, int]:
    return {part: int(n) for part, n in response_read(usage).quantities.items()}


def test_cached_tokens_are_taken_out_of_the_input_of_their_kind() -> None:
    assert counted(EXAMPLE) == {
        "text_in": 66,
        "text_cached": 448,
        "audio_in": 36,
        "audio_cached": 64,
        "text_out": 31,
        "audio_out": 80,
    }
    assert response_read(EXAMPLE).notes == ()


def test_cached_tokens_of_no_kind_are_text_first_then_audio() -> None:
    details = {"text_tokens": 30, "audio_tokens": 20, "cached_tokens": 40}

    assert counted({"input_tokens": 50, "input_token_details": details}) == {
        "text_cached": 30,
        "audio_cached": 10,
        "audio_in": 10,
    }


def test_more_cached_than_there_were_is_said_and_never_below_nothing() -> None:
    details = {"text_tokens": 10, "cached_tokens": 99, "cached_tokens_details": {"audio_tokens": 99}}
    read = response_read({"input_tokens": 10, "input_token_details": details})

    assert read.quantities == {"text_cached": Decimal(10)}
    assert read.notes == (TOO_MANY_CACHED,)


def test_tokens_of_no_kind_count_as_the_dearest_and_that_is_said() -> None:
    read = response_read({"input_tokens": 100, "output_tokens": 7})

    assert read.quantities == {"audio_in": Decimal(100), "audio_out": Decimal(7)}
    assert read.notes == (UNKNOWN_KIND,)


@pytest.mark.parametrize(
    "usage", [{}, {"total_tokens": 9}, {"input_tokens": None}, {"input_token_details": None}]
)
def test_a_report_without_figures_tells_nothing(usage: dict[str, Any]) -> None:
    assert not response_read(usage).told
    assert not transcription_read(usage).told


def test_a_report_of_nothing_is_no_silence() -> None:
    assert response_read({"input_tokens": 0, "output_tokens": 0}).told
    assert transcription_read({"type": "duration", "seconds": 0}).told


def test_a_transcription_is_seconds_or_tokens() -> None:
    tokens = {
        "type": "tokens",
        "input_tokens": 28,
        "output_tokens": 8,
        "input_token_details": {"audio_tokens": 28, "text_tokens": 0},
    }

    assert transcription_read({"type": "duration", "seconds": 2.8}).quantities == {"seconds": Decimal("2.8")}
    assert transcription_read(tokens).quantities == {"audio_in": Decimal(28), "text_out": Decimal(8)}


@pytest.mark.parametrize("figure", [1e300, 10**30, 1e28])
def test_a_figure_beyond_all_sense_is_not_told(figure: float) -> None:
    assert not transcription_read({"type": "duration", "seconds": figure}).told
    read = response_read({"input_tokens": figure, "output_tokens": 7})
    assert read.quantities == {"audio_out": Decimal(7)}


@settings(max_examples=60)
@given(_usages)
def test_no_report_counts_a_token_twice_or_below_nothing(usage: dict[str, Any]) -> None:
    read = response_read(usage)
    transcription_read(usage)

    assert all(n > 0 for n in read.quantities.values())
    told = usage.get("input_tokens")
    if isinstance(told, int) and not isinstance(told, bool) and told >= 0:
        fresh_and_cached = sum(n for part, n in read.quantities.items() if part.endswith(("_in", "_cached")))
        assert fresh_and_cached >= told


@settings(max_examples=60)
@given(_usages, _usages, _usages)
def test_the_fuller_report_is_the_same_in_whatever_order(
    one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]
) -> None:
    assert better(one, two) == better(two, one)
    assert better(better(one, two), three) == better(one, better(two, three))
    assert better(one, one) == one
