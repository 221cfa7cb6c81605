import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.redaction.figures import Case, cases_read, measured
from tools.redaction.redact import KINDS, redactor, value_redacted
from tools.redaction.words import NUMBERS

CORPUS = Path(__file__).parent / "utterances.tsv"
EVERYTHING = redactor(KINDS)
SPOKEN = st.sampled_from(
    [
        *NUMBERS,
        "double",
        "triple",
        "hundred",
        "and",
        "y",
        "dot",
        "at",
        "gmail",
        "com",
        "order",
        "phone",
        "social",
        "plus",
    ]
)
PIECES = st.one_of(
    SPOKEN,
    st.integers(0, 10**16).map(str),
    st.sampled_from(["4111 1111 1111 1111", "123-45-6789", "+1 415 555 0132", "a.b@example.com", "[card]", "(415)", "@", "+", "\n"]),
    st.text(max_size=6),
)  # fmt: skip


@pytest.mark.parametrize("case", cases_read(CORPUS), ids=lambda case: f"{case.line}-{'-'.join(case.kinds)}")
def test_an_utterance_of_the_table(case: Case) -> None:
    kept = EVERYTHING(case.text)

    if case.text.startswith("["):
        assert kept == case.text
    else:
        assert case.found(kept) == case.kinds
    if not case.kinds:
        assert kept == case.text


def test_the_table_is_as_large_as_the_figures_in_the_documents_say() -> None:
    figures = measured(CORPUS)

    assert figures.utterances >= 150
    assert figures.precision == figures.recall == 1


@settings(max_examples=50)
@given(st.lists(PIECES, max_size=25).map(" ".join))
def test_what_is_redacted_stays_as_it_is_when_it_is_redacted_again(text: str) -> None:
    once = EVERYTHING(text)

    assert EVERYTHING(once) == once


@settings(max_examples=30)
@given(st.text(alphabet="abcdefghij klm.,;:!?äöüß中文", max_size=80))
def test_a_text_without_numbers_and_addresses_is_not_touched(text: str) -> None:
    assert EVERYTHING(text) == text


@settings(max_examples=30)
@given(st.lists(PIECES, max_size=15).map(" ".join), st.sets(st.sampled_from(KINDS)))
def test_only_the_kinds_that_were_asked_for_are_replaced(text: str, kinds: set[str]) -> None:
    kept = redactor(kinds)(text)

    for other in set(KINDS) - kinds:
        assert kept.count(f"[{other}]") == text.count(f"[{other}]")


@pytest.mark.parametrize(
    "piece",
    ["4", "4 ", "one ", "a@", "@", "a.", "a at b dot ", "quatre vingt ", "double ", "4111 1111 1111 1111 ", "+", "1-2-", "((", "9.9.",
     "1/1/", "twenty one ", "plus one ", "12:", "a" * 8 + "-", "'", "\u00e9\u0301", "dot com ", "@a.b "],
)  # fmt: skip
def test_no_text_takes_longer_than_its_length(piece: str) -> None:
    text = piece * (6_000 // len(piece))

    began = time.process_time()
    EVERYTHING(text)

    # A twentieth of a second, where it is linear; anything else is far from that.
    assert time.process_time() - began < 5


def test_a_json_value_is_redacted_in_all_its_places() -> None:
    value = {
        "card": 4111111111111111,
        "who": {"email": "ana@example.com", "note": "call 415-555-0132"},
        "list": ["123-45-6789", 7, True, None, 2.5],
        "orderId": 123456789,
        "phoneNumber": "5550132",
        "number": "4417",
    }

    kept = value_redacted(value, KINDS)

    assert kept == {
        "card": "[card]",
        "who": {"email": "[email]", "note": "call [phone]"},
        "list": ["[ssn]", 7, True, None, 2.5],
        "orderId": 123456789,
        "phoneNumber": "[phone]",
        "number": "4417",
    }


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=10,
    )
)
def test_a_redacted_value_is_json_still_and_stays_as_it_is(value: Any) -> None:
    once = value_redacted(value, KINDS)

    assert json.loads(json.dumps(once)) == json.loads(json.dumps(value_redacted(once, KINDS)))


def test_without_kinds_nothing_is_replaced() -> None:
    text, value = "4111 1111 1111 1111", {"card": "4111 1111 1111 1111"}

    assert redactor(())(text) is text
    assert value_redacted(value, ()) is value
