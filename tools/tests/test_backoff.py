from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.backoff import Backoff, backoff_read

PLAN = {"type": "exponential", "maxRetries": 2, "baseDelaySeconds": 1, "excludedStatusCodes": [400, "404"]}


def test_without_a_plan_nothing_is_repeated() -> None:
    assert not backoff_read({}).repeats(1, code="connection_failed", http_status=None)


def test_exponential_doubles_and_fixed_stays() -> None:
    exponential, fixed = backoff_read(PLAN), backoff_read({**PLAN, "type": "fixed"})

    assert [exponential.pause_s(n) for n in (1, 2, 3)] == [1, 2, 4]
    assert [fixed.pause_s(n) for n in (1, 2, 3)] == [1, 1, 1]
    # As some exports have it, after Vapi's own document.
    assert backoff_read({**PLAN, "type": {"type": "exponential"}}).exponential


@pytest.mark.parametrize(
    ("code", "http_status", "repeated"),
    [
        ("connection_failed", None, True),
        ("connect_timeout", None, True),
        ("name_unknown", None, True),
        ("timeout", None, True),
        ("connection_lost", None, True),
        ("answer_incomplete", 200, True),
        ("answer_incomplete", 400, False),
        ("http_error", 500, True),
        ("http_error", 429, True),
        ("http_error", 400, False),
        ("http_error", 404, False),
        ("", 200, False),
        ("forbidden_address", None, False),
        ("tls_failed", None, False),
        ("url_invalid", None, False),
        ("secret_unreadable", None, False),
        ("breaker_open", None, False),
        ("redirected", 302, False),
        ("answer_too_large", 200, False),
        ("expired", None, False),
    ],
)
def test_what_may_pass_is_repeated_and_what_will_not_is_not(
    code: str,
    http_status: int | None,
    repeated: bool,
) -> None:
    assert backoff_read(PLAN).repeats(1, code=code, http_status=http_status) is repeated


def test_the_plan_has_an_end() -> None:
    plan = backoff_read(PLAN)

    assert [plan.repeats(n, code="timeout", http_status=None) for n in (1, 2, 3)] == [True, True, False]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.none() | st.text() | st.integers() | st.dictionaries(st.text(), st.text(), max_size=1),
            "maxRetries": st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            "baseDelaySeconds": st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            "excludedStatusCodes": st.none()
            | st.lists(st.none() | st.integers() | st.text() | st.floats(0, 999)),
        },
    )
)
def test_any_plan_is_within_the_limits(stored: dict[str, Any]) -> None:
    plan = backoff_read(stored)

    assert isinstance(plan, Backoff)
    assert 0 <= plan.max_retries <= 10
    assert 0 <= plan.base_s <= 10
