"""What a clip says, and what that costs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assistants.models import Assistant
from assistants.voices.costs import estimated_usd
from assistants.voices.texts import beginning, clip_text, same_words

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def a_draft(**fields: Any) -> Assistant:
    return Assistant(**{"name": "Front desk", "first_message": "Harbour Bikes, good morning.", **fields})


def test_the_first_message_is_said_with_its_variables_filled_in() -> None:
    text = clip_text(
        a_draft(
            first_message="Hi, {{ shop }}\n here. It is {{ 'now' | date: '%A' }}.",
            variables={"shop": "Bikes"},
        ),
        now=NOW,
    )

    assert (text.text, text.sample_because, text.notes) == ("Hi, Bikes here. It is Sunday.", "", ())


def test_the_moment_and_the_assistant_are_known_without_a_call() -> None:
    text = clip_text(a_draft(first_message="{{ assistant.name }} on {{ date }}."), now=NOW)

    assert (text.text, text.notes) == ("Front desk on Nov 22, 2026.", ())


def test_a_variable_without_a_value_is_named() -> None:
    text = clip_text(a_draft(first_message="Hello {{ customer.name }}, how are you?"), now=NOW)

    assert text.text == "Hello , how are you?"
    assert text.notes == ("{{ customer.name }} has no value here and is left out.",)


def test_a_template_with_a_mistake_is_said_as_it_stands_and_told() -> None:
    text = clip_text(a_draft(first_message="Hello {{ customer"), now=NOW)

    assert text.text == "Hello {{ customer"
    assert text.notes[0].startswith("Its template has a mistake. Line 1:")


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"first_message": " \n"}, "is empty"),
        ({"first_message": "{{ nothing }}"}, "once its variables are filled in"),
        ({"first_message_mode": Assistant.FirstMessageMode.WAITS}, "waits for the caller"),
        ({"first_message_mode": Assistant.FirstMessageMode.SPEAKS_FIRST_GENERATED}, "words of its own"),
    ],
)
def test_without_a_first_message_a_sample_is_said_and_why(fields: dict[str, Any], because: str) -> None:
    text = clip_text(a_draft(**fields), now=NOW)

    assert text.text.startswith("Hello, and thank you for calling.")
    assert because in text.sample_because


def test_the_sample_is_in_the_language_of_the_callers() -> None:
    assert clip_text(a_draft(first_message="", language="de"), now=NOW).text.startswith("Guten Tag")
    assert clip_text(a_draft(first_message="", language="xx"), now=NOW).text.startswith("Hello")


def test_of_a_long_message_whole_sentences_are_said() -> None:
    sentence = "Thank you for calling Harbour Bikes in Portland, Maine, your shop by the sea."

    assert beginning(" ".join([sentence] * 9)) == " ".join([sentence] * 3)
    assert beginning("word " * 200) == ("word " * 60).strip()
    assert beginning("お電話ありがとうございます。" * 40) == "お電話ありがとうございます。" * 21


@hypothesis_settings(max_examples=60)
@given(st.lists(st.text(max_size=40), max_size=20).map(" ".join))
def test_what_is_said_is_a_beginning_in_one_line_and_not_long(text: str) -> None:
    said = beginning(text)

    assert " ".join(text.split()).startswith(said)
    assert len(said) <= 300
    assert bool(said) == bool(text.split())


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert same_words("Alder Street, how can I help?", "alder street - how can I help")
    assert not same_words("Alder Street, how can I help?", "Hi! Alder Street, how can I help?")


def test_ten_seconds_cost_what_the_price_list_says() -> None:
    # 150 letters: 10 s are 200 audio tokens at 64 USD a million, and some text.
    text = "x" * 150

    assert estimated_usd(text, model="gpt-realtime-2.1") == pytest.approx(0.0128 + 0.0013, abs=0.0003)
    assert estimated_usd(text, model="gpt-realtime-2.1-mini") == pytest.approx(0.004, abs=0.0003)
    assert estimated_usd(text, model="gpt-realtime-2025-08-28") is not None
    assert estimated_usd(text, model="gpt-realtime-9") is None
    assert estimated_usd(text, model="somebody-elses") is None
